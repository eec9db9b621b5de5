//! The daemon asked over its socket: what `plan` and `apply` say while it runs is what it does.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::machine::{Machine, Running, Said, wait_until};
use crate::support::small;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Nobody tries again by himself within a story.
const NEVER: &str = "0 0 3 1 1 *";

struct Story {
    machine: Machine,
    daemon: Option<Running>,
}

impl Story {
    fn start() -> Self {
        let machine = Machine::start("base: none\n", None);
        machine.change_settings("beamline.toml", |text| text.replace("*/5 * * * * *", NEVER));
        Self { machine, daemon: None }
    }

    fn start_daemon(&mut self) {
        let daemon = self.machine.beamline("beamline.toml", &["daemon"]);
        let is_there = || daemon.text().contains("answering beamline plan and apply");
        assert!(wait_until(PATIENCE, is_there), "{}", daemon.text());
        self.daemon = Some(daemon);
    }

    fn log(&self) -> String {
        self.daemon.as_ref().unwrap().text()
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let said = self.machine.beamline("beamline.toml", arguments).wait(PATIENCE);
        assert!(said.status.is_some(), "{arguments:?} does not end: {}", said.text);
        said
    }

    /// Pushes a definition, and waits until its status has `words`.
    fn push(&self, definition: &str, words: &str) -> String {
        let commit = self.machine.push(definition);
        let says = || self.machine.notes(&commit).contains(words);
        assert!(wait_until(PATIENCE, says), "{}\n{}", self.machine.notes(&commit), self.log());
        commit
    }

    /// One request to the socket: the status, and the body as it came.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let mut socket = UnixStream::connect(self.socket()).unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn socket(&self) -> std::path::PathBuf {
        self.machine.path().join("state/beamline.sock")
    }
}

fn with_tag(value: &str) -> String {
    format!("{}tags: {{ team: {value} }}\n", small(2))
}

/// The definition of a schema in the daemon's own description of itself.
fn schema(description: &Value, name: &str) -> jsonschema::Validator {
    let mut schema = json!({ "$ref": format!("#/components/schemas/{name}") });
    schema["components"] = description["components"].clone();
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_fits(description: &Value, name: &str, body: &str) -> Value {
    let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let wrong: Vec<String> =
        schema(description, name).iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:?}\n{body}");
    value
}

#[test]
fn what_failed_is_applied_by_hand_through_the_daemon() {
    let mut story = Story::start();
    let refused = json!({ "method": "PUT", "path_contains": "/workspaces/", "times": 1,
        "effect": { "kind": "status", "code": 400, "error_code": "BadRequest", "message": "Not today." } });
    story.machine.admin("POST", "faults", Some(&refused));
    story.start_daemon();
    let first = story.push(&with_tag("one"), "failed");
    let plan = story.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.status.unwrap().code(), Some(2), "{}", plan.text);
    assert!(!plan.text.contains("Planned without"), "{}", plan.text);
    let applied = story.run(&["apply", "production", "--yes"]);
    assert!(applied.is_success(), "{}\n{}", applied.text, story.log());
    assert!(applied.text.contains("production: Applied"), "{}", applied.text);
    assert!(story.machine.notes(&first).contains("Applied"), "{}", story.machine.notes(&first));
    assert!(story.log().contains("asked for by hand"), "{}", story.log());
    let again = story.run(&["plan", "--detailed-exitcode"]);
    assert!(again.is_success(), "plan again: no changes\n{}", again.text);
}

#[test]
fn only_the_newest_commit_and_only_what_was_agreed_to() {
    let mut story = Story::start();
    story.start_daemon();
    let first = story.push(&with_tag("one"), "Applied");
    let second = story.push(&with_tag("two"), "Applied");
    let old = story.run(&["apply", "--commit", &first, "--yes"]);
    assert_eq!(old.status.unwrap().code(), Some(1), "{}", old.text);
    assert!(
        old.text.contains(&format!("the newest commit of main, which is {}", &second[..7])),
        "{}",
        old.text
    );
    // A group that somebody has deleted.
    let group = format!("subscriptions/{}/resourceGroups/rg-production", story.machine.subscription());
    story.machine.admin("DELETE", &format!("resources/{group}"), None);
    // What comes to something else in the daemon's own hands is not done.
    let wanted =
        json!({ "commit": second, "environment": "production", "path": "environments/production.yaml" });
    let (_, answer) = story.ask("POST", "/api/v1/plans", Some(&wanted));
    let mut agreed: Value = serde_json::from_str(&answer).unwrap();
    agreed["plan"]["steps"].as_array_mut().unwrap().pop().unwrap();
    let mut bound = wanted.clone();
    bound["plan"] = agreed["plan"].take();
    let (_, answer) = story.ask("POST", "/api/v1/applies", Some(&bound));
    let id = serde_json::from_str::<Value>(&answer).unwrap()["id"].clone();
    story.ask("GET", &format!("/api/v1/applies/{id}/events"), None);
    let (_, state) = story.ask("GET", &format!("/api/v1/applies/{id}"), None);
    assert!(state.contains("blocked") && state.contains("which was not planned"), "{state}");
    let kept = story.run(&["plan", "production", "--out", "plan.json"]);
    assert!(kept.is_success(), "{}", kept.text);
    let applied = story.run(&["apply", "plan.json"]);
    assert!(applied.is_success(), "{}\n{}", applied.text, story.log());
    let moved = story.run(&["apply", "plan.json"]);
    assert_eq!(moved.status.unwrap().code(), Some(1), "{}", moved.text);
    assert!(moved.text.contains("any more"), "{}", moved.text);
    let again = story.run(&["plan", "--detailed-exitcode"]);
    assert!(again.is_success(), "plan again: no changes\n{}", again.text);
}

