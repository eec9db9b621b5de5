//! What statuses, comments and pages say, held against the whole texts. Only compiled for tests.

use super::*;
use crate::daemon::fixture::{commit, ended, work};
use crate::daemon::shared::standstill::Held;
use crate::daemon::telling::nameless::hidden_name;

fn head(kind: RunKind) -> Head {
    Head { commit: commit(), kind, pull_request: None, ahead: Vec::new(), again: None }
}

fn line(work: &[Work]) -> String {
    let status = aggregate(&head(RunKind::Apply), work);
    format!("{}: {}", status.state.as_str(), status.description)
}

#[test]
fn the_aggregate_tells_the_truth_about_all_of_it() {
    let done = |id, name| ended(id, name, RunEnd::Complete, "Applied: 1 changed");
    let failed = |id, name| ended(id, name, RunEnd::Failed, "1 of 2 steps failed");
    let superseded = |id, name| ended(id, name, RunEnd::Superseded, "Superseded by bbbbbbb");
    assert_eq!(line(&[]), "success: No environments changed");
    assert_eq!(line(&[done(1, "a")]), "success: a: Applied: 1 changed");
    assert_eq!(line(&[done(1, "a"), done(2, "b")]), "success: 2 environments applied: a, b");
    assert_eq!(
        line(&[done(1, "a"), work(2, "b", RunKind::Apply)]),
        "pending: 1 of 2 environments done, open: b"
    );
    assert_eq!(
        line(&[failed(1, "a"), work(2, "b", RunKind::Apply), done(3, "c")]),
        "pending: 1 of 3 environments done (1 failed), open: b"
    );
    assert_eq!(
        line(&[failed(1, "a"), work(2, "b", RunKind::Apply), done(3, "c"), superseded(4, "d")]),
        "pending: 1 of 4 environments done (1 failed, 1 not done), open: b"
    );
    assert_eq!(line(&[done(1, "a"), failed(2, "b")]), "failure: b: 1 of 2 steps failed");
    assert_eq!(line(&[failed(1, "a"), failed(2, "b"), done(3, "c")]), "failure: 2 of 3 failed: a, b");
    assert_eq!(line(&[superseded(1, "a")]), "error: a: Superseded by bbbbbbb");
    assert_eq!(
        line(&[superseded(1, "a"), superseded(2, "b")]),
        "error: 2 environments: Superseded by bbbbbbb"
    );
    assert_eq!(line(&[failed(1, "a"), superseded(2, "b")]), "failure: 1 of 2 failed: a");
    let removed = |id, name| ended(id, name, RunEnd::Complete, "Removed: nothing of it is left");
    assert_eq!(line(&[done(1, "a"), removed(2, "b")]), "success: 1 environment applied: a; removed: b");
    assert_eq!(line(&[removed(1, "a"), removed(2, "b")]), "success: 2 environments removed: a, b");
    let gone = |id, name, text| ended(id, name, RunEnd::Complete, text);
    let (given, named) = ("Handed over to a: nothing is deleted", "Renamed to a");
    assert_eq!(
        line(&[done(1, "a"), gone(2, "b", given)]),
        "success: 1 environment applied: a; handed over: b"
    );
    assert_eq!(
        line(&[gone(1, "a", named), gone(2, "b", given), removed(3, "c")]),
        "success: 1 environment removed: c; handed over: b; renamed: a"
    );
}

#[test]
fn what_only_carries_an_error_is_no_environment_that_failed() {
    let done = ended(1, "dev", RunEnd::Complete, "Applied: 1 changed");
    let failed = |id, name: &str, path: &str| {
        let work = ended(id, name, RunEnd::Invalid, "environments/eu:1:1: this is a submodule");
        Work { path: path.to_owned(), ..work }
    };
    let (eu, us) =
        (failed(2, "unreadable-eu", "environments/eu"), failed(3, "unreadable-us", "environments/us"));
    let said = "failure: environments/eu:1:1: this is a submodule";
    assert_eq!(line(&[done.clone(), eu.clone()]), said, "one path once");
    let long = format!("environments/{}/Prod West.yaml", "team".repeat(10));
    let west = failed(2, hidden_name(&long).as_str(), &long);
    let state =
        WorkState::Ended { end: RunEnd::Invalid, summary: "…/Prod West.yaml:1:1: its name".to_owned() };
    assert_eq!(line(&[Work { state, ..west }]), "failure: …/Prod West.yaml:1:1: its name");
    let waits = Work { state: WorkState::Queued, ..eu.clone() };
    assert_eq!(line(&[done.clone(), waits]), "pending: 1 of 1 environment done, open: environments/eu");
    let both = "failure: Cannot be read: environments/eu, environments/us";
    assert_eq!(line(&[done.clone(), eu.clone(), us.clone()]), both);
    let b = failed(4, "b", "environments/b.yaml");
    assert_eq!(
        line(&[done.clone(), eu.clone(), b.clone()]),
        "failure: 1 of 2 failed: b; cannot be read: environments/eu"
    );
    // Whoever really has such a name is counted.
    let named = failed(5, "unreadable-eu", "environments/unreadable-eu.yaml");
    assert_eq!(line(&[done.clone(), named, b]), "failure: 2 of 3 failed: unreadable-eu, b");
    assert_eq!(line(&[done, eu, work(6, "c", RunKind::Apply)]), "pending: 1 of 2 environments done, open: c");
}

