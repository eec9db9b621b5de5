//! Azure alone: the simulator in this process on virtual time, the production client, the executor and
//! an in-memory journal. Hours of provisioning pass in milliseconds, and the same seed is the same run.

use std::sync::Arc;

use beamline::azure::{Arm, Budget, Cloud, Credential, Tokens};
use beamline::clock::Clock;
use beamline::definitions::{Environment, SourceFile, load};
use beamline::reconcile::apply::{Fence, LastWrite, MemoryJournal, RunEnd, RunKind, RunRecord};
use beamline::reconcile::plan::{Blocker, Consents, Globs, Plan, Reach, Style, render};
use beamline::reconcile::report::{Progress, Report, StepEnd};
use beamline::reconcile::{
    Means, Planned, ReconcileError, Remembered, Wanted, carry_out, make_plan, resume, run_record,
};
use beamline::resources::Site;
use beamline::resources::id::{ResourceId, SubscriptionId, TenantId};
use beamline::wire;
use beamline_simulator::{
    Access, Application, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, RequestClass, World, WorldOptions,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The reference environment.
pub(crate) const PRODUCTION: &str = include_str!("../../../environments/production.yaml");

/// A subscription in the simulator, and everything that reconciles it.
pub(crate) struct AzureWorld {
    pub(crate) azure: World,
    pub(crate) arm: Arm,
    pub(crate) journal: Arc<MemoryJournal>,
    consents: Vec<String>,
    former_groups: Vec<ResourceId>,
    remembered: Remembered,
}

impl AzureWorld {
    /// Operations end at their first poll.
    pub(crate) fn new() -> Self {
        Self::with_latency(Latency::None)
    }

    /// Operations take their time.
    pub(crate) fn with_latency(latency: Latency) -> Self {
        Self::seeded(1, latency)
    }

    /// The simulator draws its times from `seed`.
    pub(crate) fn seeded(seed: u64, latency: Latency) -> Self {
        let clock = Self::clock();
        let options = WorldOptions { latency, seed, ..WorldOptions::new(clock.apart()) };
        Self::of(options, clock, |_, _, _| Tokens::fixed("test"))
    }

    /// Azure lets us do only what our roles say: Owner of the subscription at first, by the assignment that comes
    /// with it. Whose roles they are comes last.
    pub(crate) fn with_roles() -> (Self, ResourceId, Uuid) {
        const APP: &str = "0a000000-0000-0000-0000-000000000001";
        const SECRET: &str = "s3cret";
        let clock = Self::clock();
        let options = WorldOptions::new(clock.apart()).with_access(Access::Enforced);
        let world = Self::of(options, clock, |cloud, client, clock| {
            let credential = Credential::ClientSecret {
                tenant: DEFAULT_TENANT.to_owned(),
                client_id: APP.to_owned(),
                secret: SECRET.to_owned().into(),
            };
            Tokens::new(credential, cloud, client, clock, None).unwrap()
        });
        let application =
            Application { client_id: APP.to_owned(), secret: Some(SECRET.into()), grants: Vec::new() };
        let us = world.azure.register(&application).unwrap();
        let subscription = ResourceId::subscription(SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap()));
        let owner = world.azure.grant(us, "Owner", &subscription).unwrap();
        (world, owner, us)
    }

    fn clock() -> Clock {
        Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 7)
    }

    fn of(
        options: WorldOptions,
        clock: Clock,
        tokens: impl FnOnce(&Cloud, &wire::Client, Clock) -> Tokens,
    ) -> Self {
        let azure = World::new(options);
        let client = wire::Client::in_process(azure.router());
        let base = "https://arm.simulator.invalid";
        azure.set_base_url(base);
        let cloud = Cloud::custom("simulator", base, base, base).unwrap();
        let tokens = Arc::new(tokens(&cloud, &client, clock.clone()));
        let arm = Arm::new(client, cloud, tokens, Budget::new(clock.clone()), clock);
        Self {
            azure,
            arm,
            journal: Arc::new(MemoryJournal::default()),
            consents: Vec::new(),
            former_groups: Vec::new(),
            remembered: Remembered::NOTHING,
        }
    }

    /// It is remembered that `environment` was applied.
    pub(crate) fn remember_applied(&mut self, environment: &Environment) {
        self.remembered = Remembered::new(environment.ids(&Self::site(environment)), []);
    }

    /// The environment is known to have lived in these groups.
    pub(crate) fn remember_groups(&mut self, names: &[&str]) {
        let subscription = SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap());
        self.former_groups =
            names.iter().map(|name| ResourceId::resource_group(subscription, name)).collect();
    }

    /// Consent to everything that matches `glob`, as a commit message would give it.
    pub(crate) fn consent(&mut self, glob: &str) {
        self.consents.push(format!("Beamline-Consent: destroy {glob}"));
    }

    /// Consent to the release of everything that matches `glob`.
    pub(crate) fn release(&mut self, glob: &str) {
        self.consents.push(format!("Beamline-Consent: release {glob}"));
    }

    /// The definition of `environments/<name>.yaml`.
    pub(crate) fn environment(name: &str, text: &str) -> Environment {
        let file = SourceFile::from_bytes(format!("environments/{name}.yaml"), text.as_bytes());
        let loaded = load(&[file]);
        let problems: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        loaded.environment.unwrap_or_else(|| panic!("{}", problems.join("\n")))
    }

    /// A group by its name.
    pub(crate) fn group_called(name: &str) -> ResourceId {
        ResourceId::resource_group(SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap()), name)
    }

    /// The environment `production` after its file is gone.
    pub(crate) fn removed() -> Environment {
        let name = "production".parse().unwrap();
        Environment::removed(name, "environments/production.yaml", "ml", group().name())
    }

    /// Consent to nothing any more.
    pub(crate) fn withdraw_consent(&mut self) {
        self.consents.clear();
    }

    /// Nothing is remembered: the journal is deleted.
    pub(crate) fn forget(&mut self) {
        self.journal = Arc::new(MemoryJournal::default());
        self.former_groups.clear();
        self.remembered = Remembered::NOTHING;
    }

    /// The writes since the last call (or since the world began), as `PUT Microsoft.X/y/z`, without
    /// their group.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        let requests = self.azure.take_requests().into_iter();
        // A question for a name is a POST that changes nothing.
        let is_question = |path: &str| path.to_ascii_lowercase().ends_with("/checknameavailability");
        let writes = requests
            .filter(|one| one.class == RequestClass::Arm && one.method != "GET" && !is_question(&one.path));
        let group = group().folded();
        let short = |path: &str| match path.to_ascii_lowercase().strip_prefix(&group) {
            Some("") => "group".to_owned(),
            Some(rest) => path[path.len() - rest.len()..].trim_start_matches("/providers/").to_owned(),
            None => path.to_owned(),
        };
        writes.map(|one| format!("{} {}", one.method, short(&one.path))).collect()
    }

    /// How many requests there were since the last call, without those for tokens and metadata.
    pub(crate) fn take_count(&self) -> usize {
        self.azure.take_requests().iter().filter(|one| one.class == RequestClass::Arm).count()
    }

    /// What keeps a definition from being applied, as sentences.
    pub(crate) async fn blockers(&self, text: &str) -> Vec<String> {
        self.plan(text).await.blockers.iter().map(Blocker::message).collect()
    }

    fn site(environment: &Environment) -> Site {
        let subscription = SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap());
        let tenant = TenantId(DEFAULT_TENANT.parse().unwrap());
        environment.site("ops", subscription, tenant)
    }

    /// Plans `environment`.
    pub(crate) async fn planned(&self, environment: &Environment) -> Planned {
        let (site, consents) = (Self::site(environment), self.consents());
        let wanted = wanted(environment, &site, &consents, &self.former_groups);
        make_plan(&Wanted { remembered: &self.remembered, ..wanted }, &self.arm).await.unwrap()
    }

    /// The plan of whoever remembers that `applied` was the last complete apply.
    pub(crate) async fn planned_as_after(&self, environment: &Environment, applied: &Environment) -> Planned {
        let (site, consents) = (Self::site(environment), self.consents());
        let remembered = Remembered::new(applied.ids(&site), []).managing(applied.managed_ids(&site));
        let wanted = wanted(environment, &site, &consents, &self.former_groups);
        make_plan(&Wanted { remembered: &remembered, ..wanted }, &self.arm).await.unwrap()
    }

    /// The plan of a definition text for the environment `production`.
    pub(crate) async fn plan(&self, text: &str) -> Plan {
        self.planned(&Self::environment("production", text)).await.plan
    }

    /// Plans and applies `environment`, whatever comes of it.
    pub(crate) async fn reconcile(&self, environment: &Environment) -> Report {
        let planned = self.planned(environment).await;
        assert!(planned.plan.blockers.is_empty(), "{}", render(&planned.plan, Style::Plain));
        self.carry_out(environment, &planned, &CancellationToken::new()).await
    }

    /// Carries out a plan of `environment`, until it ends or `stop` is cancelled.
    pub(crate) async fn carry_out(
        &self,
        environment: &Environment,
        planned: &Planned,
        stop: &CancellationToken,
    ) -> Report {
        let (site, consents) = (Self::site(environment), self.consents());
        let wanted = wanted(environment, &site, &consents, &self.former_groups);
        let run = run_record(&wanted, &planned.plan, RunKind::Apply, &self.arm);
        carry_out(&wanted, planned, &run, self.means(stop, &|_| {})).await.unwrap()
    }

    /// Carries out a plan of `environment`, or says why it could not.
    pub(crate) async fn try_carry_out(
        &self,
        environment: &Environment,
        planned: &Planned,
    ) -> Result<Report, ReconcileError> {
        let (site, consents) = (Self::site(environment), self.consents());
        let wanted = wanted(environment, &site, &consents, &self.former_groups);
        let run = run_record(&wanted, &planned.plan, RunKind::Apply, &self.arm);
        let stop = CancellationToken::new();
        carry_out(&wanted, planned, &run, self.means(&stop, &|_| {})).await
    }

    /// Goes on with a run that was interrupted, or says why it could not.
    pub(crate) async fn try_resume(
        &self,
        environment: &Environment,
        run: &RunRecord,
    ) -> Result<Report, ReconcileError> {
        let (site, consents) = (Self::site(environment), self.consents());
        let wanted = wanted(environment, &site, &consents, &self.former_groups);
        let stop = CancellationToken::new();
        resume(&wanted, run, self.means(&stop, &|_| {})).await
    }

    /// Carries out a plan in a process that dies in a write to the journal, after that many others.
    pub(crate) async fn die_after(&mut self, writes: usize, environment: &Environment, planned: &Planned) {
        self.journal.kill_after(writes, LastWrite::Durable);
        let (site, consents) = (Self::site(environment), self.consents());
        let wanted = wanted(environment, &site, &consents, &self.former_groups);
        let run = run_record(&wanted, &planned.plan, RunKind::Apply, &self.arm);
        let stop = CancellationToken::new();
        carry_out(&wanted, planned, &run, self.means(&stop, &|_| {})).await.unwrap_err();
        self.journal = Arc::new(self.journal.disk());
    }

    /// Plans and applies `environment`, and tells `observer` what happens.
    pub(crate) async fn watch(
        &self,
        environment: &Environment,
        observer: &(dyn Fn(&Progress) + Send + Sync),
    ) -> Report {
        let (site, consents) = (Self::site(environment), self.consents());
        let wanted = wanted(environment, &site, &consents, &self.former_groups);
        let planned = self.planned(environment).await;
        let run = run_record(&wanted, &planned.plan, RunKind::Apply, &self.arm);
        let stop = CancellationToken::new();
        carry_out(&wanted, &planned, &run, self.means(&stop, observer)).await.unwrap()
    }

    /// Goes on with the run that was interrupted.
    pub(crate) async fn resume(&self, environment: &Environment) -> Report {
        let (site, consents) = (Self::site(environment), self.consents());
        let run = self.journal.unfinished().pop().expect("a run was interrupted");
        let stop = CancellationToken::new();
        resume(&wanted(environment, &site, &consents, &self.former_groups), &run, self.means(&stop, &|_| {}))
            .await
            .unwrap()
    }

    fn consents(&self) -> Consents {
        let mut consents = Consents::new(Globs::Count);
        for message in &self.consents {
            consents.read_message(&"a".repeat(40), "Ada", message, &Reach::Named);
        }
        consents
    }

    fn means<'a>(
        &'a self,
        stop: &'a CancellationToken,
        observer: &'a (dyn Fn(&Progress) + Send + Sync),
    ) -> Means<'a> {
        Means { arm: &self.arm, journal: &*self.journal, fence: Fence(1), stop, observer }
    }

    /// Applies a definition text for the environment `production` completely, and sees that a second
    /// plan is empty.
    pub(crate) async fn apply(&self, text: &str) -> Report {
        let environment = Self::environment("production", text);
        let report = self.reconcile(&environment).await;
        assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
        self.stays_quiet(&environment).await;
        report
    }

    /// Sees that a plan of `environment` is empty.
    pub(crate) async fn stays_quiet(&self, environment: &Environment) {
        let again = self.planned(environment).await.plan;
        assert!(again.is_empty(), "plan again: no changes\n{}", render(&again, Style::Plain));
    }
}

