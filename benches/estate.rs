//! What a push of very many environments costs the daemon: small ones of six resources each, through the binary,
//! over TLS, with the journal on disk and Git notes as statuses, against a simulator that takes no time and
//! counts no requests.
//!
//! Run with `cargo bench --bench estate`. Processor time is the daemon's own, user and system, out of
//! `/proc/PID/stat`. The number of environments grows in steps: a cost that follows its square shows in the
//! last column, whatever the machine. `BEAMLINE_ESTATE=100,200` takes other steps. Then branches of very many
//! files, which are only looked at.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

mod machine;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use machine::{BINARY, Process, Simulator, git, written};

const STEPS: [usize; 3] = [250, 500, 1000];

/// What the daemon may spend on an environment, in milliseconds, and how long a thousand may take.
const AIM: (f64, Duration) = (50.0, Duration::from_secs(60));

/// How much more an environment of the largest push may cost than one of the smallest.
const GROWTH: f64 = 1.2;

/// Branches that change so many files: without meaning, as definitions up to the limit of 5,000, and above it, which
/// is refused.
const BRANCHES: [(&str, usize, &str); 3] =
    [("other files", 20_000, "csv"), ("definitions", 4_900, "yaml"), ("definitions", 20_000, "yaml")];

/// How long a branch may take to be looked at.
const BRANCH_AIM: Duration = Duration::from_secs(2);

/// How long a push may take before the benchmark counts as failed.
const PATIENCE: Duration = Duration::from_secs(900);

/// How often is looked whether it is over. A look is a process of its own, on the same machine.
const GLANCE: Duration = Duration::from_millis(500);

const DEFINITION: &str = "beamline: 1
subscription: ml
location: eastus
resource_group: { name: 'rg-${environment}' }
storage_accounts:
  default: { name: 'stbench${environment}', account_tier: Standard, account_replication_type: LRS }
key_vaults:
  main: { name: 'kv-bench-${environment}', sku_name: standard, rbac_authorization_enabled: true }
log_analytics_workspaces:
  main: { name: 'log-${environment}' }
application_insights:
  main: { name: 'ai-${environment}', application_type: web, workspace: main }
workspace:
  name: 'mlw-${environment}'
  storage_account: default
  key_vault: main
  application_insights: main
  identity: { type: SystemAssigned }
";

fn main() {
    let asked = std::env::var("BEAMLINE_ESTATE").ok();
    let steps: Vec<usize> = match &asked {
        Some(text) => text.split(',').map(|number| number.parse().unwrap()).collect(),
        None => STEPS.to_vec(),
    };
    println!("small environments in one push, through the binary over TLS, a simulator without latency");
    println!("             daemon's CPU      each   simulator's     wall   of the first");
    let mut first = None;
    for number in steps {
        let [made, changed] = estate(number);
        let [of_made, of_changed] = first.get_or_insert([made.each(number), changed.each(number)]);
        made.print("made", number, *of_made);
        changed.print("changed", number, *of_changed);
    }
    println!("aims: {} ms each, growth {GROWTH}, a thousand within {} s", AIM.0, AIM.1.as_secs());
    println!(
        "a branch of very many files: from its push to its first status (aim {} s)",
        BRANCH_AIM.as_secs()
    );
    for (what, files, extension) in BRANCHES {
        println!("{files:>6} {what:<12} {:>5.2} s", branch(files, extension).as_secs_f64());
    }
}

/// What a push took.
struct Cost {
    daemon: Duration,
    simulator: Duration,
    wall: Duration,
}

impl Cost {
    /// The daemon's processor time for one of so many environments, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    fn each(&self, number: usize) -> f64 {
        self.daemon.as_secs_f64() * 1000.0 / number as f64
    }

    fn print(&self, what: &str, number: usize, first: f64) {
        let [daemon, simulator, wall] =
            [self.daemon, self.simulator, self.wall].map(|time| time.as_secs_f64());
        let each = self.each(number);
        println!(
            "{number:>5} {what:<8} {daemon:>8.1} s {each:>6.1} ms {simulator:>11.1} s {wall:>6.0} s {:>14.2}",
            each / first
        );
    }
}