#[test]
fn the_aggregate_names_what_stands_still_and_not_what_only_waits_for_its_turn() {
    let open = |id, name| work(id, name, RunKind::Apply);
    let held = |id, text: &str, is_queued| (WorkId(id), Held { text: text.to_owned(), is_queued });
    let text = |work: &[Work], waiting: &[(WorkId, Held)]| {
        under_way(work, &waiting.iter().cloned().collect()).map(|status| status.description.to_string())
    };
    let lease = held(2, "Waits for process 7 on vm", false);
    let turn = held(1, "Queued at place 1", true);
    assert_eq!(text(&[open(2, "b")], std::slice::from_ref(&lease)).unwrap(), "b: Waits for process 7 on vm");
    let two = [open(1, "a"), open(2, "b"), ended(3, "c", RunEnd::Complete, "Applied: 1 changed")];
    assert_eq!(text(&two, &[]).unwrap(), "1 of 3 environments done, open: a, b");
    assert_eq!(text(&two, std::slice::from_ref(&turn)).unwrap(), "1 of 3 environments done, open: a, b");
    assert_eq!(
        text(&two, &[turn.clone(), lease]).unwrap(),
        "1 of 3 environments done; b: Waits for process 7 on vm"
    );
    let both = [turn, held(2, "Queued at place 2", true)];
    assert_eq!(text(&two, &both).unwrap(), "1 of 3 environments done; a: Queued at place 1");
    assert_eq!(text(&two[2..], &[]), None);
}

#[test]
fn only_complete_and_planned_are_a_success() {
    let success = |end: &RunEnd| state_of(*end) == State::Success;
    let all = [
        RunEnd::Complete,
        RunEnd::Planned,
        RunEnd::Failed,
        RunEnd::Blocked,
        RunEnd::Invalid,
        RunEnd::Interrupted,
        RunEnd::Superseded,
    ];
    let successes: Vec<RunEnd> = all.into_iter().filter(success).collect();
    assert_eq!(successes, [RunEnd::Complete, RunEnd::Planned]);
    assert!(all.into_iter().all(|end| state_of(end).is_final()));
}

#[test]
fn few_environments_have_a_context_each_and_of_many_those_that_failed_come_first() {
    let name = |id: i64| format!("m{id:02}");
    let all: Vec<Work> = (0..20).map(|id| work(id, &name(id), RunKind::Apply)).collect();
    assert_eq!(contexts(&all).len(), 20);
    let names: Vec<EnvironmentName> = (0..21).map(|id| name(id).parse().unwrap()).collect();
    let names: Vec<&EnvironmentName> = names.iter().collect();
    assert_eq!(first(&head(RunKind::Apply), &names[..20]).len(), 21);
    assert_eq!(first(&head(RunKind::Apply), &names).len(), 1, "none is begun that would pend for ever");

    let done = |id: i64, summary: &str| ended(id, &name(id), RunEnd::Complete, summary);
    let mut many: Vec<Work> = (0..30)
        .map(|id| match id {
            5 => done(id, "Applied: 1 changed"),
            29 => ended(id, &name(id), RunEnd::Failed, "1 of 2 steps failed"),
            28 => work(id, &name(id), RunKind::Apply),
            _ => done(id, "As declared: 7 resources, no changes"),
        })
        .collect();
    let shown = |work: &[Work]| contexts(work).iter().map(|one| one.id.0).collect::<Vec<_>>();
    assert_eq!(shown(&many), [29], "while something is open only what failed");
    many[28] = ended(28, &name(28), RunEnd::Blocked, "Needs consent");
    let last = shown(&many);
    assert_eq!(last[..4], [28, 29, 5, 0]);
    assert_eq!(last.len(), 20);
    assert_eq!(of_commit(&many).len(), 21, "the aggregate and twenty contexts");
}

#[test]
fn what_is_superseded_says_so_under_each_context_once() {
    let superseded: Vec<Work> =
        (0..21).map(|id| ended(id, &format!("m{id}"), RunEnd::Superseded, "Superseded by bbbbbbb")).collect();
    assert_eq!(super::superseded(&superseded).len(), 21, "twenty contexts and the aggregate");
}

#[test]
fn the_first_status_counts_and_names() {
    let names: Vec<EnvironmentName> = ["a", "b"].iter().map(|name| name.parse().unwrap()).collect();
    let names: Vec<&EnvironmentName> = names.iter().collect();
    let text = |names: &[&EnvironmentName]| first(&head(RunKind::Plan), names)[0].description.to_string();
    assert_eq!(text(&names), "2 environments queued: a, b");
    assert_eq!(text(&names[..1]), "1 environment queued: a");
    assert_eq!(text(&[]), "No environments changed");
    let behind = |ahead: &[&str]| {
        let ahead = ahead.iter().map(|name| name.parse().unwrap()).collect();
        let statuses = first(&Head { ahead, ..head(RunKind::Apply) }, &names);
        statuses.iter().map(|status| status.description.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        behind(&["dev", "prod"]),
        [
            "2 environments queued behind 2 (dev, prod): a, b",
            "Queued behind 2: dev, prod",
            "Queued behind 2: dev, prod"
        ]
    );
    let many = behind(&["b", "c", "d", "e", "f"]);
    assert_eq!(many[1], "Queued behind 5: b, c, d and 2 more");
    assert_eq!(behind(&["a1", "a2", "a3", "b"])[2], "Queued behind 4: b, a1, a2 and 1 more", "its own first");
}