/// The group of the environment `production`.
pub(crate) fn group() -> ResourceId {
    ResourceId::resource_group(SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap()), "rg-ml-production")
}

/// The id of a resource in that group: `Microsoft.KeyVault/vaults/kv-ml-production`.
pub(crate) fn id(below: &str) -> ResourceId {
    format!("{}/providers/{below}", group()).parse().unwrap()
}

fn wanted<'a>(
    environment: &'a Environment,
    site: &'a Site,
    consents: &'a Consents,
    former_groups: &'a [ResourceId],
) -> Wanted<'a> {
    Wanted {
        environment,
        site,
        former_groups,
        consents,
        commit: None,
        input_digest: None,
        remembered: Remembered::nothing(),
        neighbours: None,
    }
}

/// Runs a story on virtual time, where the test itself is not one.
pub(crate) fn block_on<T>(story: impl Future<Output = T>) -> T {
    paused_runtime().block_on(story)
}

/// A runtime on virtual time. Between any two polls of its tasks the future that it blocks on is polled, if that is
/// awake.
pub(crate) fn paused_runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).event_interval(1).build().unwrap()
}

/// Drops `runtime` with every task in it, as a dying process does, and makes another one, in which virtual time goes
/// on where it was.
pub(crate) fn crashed(runtime: tokio::runtime::Runtime) -> tokio::runtime::Runtime {
    let then = runtime.block_on(async { tokio::time::Instant::now() });
    drop(runtime);
    let next = paused_runtime();
    next.block_on(async {
        tokio::time::advance(then.saturating_duration_since(tokio::time::Instant::now())).await;
    });
    next
}

