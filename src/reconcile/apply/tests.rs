//! Stories of the executor against the simulated Azure, on virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::schedule::tests::plan_of;
use super::*;
use crate::azure::{Arm, Budget, Cloud, Tokens};
use crate::clock::Clock;
use crate::definitions::{Environment, SourceFile, load};
use crate::reconcile::plan::{Action, Part, Plan, Precondition, ReadBack, RequestTemplate, Step, Verb};
use crate::reconcile::plan::{Consents, Globs, Reach};
use crate::reconcile::report::{Progress, Report, StepEnd};
use crate::reconcile::{Planned, Wanted, make_plan};
use crate::resources::id::{ResourceId, SubscriptionId, TenantId};
use crate::resources::{self, Address, Context, Merge, Site, Target};
use crate::wire::Client;
use beamline_simulator::{
    DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Fault, FaultEffect, Latency, World, WorldOptions,
};

const DEFINITION: &str = "
beamline: 1
name: p
subscription: ml
location: eastus
resource_group: { name: rg-p }
storage_accounts:
  default: { name: stdefault0001, account_tier: Standard, account_replication_type: LRS, min_tls_version: TLS1_2 }
  lake:
    name: stlake0001
    account_tier: Standard
    account_replication_type: LRS
    min_tls_version: TLS1_2
    is_hns_enabled: true
    containers: { data: {} }
workspace:
  name: mlw-p
  identity: { type: SystemAssigned }
  storage_account: default
  key_vault: /subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01/resourceGroups/hub/providers/Microsoft.KeyVault/vaults/kv
  application_insights: /subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01/resourceGroups/hub/providers/Microsoft.Insights/components/ai
role_assignments:
  lake: { principal: workspace, role: Storage Blob Data Contributor, scope: storage_accounts/lake }
";

const GROUP: u32 = 0;
const DEFAULT: u32 = 1;
const LAKE: u32 = 2;
const CONTAINER: u32 = 3;

/// An Azure, a definition in it, and a journal.
struct Bench {
    world: World,
    arm: Arm,
    environment: Environment,
    site: Site,
    journal: MemoryJournal,
    run: RunId,
    stop: CancellationToken,
    observed: BTreeMap<Address, Value>,
    told: Arc<Mutex<Vec<Progress>>>,
}

impl Bench {
    fn new(latency: Latency) -> Self {
        Self::of(SourceFile::from_bytes("environments/p.yaml", DEFINITION.as_bytes()), latency)
    }

    fn of(definition: SourceFile, latency: Latency) -> Self {
        let clock = Clock::simulated("2026-11-23T08:00:00Z".parse().unwrap(), 1);
        let world = World::new(WorldOptions { latency, ..WorldOptions::new(clock.clone()) });
        world.set_base_url("https://management.azure.com");
        let arm = Arm::new(
            Client::in_process(world.router()),
            Cloud::azure_public(),
            Arc::new(Tokens::fixed("token")),
            Budget::new(clock.clone()),
            clock.clone(),
        );
        let loaded = load(&[definition]);
        let environment = loaded.environment.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let id = |text: &str| text.parse::<Uuid>().unwrap();
        let site = environment.site(
            "estate",
            SubscriptionId(id(DEFAULT_SUBSCRIPTION)),
            TenantId(id(DEFAULT_TENANT)),
        );
        Self {
            world,
            arm,
            environment,
            site,
            journal: MemoryJournal::new(),
            run: RunId(clock.ordered_uuid()),
            stop: CancellationToken::new(),
            observed: BTreeMap::new(),
            told: Arc::default(),
        }
    }

    fn address(&self, local: &str) -> Address {
        Address::parse_local(&self.environment.name, local).unwrap()
    }

    fn id(&self, local: &str) -> ResourceId {
        let none = BTreeMap::new();
        let context = Context { site: &self.site, resources: &self.environment.resources, observed: &none };
        context.id_of(&self.address(local)).unwrap()
    }

