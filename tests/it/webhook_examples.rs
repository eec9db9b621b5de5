//! The examples of webhooks that GitHub's own libraries are tested with (npm @octokit/webhooks-examples):
//! every one of an event that concerns us is understood.

use std::collections::BTreeMap;

use beamline::forge::Incoming;
use beamline::forge::github::decode;
use serde_json::Value;

use crate::support::contract::read;
use crate::support::description::npm;

#[test]
fn every_example_of_github_is_understood() {
    let Some(file) = npm("@octokit/webhooks-examples/api.github.com/index.json") else { return };
    let events = read(&file);
    let mut understood: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for event in events.as_array().unwrap() {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            let incoming = decode(name, example.to_string().as_bytes());
            let incoming = incoming.unwrap_or_else(|error| panic!("{name}: {error}: {example}"));
            let is_ours = is_what_it_says(name, example, &incoming);
            let (all, ours) = understood.entry(name).or_default();
            *all += 1;
            *ours += usize::from(is_ours);
        }
    }
    let of = |name: &str| understood[name];
    // Comments on issues, and checks that nobody asks for again, are nothing to us.
    for (name, expected) in [
        ("push", (7, 7)),
        ("pull_request", (29, 29)),
        ("issue_comment", (9, 0)),
        ("check_run", (9, 2)),
        ("check_suite", (9, 2)),
        ("ping", (4, 4)),
        ("merge_group", (2, 2)),
    ] {
        assert_eq!(of(name), expected, "{name}: examples, and those that say something to us");
    }
}

/// Whether it says something to us; panics when it does not say what the example does.
fn is_what_it_says(name: &str, example: &Value, incoming: &Incoming) -> bool {
    let full_name = example["repository"]["full_name"].as_str();
    match incoming {
        Incoming::Ping => assert_eq!(name, "ping"),
        Incoming::Push(push) => {
            assert_eq!(Some(push.repository.as_str()), full_name);
            let after = push.after.map(|commit| commit.to_string());
            let group = &example["merge_group"]["head_sha"];
            let is_gone = example["deleted"] == true;
            let expected = if group.is_null() { &example["after"] } else { group };
            assert_eq!(after.as_deref(), expected.as_str().filter(|_| !is_gone));
        }
        Incoming::PullRequest { repository, number } => {
            assert_eq!(Some(repository.as_str()), full_name);
            let places =
                [&example["issue"]["number"], &example["number"], &example["pull_request"]["number"]];
            let expected = places.into_iter().find(|number| !number.is_null()).unwrap();
            assert_eq!(expected, &Value::from(number.get()));
        }
        Incoming::Rerun { repository, commit } => {
            assert_eq!(Some(repository.as_str()), full_name);
            assert_eq!(example[name]["head_sha"], commit.to_string().as_str());
            assert_eq!(example["action"], "rerequested");
        }
        Incoming::Ignored => return false,
    }
    true
}
