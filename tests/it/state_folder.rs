//! One process per state folder; and what a killed one leaves behind keeps nobody waiting.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use beamline::daemon::Happening;
use beamline_simulator::Latency;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::cli::{DEV, Simulator, commit, definitions};
use crate::support::machine::{Machine, wait_until};
use crate::support::{DaemonWorld, Setup, group_of, small};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How soon a start goes on with what a killed process has left: an operation is looked at 10 s after it
/// was last heard of. Without the lock its lease of 60 s came before.
const AT_ONCE: Duration = Duration::from_secs(12);

/// How soon a debug build on a busy machine has started and begun to go on, by the wall clock. A lease of 60 s
/// is renewed after 20 s: whoever waits for a dead one's waits longer than this.
const SOON: Duration = Duration::from_secs(35);

/// A daemon in a process of its own, until it is dropped.
struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts one that watches the repository at `work`.
    fn start(simulator: &Simulator, work: &Path, log: &str) -> Self {
        let log = simulator.settings.with_file_name(log);
        let said = std::fs::File::create(&log).unwrap();
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("beamline"));
        command.current_dir(work).args(["daemon", "--repository"]).arg(work);
        command.env("BEAMLINE_CONFIG", &simulator.settings).env("BEAMLINE_SECRET_ML", &simulator.secret);
        command.env("BEAMLINE_LOG", "info").env("GIT_CONFIG_GLOBAL", "/dev/null");
        let process = command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        Self { process, log }
    }

    /// Waits until it has logged `words`.
    fn says(&self, words: &str) {
        let began = Instant::now();
        while !self.log().contains(words) {
            assert!(began.elapsed() < PATIENCE, "`{words}` is not said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// As `kill -9` does.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A simulator with settings that a daemon can be started with.
fn stage(machine: &Path, latency: &[&str]) -> Simulator {
    let simulator = Simulator::with(machine, latency);
    let settings = std::fs::read_to_string(&simulator.settings).unwrap();
    std::fs::write(&simulator.settings, format!("{settings}\n[http]\nlisten = \"\"\n")).unwrap();
    simulator
}

/// A repository whose main branch has one environment.
fn one_environment() -> tempfile::TempDir {
    let work = definitions(&[("dev.toml", DEV)]);
    commit(work.path(), "The first environment");
    let mut git = std::process::Command::new("git");
    assert!(git.current_dir(work.path()).args(["branch", "-M", "main"]).status().unwrap().success());
    work
}

#[test]
fn a_second_process_is_told_who_has_the_state_folder() {
    let machine = tempfile::tempdir().unwrap();
    let simulator = stage(machine.path(), &["--latency", "none"]);
    let work = one_environment();
    let run = |arguments: &[&str]| simulator.command(work.path()).args(arguments).assert();
    let mut daemon = Daemon::start(&simulator, work.path(), "daemon.log");
    daemon.says("beamline 0.1.0 starts");
    let has_it = format!("in use by `beamline daemon` (process {}) since 20", daemon.process.id());
    let repository = work.path().display().to_string();
    // Without the socket nobody can ask it.
    daemon.says("answering beamline plan and apply");
    let socket = machine.path().join("state/beamline.sock");
    let away = socket.with_file_name("away");
    std::fs::rename(&socket, &away).unwrap();
    for second in [vec!["daemon", "--repository", &repository], vec!["apply", "--yes"]] {
        let began = Instant::now();
        run(&second)
            .code(1)
            .stderr(contains(&has_it).and(contains("hint: wait until it has ended or stop it")));
        assert!(began.elapsed() < SOON, "it waited");
    }
    run(&["plan"]).code(0);
    std::fs::rename(&away, &socket).unwrap();
    run(&["apply", "--yes"]).code(0);
    daemon.kill();
    run(&["apply", "--yes"]).code(0);
    // Whoever ends in order names nobody any more.
    assert_eq!(std::fs::read(machine.path().join("state/beamline.lock")).unwrap(), b"");
}

/// The code and the text of a page that the daemon at `address` serves.
fn page(address: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let code = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
    (code, answer)
}

#[test]
fn a_folder_that_is_moved_away_and_back_is_told_and_needs_no_restart() {
    let machine = Machine::start("base: none\n", None);
    machine
        .change_settings("beamline.toml", |text| text.replace("listen = \"\"", "listen = \"127.0.0.1:0\""));
    let first = machine.push(&small(1));
    let mut daemon = machine.beamline("beamline.toml", &["daemon"]);
    let is_applied = |commit: &str| machine.notes(commit).contains("beamline/apply: success");
    assert!(wait_until(PATIENCE, || is_applied(&first)), "{}", daemon.text());
    let text = daemon.text();
    let line = text.lines().find(|line| line.contains("serving webhooks and health")).unwrap();
    let at = line.find("127.0.0.1:").unwrap();
    let address = line[at..].split(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).next().unwrap();
    let becomes = |code: u16, reason: &str| {
        let is_so =
            || matches!(page(address, "/readyz"), (found, text) if found == code && text.contains(reason));
        assert!(
            wait_until(PATIENCE, is_so),
            "{code} {reason}: {:?}\n{}",
            page(address, "/readyz"),
            daemon.text()
        );
    };
    becomes(200, "ready");
    let (state, away) = (machine.path().join("state"), machine.path().join("away"));
    std::fs::rename(&state, &away).unwrap();
    becomes(503, "mount its folder, or put it back");
    std::fs::rename(&away, &state).unwrap();
    becomes(200, "ready");
    let second = machine.push(&small(2));
    assert!(wait_until(PATIENCE, || is_applied(&second)), "{}", daemon.text());
    assert!(!daemon.has_ended());
    daemon.signal("TERM");
    assert!(daemon.wait(PATIENCE).is_success());
}

#[tokio::test]
async fn after_a_kill_the_next_start_goes_on_at_once() {
    let machine = tempfile::tempdir().unwrap();
    let simulator = stage(machine.path(), &["--latency", "realistic"]);
    let work = one_environment();
    let mut first = Daemon::start(&simulator, work.path(), "first.log");
    let began = Instant::now();
    while steps_begun(&machine.path().join("state/journal.sqlite")).await < 2 {
        assert!(began.elapsed() < PATIENCE, "nothing is under way:\n{}", first.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    first.kill();
    let restarted = Instant::now();
    let second = Daemon::start(&simulator, work.path(), "second.log");
    second.says("an interrupted run goes on");
    assert!(restarted.elapsed() < SOON, "after {:?}:\n{}", restarted.elapsed(), second.log());
    assert!(second.log().contains("the process before this one was killed"), "{}", second.log());
}

/// How many events of runs are on the disk.
async fn steps_begun(journal: &Path) -> i64 {
    let options = SqliteConnectOptions::new().filename(journal).read_only(true);
    let Ok(mut connection) = SqliteConnection::connect_with(&options).await else { return 0 };
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM events").fetch_one(&mut connection).await;
    connection.close().await.unwrap();
    count.unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_does_not_wait_for_the_lease_of_the_dead() {
    let mut world = DaemonWorld::with(Setup { latency: Latency::Realistic { factor: 1.0 }, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    let vault = format!("{}/providers/Microsoft.KeyVault/vaults/kv-dev", group_of("dev"));
    world.until("the vault is being made", async || world.exists(&vault)).await;
    world.kill().await;
    world.happenings();
    let restarted = world.clock.now();
    world.start().await;
    let is_progress = |happening: &Happening| matches!(happening, Happening::Progress { .. });
    world.until("the run goes on", async || world.has_happened(is_progress)).await;
    let waited = Duration::try_from(world.clock.now().duration_since(restarted)).unwrap();
    assert!(waited <= AT_ONCE, "{waited:?}");
    world.settled("main", &commit).await;
    world.finish().await;
}
