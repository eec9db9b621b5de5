//! The whole daemon: a real repository, the real store on disk, the simulator, virtual time.
//!
//! When a story ends ([`DaemonWorld::finish`]), nothing may be left over: no open work, no run without an
//! end, no status that waits in the outbox or pends on a commit, nothing that a second plan would change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use beamline::attempt::{Account, Estate};
use beamline::azure::{Arm, Budget, Cloud, Tokens};
use beamline::clock::Clock;
use beamline::daemon::event::Event;
use beamline::daemon::{
    ForgeChoice, Forks, Happening, HttpOptions, Parts, Rhythm, Supervisor, Tally, Wellness, run, watchers,
};
use beamline::definitions::{SourceFile, defaults_for, load};
use beamline::forge::{State, Status};
use beamline::git::{CommitId, Credentials, Mirror, Remote};
use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{Consents, Globs, Style, render};
use beamline::reconcile::{Wanted, make_plan};
use beamline::resources::EnvironmentName;
use beamline::resources::id::{ResourceId, SubscriptionId, TenantId};
use beamline::store::{FolderLock, Store};
use beamline::wire;
use beamline_simulator::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, RequestRecord, World, WorldOptions};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;
use super::port::Port;
use super::repository::Repository;

/// Virtual time that the daemon is given to come to rest, and the steps in which it is watched.
const PATIENCE: Duration = Duration::from_secs(3 * 60 * 60);
const FIRST_STEP: Duration = Duration::from_millis(100);
const LONGEST_STEP: Duration = Duration::from_secs(30);

/// Real time that a real-time story waits, on a busy machine.
const REAL_PATIENCE: Duration = Duration::from_secs(120);

/// What differs from story to story.
pub(crate) struct Setup {
    /// Time.
    pub(crate) clock: Clock,
    /// How long Azure takes.
    pub(crate) latency: Latency,
    /// How much longer each of its answers takes.
    pub(crate) delay: Duration,
    /// Environments at the same time.
    pub(crate) parallel: usize,
    /// How often the repository is looked at.
    pub(crate) poll: Duration,
    /// What the settings call the subscription.
    pub(crate) alias: &'static str,
    /// Where statuses go; notes by default.
    pub(crate) forge: Option<beamline::forge::Forge>,
    /// Whose pull requests are planned unasked.
    pub(crate) forks: Forks,
    /// Most writes to the forge within an hour.
    pub(crate) write_limit: Option<u64>,
    /// What is served.
    pub(crate) secrets: Option<Vec<&'static str>>,
    /// The repository on its forge; `None`: webhooks of all wake.
    pub(crate) repository: Option<&'static str>,
    /// The remote, where it is not the origin's path.
    pub(crate) remote: Option<Remote>,
    /// Whether a consent line with a `*` allows anything.
    pub(crate) globs: Globs,
    /// How often the loop beats, and how long what may stand still.
    pub(crate) rhythm: Rhythm,
    /// Who is told at every beat.
    pub(crate) supervisor: Option<fn(&Wellness)>,
}

impl Setup {
    /// Virtual time, quick operations, notes.
    pub(crate) fn new() -> Self {
        Self::on(Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 11))
    }

    /// The machine's own time.
    pub(crate) fn real_time() -> Self {
        Self { poll: Duration::from_secs(60 * 60), ..Self::on(Clock::system()) }
    }

    fn on(clock: Clock) -> Self {
        Self {
            clock,
            latency: Latency::None,
            delay: Duration::ZERO,
            parallel: 8,
            poll: Duration::from_secs(60),
            alias: "ml",
            forge: None,
            forks: Forks::default(),
            write_limit: Some(400),
            secrets: None,
            repository: None,
            remote: None,
            rhythm: Rhythm::default(),
            supervisor: None,
            globs: Globs::default(),
        }
    }
}

/// A daemon and everything around it.
pub(crate) struct DaemonWorld {
    pub(crate) repository: Repository,
    pub(crate) azure: World,
    pub(crate) clock: Clock,
    /// What stands between the daemon and Azure.
    pub(crate) gate: Gate,
    /// What its daemons have counted.
    pub(crate) tally: Tally,
    setup: Setup,
    /// The folder of the journal.
    state: PathBuf,
    watched: Arc<Mutex<Vec<Happening>>>,
    deaths: usize,
    running: Option<Running>,
}

