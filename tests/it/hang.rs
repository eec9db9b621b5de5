//! Nothing hangs and nothing lies: applies by the real binary, each disturbed in one way, all of which must
//! settle, say what is so, make nothing twice, and leave nothing to do.
//!
//! A disturbance is drawn in turn, its moment and its times from the seed. Half of the applies are made by
//! `beamline apply`, half by `beamline daemon`. `BEAMLINE_HANG_APPLIES` says how many (20 when it is not set),
//! `BEAMLINE_HANG_SEED` at which to begin: a failure names its seed, and `BEAMLINE_HANG_APPLIES=1
//! BEAMLINE_HANG_SEED=17 cargo test --test it hang` makes it again. `docs/reliability.md` has the figures of 200.
//!
//! The small disk needs root, the moving clock needs libfaketime; where `CI` is set, lacking either is a failure.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::machine::{Machine, Running, Said, wait_until};

/// How long anything may take before it counts as hanging. An apply takes some ten seconds here, one that
/// resends what had no answer ten more; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many characters of what a process said are shown when a case fails.
const TAIL: usize = 4000;

/// How much longer an apply may take that was killed and started again, in the median. The figure is only
/// judged where there are enough of both.
const KILLED_OVER_UNDISTURBED: f64 = 1.2;
const ENOUGH: usize = 10;

/// At most this many applies at the same time.
const LANES: usize = 3;

const DEFINITION: &str = include_str!("../../environments/production.yaml");

/// What happens to an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    /// Nothing: what the others are compared with.
    None,
    /// The process is killed and started again at once.
    Kill,
    /// The process is asked to stop and started again.
    Terminate,
    /// A lock refuses every write at the same instant.
    ReadOnlyLock,
    /// The identity may only read.
    Reader,
    /// Operations are cancelled and fail while others end.
    Operations,
    /// The disk of the journal is full for a while.
    FullDisk,
    /// The clock is two hours ahead from some moment on.
    ClockAhead,
    /// The clock is two hours behind from some moment on.
    ClockBehind,
}

use Disturbance as D;

const DISTURBANCES: [Disturbance; 9] = [
    D::None,
    D::Kill,
    D::Terminate,
    D::ReadOnlyLock,
    D::Reader,
    D::Operations,
    D::FullDisk,
    D::ClockAhead,
    D::ClockBehind,
];

impl Disturbance {
    /// Whether it makes the apply end in a failure that somebody has to mend.
    fn is_refusal(self) -> bool {
        match self {
            D::ReadOnlyLock | D::Reader => true,
            D::None
            | D::Kill
            | D::Terminate
            | D::Operations
            | D::FullDisk
            | D::ClockAhead
            | D::ClockBehind => false,
        }
    }

    /// Whether Azure itself fails, so that something may rightly be sent again.
    fn is_azures(self) -> bool {
        self.is_refusal() || self == D::Operations
    }
}

/// Who applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    CommandLine,
    Daemon,
}

/// One apply, drawn from a seed.
struct Case {
    seed: u64,
    disturbance: Disturbance,
    driver: Driver,
    random: fastrand::Rng,
    machine: Machine,
    /// All that was said so far, for a failure.
    said: String,
}

/// What an apply came to.
struct Settled {
    took: Duration,
    /// Writes that Azure accepted, by path.
    writes: BTreeMap<String, usize>,
    resources: Vec<String>,
}

/// Between a tenth of a second and three: operations overlap, and the whole takes some ten seconds.
fn latency(random: &mut fastrand::Rng, disturbance: Disturbance) -> String {
    // With no latency at all, steps of one level end at one instant.
    if disturbance.is_azures() && random.bool() {
        return "base: none\n".to_owned();
    }
    let types = [
        "Microsoft.Storage/storageAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.Network/virtualNetworks",
        "Microsoft.MachineLearningServices/workspaces",
        "Microsoft.MachineLearningServices/workspaces/computes",
    ];
    let lines = types.map(|name| format!("  {name}: {{ create: 1s..3s, retry_after: 1s }}\n"));
    format!("base: none\ntypes:\n{}", lines.concat())
}

impl Case {
    fn of(seed: u64) -> Self {
        let count = DISTURBANCES.len() as u64;
        let mut disturbance = DISTURBANCES[usize::try_from(seed % count).unwrap()];
        if matches!(disturbance, D::ClockAhead | D::ClockBehind) && !Machine::has_movable_clock() {
            assert!(std::env::var_os("CI").is_none(), "libfaketime is missing");
            disturbance = D::None;
        }
        let driver = if (seed / count).is_multiple_of(2) { Driver::CommandLine } else { Driver::Daemon };
        let mut random = fastrand::Rng::with_seed(seed);
        let disk = (disturbance == D::FullDisk).then_some("8m");
        let machine = Machine::start(&latency(&mut random, disturbance), disk);
        Self { seed, disturbance, driver, random, machine, said: String::new() }
    }

