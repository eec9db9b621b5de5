//! `beamline apply`, killed and started again: what it says at the end is about everything that was done.

use std::time::Duration;

use serde_json::json;

use crate::support::consent_to_remove;
use crate::support::machine::{Machine, Said, wait_until};

const PATIENCE: Duration = Duration::from_secs(300);

const DEFINITION: &str = include_str!("../../environments/dev.toml");

/// Long enough to be killed in, short enough to be waited for.
const LATENCY: &str = "base: none\ntypes:\n  Microsoft.KeyVault/vaults: { create: 2s..2s, retry_after: 1s }\n  \
                       Microsoft.MachineLearningServices/workspaces: { create: 2s..2s, retry_after: 1s }\n";

fn machine() -> Machine {
    let machine = Machine::start(LATENCY, None);
    machine.push_to("environments/dev.toml", DEFINITION);
    machine
}

/// Starts an apply and kills it once Azure works on the workspace.
fn killed(machine: &Machine) {
    let running = machine.beamline("beamline.toml", &["apply", "--yes"]);
    let is_made = || {
        let ids = machine.admin("GET", "resources", None);
        ids["ids"].as_array().unwrap().iter().any(|id| {
            let id = id.as_str().unwrap().to_ascii_lowercase();
            id.contains("/resourcegroups/rg-ml-dev/")
                && id.contains("microsoft.machinelearningservices/workspaces")
        })
    };
    assert!(wait_until(PATIENCE, is_made));
    running.signal("KILL");
    running.wait(PATIENCE);
}

fn apply(machine: &Machine) -> Said {
    machine.beamline("beamline.toml", &["apply", "--yes"]).wait(PATIENCE)
}

/// The sentence that an apply ends with.
fn last_word(said: &Said) -> &str {
    said.text.lines().rfind(|line| line.starts_with("dev: ")).unwrap_or_else(|| panic!("{}", said.text))
}

#[test]
fn an_apply_that_was_killed_ends_the_next_time_with_all_that_it_did() {
    let machine = machine();
    let undisturbed = self::machine();
    let whole = apply(&undisturbed);
    killed(&machine);
    let said = apply(&machine);
    assert!(said.is_success(), "{}", said.text);
    assert!(said.text.contains("dev: going on with a run that was interrupted"), "{}", said.text);
    assert_eq!(last_word(&said), last_word(&whole), "{}", said.text);
    assert!(
        last_word(&said).contains("steps done (") && last_word(&said).contains(" created)"),
        "{}",
        said.text
    );
}

#[test]
fn what_the_commit_after_it_changes_is_counted_with_it() {
    let machine = machine();
    let undisturbed = self::machine();
    let created =
        last_word(&apply(&undisturbed)).rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned();
    killed(&machine);
    let changed = DEFINITION.replace("max_node_count = 1", "max_node_count = 2");
    assert_ne!(changed, DEFINITION);
    machine.push_to("environments/dev.toml", &changed);
    let said = apply(&machine);
    assert!(said.is_success(), "{}", said.text);
    assert_eq!(last_word(&said), format!("dev: applied, 1 of 1 steps done ({created})"), "{}", said.text);
}

#[test]
fn a_resumption_that_fails_says_why_and_the_next_one_says_all() {
    let machine = machine();
    killed(&machine);
    let effect =
        json!({ "kind": "status", "code": 409, "error_code": "ScopeLocked", "message": "It is locked." });
    let fault = json!({ "method": "PUT", "path_contains": "/computes/", "times": 100, "effect": effect });
    machine.admin("POST", "faults", Some(&fault));
    let said = apply(&machine);
    assert!(!said.is_success(), "{}", said.text);
    assert!(said.text.contains("ScopeLocked: It is locked."), "{}", said.text);
    assert!(last_word(&said).contains(" failed, 0 skipped. Correct the cause"), "{}", said.text);
    machine.admin("DELETE", "faults", None);
    let said = apply(&machine);
    assert!(said.is_success(), "{}", said.text);
    let said = machine.beamline("witness.toml", &["plan", "--detailed-exitcode"]).wait(PATIENCE);
    assert!(said.is_success() && said.text.contains("no changes"), "{}", said.text);
}

