//! What `beamline simulate` prints, pasted to the letter into shells in other folders, works; and nothing of it shows
//! up in the Git repository in which it was started.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cli::commit;
use crate::support::git_servers::is_installed;
use crate::support::machine::wait_until;
use crate::support::port::Port;

const PATIENCE: Duration = Duration::from_secs(300);

/// A program that ends with the story.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A shell in `dir`, as somebody has it who has just logged in.
fn shell(dir: &Path, script: &str) -> Command {
    let program = assert_cmd::cargo::cargo_bin("beamline");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("set -e\n{script}")]).current_dir(dir).stdin(Stdio::null());
    shell.env_clear().env("PATH", path).env("HOME", dir);
    shell
}

fn pasted(dir: &Path, script: &str) -> String {
    let output = shell(dir, script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}\n{said}\n{complaint}");
    said
}

/// Starts a simulator in `dir`, a Git repository, and answers with what it prints until `last`.
fn simulated(dir: &Path, arguments: &str, last: &str) -> (Ending, String) {
    let file = dir.join(".git/printed");
    let script = format!(
        "exec beamline simulate --latency none --listen 127.0.0.1:0 {arguments} > {:?} 2> {:?}",
        file,
        dir.join(".git/complained")
    );
    let simulator = Ending(shell(dir, &script).spawn().unwrap());
    let printed = || std::fs::read_to_string(&file).unwrap_or_default();
    let complained = || std::fs::read_to_string(dir.join(".git/complained")).unwrap_or_default();
    assert!(wait_until(PATIENCE, || printed().contains(last)), "{}{}", printed(), complained());
    (simulator, printed())
}

/// The lines from the one that begins with `from` to the one before that which begins with `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = &text[text.find(&format!("\n{from}")).unwrap_or_else(|| panic!("no {from} in {text}"))..];
    let end = rest.find(&format!("\n{to}")).unwrap_or_else(|| panic!("no {to} in {text}"));
    &rest[..end]
}

/// A Git repository in a folder with a name that wants quotes.
fn repository(parent: &Path) -> std::path::PathBuf {
    let dir = parent.join("Ada's work");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("README.md"), "mine\n").unwrap();
    commit(&dir, "Mine");
    dir
}

#[test]
fn the_settings_of_a_simulated_azure_are_used_from_another_folder() {
    let home = tempfile::tempdir().unwrap();
    let (dir, elsewhere) = (repository(home.path()), home.path().join("elsewhere"));
    let (_simulator, printed) = simulated(&dir, "", "az login");
    std::fs::create_dir_all(elsewhere.join("environments")).unwrap();
    std::fs::write(elsewhere.join("environments/dev.toml"), crate::cli::DEV).unwrap();
    commit(&elsewhere, "The first environment");
    let settings = between(&printed, "# beamline", "# Terraform");
    let config = settings.split("--config ").nth(1).unwrap();
    let said = pasted(
        &elsewhere,
        &format!(
            "{settings}\nbeamline plan dev --config {config}\nbeamline apply dev --yes --config {config}"
        ),
    );
    assert!(said.contains("7 to create") && said.contains("7 of 7 steps done"), "{said}");
    assert!(dir.join("simulator-state/state/journal.sqlite").is_file());
    pasted(&dir, "beamline demo --once --speed 10000 --dir demo");
    assert_eq!(pasted(&dir, "git status --porcelain"), "");
}

#[test]
fn a_whole_pull_request_is_tried_with_what_is_printed() {
    if !is_installed(&["curl", "git", "bash"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (dir, port) = (repository(home.path()), Port::keep());
    let (daemons, people) = (home.path().join("daemons"), home.path().join("people"));
    std::fs::create_dir(&daemons).unwrap();
    std::fs::create_dir(&people).unwrap();
    let arguments = format!(
        "--forge gitea --forge-listen 127.0.0.1:0 --webhook-pace at-once --webhook http://localhost:{}",
        port.number()
    );
    let (_simulator, printed) = simulated(&dir, &arguments, "_simulator/history");
    let settings = between(&printed, "# beamline", "# Terraform");
    let start = settings.split("# then: ").nth(1).unwrap();
    let script = format!("{settings}\nexec {start} 2> daemon.log");
    let _daemon = Ending(shell(&daemons, &script).spawn().unwrap());
    pasted(&people, between(&printed, "# A change", "# open"));
    let history = printed.trim_end().lines().next_back().unwrap();
    let seen = |words: &[&str]| {
        let all = pasted(&people, history);
        words.iter().all(|word| all.contains(word))
    };
    let log = || std::fs::read_to_string(daemons.join("daemon.log")).unwrap_or_default();
    assert!(wait_until(PATIENCE, || seen(&["7 created"])), "{}", log());
    let clone = people.join("infra");
    pasted(&clone, between(&printed, "# open\n", "# comment"));
    assert!(wait_until(PATIENCE, || seen(&["max_node_count"])), "{}", log());
    let page = format!("http://localhost:{}/", port.number());
    assert!(seen(&[&page]), "statuses lead to the page of the commit: {}", pasted(&people, history));
    pasted(&clone, between(&printed, "# merge\n", "# squash"));
    assert!(wait_until(PATIENCE, || seen(&["1 changed"])), "{}", log());
    assert_eq!(pasted(&dir, "git status --porcelain"), "");
}

#[test]
fn the_settings_of_a_forge_alone_are_those_of_a_daemon() {
    if !is_installed(&["curl"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (dir, port) = (repository(home.path()), Port::keep());
    let arguments = format!(
        "--forge github --no-azure --forge-listen 127.0.0.1:0 --webhook http://127.0.0.1:{}",
        port.number()
    );
    let (_simulator, printed) = simulated(&dir, &arguments, "_simulator/history");
    let settings = between(&printed, "# beamline", "# A change");
    let start = settings.split("# then: ").nth(1).unwrap().trim_end();
    let script = format!("{settings}\nexec {start} 2> daemon.log");
    let _daemon = Ending(shell(home.path(), &script).spawn().unwrap());
    let log = || std::fs::read_to_string(home.path().join("daemon.log")).unwrap_or_default();
    let asked = format!("curl -s http://127.0.0.1:{}/readyz || true", port.number());
    // It has looked, with its password and the certificate authority.
    let has_looked = || pasted(home.path(), &asked).contains("octo/infra.git has no branch yet");
    assert!(wait_until(PATIENCE, has_looked), "{}", log());
    assert!(dir.join("simulator-state/state/journal.sqlite").is_file());
}
