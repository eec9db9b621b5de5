//! A status names the innermost cause first and whole, whatever kind of cause it is.

use std::time::Duration;

use serde_json::json;

use crate::support::machine::{Machine, wait_until};

const PATIENCE: Duration = Duration::from_secs(300);

const DEFINITION: &str = include_str!("../../environments/dev.toml");

const OTHER: &str = "12345678-1111-1111-1111-111111111111";

/// The status of a commit that the daemon cannot apply, once it says what waits or has failed.
fn said(machine: &Machine) -> String {
    let commit = machine.push_to("environments/dev.toml", DEFINITION);
    let running = machine.beamline("beamline.toml", &["daemon"]);
    let status = || {
        let notes = machine.notes(&commit);
        let own = notes.lines().find_map(|line| line.strip_prefix("beamline/apply: dev: "));
        own.filter(|text| text.starts_with("failure: ") || text.contains("Waits")).map(str::to_owned)
    };
    assert!(wait_until(PATIENCE, || status().is_some()), "{}", machine.notes(&commit));
    let status = status().unwrap();
    running.signal("TERM");
    running.wait(PATIENCE);
    status
}

/// The settings with another value behind `key`.
fn with(machine: &Machine, key: &str, value: &str) {
    machine.change_settings("beamline.toml", |settings| {
        let lines = settings.lines().map(|line| match line.starts_with(&format!("{key} = ")) {
            true => format!("{key} = {value:?}"),
            false => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
}

#[test]
fn a_wrong_client_secret_is_named_first() {
    let machine = Machine::start("base: none\n", None);
    machine.replace_secret();
    let text = said(&machine);
    let cause =
        "failure: Not finished: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent";
    assert!(text.starts_with(cause), "{text}");
}

#[test]
fn an_application_that_is_not_in_the_directory_is_named_first() {
    let machine = Machine::start("base: none\n", None);
    with(&machine, "client_id", OTHER);
    let text = said(&machine);
    let cause =
        format!("failure: Not finished: AADSTS700016: Application with identifier '{OTHER}' was not found");
    assert!(text.starts_with(&cause), "{text}");
}

#[test]
fn a_subscription_that_is_not_there_is_named_first() {
    let machine = Machine::start("base: none\n", None);
    with(&machine, "id", OTHER);
    let text = said(&machine);
    let cause = format!(
        "failure: Not finished: SubscriptionNotFound: The subscription '{OTHER}' could not be found. (while"
    );
    assert!(text.starts_with(&cause), "{text}");
}

#[test]
fn what_azure_refuses_is_named_with_its_step() {
    let machine = Machine::start("base: none\n", None);
    let message = "Resource 'kv-ml-dev' was disallowed by policy. Policy identifiers: 'no vaults here'.";
    let effect = json!({ "kind": "status", "code": 403, "error_code": "RequestDisallowedByPolicy", "message": message });
    let fault = json!({ "method": "PUT", "path_contains": "/vaults/", "times": 100, "effect": effect });
    machine.admin("POST", "faults", Some(&fault));
    let text = said(&machine);
    let cause =
        "failed (2 skipped): key_vaults/main: RequestDisallowedByPolicy: Resource 'kv-ml-dev' was disallowed";
    assert!(text.contains(cause), "{text}");
}