#[test]
fn a_consent_is_spent_by_the_apply_that_was_resumed() {
    let machine = machine();
    let spare = "\n[storage_accounts.spare]\nname = \"stmlspare001\"\naccount_tier = \"Standard\"\n\
                 account_replication_type = \"LRS\"\n";
    machine.push_to("environments/dev.toml", &format!("{DEFINITION}{spare}"));
    assert!(apply(&machine).is_success());
    let plan = || machine.beamline("beamline.toml", &["plan", "dev"]).wait(PATIENCE).text;
    let line = "Beamline-Consent: destroy dev/storage_accounts/spare";
    machine.push_saying("environments/dev.toml", DEFINITION, &format!("Without the spare one\n\n{line}"));
    assert!(plan().contains("consent: "), "{}", plan());
    let slow = json!({ "method": "DELETE", "path_contains": "stmlspare001", "times": 1,
        "effect": { "kind": "slow", "ms": 20_000 } });
    machine.admin("POST", "faults", Some(&slow));
    let running = machine.beamline("beamline.toml", &["apply", "--yes"]);
    let is_asked = || {
        let waiting = machine.admin("GET", "faults", None);
        !waiting.to_string().contains("stmlspare001")
    };
    assert!(wait_until(PATIENCE, is_asked));
    running.signal("KILL");
    running.wait(PATIENCE);
    let said = apply(&machine);
    assert!(said.is_success() && last_word(&said).contains("1 deleted"), "{}", said.text);
    for text in [&said.text, &apply(&machine).text] {
        assert!(!text.contains("consent line") && !text.contains("consent: "), "{text}");
    }
}

#[test]
fn an_apply_that_was_killed_is_finished_before_that_of_another_name() {
    let machine = machine();
    killed(&machine);
    std::fs::remove_file(machine.path().join("clone/environments/dev.toml")).unwrap();
    let renamed =
        DEFINITION.replace("${environment}", "dev").replace("max_node_count = 1", "max_node_count = 2");
    machine.push_to("environments/development.toml", &format!("renamed_from = \"dev\"\n{renamed}"));
    let said = apply(&machine);
    assert!(said.is_success(), "{}", said.text);
    assert!(said.text.contains("dev: going on with a run that was interrupted"), "{}", said.text);
    let said = machine.beamline("beamline.toml", &["apply", "--yes"]).wait(PATIENCE);
    assert!(said.is_success() && !said.text.contains("going on with"), "{}", said.text);
    let said = machine.beamline("witness.toml", &["plan", "--detailed-exitcode"]).wait(PATIENCE);
    assert!(said.is_success() && said.text.contains("no changes"), "{}", said.text);
}

#[test]
fn a_removal_that_was_killed_goes_on_and_ends_with_all_that_it_did() {
    let machine = machine();
    assert!(apply(&machine).is_success());
    std::fs::remove_file(machine.path().join("clone/environments/dev.toml")).unwrap();
    machine.push_saying("other", "", &format!("dev goes\n\n{}", consent_to_remove("dev")));
    let slow = json!({ "method": "DELETE", "path_contains": "mlw-dev", "times": 1,
        "effect": { "kind": "slow", "ms": 20_000 } });
    machine.admin("POST", "faults", Some(&slow));
    let apply = || machine.beamline("beamline.toml", &["apply", "dev", "--yes"]);
    let running = apply();
    let is_asked = || !machine.admin("GET", "faults", None).to_string().contains("mlw-dev");
    assert!(wait_until(PATIENCE, is_asked));
    running.signal("KILL");
    running.wait(PATIENCE);
    let said = apply().wait(PATIENCE);
    assert!(said.is_success(), "{}", said.text);
    assert!(said.text.contains("dev: going on with a run that was interrupted"), "{}", said.text);
    assert!(last_word(&said).contains("7 deleted"), "{}", said.text);
}

#[test]
fn a_run_whose_commit_is_gone_is_not_dropped_in_silence() {
    let machine = Machine::start(LATENCY, None);
    let first = machine.push_to("environments/dev.toml", DEFINITION);
    killed(&machine);
    let clone = machine.path().join("clone");
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=operator", "-c", "user.email=operator@localhost"]);
        assert!(git.current_dir(&clone).args(arguments).status().unwrap().success(), "{arguments:?}");
    };
    git(&["commit", "-q", "--amend", "-m", "Amended"]);
    git(&["push", "-q", "-f", "origin", "HEAD:main"]);
    git(&["reflog", "expire", "--expire=now", "--all"]);
    git(&["gc", "-q", "--prune=now"]);
    let said = apply(&machine);
    let words = format!(
        "dev: a run that was interrupted does not go on: its commit {} cannot be read any more",
        &first[..7]
    );
    assert!(said.text.contains(&words), "{}", said.text);
}

#[test]
fn a_plan_that_was_read_is_applied_although_an_interrupted_run_has_done_some_of_it() {
    let machine = machine();
    killed(&machine);
    let plan = || machine.beamline("beamline.toml", &["plan", "dev", "--out", "plan.json"]).wait(PATIENCE);
    // As long as Azure makes the workspace there is nothing to apply.
    assert!(wait_until(PATIENCE, || plan().is_success()));
    let said = plan();
    assert!(said.text.contains("has not ended; the next one finishes it first"), "{}", said.text);
    let said = machine.beamline("beamline.toml", &["apply", "plan.json"]).wait(PATIENCE);
    assert!(said.is_success(), "{}", said.text);
    assert!(
        last_word(&said).contains("applied, ") && last_word(&said).contains(" created)"),
        "{}",
        said.text
    );
}
