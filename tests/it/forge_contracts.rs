//! Every request to every forge is one that the forge's own published description accepts, as judged by
//! Prism; and what the description gives as answers is understood.
//!
//! Guarantees: every operation of [`Forge`] is made on every forge, in all its forms; which operations of
//! the forge come of it is written down here, so that none is left out unseen. A description that is
//! wrong is corrected where the test of its forge says so, and nowhere else.

mod azure_devops;
mod bitbucket;
mod gitea;
mod github;
mod gitlab;

use std::collections::BTreeSet;

use beamline::forge::{
    Annotation, Author, CheckRun, CommentId, Context, Description, Forge, Level, MAX_ANNOTATIONS, Marker,
    PullRequestNumber, State, Status, Validator,
};
use serde_json::{Map, Value, json};

use crate::support::prism::{Answers, Prism};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const STATES: [State; 4] = [State::Pending, State::Success, State::Failure, State::Error];

fn number() -> PullRequestNumber {
    PullRequestNumber::new(7).unwrap()
}

/// Short ones and the longest ones, in all states.
fn statuses() -> Vec<Status> {
    let long = "e".repeat(80).parse().unwrap();
    let contexts = [Context::apply(), Context::plan(), Context::apply_of(&long), Context::plan_of(&long)];
    let texts = ["", "Planned: 3 created", &"é".repeat(500)];
    let targets = [None, Some("https://beamline.example/runs/1?a=b"), Some("file:///var/lib/beamline")];
    let all = contexts.iter().enumerate().flat_map(|(at, context)| {
        STATES.into_iter().enumerate().map(move |(index, state)| Status {
            commit: COMMIT.parse().unwrap(),
            context: context.clone(),
            state,
            description: Description::new(texts[(at + index) % 3]),
            target_url: targets[(at + index) % 3].map(str::to_owned),
            pull_request: matches!(at, 1 | 3).then(number),
        })
    });
    all.collect()
}

/// Without and with more annotations than a forge takes at once, in all states.
fn checks() -> Vec<CheckRun> {
    let annotation = |line: usize| Annotation {
        path: "environments/dev.yaml".to_owned(),
        line: u32::try_from(line).unwrap(),
        column: line.is_multiple_of(2).then_some(3),
        level: if line.is_multiple_of(3) { Level::Warning } else { Level::Failure },
        title: "é".repeat(300),
        message: "`skuu` is not a field".to_owned(),
    };
    let check = |(at, state): (usize, State)| CheckRun {
        commit: COMMIT.parse().unwrap(),
        state,
        title: Description::new(&"é".repeat(200)),
        summary: "é".repeat(40_000 * at),
        annotations: (0..at * MAX_ANNOTATIONS).map(annotation).collect(),
        target_url: (at == 1).then(|| "https://beamline.example/runs/1".to_owned()),
    };
    STATES.into_iter().enumerate().map(check).collect()
}

/// Makes every operation, and answers the names of those that were made.
async fn everything(prism: &Prism, forge: &Forge, author: &Author, comment: &str) -> BTreeSet<&'static str> {
    let comment: CommentId = comment.parse().unwrap();
    for outcome in forge.post(&statuses()).await {
        prism.accepted(outcome);
    }
    for known in [None, Some(Validator("W/\"644b5b0155e6404a9cc4bd9d8b1ae730\"".to_owned()))] {
        prism.accepted(forge.open_pull_requests(known.as_ref()).await);
    }
    prism.accepted(forge.ending(number()).await);
    prism.accepted(forge.changed_files(number()).await);
    prism.accepted(forge.fate(number()).await);
    prism.accepted(forge.comments(number()).await);
    prism.accepted(forge.reviews(number()).await);
    let marker = Marker::new("ops", "plan");
    for body in [format!("{}\n/ops\n<details>", marker.as_str()), "é".repeat(forge.max_comment_chars())] {
        prism.accepted(forge.write_comment(number(), None, &body).await);
        prism.accepted(forge.write_comment(number(), Some(&comment), &body).await);
    }
    prism.accepted(forge.acknowledge(number(), &comment).await);
    prism.accepted(forge.permission(author).await);
    for check in checks() {
        prism.accepted(forge.publish(&check).await);
    }
    BTreeSet::from([
        "post",
        "open_pull_requests",
        "ending",
        "fate",
        "reviews",
        "changed_files",
        "comments",
        "write_comment",
        "acknowledge",
        "permission",
        "publish",
    ])
}

/// The story of one forge: everything with the examples of the description, and with made-up answers.
async fn told(prism: &Prism, forge: &Forge, author: &Author, comment: &str) {
    let door = include_str!("../../src/forge/outlet.rs");
    let operations: BTreeSet<&str> = door
        .lines()
        .filter_map(|line| line.strip_prefix("    pub async fn "))
        .filter_map(|line| line.split('(').next())
        .collect();
    for answers in [Answers::Examples, Answers::MadeUp] {
        prism.answer_with(answers);
        assert_eq!(
            everything(prism, forge, author, comment).await,
            operations,
            "an operation is not exercised"
        );
    }
    prism.answer_with(Answers::Examples);
}

/// No description says that ids, numbers and counts do not go below zero.
fn counts(schema: &mut Map<String, Value>) {
    if schema.get("type") == Some(&json!("integer")) && !schema.contains_key("minimum") {
        schema.insert("minimum".to_owned(), json!(0));
    }
}