struct Running {
    store: Store,
    /// Everything that those who watch are told from the start on.
    news: broadcast::Receiver<Happening>,
    /// How much of it was taken in.
    heard: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    requests: mpsc::Sender<Event>,
    port: Option<Port>,
}

impl DaemonWorld {
    /// A world in which no daemon runs yet.
    pub(crate) fn new() -> Self {
        Self::with(Setup::new())
    }

    /// A world with a setup of its own.
    pub(crate) fn with(setup: Setup) -> Self {
        Self::over(Repository::new(), setup)
    }

    /// The same, over a repository that is there.
    pub(crate) fn over(repository: Repository, setup: Setup) -> Self {
        let options = WorldOptions { latency: setup.latency, ..WorldOptions::new(setup.clock.apart()) };
        Self {
            state: repository.folder().to_owned(),
            repository,
            azure: World::new(options),
            clock: setup.clock.clone(),
            gate: Gate::default(),
            tally: Tally::default(),
            setup,
            watched: Arc::default(),
            deaths: 0,
            running: None,
        }
    }

    /// A world whose daemon runs, after a push of `files` that has been dealt with.
    pub(crate) async fn running(files: &[(&str, &str)]) -> Self {
        let mut world = Self::new();
        for (path, text) in files {
            world.repository.write(path, text);
        }
        world.start().await;
        world.push("the beginning").await;
        world
    }