    /// A step that makes a declared resource.
    fn creation(&self, local: &str, after: &[u32]) -> Step {
        let none = BTreeMap::new();
        let context = Context { site: &self.site, resources: &self.environment.resources, observed: &none };
        let address = self.address(local);
        let (kind, resource) = (resources::of(address.kind()), &self.environment.resources[&address]);
        Step {
            ordinal: 0,
            target: kind.target(resource, &context),
            api_version: kind.spec().api_version.to_string(),
            action: Action::Create,
            part: Part::Whole,
            reasons: vec![],
            differences: vec![],
            after: after.to_vec(),
            precondition: None,
            lock: None,
            requests: vec![request(Verb::Put, Some(kind.body(resource, &context)))],
            also_after_failure: Vec::new(),
            carried_by: None,
            was: None,
            adopted: false,
            read_back: ReadBack::Matches,
            timeout_secs: kind.spec().timeout_secs,
            address,
        }
    }

    fn deletion(&self, local: &str, after: &[u32]) -> Step {
        let mut step = self.creation(local, after);
        step.action = Action::Delete;
        step.read_back = ReadBack::Absent;
        step.requests = vec![request(Verb::Delete, None)];
        step
    }

    /// Makes the group, both accounts, and a container in one of them.
    fn storage_plan(&self) -> Plan {
        numbered(vec![
            self.creation("resource_group", &[]),
            self.creation("storage_accounts/default", &[GROUP]),
            self.creation("storage_accounts/lake", &[GROUP]),
            self.creation("storage_accounts/lake/containers/data", &[LAKE]),
        ])
    }

    async fn begin(&self, plan: &Plan) {
        let record = RunRecord {
            id: self.run,
            owner: "estate".into(),
            environment: plan.environment.clone(),
            path: self.environment.path.clone(),
            commit: None,
            kind: RunKind::Apply,
            input_digest: None,
            plan: plan.clone(),
            plan_digest: plan.digest(),
            began: self.arm.clock().now(),
            asked_by: None,
        };
        self.journal.begin(&record, Fence(1)).await.unwrap();
    }

    /// Applies, or goes on where `journal` ends.
    async fn go(&self, plan: &Plan, journal: &MemoryJournal) -> Result<Report, ApplyError> {
        let history: Vec<(Timestamp, Event)> = journal.replay(self.run).await.unwrap();
        let told = Arc::clone(&self.told);
        let observer = move |progress: &Progress| told.lock().unwrap().push(progress.clone());
        apply(Apply {
            environment: &self.environment,
            site: &self.site,
            plan,
            run: self.run,
            fence: Fence(1),
            arm: &self.arm,
            journal,
            parallelism: 8,
            stop: self.stop.clone(),
            observer: &observer,
            history: &history,
            observed: self.observed.clone(),
        })
        .await
    }

    async fn apply(&self, plan: &Plan) -> Report {
        self.begin(plan).await;
        self.go(plan, &self.journal).await.unwrap()
    }

    fn fault(&self, method: &str, path: &str, times: u32, effect: FaultEffect) {
        let (method, path_contains) = (Some(method.to_owned()), path.to_owned());
        self.world.faults().add(Fault { method, path_contains, times, effect });
    }

    /// How many requests with this method went to paths that end so.
    fn sent(&self, method: &str, end: &str) -> usize {
        let requests = self.world.requests();
        let ends = |path: &str| path.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase());
        requests.iter().filter(|request| request.method == method && ends(&request.path)).count()
    }
}

fn request(verb: Verb, body: Option<Value>) -> RequestTemplate {
    RequestTemplate { verb, instead: None, suffix: String::new(), query: vec![], body, merge: None }
}

fn numbered(mut steps: Vec<Step>) -> Plan {
    for (ordinal, step) in (0..).zip(&mut steps) {
        step.ordinal = ordinal;
    }
    plan_of(steps)
}

fn end(report: &Report, step: u32) -> &StepEnd {
    &report.steps[usize::try_from(step).unwrap()].end
}

