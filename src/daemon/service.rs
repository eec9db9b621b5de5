//! Start, readiness, orderly stop.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::hearing::reaching::watch_azure;
use super::hearing::renewal::watch_credentials;
use super::hearing::triggers::{Watching, poll, sweep_by_cron, watch_files};
use super::http::{self, HttpOptions, LAST_ANSWERS};
use super::shared::Shared;
use super::shared::absent::Absent;
use super::shared::agreed::Agreed;
use super::shared::ailments::Ailments;
use super::shared::beat::{Beats, Rhythm};
use super::shared::error::DaemonError;
use super::shared::event::{Because, Event};
use super::shared::forks::Forks;
use super::shared::happening::Happening;
use super::shared::hopeless::Hopeless;
use super::shared::listing::Listed;
use super::shared::onsets::Onsets;
use super::shared::recent::Recent;
use super::shared::refusals::Refusals;
use super::shared::rivals;
use super::shared::standstill::Standstill;
use super::shared::tally::Tally;
use super::shared::trouble::Troubles;
use super::shared::wellness::Supervisor;
use super::telling::{delivery, notes};
use super::working::{dispatcher, neighbours, outage};
use crate::attempt::Estate;
use crate::clock::Clock;
use crate::forge::Forge;
use crate::git::{BranchName, Mirror, RepoPath};
use crate::store::{FolderLock, Store, this_process};

/// Events that may wait. More than this means that a look is due anyway.
const EVENTS: usize = 256;

/// Happenings that a slow watcher may lag behind; older ones are lost to it.
const HAPPENINGS: usize = 4096;

/// With an empty journal at most this share of the read budget goes into first plans, so that people's
/// own requests are not starved.
const WALKING_PACE: f64 = 0.25;

/// How long statuses that are due may take to leave when the service stops.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// What a daemon is made of.
pub struct Parts {
    /// The owner and its subscriptions.
    pub estate: Estate,
    /// The mirror of the watched repository.
    pub mirror: Mirror,
    /// The branch that is applied.
    pub branch: BranchName,
    /// The folder of the definitions.
    pub root: RepoPath,
    /// Everything that survives a restart.
    pub store: Store,
    /// The lock of the store's folder, held for as long as the daemon runs; `None` when nobody else can know
    /// of the store.
    pub lock: Option<FolderLock>,
    /// Where statuses go.
    pub forge: ForgeChoice,
    /// Whose pull requests are planned without being asked to.
    pub forks: Forks,
    /// Most writes to the forge within an hour; `None`: any number.
    pub write_limit: Option<u64>,
    /// Where people reach what is served, as `https://beamline.example`; statuses lead there.
    pub public_url: Option<String>,
    /// Time and ids.
    pub clock: Clock,
    /// Environments at the same time.
    pub parallel: usize,
    /// The poll interval.
    pub poll: Duration,
    /// Six-field cron expression of the sweep; `None` leaves sweeping to `requests`.
    pub sweep: Option<String>,
    /// Events from whoever composes the daemon (a simulation sends its sweeps); `None` for none.
    pub requests: Option<mpsc::Receiver<Event>>,
    /// What is served; `None` for nothing.
    pub http: Option<HttpOptions>,
    /// The socket on which people of this machine ask it; `None` when nobody is to.
    pub socket: Option<PathBuf>,
    /// Those who watch.
    pub watchers: broadcast::Sender<Happening>,
    /// Where it is counted what happens.
    pub tally: Tally,
    /// How often the loop beats, and how long what may stand still.
    pub rhythm: Rhythm,
    /// Who is told at every beat of the loop how the daemon is; `None` for nobody. Must not block.
    pub supervisor: Option<Supervisor>,
}

/// Where statuses go.
pub enum ForgeChoice {
    /// To a forge.
    Forge(Forge),
    /// Into the repository itself, as Git notes.
    Notes,
}

/// A channel for watchers.
#[must_use]
pub fn watchers() -> broadcast::Sender<Happening> {
    broadcast::channel(HAPPENINGS).0
}