    fn settings(&self) -> &'static str {
        if self.disturbance == D::Reader { "guest.toml" } else { "beamline.toml" }
    }

    fn start(&self) -> Running {
        match self.driver {
            Driver::CommandLine => self.machine.beamline(self.settings(), &["apply", "production", "--yes"]),
            Driver::Daemon => self.machine.beamline(self.settings(), &["daemon"]),
        }
    }

    fn fail(&self, what: &str) -> ! {
        let (seed, disturbance, driver) = (self.seed, self.disturbance, self.driver);
        panic!("seed {seed}: {disturbance:?} by {driver:?}: {what}\n{}", self.said);
    }

    /// Some moment within an apply.
    fn moment(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(100..8000))
    }

    fn run(mut self) -> Settled {
        let mut commit = self.machine.push(DEFINITION);
        if self.disturbance == D::Reader {
            self.machine.grant_guest("Reader");
        }
        if self.disturbance == D::ReadOnlyLock {
            self.finish(None, &commit);
            self.lock("PUT");
            commit = self.machine.push(&DEFINITION.replace("team: data-science", "team: research"));
        }
        if self.disturbance == D::Operations {
            self.script_operations();
        }
        let started = Instant::now();
        let running = self.disturb(&commit);
        self.cure();
        self.finish(running, &commit);
        let took = started.elapsed();
        self.expect_no_changes();
        self.settled(took)
    }

    /// Starts an apply and does to it what is to be done. What still runs then is handed back.
    fn disturb(&mut self, commit: &str) -> Option<Running> {
        let moment = self.moment();
        let mut running = self.start();
        match self.disturbance {
            D::None | D::Operations => {}
            D::Kill | D::Terminate => {
                wait_until(moment, || running.has_ended());
                let name = if self.disturbance == D::Kill { "KILL" } else { "TERM" };
                running.signal(name);
                self.note(running.wait(PATIENCE));
                return None;
            }
            D::ReadOnlyLock | D::Reader => return self.expect_refusal(running, commit),
            D::FullDisk => {
                wait_until(moment, || running.has_ended());
                self.machine.fill_disk();
                wait_until(Duration::from_secs(3), || running.has_ended());
                self.machine.free_disk();
            }
            D::ClockAhead | D::ClockBehind => {
                wait_until(moment, || running.has_ended());
                let offset = if self.disturbance == D::ClockAhead { "+2h" } else { "-2h" };
                self.machine.move_clock(offset);
            }
        }
        Some(running)
    }

    /// The apply must end by itself, and say that it has failed and why.
    fn expect_refusal(&mut self, running: Running, commit: &str) -> Option<Running> {
        let cause = if self.disturbance == D::Reader { "AuthorizationFailed" } else { "ScopeLocked" };
        match self.driver {
            Driver::CommandLine => {
                let said = running.wait(PATIENCE);
                let (is_hung, is_success) = (said.status.is_none(), said.is_success());
                let names_cause = said.text.contains(cause);
                self.note(said);
                if is_hung || is_success || !names_cause {
                    self.fail(&format!("it was refused with {cause} and did not end by saying so"));
                }
                None
            }
            Driver::Daemon => {
                let ended = || self.machine.notes(commit).contains("beamline/apply: failure");
                if !wait_until(PATIENCE, ended) {
                    self.fail(&format!("no failed status: {:?}", self.machine.notes(commit)));
                }
                let notes = self.machine.notes(commit);
                if !notes.contains(cause) {
                    self.fail(&format!("the status does not name {cause}: {notes}"));
                }
                Some(running)
            }
        }
    }

    /// Lets all writes below the group be refused, or not any more.
    fn lock(&self, method: &str) {
        let group = format!("/subscriptions/{}/resourceGroups/rg-ml-production", self.machine.subscription());
        let path = format!("resources{group}/providers/Microsoft.Authorization/locks/hold");
        let body = json!({ "properties": { "level": "ReadOnly" } });
        self.machine.admin(method, &path, (method == "PUT").then_some(&body));
    }

    /// Several operations that end badly, some more than once.
    fn script_operations(&mut self) {
        let kinds =
            ["/vaults/", "/workspaces/log-", "/registries/", "/virtualNetworks/", "/computes/", "/mlw-"];
        for kind in kinds {
            let effect = match self.random.u32(0..4) {
                0 => continue,
                1 => json!({ "kind": "cancel_operation" }),
                2 => {
                    json!({ "kind": "fail_operation", "code": "InternalServerError", "message": "It broke." })
                }
                _ => {
                    json!({ "kind": "status", "code": 500, "error_code": "InternalServerError", "message": "No." })
                }
            };
            let times = self.random.u32(1..4);
            let fault = json!({ "method": "PUT", "path_contains": kind, "times": times, "effect": effect });
            self.machine.admin("POST", "faults", Some(&fault));
        }
    }

    /// Takes away what disturbs.
    fn cure(&self) {
        match self.disturbance {
            D::ReadOnlyLock => self.lock("DELETE"),
            D::Reader => self.machine.grant_guest("Owner"),
            // Faults are spent by themselves.
            D::Operations => {}
            D::None | D::Kill | D::Terminate | D::FullDisk | D::ClockAhead | D::ClockBehind => {}
        }
    }

    /// Applies, or waits, until everything is as declared.
    fn finish(&mut self, running: Option<Running>, commit: &str) {
        match self.driver {
            Driver::CommandLine => {
                let mut next = running;
                for _ in 0..12 {
                    let running = next.take().unwrap_or_else(|| self.start());
                    let said = running.wait(PATIENCE);
                    let (is_hung, is_success) = (said.status.is_none(), said.is_success());
                    self.note(said);
                    if is_hung {
                        self.fail("it hangs");
                    }
                    if is_success {
                        return;
                    }
                }
                self.fail("it never succeeds");
            }
            Driver::Daemon => {
                let running = running.unwrap_or_else(|| self.start());
                let done = || self.machine.notes(commit).contains("beamline/apply: success");
                let is_done = wait_until(PATIENCE, done);
                let notes = self.machine.notes(commit);
                running.signal("TERM");
                let said = running.wait(PATIENCE);
                let is_stopped = said.is_success();
                self.note(said);
                self.said.push_str(&notes);
                if !is_done || !is_stopped {
                    self.fail(&format!("done: {is_done}, stopped in order: {is_stopped}"));
                }
                if notes.contains(": pending:") {
                    self.fail("a status is left pending beside the final one");
                }
            }
        }
    }

    /// What was called a success is one, to somebody who remembers nothing.
    fn expect_no_changes(&mut self) {
        let said = self.machine.beamline("witness.toml", &["plan", "production", "--detailed-exitcode"]);
        let said = said.wait(PATIENCE);
        let is_empty = said.is_success() && said.text.contains("no changes");
        self.note(said);
        if !is_empty {
            self.fail("the second plan is not empty");
        }
    }

    fn settled(&self, took: Duration) -> Settled {
        let requests = self.machine.admin("GET", "requests", None);
        let mut writes = BTreeMap::new();
        for record in requests["newest"].as_array().unwrap() {
            let is_write = ["PUT", "PATCH", "DELETE"].contains(&record["method"].as_str().unwrap());
            if is_write && record["status"].as_u64().unwrap() < 300 && record["class"] == "Arm" {
                let write =
                    format!("{} {}", record["method"].as_str().unwrap(), record["path"].as_str().unwrap());
                *writes.entry(write.to_ascii_lowercase()).or_default() += 1;
            }
        }
        let ids = self.machine.admin("GET", "resources", None);
        let ids = ids["ids"].as_array().unwrap().iter();
        let ids = ids.map(|id: &Value| id.as_str().unwrap().to_ascii_lowercase());
        // The identities that the simulator knows from the start stand beside.
        let resources = ids.filter(|id| id.contains("/resourcegroups/rg-ml-production")).collect();
        Settled { took, writes, resources }
    }

    fn note(&mut self, said: Said) {
        // The end is what matters; a plan of everything is long.
        let tail = said.text.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
        self.said.push_str(&format!("--- {:?}\n…{}\n", said.status, &said.text[tail..]));
    }
}

