//! A state folder on a file system that is really read-only, or really full, by the real binary.
//!
//! One on which a running daemon has its journal open cannot be remounted read-only by hand (EBUSY). One that is full
//! for a while in the middle of a run is in `hang.rs` too.

use std::time::Duration;

use crate::support::machine::{Machine, wait_until};
use crate::support::{in_ci, small};

const PATIENCE: Duration = Duration::from_secs(300);

/// Operations that end at once.
const QUICK: &str = "base: none\n";

/// Operations that take a while.
const SLOW: &str = "base: none\ntypes:\n  Microsoft.KeyVault/vaults: { create: 3s..3s, retry_after: 1s }\n  Microsoft.Storage/storageAccounts: { create: 3s..3s, retry_after: 1s }\n";

/// A machine whose state folder is a small file system; `None` where that cannot be mounted.
fn machine() -> Option<Machine> {
    let may_mount = Machine::may_mount();
    assert!(may_mount || !in_ci(), "CI mounts");
    may_mount.then(|| Machine::start(QUICK, Some("8M")))
}

#[test]
fn on_a_read_only_disk_an_apply_ends_with_a_message_and_changes_nothing() {
    let Some(machine) = machine() else { return };
    machine.push(&small(1));
    let apply = || machine.beamline("beamline.toml", &["apply", "production", "--yes"]).wait(PATIENCE);
    // Once without a journal, and once with one that was there before.
    for round in 0..2 {
        machine.remount("ro");
        let said = apply();
        assert_eq!(said.status.and_then(|status| status.code()), Some(1), "{round}: {}", said.text);
        let state = machine.path().join("state").display().to_string();
        assert!(said.text.contains(&state) && said.text.contains("Read-only file system"), "{}", said.text);
        machine.remount("rw");
        let said = apply();
        assert!(said.is_success(), "{round}: {}", said.text);
    }
}

#[test]
fn on_a_read_only_disk_a_daemon_does_not_start_and_says_why() {
    let Some(machine) = machine() else { return };
    let commit = machine.push(&small(1));
    machine.remount("ro");
    let said = machine.beamline("beamline.toml", &["daemon"]).wait(PATIENCE);
    assert_eq!(said.status.and_then(|status| status.code()), Some(1), "{}", said.text);
    assert!(said.text.contains("Read-only file system"), "{}", said.text);
    machine.remount("rw");
    let daemon = machine.beamline("beamline.toml", &["daemon"]);
    let is_done = || machine.notes(&commit).contains("beamline/apply: success");
    assert!(wait_until(PATIENCE, is_done), "{}", machine.notes(&commit));
    daemon.signal("TERM");
    assert!(daemon.wait(PATIENCE).is_success());
}

#[test]
fn a_disk_that_is_full_at_the_start_is_called_full_and_what_is_advised_helps() {
    let Some(machine) = machine() else { return };
    machine.push(&small(1));
    let apply = || machine.beamline("beamline.toml", &["apply", "production", "--yes"]).wait(PATIENCE);
    let daemon = || machine.beamline("beamline.toml", &["daemon"]).wait(PATIENCE);
    // Once without a journal, and once with one that was there before; with no byte left, and with too few.
    for round in 0..2 {
        for left in [0, 16 * 1024] {
            machine.fill_disk_but(left);
            for said in [apply(), daemon()] {
                assert_eq!(said.status.and_then(|status| status.code()), Some(1), "{round}: {}", said.text);
                let state = machine.path().join("state").display().to_string();
                let advice = format!("is full: make room there (`df -h {state}`");
                assert!(said.text.contains(&advice), "{round}, {left} left: {}", said.text);
            }
            machine.free_disk();
        }
        let said = apply();
        assert!(said.is_success(), "{round}: {}", said.text);
    }
}

#[test]
fn a_stop_while_the_disk_is_full_says_so_and_the_next_start_goes_on() {
    let may_mount = Machine::may_mount();
    assert!(may_mount || !in_ci(), "CI mounts");
    if !may_mount {
        return;
    }
    let machine = Machine::start(SLOW, Some("8M"));
    machine.push(&small(1));
    let apply = || machine.beamline("beamline.toml", &["apply", "production", "--yes"]);
    let running = apply();
    let is_begun = || machine.admin("GET", "requests", None).to_string().contains("/vaults/");
    assert!(wait_until(PATIENCE, is_begun), "nothing is begun");
    machine.fill_disk();
    running.signal("TERM");
    let said = running.wait(PATIENCE);
    assert_eq!(said.status.and_then(|status| status.code()), Some(1), "{}", said.text);
    assert!(
        said.text.contains("is full: make room there") && !said.text.contains("failed: "),
        "{}",
        said.text
    );
    machine.free_disk();
    let said = apply().wait(PATIENCE);
    assert!(said.is_success() && said.text.contains("created"), "{}", said.text);
    let said = apply().wait(PATIENCE);
    assert!(said.is_success() && said.text.contains("no changes"), "{}", said.text);
}