/// Runs the daemon until `stop` is cancelled. `ready` is called once the first look is under way and
/// the address is being listened on.
///
/// # Errors
/// [`DaemonError`] when it cannot start, or its store fails.
pub async fn run(mut parts: Parts, stop: CancellationToken, ready: impl FnOnce()) -> Result<(), DaemonError> {
    // However this ends, also by being dropped, nothing that it has spawned goes on.
    let _stopping = stop.clone().drop_guard();
    // Let go of last, when nothing is written any more.
    let _lock = parts.lock.take();
    let (sender, events) = mpsc::channel(EVENTS);
    let (interval, sweep, http) = (parts.poll, parts.sweep.take(), parts.http.take());
    let (requests, socket) = (parts.requests.take(), parts.socket.take());
    let shared = Arc::new(share(parts));
    if let Some(expression) = sweep {
        let scheduled = sweep_by_cron(&expression, shared.clock.clone(), sender.clone(), stop.clone()).await;
        scheduled.map_err(|_| DaemonError::Sweep { expression })?;
    }
    let (broken, mut breaking) = mpsc::channel(1);
    let part = Parting { broken, stop: stop.clone() };
    let served = match http {
        Some(options) => {
            let server = http::serve(shared.clone(), options, sender.clone(), stop.clone()).await?;
            Some(part.spawn("the HTTP server", server.map(drop)))
        }
        None => None,
    };
    let asked = match socket {
        Some(path) => http::local::serve(shared.clone(), &path, sender.clone(), stop.clone()),
        None => None,
    };
    let _watching = watch(&shared, &sender, &stop);
    if let Some(requests) = requests {
        tokio::spawn(forward(requests, sender.clone(), stop.clone()));
    }
    part.spawn("the polling", poll(interval, shared.clock.clone(), sender.clone(), stop.clone()));
    part.spawn(
        "the watch over the journal",
        outage::watch_journal(shared.clone(), sender.clone(), stop.clone()),
    );
    part.spawn("the watch over credentials", watch_credentials(shared.clone(), sender.clone(), stop.clone()));
    part.spawn("the watch over Azure", watch_azure(shared.clone(), sender.clone(), stop.clone()));
    let deliveries = part.spawn("the delivery of statuses", delivery::deliver(shared.clone(), stop.clone()));
    // The channel was made just now and has room.
    let _ = sender.try_send(Event::Look(Because::Started));
    ready();
    let dispatching = AssertUnwindSafe(dispatcher::run(shared.clone(), events, sender, stop.clone()));
    let ended = tokio::select! {
        ended = dispatching.catch_unwind() => match ended {
            Ok(ended) => ended.map_err(DaemonError::from),
            Err(_) => Err(DaemonError::Broken { part: "the loop that gives out the work" }),
        },
        Some(part) = breaking.recv() => Err(DaemonError::Broken { part }),
    };
    stop.cancel();
    shared.outbox.notify_one();
    if tokio::time::timeout(LAST_DELIVERY, deliveries).await.is_err() {
        tracing::warn!("some statuses are delivered at the next start");
    }
    if let Some(served) = served
        && tokio::time::timeout(LAST_ANSWERS, served).await.is_err()
    {
        tracing::warn!("a client was too slow for its answer");
    }
    if let Some(asked) = asked {
        // Whoever asked sees the connection end, and finds what was done in the journal.
        asked.abort();
    }
    shared.store.close().await;
    ended
}

/// What the parts of the daemon that run beside its loop are started with: one that ends before its time,
/// or panics, ends the daemon.
struct Parting {
    broken: mpsc::Sender<&'static str>,
    stop: CancellationToken,
}

impl Parting {
    fn spawn(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let (broken, stop) = (self.broken.clone(), self.stop.clone());
        tokio::spawn(async move {
            let ended = AssertUnwindSafe(part).catch_unwind().await;
            if ended.is_err() || !stop.is_cancelled() {
                // The first one is enough.
                let _ = broken.try_send(name);
            }
        })
    }
}

async fn forward(mut requests: mpsc::Receiver<Event>, events: mpsc::Sender<Event>, stop: CancellationToken) {
    while let Some(Some(event)) = stop.run_until_cancelled(requests.recv()).await {
        if events.send(event).await.is_err() {
            return;
        }
    }
}

fn watch(shared: &Shared, sender: &mpsc::Sender<Event>, stop: &CancellationToken) -> Option<Watching> {
    let paths = shared.mirror.watch_paths()?;
    match watch_files(&paths, shared.clock.clone(), sender.clone(), stop.clone()) {
        Ok(watching) => Some(watching),
        Err(error) => {
            tracing::warn!(%error, "file notification is not available; polling only");
            None
        }
    }
}

fn share(parts: Parts) -> Shared {
    let Parts {
        estate,
        mirror,
        branch,
        root,
        store,
        forge,
        forks,
        write_limit,
        public_url,
        clock,
        parallel,
        watchers,
        tally,
        rhythm,
        supervisor,
        ..
    } = parts;
    let mirror = Arc::new(mirror.favouring(&branch));
    let forge = match forge {
        ForgeChoice::Forge(forge) => forge,
        ForgeChoice::Notes => notes::outlet(mirror.clone(), clock.clone()),
    };
    let holder = this_process(clock.uuid());
    let walking =
        estate.accounts.iter().map(|(alias, account)| (alias.clone(), account.arm.paced(WALKING_PACE)));
    let walking = walking.collect();
    Shared {
        estate,
        mirror,
        branch,
        root,
        store,
        forge,
        forks,
        public_url,
        listed: Listed::default(),
        pull_requests_told: AtomicBool::new(false),
        clock,
        parallel,
        holder,
        rivals: Recent::keeping(rivals::KEPT),
        standstill: Standstill::default(),
        declared: Recent::keeping(neighbours::KEPT),
        orphans_found: AtomicBool::new(false),
        walking,
        outbox: Notify::new(),
        write_limit,
        supply: Mutex::default(),
        absent: Absent::default(),
        agreed: Agreed::default(),
        hopeless: Hopeless::default(),
        has_new_credential: AtomicBool::new(false),
        troubles: Troubles::default(),
        refusals: Refusals::default(),
        onsets: Onsets::default(),
        beats: Beats::new(rhythm),
        ailments: Ailments::default(),
        supervisor,
        watchers,
        tally,
        looked_once: AtomicBool::new(false),
    }
}