#[test]
fn two_hundred_disturbed_applies_settle_and_say_what_is_so() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let first = number("BEAMLINE_HANG_SEED", 0);
    let next = AtomicU64::new(first);
    let end = first + number("BEAMLINE_HANG_APPLIES", 20);
    let (settled, failed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let undisturbed = Case { disturbance: D::None, ..Case::of(0) }.run();
    let one = |seed: u64| {
        let case = Case::of(seed);
        let (disturbance, driver) = (case.disturbance, case.driver);
        let one = case.run();
        println!("seed {seed}: {disturbance:?} by {driver:?} settled in {:.1?}", one.took);
        assert_eq!(one.resources, undisturbed.resources, "seed {seed}");
        if !disturbance.is_azures() {
            assert_eq!(one.writes, undisturbed.writes, "seed {seed}: {disturbance:?} by {driver:?}");
        }
        settled.lock().unwrap().push((disturbance, one.took));
    };
    let lane = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            // Every seed that fails is named, not only the first.
            if catch_unwind(AssertUnwindSafe(|| one(seed))).is_err() {
                failed.lock().unwrap().push(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let settled = settled.into_inner().unwrap();
    for disturbance in DISTURBANCES {
        if let Some(median) = median(&settled, disturbance) {
            println!("{disturbance:?}: median {median:.1?}");
        }
    }
    let count = |of| settled.iter().filter(|(disturbance, _)| *disturbance == of).count();
    if let (Some(killed), Some(undisturbed)) = (median(&settled, D::Kill), median(&settled, D::None)) {
        let ratio = killed.as_secs_f64() / undisturbed.as_secs_f64();
        println!("killed over undisturbed: {ratio:.2}");
        let is_judged = count(D::Kill) >= ENOUGH && count(D::None) >= ENOUGH;
        assert!(!is_judged || ratio <= KILLED_OVER_UNDISTURBED, "a kill costs too much: {ratio:.2}");
    }
    assert_eq!(failed.into_inner().unwrap(), Vec::<u64>::new(), "these seeds failed");
}

fn median(settled: &[(Disturbance, Duration)], of: Disturbance) -> Option<Duration> {
    let mut times: Vec<Duration> =
        settled.iter().filter(|(disturbance, _)| *disturbance == of).map(|(_, took)| *took).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
