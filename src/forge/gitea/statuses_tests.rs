//! Statuses on Gitea and Forgejo: what is sent, and what their failures mean.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::clock::Clock;
use crate::forge::Class;
use crate::forge::exchange_fixture::{Answer as Said, Contract, FakeForge};
use crate::forge::gitea::Options;
use crate::forge::{Context, Description, Forge, State};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn forge(fake: &FakeForge) -> Forge {
    let options = Options {
        api: "https://git.example/api/v1/".to_owned(),
        repository: "octo/ml".parse().unwrap(),
        token: "secret-token".into(),
    };
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 1);
    Forge::Gitea(Gitea::new(fake.client(), clock, options).unwrap())
}

fn status(state: State) -> Status {
    Status {
        commit: COMMIT.parse().unwrap(),
        context: Context::apply(),
        state,
        description: Description::new("3 created"),
        target_url: Some("https://b/runs/1".to_owned()),
        pull_request: None,
    }
}

async fn error_of(answers: impl IntoIterator<Item = Said>) -> ForgeError {
    let fake = FakeForge::answering(answers);
    forge(&fake).post(&[status(State::Success)]).await.remove(0).unwrap_err()
}

#[tokio::test]
async fn a_status_is_the_documented_request() {
    let fake = FakeForge::default();
    assert_eq!(forge(&fake).post(&[status(State::Failure)]).await, vec![Ok(())]);
    let asked = fake.asked().remove(0);
    assert_eq!(asked.line(), format!("POST /api/v1/repos/octo/ml/statuses/{COMMIT}"));
    assert_eq!(asked.headers["authorization"], "token secret-token");
    let expected = json!({
        "state": "failure", "context": "beamline/apply", "description": "3 created",
        "target_url": "https://b/runs/1",
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn every_request_is_as_gitea_and_forgejo_publish_it() {
    for name in ["gitea", "forgejo"] {
        let Some(contract) = Contract::load(name) else { return };
        for state in [State::Pending, State::Success, State::Failure, State::Error] {
            let fake = FakeForge::answering([Said::new(500, json!({})), Said::new(404, json!({}))]);
            let _ = forge(&fake).post(&[status(state)]).await;
            assert_eq!(fake.asked().len(), 3);
            // Both publish `repoGetSingleCommit`; our excerpt of their descriptions leaves it out.
            let is_in_excerpt = |line: &String| !line.contains("/git/commits/");
            let asked = fake.asked().into_iter().zip(fake.lines()).filter(|(_, line)| is_in_excerpt(line));
            asked.for_each(|(asked, _)| contract.check(&asked));
        }
    }
}

#[tokio::test]
async fn only_web_addresses_are_targets() {
    let fake = FakeForge::default();
    let local = Status { target_url: Some("file:///var/lib/beamline".to_owned()), ..status(State::Pending) };
    forge(&fake).post(&[local]).await;
    assert!(fake.asked()[0].body.get("target_url").is_none());
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_told_from_a_forge_in_trouble_and_does_not_hold_up_the_next() {
    let broken = Said::new(500, json!({ "message": "", "url": "https://git.example/api/swagger" }));
    let missing = Said::new(404, json!({ "message": "The target couldn't be found." }));
    let there = Said::new(200, json!({ "full_name": "octo/ml" }));
    let fake = FakeForge::answering([broken, missing, there]);
    let outcomes = forge(&fake).post(&[status(State::Pending), status(State::Success)]).await;
    let error = outcomes[0].clone().unwrap_err();
    assert_eq!(error.class, Class::NoCommit);
    assert!(error.message.contains("0123456"), "{error}");
    assert_eq!(outcomes[1], Ok(()));
    assert_eq!(fake.lines()[1], format!("GET /api/v1/repos/octo/ml/git/commits/{COMMIT}"));
}

#[tokio::test]
async fn an_outage_is_tried_again_later_and_asked_about_once() {
    let fake = FakeForge::answering((0..9).map(|_| Said::new(500, Value::Null)));
    let outcomes = forge(&fake).post(&vec![status(State::Pending); 3]).await;
    assert_eq!(fake.asked().len(), 2);
    assert!(outcomes.iter().all(|it| it.clone().unwrap_err().class == Class::Retry { after: None }));
    let error = error_of([Said::new(500, Value::Null), Said::new(200, json!({}))]).await;
    assert_eq!(error.class, Class::Retry { after: None });
    assert_eq!(error_of([Said::new(502, Value::Null)]).await.class, Class::Retry { after: None });
}

#[tokio::test]
async fn limits_are_waited_out_and_refusals_say_what_to_do() {
    let error = error_of([Said::new(429, Value::Null).with("retry-after", "7")]).await;
    assert_eq!(error.class, Class::Retry { after: Some(Duration::from_secs(7)) });
    for (code, word) in [(401, "token"), (403, "permission"), (404, "repository"), (301, "moved")] {
        let error = error_of([Said::new(code, json!({ "message": "no" }))]).await;
        assert_eq!(error.class, Class::Refused, "{code}");
        assert!(error.message.contains(word) && !error.message.contains("secret-token"), "{error}");
    }
}

#[tokio::test]
async fn what_only_looks_like_success_is_tried_again() {
    for body in [Value::Null, json!([]), json!({}), json!("<html>Sign in</html>")] {
        let fake = FakeForge::answering([Said::new(200, body)]);
        let error = forge(&fake).post(&[status(State::Success)]).await.remove(0).unwrap_err();
        assert_eq!(error.class, Class::Retry { after: None });
        assert!(error.message.contains("with something else than it documents"), "{error}");
    }
}
