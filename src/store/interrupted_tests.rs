//! An apply that is dropped at each of its awaits, on the real store: what was asked of the store happens all the
//! same, and whoever goes on makes nothing twice. Only compiled for tests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use beamline_simulator::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, World, WorldOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::fixture::folder;
use super::{Store, environment_lease};
use crate::azure::{Arm, Budget, Cloud, Tokens};
use crate::clock::Clock;
use crate::definitions::{Environment, SourceFile, load};
use crate::reconcile::apply::fixture::drop_after;
use crate::reconcile::apply::{Fence, RunEnd, RunKind};
use crate::reconcile::plan::{Consents, Plan};
use crate::reconcile::report::Report;
use crate::reconcile::{Means, Wanted, carry_out, make_plan, resume, run_record};
use crate::resources::Site;
use crate::resources::id::{SubscriptionId, TenantId};
use crate::wire;

const DEFINITION: &str = "
beamline: 1
name: dev
subscription: ml
location: eastus
resource_group: { name: rg-dev }
storage_accounts:
  default: { name: stdev001, account_tier: Standard, account_replication_type: LRS }
key_vaults:
  main: { name: kv-dev, sku_name: standard, rbac_authorization_enabled: true }
log_analytics_workspaces:
  main: { name: log-dev }
application_insights:
  main: { name: ai-dev, application_type: web, workspace: main }
workspace:
  name: mlw-dev
  storage_account: default
  key_vault: main
  application_insights: main
  identity: { type: SystemAssigned }
role_assignments:
  vault: { principal: workspace, role: Key Vault Administrator, scope: key_vaults/main }
";

/// More polls than the apply of this definition has.
const POLLS: usize = 2_000;

/// How long a lease is.
const TTL: Duration = Duration::from_secs(60);

/// An Azure, a store on disk, and a definition.
struct Bench {
    _folder: TempDir,
    store: Store,
    azure: World,
    arm: Arm,
    environment: Environment,
    site: Site,
    consents: Consents,
    stop: CancellationToken,
}

impl Bench {
    async fn new(latency: Latency) -> Self {
        let folder = folder();
        let store = Store::open(&folder.path().join("journal.db")).await.unwrap();
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 7);
        let azure = World::new(WorldOptions { latency, ..WorldOptions::new(clock.apart()) });
        azure.set_base_url("https://management.azure.com");
        let client = wire::Client::in_process(azure.router());
        let tokens = Arc::new(Tokens::fixed("test"));
        let arm = Arm::new(client, Cloud::azure_public(), tokens, Budget::new(clock.clone()), clock);
        let file = SourceFile::from_bytes("environments/dev.yaml", DEFINITION.as_bytes());
        let environment = load(&[file]).environment.unwrap();
        let subscription = SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap());
        let site = environment.site("ops", subscription, TenantId(DEFAULT_TENANT.parse().unwrap()));
        let (consents, stop) = (Consents::default(), CancellationToken::new());
        Self { _folder: folder, store, azure, arm, environment, site, consents, stop }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            environment: &self.environment,
            site: &self.site,
            former_groups: &[],
            consents: &self.consents,
            commit: None,
            input_digest: None,
            remembered: crate::reconcile::Remembered::nothing(),
            neighbours: None,
        }
    }

    fn means(&self, fence: Fence) -> Means<'_> {
        Means { arm: &self.arm, journal: &self.store, fence, stop: &self.stop, observer: &|_| {} }
    }

    async fn lease(&self, holder: &str) -> Fence {
        let key = environment_lease(&self.environment.name);
        self.arm.clock().sleep(TTL).await;
        self.store.acquire_lease(&key, holder, self.arm.clock().now(), TTL).await.unwrap().unwrap()
    }

    async fn plan(&self) -> Plan {
        make_plan(&self.wanted(), &self.arm).await.unwrap().plan
    }

    async fn apply(&self, fence: Fence) -> Report {
        let planned = make_plan(&self.wanted(), &self.arm).await.unwrap();
        let run = run_record(&self.wanted(), &planned.plan, RunKind::Apply, &self.arm);
        carry_out(&self.wanted(), &planned, &run, self.means(fence)).await.unwrap()
    }

    /// What another one does who comes after: finishes what is there, or does all of it.
    async fn go_on(&self) -> Option<Report> {
        let fence = self.lease("two").await;
        match self.store.unfinished_run_of(&self.environment.name).await.unwrap() {
            Some(run) => Some(resume(&self.wanted(), &run, self.means(fence)).await.unwrap()),
            None if self.plan().await.is_empty() => None,
            None => Some(self.apply(fence).await),
        }
    }

    fn assert_nothing_was_made_twice(&self, what: &str) {
        let mut made = BTreeSet::new();
        for request in self.azure.requests() {
            let is_new = request.method != "PUT"
                || request.status != 201
                || made.insert(request.path.to_ascii_lowercase());
            assert!(is_new, "{what}: {} was made twice", request.path);
        }
    }
}

/// Drops an apply after its `polls`-th poll, has somebody else go on, and answers whether it was done before.
async fn dropped(latency: Latency, polls: usize) -> bool {
    let what = format!("{latency:?}, dropped after {polls} polls");
    let bench = Bench::new(latency).await;
    let fence = bench.lease("one").await;
    let done = drop_after(polls, bench.apply(fence)).await;
    let report = bench.go_on().await;
    let end = report.as_ref().map_or(RunEnd::Complete, |report| report.end);
    assert_eq!(end, RunEnd::Complete, "{what}: {report:#?}");
    assert!(bench.store.unfinished_runs().await.unwrap().is_empty(), "{what}: a run has no end");
    bench.assert_nothing_was_made_twice(&what);
    assert!(bench.plan().await.is_empty(), "{what}: plan again: no changes");
    done.is_some()
}

async fn dropped_anywhere(latency: Latency) {
    for polls in 0..POLLS {
        if dropped(latency, polls).await {
            assert!(polls > 20, "it had {polls} polls only");
            return;
        }
    }
    panic!("never done");
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_is_dropped_at_any_poll_is_gone_on_with() {
    Box::pin(dropped_anywhere(Latency::None)).await;
}

#[tokio::test(start_paused = true)]
async fn so_is_one_whose_operations_take_their_time() {
    Box::pin(dropped_anywhere(Latency::Realistic { factor: 0.1 })).await;
}