fn failure(report: &Report, step: u32) -> &str {
    match end(report, step) {
        StepEnd::Failed { message } | StepEnd::Unknown { message } | StepEnd::Moved { message } => message,
        StepEnd::Done | StepEnd::Skipped { .. } | StepEnd::Underway | StepEnd::NotReached => {
            panic!("step {step}: {report:#?}")
        }
    }
}

fn refusal(code: u16, error_code: &str, message: &str) -> FaultEffect {
    FaultEffect::Status {
        code,
        retry_after_secs: None,
        error_code: error_code.into(),
        message: message.into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_carried_out_with_few_requests() {
    let bench = Bench::new(Latency::Realistic { factor: 1.0 });
    let plan = bench.storage_plan();
    let report = bench.apply(&plan).await;
    assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
    assert!(!report.is_underway());
    for end in ["rg-p", "stdefault0001", "stlake0001", "containers/data"] {
        assert_eq!(bench.sent("PUT", end), 1, "{end}");
    }
    assert_eq!((bench.sent("GET", "rg-p"), bench.sent("GET", "containers/data")), (1, 1));
    // The end of an account's operation is the account: nothing is read a second time.
    assert_eq!((bench.sent("GET", "stdefault0001"), bench.sent("GET", "stlake0001")), (0, 0));
    let [group, default, lake, container] = report.steps.as_slice() else { panic!("{report:?}") };
    assert!(report.began <= group.began.unwrap() && report.ended >= container.ended.unwrap());
    assert!(default.began >= group.ended && lake.began < default.ended && container.began >= lake.ended);
    let told = bench.told.lock().unwrap();
    assert_eq!(told.iter().filter(|told| matches!(told, Progress::Started { .. })).count(), 4);
    assert_eq!(told.iter().filter(|told| matches!(told, Progress::Ended { .. })).count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_killed_at_any_event_ends_the_same_way() {
    for latency in [Latency::None, Latency::Realistic { factor: 1.0 }] {
        let whole = Bench::new(latency);
        assert_eq!(whole.apply(&whole.storage_plan()).await.end, RunEnd::Complete);
        let events = whole.journal.replay(whole.run).await.unwrap().len();
        assert!(events >= 18, "{events}");
        for (killed_at, last) in
            (0..events).flat_map(|at| [LastWrite::Lost, LastWrite::Durable].map(|last| (at, last)))
        {
            let what = format!("{latency:?}: killed at {killed_at}, last write {last:?}");
            let bench = Bench::new(latency);
            let plan = bench.storage_plan();
            bench.begin(&plan).await;
            bench.journal.kill_after(killed_at, last);
            let killed = bench.go(&plan, &bench.journal).await;
            assert!(matches!(killed, Err(ApplyError::Journal(JournalError::Store { .. }))), "{what}");
            let report = bench.go(&plan, &bench.journal.disk()).await.unwrap();
            assert_eq!(report.end, RunEnd::Complete, "{what}: {report:#?}");
            assert_eq!(bench.world.ids(), whole.world.ids(), "{what}");
            for end in ["rg-p", "stdefault0001", "stlake0001", "containers/data"] {
                assert_eq!(bench.sent("PUT", end), 1, "{what}: {end}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_answer_was_lost_is_read_back_and_not_sent_again() {
    let bench = Bench::new(Latency::Realistic { factor: 1.0 });
    bench.fault("PUT", "stlake0001", 1, FaultEffect::LoseAnswer);
    let report = bench.apply(&bench.storage_plan()).await;
    assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
    assert_eq!(bench.sent("PUT", "stlake0001"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_is_waited_for() {
    let bench = Bench::new(Latency::None);
    bench.fault("PUT", "stlake0001", 3, refusal(409, "StorageAccountOperationInProgress", "wait"));
    let limit = FaultEffect::Status {
        code: 429,
        retry_after_secs: Some(90),
        error_code: "TooManyRequests".into(),
        message: "slow down".into(),
    };
    bench.fault("PUT", "stdefault0001", 1, limit);
    let began = bench.arm.clock().now();
    let report = bench.apply(&bench.storage_plan()).await;
    assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
    assert_eq!((bench.sent("PUT", "stlake0001"), bench.sent("PUT", "stdefault0001")), (4, 2));
    assert!(report.ended.duration_since(began).as_secs() >= 90, "nobody sends before Retry-After");
}

#[tokio::test(start_paused = true)]
async fn a_missing_registration_is_made_up_for() {
    let bench = Bench::new(Latency::None);
    let code = "MissingSubscriptionRegistration";
    bench.fault("PUT", "stlake0001", 1, refusal(409, code, "The subscription is not registered"));
    let report = bench.apply(&bench.storage_plan()).await;
    assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
    assert_eq!(bench.sent("POST", "/providers/Microsoft.Storage/register"), 1);
    assert_eq!(bench.sent("PUT", "stlake0001"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_why_in_azure_s_words_and_skips_only_its_dependents() {
    let bench = Bench::new(Latency::None);
    let effect =
        FaultEffect::FailOperation { code: "QuotaExceeded".into(), message: "no more accounts".into() };
    bench.fault("PUT", "stlake0001", 1, effect);
    let report = bench.apply(&bench.storage_plan()).await;
    assert_eq!(report.end, RunEnd::Failed);
    assert_eq!(failure(&report, LAKE), "QuotaExceeded: no more accounts");
    assert_eq!(
        *end(&report, CONTAINER),
        StepEnd::Skipped { because: bench.address("storage_accounts/lake") }
    );
    assert_eq!(*end(&report, DEFAULT), StepEnd::Done);
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_is_not_waited_for() {
    let bench = Bench::new(Latency::None);
    bench.fault("PUT", "stlake0001", 9, refusal(403, "AuthorizationFailed", "may not write"));
    let report = bench.apply(&bench.storage_plan()).await;
    assert_eq!(failure(&report, LAKE), "AuthorizationFailed: may not write");
    assert_eq!(bench.sent("PUT", "stlake0001"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_property_that_azure_ignores_is_a_failed_step() {
    let bench = Bench::new(Latency::None);
    let pointer = "/properties/minimumTlsVersion".to_owned();
    bench.fault("PUT", "stlake0001", 1, FaultEffect::IgnoreProperty { pointer });
    let report = bench.apply(&bench.storage_plan()).await;
    assert_eq!(report.end, RunEnd::Failed);
    let message = failure(&report, LAKE);
    assert!(message.starts_with("Azure accepted min_tls_version (asked TLS1_2, has "), "{message}");
    assert!(message.ends_with(" but did not apply it"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_without_end_is_unknown_when_its_time_is_over() {
    let bench = Bench::new(Latency::None);
    bench.fault("PUT", "stlake0001", 1, FaultEffect::NeverFinish);
    let plan = bench.storage_plan();
    let report = bench.apply(&plan).await;
    assert_eq!(report.end, RunEnd::Failed);
    assert!(matches!(end(&report, LAKE), StepEnd::Unknown { .. }), "{report:#?}");
    let minutes = plan.steps[2].timeout_secs.div_ceil(60);
    assert_eq!(failure(&report, LAKE), format!("Azure did not finish within {minutes} min"));
    assert!(matches!(end(&report, CONTAINER), StepEnd::Skipped { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_operations_to_the_next_start() {
    let mut bench = Bench::new(Latency::Realistic { factor: 1.0 });
    let plan = bench.storage_plan();
    bench.begin(&plan).await;
    let (stop, clock) = (bench.stop.clone(), bench.arm.clock().clone());
    let stopping = async {
        while bench.sent("PUT", "stlake0001") == 0 {
            clock.sleep(Duration::from_millis(100)).await;
        }
        stop.cancel();
        clock.now()
    };
    let (report, asked) = tokio::join!(bench.go(&plan, &bench.journal), stopping);
    let report = report.unwrap();
    assert!(report.ended.duration_since(asked).as_secs() <= 11, "{report:#?}");
    assert_eq!((report.end, report.is_underway()), (RunEnd::Interrupted, true));
    assert_eq!(*end(&report, LAKE), StepEnd::Underway);
    assert_eq!(*end(&report, CONTAINER), StepEnd::NotReached);
    bench.stop = CancellationToken::new();
    let report = bench.go(&plan, &bench.journal.disk()).await.unwrap();
    assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
    assert_eq!(bench.sent("PUT", "stlake0001"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_everything_at_once() {
    let bench = Bench::new(Latency::Realistic { factor: 1.0 });
    let plan = bench.storage_plan();
    bench.begin(&plan).await;
    let clock = bench.arm.clock().clone();
    let taking_over = async {
        while bench.sent("PUT", "stlake0001") == 0 {
            clock.sleep(Duration::from_millis(100)).await;
        }
        bench.journal.take_over(&plan.environment, Fence(2));
    };
    let (stopped, ()) = tokio::join!(bench.go(&plan, &bench.journal), taking_over);
    assert!(matches!(stopped, Err(ApplyError::Journal(JournalError::LeaseLost { .. }))));
    let sent = bench.world.requests().len();
    clock.sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.world.requests().len(), sent);
    assert_eq!(bench.sent("PUT", "containers/data"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_is_gone_and_what_is_gone_is_not_deleted_again() {
    let bench = Bench::new(Latency::Realistic { factor: 1.0 });
    assert_eq!(bench.apply(&bench.storage_plan()).await.end, RunEnd::Complete);
    for deletes in [1, 1] {
        let mut plan = numbered(vec![
            bench.deletion("storage_accounts/lake", &[]),
            bench.deletion("storage_accounts/lake/containers/data", &[GROUP]),
        ]);
        plan.steps[1].carried_by = Some(0);
        plan.steps[1].read_back = ReadBack::CoveredBy(0);
        plan.steps[1].requests.clear();
        let report = bench.apply(&plan).await;
        assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
        assert_eq!(bench.world.get(&bench.id("storage_accounts/lake")), None);
        assert_eq!(bench.sent("DELETE", "stlake0001"), deletes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_holds_something_foreign_now_is_not_deleted() {
    let bench = Bench::new(Latency::None);
    assert_eq!(bench.apply(&bench.storage_plan()).await.end, RunEnd::Complete);
    let mut plan = numbered(vec![bench.deletion("resource_group", &[])]);
    plan.steps[0].precondition = Some(Precondition::GroupHoldsOnly { types: vec![] });
    let report = bench.apply(&plan).await;
    assert_eq!((report.end, bench.sent("DELETE", "rg-p")), (RunEnd::Interrupted, 0));
    assert!(failure(&report, GROUP).contains("stdefault0001"), "{report:#?}");
    let mut steps = vec![
        bench.deletion("storage_accounts/default", &[]),
        bench.deletion("storage_accounts/lake", &[]),
        bench.deletion("resource_group", &[0, 1]),
    ];
    steps[2].precondition = Some(Precondition::GroupHoldsOnly { types: vec![] });
    let report = bench.apply(&numbered(steps)).await;
    assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
    assert_eq!(bench.world.ids(), []);
}

#[tokio::test(start_paused = true)]
async fn a_merged_write_keeps_what_it_does_not_own_and_stops_when_its_ground_moved() {
    let bench = Bench::new(Latency::None);
    assert_eq!(bench.apply(&bench.storage_plan()).await.end, RunEnd::Complete);
    let lake = bench.id("storage_accounts/lake");
    bench.world.edit(&lake, |body| {
        body["tags"]["stray"] = json!("kept");
        body["properties"]["minimumTlsVersion"] = json!("TLS1_0");
    });
    let update = |expected: &str| {
        let mut step = bench.creation("storage_accounts/lake", &[]);
        let merge = Merge {
            set: vec![("/properties/minimumTlsVersion".into(), json!("TLS1_2"))],
            expect: vec![("/properties/minimumTlsVersion".into(), json!(expected))],
            ..Merge::stripping(&[])
        };
        step.action = Action::Update;
        step.requests = vec![RequestTemplate { merge: Some(merge), ..request(Verb::Put, None) }];
        numbered(vec![step])
    };
    let report = bench.apply(&update("TLS1_1")).await;
    assert_eq!((report.end, report.is_underway()), (RunEnd::Interrupted, false));
    assert!(failure(&report, 0).contains("/properties/minimumTlsVersion was"), "{report:#?}");
    let puts = bench.sent("PUT", "stlake0001");
    let report = bench.apply(&update("TLS1_0")).await;
    assert_eq!(bench.sent("PUT", "stlake0001"), puts + 1, "{report:#?}");
    let body = bench.world.get(&lake).unwrap();
    assert_eq!(body["properties"]["minimumTlsVersion"], "TLS1_2");
    assert_eq!(body["tags"]["stray"], "kept");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_not_known_yet_is_read_from_its_resource() {
    let bench = Bench::new(Latency::None);
    assert_eq!(bench.apply(&bench.storage_plan()).await.end, RunEnd::Complete);
    let (workspace, principal) = (bench.id("workspace"), "b1b1b1b1-0000-4000-8000-000000000001");
    bench.world.put(
        &workspace,
        json!({
            "id": workspace, "name": "mlw-p", "type": "Microsoft.MachineLearningServices/workspaces",
            "location": "eastus", "identity": { "type": "SystemAssigned", "principalId": principal },
            "properties": { "provisioningState": "Succeeded" }
        }),
    );
    let plan = numbered(vec![bench.creation("role_assignments/lake", &[])]);
    assert!(matches!(plan.steps[0].target, Target::RoleAssignment { .. }));
    bench.apply(&plan).await;
    let sent = bench.journal.replay(bench.run).await.unwrap();
    let Some((_, Event::Intent { path, .. })) = sent.first() else { panic!("{sent:?}") };
    let made = bench.world.requests();
    let put = made.iter().find(|request| request.path == *path).unwrap();
    assert!(path.contains("stlake0001/providers/Microsoft.Authorization/roleAssignments/"), "{put:?}");
    assert_eq!(bench.sent("GET", "mlw-p"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_does_not_fit_or_is_blocked_is_not_begun() {
    let bench = Bench::new(Latency::None);
    let mut plan = bench.storage_plan();
    plan.blockers.push(crate::reconcile::plan::Blocker::InProgress {
        address: bench.address("workspace"),
        state: "Updating".into(),
    });
    assert_eq!(bench.apply(&plan).await.end, RunEnd::Blocked);
    plan.blockers.clear();
    plan.steps[1].api_version = "2001-01-01".into();
    let refused = bench.go(&plan, &bench.journal).await;
    assert!(matches!(refused, Err(ApplyError::Mismatch { ordinal: 1, .. })));
    assert!(bench.world.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_poll_url_is_ever_printed() {
    let bench = Bench::new(Latency::Realistic { factor: 1.0 });
    let report = bench.apply(&bench.storage_plan()).await;
    let events = bench.journal.replay(bench.run).await.unwrap();
    assert!(events.iter().any(|(_, event)| matches!(event, Event::Accepted { .. })));
    let printed = format!("{events:?} {report:?} {:?}", bench.told.lock().unwrap());
    assert!(!printed.contains("https://"), "{printed}");
}

#[test]
fn a_run_can_be_carried_out_on_any_thread() {
    fn is_send<T: Send>(_: fn(Apply<'static>) -> T) {}
    is_send(apply);
}

impl Bench {
    /// The environment of the repository's own example, in a simulated Azure of its own.
    fn production(latency: Latency) -> Self {
        let text = include_bytes!("../../../environments/production.yaml");
        Self::of(SourceFile::from_bytes("environments/production.yaml", text), latency)
    }

    async fn planned(&self) -> Planned {
        let mut consents = Consents::new(Globs::Count);
        let message = "Beamline-Consent: destroy production/**";
        consents.read_message(&"a".repeat(40), "Ada", message, &Reach::Named);
        let wanted = Wanted {
            environment: &self.environment,
            site: &self.site,
            former_groups: &[],
            consents: &consents,
            commit: None,
            input_digest: None,
            remembered: crate::reconcile::Remembered::nothing(),
            neighbours: None,
        };
        make_plan(&wanted, &self.arm).await.unwrap()
    }

    /// Plans and applies; how many requests that took.
    async fn reconcile(&mut self) -> usize {
        let before = self.world.requests().len();
        let Planned { plan, observed } = self.planned().await;
        assert_eq!(plan.blockers, []);
        self.observed = observed.everything();
        let report = self.apply(&plan).await;
        assert_eq!(report.end, RunEnd::Complete, "{report:#?}");
        self.world.requests().len() - before
    }
}

#[tokio::test(start_paused = true)]
async fn production_is_made_left_alone_and_destroyed_with_few_requests() {
    let mut bench = Bench::production(Latency::None);
    let made = bench.reconcile().await;
    assert!(made <= 53, "{made} requests");
    assert!(bench.planned().await.plan.is_empty());
    bench.environment.resources.clear();
    let destroyed = bench.reconcile().await;
    assert!(destroyed <= 43, "{destroyed} requests");
    assert_eq!(bench.world.ids(), []);
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_is_not_as_asked_fails_alone() {
    let bench = Bench::production(Latency::None);
    let pointer = "/properties/subnets/0/properties/addressPrefixes".to_owned();
    bench.fault("PUT", "virtualNetworks/vnet-ml-production", 1, FaultEffect::IgnoreProperty { pointer });
    let plan = bench.planned().await.plan;
    let report = bench.apply(&plan).await;
    let ended = |local: &str| {
        let address = bench.address(local);
        &report.steps.iter().find(|step| step.address == address).unwrap().end
    };
    let subnet = "virtual_networks/main/subnets/compute";
    assert!(matches!(ended(subnet), StepEnd::Failed { message } if message.contains("address_prefixes")));
    assert_eq!(*ended("virtual_networks/main"), StepEnd::Done);
    assert_eq!(*ended("virtual_networks/main/subnets/private_endpoints"), StepEnd::Done);
    let because = bench.address(subnet);
    assert_eq!(*ended("compute_clusters/gpu-cluster-vnet"), StepEnd::Skipped { because });
    assert_eq!(*ended("compute_clusters/cpu-cluster"), StepEnd::Done);
}

#[tokio::test(start_paused = true)]
async fn production_that_is_killed_at_any_event_ends_the_same_way() {
    let whole = Bench::production(Latency::Realistic { factor: 1.0 });
    let plan = whole.planned().await.plan;
    assert_eq!(whole.apply(&plan).await.end, RunEnd::Complete);
    let events = whole.journal.replay(whole.run).await.unwrap().len();
    for killed_at in 0..events {
        let bench = Bench::production(Latency::Realistic { factor: 1.0 });
        let plan = bench.planned().await.plan;
        bench.begin(&plan).await;
        let last = if killed_at % 2 == 0 { LastWrite::Lost } else { LastWrite::Durable };
        bench.journal.kill_after(killed_at, last);
        assert!(bench.go(&plan, &bench.journal).await.is_err());
        let report = bench.go(&plan, &bench.journal.disk()).await.unwrap();
        assert_eq!(report.end, RunEnd::Complete, "killed at {killed_at}: {report:#?}");
        assert!(bench.planned().await.plan.is_empty(), "killed at {killed_at}");
        for step in plan.steps.iter().filter(|step| !step.requests.is_empty()) {
            if let Target::Known(id) = &step.target {
                assert_eq!(bench.sent("PUT", id.as_str()), 1, "{id} after a kill at {killed_at}");
            }
        }
    }
}