/// Runs a story on virtual time that hangs in real time when it fails: while the store works, virtual time stands
/// still, so that a store that never ends cannot be seen on it. Panics when it takes longer than `secs` of real time.
pub(crate) fn never_hangs<T: Send + 'static>(
    secs: u64,
    story: impl AsyncFnOnce() -> T + Send + 'static,
) -> T {
    ends_within(secs, move || block_on(story()))
}

/// The same for a story that has runtimes of its own.
pub(crate) fn ends_within<T: Send + 'static>(secs: u64, story: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(story));
        // Nobody listens any more when it took too long.
        let _ = done.send(outcome);
    });
    match ended.recv_timeout(std::time::Duration::from_secs(secs)) {
        Ok(Ok(value)) => {
            thread.join().unwrap();
            value
        }
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => panic!("it hangs: no end after {secs} s of real time"),
    }
}

/// How the step of a resource ended.
pub(crate) fn end_of<'a>(report: &'a Report, local: &str) -> &'a StepEnd {
    let of = |step: &&beamline::reconcile::report::StepReport| step.address.local() == local;
    &report.steps.iter().find(of).unwrap_or_else(|| panic!("{local} has no step")).end
}

/// What went wrong in a run, one line each.
pub(crate) fn failures(report: &Report) -> String {
    let line = |step: &beamline::reconcile::report::StepReport| match &step.end {
        StepEnd::Failed { message } | StepEnd::Unknown { message } | StepEnd::Moved { message } => {
            Some(format!("{}: {message}", step.address))
        }
        StepEnd::Done | StepEnd::Skipped { .. } | StepEnd::NotReached | StepEnd::Underway => None,
    };
    report.steps.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}
