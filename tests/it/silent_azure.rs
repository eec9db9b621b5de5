//! An Azure that accepts everything and answers nothing, by real processes: whoever is told to stop stops, and what was
//! under way goes on when Azure is back.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use serde_json::json;

use crate::support::machine::{Machine, Running, Said, wait_until};
use crate::support::small;

/// How long anything may take on a busy machine. A stop waits ten seconds for what is under way.
const PATIENCE: Duration = Duration::from_secs(120);

/// A step that is under way for some seconds.
const SLOW: &str = "base: none\ntypes:\n  Microsoft.KeyVault/vaults: { create: 3s..3s, retry_after: 1s }\n";

/// Longer than any of these stories.
const NEVER_MS: u64 = 3_600_000;

const APPLY: &[&str] = &["apply", "production", "--yes"];

/// Starts `beamline` and silences Azure when a vault is being made, and the answer to that has not come.
fn silenced(machine: &Machine, arguments: &[&str]) -> Running {
    let held = json!({ "kind": "slow", "ms": NEVER_MS });
    let fault = json!({ "method": "PUT", "path_contains": "/vaults/", "effect": held });
    machine.admin("POST", "faults", Some(&fault));
    let mut running = machine.beamline("beamline.toml", arguments);
    let is_under_way = || {
        let ids = machine.admin("GET", "resources", None)["ids"].to_string().to_ascii_lowercase();
        ids.contains("/vaults/")
    };
    assert!(wait_until(PATIENCE, is_under_way) && !running.has_ended(), "{}", running.text());
    machine.silence_azure();
    running
}

/// Somebody who remembers nothing finds everything as declared.
fn nothing_is_left(machine: &Machine) {
    let plan = machine.beamline("witness.toml", &["plan", "production", "--detailed-exitcode"]);
    let said = plan.wait(PATIENCE);
    assert!(said.is_success() && said.text.contains("no changes"), "{}", said.text);
}

fn code(said: &Said) -> Option<i32> {
    said.status.and_then(|status| status.code())
}

#[test]
fn an_apply_whose_azure_is_silent_ends_in_order_and_the_next_one_goes_on() {
    let machine = Machine::start(SLOW, None);
    machine.push(&small(1));
    let apply = silenced(&machine, APPLY);
    apply.signal("TERM");
    let said = apply.wait(PATIENCE);
    assert_eq!(code(&said), Some(1), "{}", said.text);
    assert!(
        said.text.contains("Stopping: nothing new is started. Run the same command again"),
        "{}",
        said.text
    );
    machine.wake_azure();
    let said = machine.beamline("beamline.toml", APPLY).wait(PATIENCE);
    assert!(said.is_success() && said.text.contains("going on with a run"), "{}", said.text);
    nothing_is_left(&machine);
}

#[test]
fn the_second_signal_ends_an_apply_at_once_and_the_next_one_goes_on() {
    let machine = Machine::start(SLOW, None);
    machine.push(&small(1));
    let mut apply = silenced(&machine, APPLY);
    apply.signal("TERM");
    assert!(wait_until(PATIENCE, || apply.text().contains("Stopping: ")), "{}", apply.text());
    // One that comes within half a second is the same.
    let is_ended = wait_until(PATIENCE, || {
        apply.signal("TERM");
        apply.has_ended()
    });
    let said = apply.wait(PATIENCE);
    assert!(is_ended && code(&said) == Some(130), "{:?}: {}", said.status, said.text);
    machine.wake_azure();
    let said = machine.beamline("beamline.toml", APPLY).wait(PATIENCE);
    assert!(said.is_success() && said.text.contains("going on with a run"), "{}", said.text);
    nothing_is_left(&machine);
}

#[test]
fn a_daemon_whose_azure_is_silent_stops_in_order_and_the_next_one_goes_on() {
    let machine = Machine::start(SLOW, None);
    let commit = machine.push(&small(1));
    let daemon = silenced(&machine, &["daemon"]);
    daemon.signal("TERM");
    let said = daemon.wait(PATIENCE);
    assert!(said.is_success(), "{:?}: {}", said.status, said.text);
    machine.wake_azure();
    let daemon = machine.beamline("beamline.toml", &["daemon"]);
    let is_applied = || machine.notes(&commit).contains("beamline/apply: success");
    assert!(wait_until(PATIENCE, is_applied), "{}\n{}", machine.notes(&commit), daemon.text());
    assert!(daemon.text().contains("an interrupted run goes on"), "{}", daemon.text());
    daemon.signal("TERM");
    assert!(daemon.wait(PATIENCE).is_success());
    nothing_is_left(&machine);
}

/// What a signal ended, and which.
fn ended_by(running: Running, name: &str) -> Option<i32> {
    running.signal(name);
    running.wait(PATIENCE).status.and_then(|status| status.signal())
}

#[test]
fn the_first_signal_ends_what_changes_nothing_and_stops_a_simulator_in_order() {
    let machine = Machine::start(SLOW, None);
    machine.push(&small(1));
    machine.silence_azure();
    for command in ["plan", "outputs"] {
        for (name, number) in [("INT", 2), ("TERM", 15)] {
            let reading = machine.beamline("witness.toml", &[command, "production"]);
            assert_eq!(ended_by(reading, name), Some(number), "{command}");
        }
    }
    machine.wake_azure();
    let simulating = machine.beamline("witness.toml", &["simulate", "--listen", "127.0.0.1:0"]);
    assert!(wait_until(PATIENCE, || !simulating.text().is_empty()));
    simulating.signal("TERM");
    let said = simulating.wait(PATIENCE);
    assert_eq!(code(&said), Some(0), "{}", said.text);
}