    /// Starts the daemon on whatever an earlier one has left behind.
    pub(crate) async fn start(&mut self) {
        let url = self.repository.origin().display().to_string();
        let own = || Remote { url, credentials: Credentials::None, pull_refs: None };
        let remote = self.setup.remote.clone().unwrap_or_else(own);
        let mirror = Mirror::open(&self.repository.folder().join("mirror.git"), remote).unwrap();
        let store = Store::open(&self.state.join("journal.db")).await.unwrap();
        let lock = self.lock();
        store.void_leases(&lock).await.unwrap();
        let watchers = watchers();
        let (news, heard) = (watchers.subscribe(), Arc::<AtomicUsize>::default());
        tokio::spawn(watch(watchers.subscribe(), self.watched.clone(), self.gate.clone(), heard.clone()));
        let stop = CancellationToken::new();
        let (requests, asked) = mpsc::channel(1);
        let port = self.setup.secrets.is_some().then(Port::keep);
        let number = port.as_ref().map_or(0, Port::number);
        let parts = Parts {
            estate: Estate {
                owner: "ops".to_owned(),
                accounts: [(self.setup.alias.to_owned(), self.account())].into(),
                aliases: [self.setup.alias.to_owned()].into(),
                globs: self.setup.globs,
            },
            mirror,
            branch: "main".parse().unwrap(),
            root: "environments".parse().unwrap(),
            store: store.clone(),
            lock: Some(lock),
            forge: self.setup.forge.clone().map_or(ForgeChoice::Notes, ForgeChoice::Forge),
            forks: self.setup.forks,
            write_limit: self.setup.write_limit,
            public_url: None,
            clock: self.clock.restarted(),
            parallel: self.setup.parallel,
            poll: self.setup.poll,
            sweep: None,
            requests: Some(asked),
            socket: None,
            http: self.setup.secrets.as_ref().map(|secrets| HttpOptions {
                address: ([127, 0, 0, 1], number).into(),
                secrets: secrets.iter().map(|&secret| secret.into()).collect(),
                spool: self.repository.folder().to_owned(),
                repository: self.setup.repository.map(|name| name.parse().unwrap()),
            }),
            watchers,
            tally: self.tally.clone(),
            rhythm: self.setup.rhythm,
            supervisor: self.setup.supervisor.map(|told| Box::new(told) as Supervisor),
        };
        let ended = stop.clone();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            run(parts, ended, || ready.send(()).unwrap()).await.unwrap();
        });
        is_ready.await.unwrap();
        self.running = Some(Running { store, news, heard, stop, task, requests, port });
    }

    fn account(&self) -> Account {
        let azure = slowly(self.azure.router(), self.setup.delay);
        let client = wire::Client::in_process(self.gate.before(azure));
        let base = "https://arm.simulator.invalid";
        let cloud = Cloud::custom("simulator", base, base, base).unwrap();
        let (tokens, budget) = (Arc::new(Tokens::fixed("test")), Budget::new(self.clock.clone()));
        Account {
            subscription: SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap()),
            tenant: TenantId(DEFAULT_TENANT.parse().unwrap()),
            arm: Arm::new(client, cloud, tokens, budget, self.clock.clone()),
        }
    }

    /// The lock of the state folder. A story beside this one may be starting a program, which for a moment holds
    /// what this process holds.
    fn lock(&self) -> FolderLock {
        for _ in 0..500 {
            match FolderLock::take(self.repository.folder(), "a story", self.clock.now()) {
                Ok(lock) => return lock,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        FolderLock::take(self.repository.folder(), "a story", self.clock.now()).unwrap()
    }

    /// Looks at `remote` every `interval` from the next start on.
    pub(crate) fn poll_from(&mut self, remote: Remote, interval: Duration) {
        (self.setup.remote, self.setup.poll) = (Some(remote), interval);
    }

    /// Watches `remote` from the next start on.
    pub(crate) fn remote(&mut self, remote: Remote) {
        self.setup.remote = Some(remote);
    }

    /// The running daemon's store.
    pub(crate) fn store(&self) -> &Store {
        &self.running.as_ref().expect("the daemon runs").store
    }

    /// Where the daemon serves.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    /// The port on which the daemon serves.
    pub(crate) fn port(&self) -> u16 {
        let port = &self.running.as_ref().expect("the daemon runs").port;
        port.as_ref().expect("it serves").number()
    }

    /// Keeps the journal in a folder of its own from the next start on.
    pub(crate) fn own_state_folder(&mut self) {
        self.state = self.repository.folder().join("state");
    }

    /// The folder of the journal goes away, as an unmounted disk does. It has to be its own.
    pub(crate) fn unmount(&self) {
        std::fs::rename(&self.state, self.state.with_extension("away")).unwrap();
    }

    /// It comes back.
    pub(crate) fn mount(&self) {
        std::fs::rename(self.state.with_extension("away"), &self.state).unwrap();
    }

    /// Deletes the journal, as `rm journal.db*` does.
    pub(crate) fn delete_journal(&self) {
        for suffix in ["", "-shm", "-wal"] {
            let path = self.state.join(format!("journal.db{suffix}"));
            if path.exists() {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// What a query about the journal answers, asked over a connection of its own: what is on the disk.
    pub(crate) async fn on_disk(&self, query: &'static str) -> i64 {
        let path = self.state.join("journal.db");
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let number = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }

    /// Waits until `reached`, in virtual time; panics with `what` when it never is.
    pub(crate) async fn until(&self, what: &str, reached: impl AsyncFn() -> bool) {
        let end = self.clock.after(PATIENCE);
        let mut step = FIRST_STEP;
        while !reached().await {
            if self.clock.monotonic() >= end {
                panic!("never happens: {what}\n{}\n{}", self.unrest().await, self.troubles().join("\n"));
            }
            self.clock.sleep(step).await;
            step = (step * 6 / 5).min(LONGEST_STEP);
        }
    }

    /// Waits until `reached`, for so much real time that only what never happens is missed.
    pub(crate) async fn soon(&self, what: &str, reached: impl AsyncFn() -> bool) {
        let end = self.clock.after(REAL_PATIENCE);
        while !reached().await {
            assert!(self.clock.monotonic() < end, "does not happen in time: {what}");
            self.clock.sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether the head of `branch` is `commit`, its work has ended and every status was accepted.
    pub(crate) async fn is_settled(&self, branch: &str, commit: &CommitId) -> bool {
        let seen = async || self.store().seen_heads().await.unwrap().get(&branch.parse().unwrap()).copied();
        // In this order: what is seen has its work already.
        seen().await == Some(*commit) && self.is_at_rest().await
    }

    /// Whether no work is open, and no status, message or command waits.
    pub(crate) async fn is_at_rest(&self) -> bool {
        let store = self.store();
        store.open_work().await.unwrap().is_empty()
            && store.pending_count().await.unwrap() == 0
            && store.pending_messages().await.unwrap() == 0
            && store.open_commands().await.unwrap().is_empty()
    }

    /// What is still to be done.
    async fn unrest(&self) -> String {
        let store = self.store();
        let (work, commands) = (store.open_work().await.unwrap(), store.open_commands().await.unwrap());
        let (statuses, messages) =
            (store.pending_count().await.unwrap(), store.pending_messages().await.unwrap());
        format!(
            "open: {} pieces of work (first {:?}), {statuses} statuses, {messages} messages, {} commands",
            work.len(),
            work.first(),
            commands.len()
        )
    }

    /// Waits until the head of `branch` is `commit`, its work has ended and every status was accepted.
    pub(crate) async fn settled(&self, branch: &str, commit: &CommitId) {
        self.until(&format!("{branch} at rest"), async || self.is_settled(branch, commit).await).await;
    }

    /// Pushes to the main branch, waits until the daemon has come to rest, and answers the commit's note.
    pub(crate) async fn push(&self, message: &str) -> String {
        let commit = self.repository.push(message);
        self.settled("main", &commit).await;
        self.repository.note(&commit)
    }

    /// Pushes to another branch, waits until the daemon has come to rest, and answers the commit's note.
    pub(crate) async fn push_branch(&self, branch: &str, message: &str) -> String {
        let commit = self.repository.push_to(branch, message);
        self.settled(branch, &commit).await;
        self.repository.note(&commit)
    }

    /// Tells statuses to another forge, or to the same one in another way, from the next start on.
    pub(crate) fn forge(&mut self, forge: beamline::forge::Forge) {
        self.setup.forge = Some(forge);
    }

    /// Calls the subscription otherwise in the settings, from the next start on.
    pub(crate) fn subscription_alias(&mut self, alias: &'static str) {
        self.setup.alias = alias;
    }

    /// Sends the daemon an event.
    pub(crate) async fn ask(&self, event: Event) {
        self.running.as_ref().expect("the daemon runs").requests.send(event).await.unwrap();
    }

    /// Lets the daemon try again what failed.
    pub(crate) async fn sweep(&self) {
        self.ask(Event::Sweep).await;
        // Long enough for the sweep to have queued its work.
        self.clock.sleep(Duration::from_secs(30)).await;
        self.until("rest after a sweep", async || self.is_at_rest().await).await;
    }

    /// What the daemon has told those who watch, since the beginning or the last call.
    pub(crate) fn happenings(&self) -> Vec<Happening> {
        std::mem::take(&mut *self.watched.lock().unwrap())
    }

    /// What went wrong so far.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let watched = self.watched.lock().unwrap();
        let troubles = watched.iter().filter_map(|happening| {
            let Happening::Trouble(text) = happening else { return None };
            Some(text.clone())
        });
        troubles.collect()
    }

    /// What has happened so far, left in place.
    pub(crate) fn has_happened(&self, wanted: impl Fn(&Happening) -> bool) -> bool {
        self.watched.lock().unwrap().iter().any(wanted)
    }

    /// The requests since they were last taken that are no reads.
    pub(crate) fn take_writes(&self) -> Vec<RequestRecord> {
        // A question for a name is a POST that changes nothing.
        let is_question =
            |request: &RequestRecord| request.path.to_ascii_lowercase().ends_with("/checknameavailability");
        let changes = |request: &RequestRecord| {
            request.method != "GET" && request.method != "HEAD" && !is_question(request)
        };
        self.azure.take_requests().into_iter().filter(changes).collect()
    }

    /// Whether a resource of this path below the subscription exists.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.azure.get(&Self::id_of(path)).is_some()
    }

    /// The id of what is at `path` below the resource groups.
    pub(crate) fn id_of(path: &str) -> ResourceId {
        format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/{path}").parse().unwrap()
    }

    /// The names of the resource groups that exist.
    pub(crate) fn groups(&self) -> Vec<String> {
        let ids = self.azure.ids();
        let groups = ids.iter().filter(|id| id.as_str().split('/').count() == 5);
        groups.map(|id| id.name().to_owned()).collect()
    }

    /// How the last attempt of every environment ended.
    pub(crate) async fn attempts(&self) -> BTreeMap<String, Option<RunEnd>> {
        let records = self.store().environments().await.unwrap();
        let end = |record: beamline::store::EnvironmentRecord| record.last_attempt.map(|last| last.end);
        records.into_iter().map(|record| (record.environment.to_string(), end(record))).collect()
    }

    /// Stops the daemon as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().expect("the daemon runs");
        running.stop.cancel();
        running.task.await.unwrap();
    }

    /// Stops a daemon that had nothing to do.
    pub(crate) async fn stop_quietly(mut self) {
        self.stop().await;
    }

    /// Waits until the daemon has ended by itself; why, as its task says.
    pub(crate) async fn ended(&mut self) -> String {
        let running = self.running.take().expect("the daemon runs");
        let panic = running.task.await.unwrap_err().into_panic();
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    /// Ends the daemon where it stands.
    pub(crate) async fn kill(&mut self) {
        let running = self.running.take().expect("the daemon runs");
        running.task.abort();
        assert!(running.task.await.unwrap_err().is_cancelled());
        self.deaths += 1;
    }

    /// The runtime in which it runs is about to go, with all its tasks, and not to be polled again: see
    /// [`super::crashed`].
    pub(crate) fn lose(&mut self) {
        let Running { mut news, heard, .. } = self.running.take().expect("the daemon runs");
        let mut told = std::iter::from_fn(|| news.try_recv().ok()).skip(heard.load(Ordering::Relaxed));
        self.watched.lock().unwrap().extend(&mut told);
        self.deaths += 1;
    }

    /// How often it was killed.
    pub(crate) fn deaths(&self) -> usize {
        self.deaths
    }

    /// Sees that nothing is left over, and stops.
    pub(crate) async fn finish(mut self) {
        self.until("rest at the end", async || self.is_at_rest().await).await;
        self.assert_nothing_is_left().await;
        self.assert_statuses_are_in_order();
        self.assert_second_plans_are_empty().await;
        self.stop().await;
    }

    async fn assert_nothing_is_left(&self) {
        let store = self.store();
        assert!(store.unfinished_runs().await.unwrap().is_empty(), "a run has no end");
        assert!(store.pending_deliveries().await.unwrap().is_empty(), "a webhook was not acted on");
    }

    /// Every context of every commit ends final, and none pends once its work has ended.
    fn assert_statuses_are_in_order(&self) {
        let mut newest: BTreeMap<(CommitId, String), Status> = BTreeMap::new();
        for happening in self.watched.lock().unwrap().iter() {
            let Happening::Delivered(status) = happening else { continue };
            assert!(status.description.as_str().chars().count() <= 140, "{}", status.description);
            let before = newest.insert((status.commit, status.context.to_string()), status.clone());
            // A plan is made again when its base has moved, a lost head looked at when it is back.
            let is_again = status.description.as_str().contains(" again ");
            let was_final = before.is_some_and(|before| before.state.is_final());
            let is_late = was_final && !status.state.is_final() && !is_again;
            assert!(!is_late, "pending after the last word: {status:?}");
        }
        let pending: Vec<&Status> = newest.values().filter(|status| status.state == State::Pending).collect();
        assert!(pending.is_empty(), "these pend for ever: {pending:#?}");
    }

    /// What was applied completely stays quiet.
    async fn assert_second_plans_are_empty(&self) {
        for record in self.store().environments().await.unwrap() {
            let complete = record.last_attempt.is_some_and(|last| last.end == RunEnd::Complete);
            if complete {
                self.assert_is_quiet(&record.environment, &record.path).await;
            }
        }
    }

    async fn assert_is_quiet(&self, name: &EnvironmentName, path: &str) {
        let chain = defaults_for(path, "environments").into_iter().chain([path.to_owned()]);
        let text = |path: &String| self.repository.head_of_main(path);
        let files: Vec<SourceFile> = chain
            .filter_map(|path| text(&path).map(|text| SourceFile::from_bytes(path, text.as_bytes())))
            .collect();
        let environment = load(&files).environment.unwrap_or_else(|| panic!("{name} is invalid"));
        let account = self.account();
        let site = environment.site("ops", account.subscription, account.tenant);
        let wanted = Wanted {
            environment: &environment,
            site: &site,
            former_groups: &[],
            consents: &Consents::default(),
            commit: None,
            input_digest: None,
            remembered: beamline::reconcile::Remembered::nothing(),
            neighbours: None,
        };
        let plan = make_plan(&wanted, &account.arm).await.unwrap().plan;
        assert!(plan.is_empty(), "plan again: no changes\n{}", render(&plan, Style::Plain));
    }
}

/// `router`, whose answers take `delay` longer.
pub(crate) fn slowly(router: Router, delay: Duration) -> Router {
    if delay.is_zero() {
        return router;
    }
    router.layer(from_fn(move |request: Request, next: Next| async move {
        tokio::time::sleep(delay).await;
        next.run(request).await
    }))
}

async fn watch(
    mut news: broadcast::Receiver<Happening>,
    watched: Arc<Mutex<Vec<Happening>>>,
    gate: Gate,
    heard: Arc<AtomicUsize>,
) {
    while let Ok(happening) = news.recv().await {
        watched.lock().unwrap().push(happening);
        heard.fetch_add(1, Ordering::Relaxed);
        gate.passed_by();
    }
}