#[test]
fn a_plan_of_what_is_not_pushed_is_made_here() {
    let mut story = Story::start();
    story.start_daemon();
    story.push(&with_tag("one"), "Applied");
    std::fs::write(story.machine.path().join("clone/environments/production.yaml"), with_tag("two")).unwrap();
    let plan = story.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.status.unwrap().code(), Some(2), "{}", plan.text);
    assert!(!plan.text.contains("Planned without"), "the journal is read all the same: {}", plan.text);
}

#[test]
fn the_socket_answers_as_its_description_says_and_only_to_its_own() {
    let mut story = Story::start();
    story.start_daemon();
    let mode = std::fs::metadata(story.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let commit = story.push(&with_tag("one"), "Applied");
    let (_, description) = story.ask("GET", "/api/v1/openapi.yaml", None);
    let description: Value = serde_yaml::from_str(&description).unwrap();
    let path = "environments/production.yaml";
    let question = json!({ "commit": commit, "environment": "production", "path": path });
    assert!(schema(&description, "PlanRequest").is_valid(&question));
    let (status, body) = story.ask("POST", "/api/v1/plans", Some(&question));
    assert_eq!(status, 200, "{body}");
    let answer = assert_fits(&description, "PlanAnswer", &body);
    let wanted =
        json!({ "commit": commit, "environment": "production", "path": path, "plan": answer["plan"] });
    assert!(schema(&description, "ApplyRequest").is_valid(&wanted));
    let (status, body) = story.ask("POST", "/api/v1/applies", Some(&wanted));
    assert_eq!(status, 202, "{body}");
    let id = assert_fits(&description, "ApplyAnswer", &body)["id"].clone();
    let (_, events) = story.ask("GET", &format!("/api/v1/applies/{id}/events"), None);
    let lines: Vec<&str> = events.lines().filter(|line| line.starts_with('{')).collect();
    lines.iter().for_each(|line| drop(assert_fits(&description, "ApplyEvent", line)));
    assert!(lines.last().unwrap().contains("ended"), "{events}");
    let (_, body) = story.ask("GET", &format!("/api/v1/applies/{id}"), None);
    assert_eq!(assert_fits(&description, "ApplyState", &body)["end"], "complete", "{body}");
    let unknown = json!({ "commit": "0".repeat(40), "environment": "production", "path": path });
    let nobodys = json!({ "commit": commit, "environment": "doomed", "path": "x" });
    for (method, path, body, expected) in [
        ("POST", "/api/v1/applies", Some(&nobodys), 404),
        ("POST", "/api/v1/plans", Some(&unknown), 404),
        ("POST", "/api/v1/applies", Some(&unknown), 409),
        ("POST", "/api/v1/plans", Some(&json!({ "commit": 7 })), 422),
        ("GET", "/api/v1/applies/99999", None, 404),
    ] {
        let (status, body) = story.ask(method, path, body);
        assert_eq!(status, expected, "{method} {path}: {body}");
        assert_fits(&description, "Problem", &body);
    }
    assert!(!story.machine.notes(&commit).contains("doomed"), "{}", story.machine.notes(&commit));
}

#[test]
fn an_apply_by_hand_survives_a_restart_of_the_daemon() {
    let mut story = Story::start();
    let refused = json!({ "method": "PUT", "path_contains": "/workspaces/", "times": 1,
        "effect": { "kind": "status", "code": 400, "error_code": "BadRequest", "message": "Not today." } });
    story.machine.admin("POST", "faults", Some(&refused));
    story.start_daemon();
    story.push(&with_tag("one"), "failed");
    story.machine.silence_azure();
    // Its plan waits for Azure; agreed to beforehand, the apply follows.
    let applying = story.machine.beamline("beamline.toml", &["apply", "production", "--yes"]);
    story.machine.wake_azure();
    let began = || story.log().contains("asked for by hand");
    assert!(wait_until(PATIENCE, began), "{}\n{}", applying.text(), story.log());
    let daemon = story.daemon.take().unwrap();
    daemon.signal("KILL");
    daemon.wait(PATIENCE);
    story.start_daemon();
    let said = applying.wait(PATIENCE);
    assert!(said.is_success(), "{}\n{}", said.text, story.log());
    let again = story.run(&["plan", "--detailed-exitcode"]);
    assert!(again.is_success(), "plan again: no changes\n{}", again.text);
}