/// Makes so many environments in one push, and changes them all in the next one, through what they inherit; its
/// message has a consent line, so that each of them has to know which environments there are.
fn estate(number: usize) -> [Cost; 2] {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    git(folder, &["init", "-q", "--bare", "-b", "main", "origin.git"]);
    git(folder, &["clone", "-q", "origin.git", "clone"]);
    let clone = folder.join("clone");
    written(&clone, "README.md", "An estate.\n");
    commit(&clone, "An estate");
    let simulator = Simulator::start(folder, "simulator");
    let daemon = daemon(folder, &simulator.settings);
    until_applied(folder);
    let push = |message: &str| {
        let before = [&daemon, &simulator.process].map(Process::spent);
        let began = Instant::now();
        commit(&clone, message);
        until_applied(folder);
        let wall = began.elapsed();
        let after = [&daemon, &simulator.process].map(Process::spent);
        Cost { daemon: after[0] - before[0], simulator: after[1] - before[1], wall }
    };
    for index in 0..number {
        written(&clone, &format!("environments/e{index:05}.yaml"), DEFINITION);
    }
    let made = push("As wanted");
    written(&clone, "environments/defaults.yaml", "tags: { estate: benchmark }\n");
    [made, push("A tag\n\nBeamline-Consent: destroy e00000/key_vaults/main")]
}

/// How long it takes until something is said of a branch that changes so many files in one folder.
fn branch(files: usize, extension: &str) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    git(folder, &["init", "-q", "--bare", "-b", "main", "origin.git"]);
    git(folder, &["clone", "-q", "origin.git", "clone"]);
    let clone = folder.join("clone");
    let write = |more: &str| {
        for index in 0..files {
            let text = format!("{DEFINITION}# {more}\n");
            written(&clone, &format!("environments/many/f{index:05}.{extension}"), &text);
        }
    };
    // Only where that leaves main without environments: these are looked at, not made.
    if extension == "csv" {
        write("before");
    }
    written(&clone, "README.md", "An estate.\n");
    commit(&clone, "An estate");
    let simulator = Simulator::start(folder, "simulator");
    let _daemon = daemon(folder, &simulator.settings);
    until_applied(folder);
    git(&clone, &["checkout", "-q", "-b", "many"]);
    write("after");
    git(&clone, &["add", "."]);
    git(&clone, &["commit", "-q", "-m", "Very many"]);
    let began = Instant::now();
    git(&clone, &["push", "-q", "origin", "many"]);
    while said_of(folder, "many").is_empty() {
        assert!(began.elapsed() < PATIENCE, "nothing is said: {}", tail(folder));
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

fn daemon(folder: &Path, cloud: &str) -> Process {
    let (origin, state) = (folder.join("origin.git"), folder.join("state"));
    let cloud = cloud.replace("[subscriptions.ml]", "request_limits = \"none\"\n[subscriptions.ml]");
    let settings = format!(
        "owner = \"estate\"\nstate_dir = {state:?}\n[repository]\nurl = {origin:?}\n[http]\nlisten = \"\"\n{cloud}\n"
    );
    let settings = written(folder, "beamline.toml", &settings);
    let mut command = Command::new(BINARY);
    command.args(["daemon", "--config"]).arg(settings).env("BEAMLINE_SECRET_ML", "simulator");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log(folder)).unwrap());
    Process(command.spawn().unwrap())
}

fn log(folder: &Path) -> PathBuf {
    folder.join("daemon.log")
}

/// Commits everything and pushes it.
fn commit(clone: &Path, message: &str) {
    git(clone, &["add", "."]);
    git(clone, &["commit", "-q", "-m", message]);
    git(clone, &["push", "-q", "origin", "HEAD:main"]);
}

/// Waits until the head is said to be applied.
fn until_applied(folder: &Path) {
    let began = Instant::now();
    loop {
        let said = said_of(folder, "main");
        match said.lines().find_map(|line| line.strip_prefix("beamline/apply: ")) {
            Some(said) if said.starts_with("success") => return,
            Some(said) if !said.starts_with("pending") => panic!("{said}\n{}", tail(folder)),
            Some(_) | None => {}
        }
        assert!(began.elapsed() < PATIENCE, "not applied: {said}\n{}", tail(folder));
        std::thread::sleep(GLANCE);
    }
}

/// What the notes say of a branch's head, a status a line.
fn said_of(folder: &Path, branch: &str) -> String {
    let mut notes = Command::new("git");
    notes.arg("-C").arg(folder.join("origin.git")).args(["notes", "--ref=beamline", "show", branch]);
    String::from_utf8(notes.output().unwrap().stdout).unwrap()
}

fn tail(folder: &Path) -> String {
    let log = std::fs::read_to_string(log(folder)).unwrap();
    let lines: Vec<&str> = log.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
