//! Statuses on GitLab: what is sent, and what its refusals mean.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::clock::Clock;
use crate::forge::exchange_fixture::{Answer as Said, Contract, FakeForge};
use crate::forge::gitlab::Options;
use crate::forge::{Context, Description, Forge};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const PROJECT: &str = "/api/v4/projects/group%2Fsub%2Fml";

fn forge(fake: &FakeForge) -> Forge {
    let options = Options {
        api: "https://gitlab.example/api/v4/".to_owned(),
        repository: "group/sub/ml".parse().unwrap(),
        branch: "main".parse().unwrap(),
        token: "glpat-secret".into(),
    };
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 1);
    Forge::GitLab(GitLab::new(fake.client(), clock, options).unwrap())
}

fn apply(state: State) -> Status {
    Status {
        commit: COMMIT.parse().unwrap(),
        context: Context::apply_of(&"dev".parse().unwrap()),
        state,
        description: Description::new("3 created"),
        target_url: Some("https://b/runs/1".to_owned()),
        pull_request: None,
    }
}

fn plan(state: State) -> Status {
    Status { context: Context::plan(), pull_request: PullRequestNumber::new(7), ..apply(state) }
}

fn made(pipeline: u64) -> Said {
    Said::new(201, json!({ "id": 1, "status": "pending", "pipeline_id": pipeline }))
}

fn jobs(all: Value) -> Said {
    Said::new(200, all)
}

fn transition(from: &str) -> Said {
    let words = format!(
        "Cannot transition status via :enqueue from :{from} (Reason(s): Status cannot transition via \"enqueue\")"
    );
    Said::new(400, json!({ "message": words }))
}

async fn outcome(fake: &FakeForge, status: Status) -> Result<(), ForgeError> {
    forge(fake).post(&[status]).await.remove(0)
}

fn states(fake: &FakeForge) -> Vec<String> {
    let asked = fake.asked();
    let sent = asked.iter().filter(|asked| asked.method == "POST");
    sent.map(|asked| asked.body["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_status_stands_in_the_pipelines_of_the_main_branch() {
    let fake = FakeForge::answering([made(4)]);
    assert_eq!(outcome(&fake, apply(State::Pending)).await, Ok(()));
    let asked = fake.asked().remove(0);
    assert_eq!(asked.line(), format!("POST {PROJECT}/statuses/{COMMIT}"));
    assert_eq!(asked.headers["private-token"], "glpat-secret");
    let expected = json!({
        "state": "pending", "name": "beamline/apply: dev", "description": "3 created",
        "target_url": "https://b/runs/1", "ref": "main",
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn every_request_is_as_gitlab_publishes_it() {
    let Some(contract) = Contract::load("gitlab") else { return };
    for state in [State::Pending, State::Success, State::Failure, State::Error] {
        let waiting = json!([{ "status": "running", "ref": "main", "pipeline_id": 3 }]);
        let fake = FakeForge::answering([made(4), jobs(waiting)]);
        outcome(&fake, apply(state)).await.unwrap();
        fake.asked().iter().for_each(|asked| contract.check(asked));
        let merge_request = json!({ "iid": 7, "source_project_id": 1, "target_project_id": 2 });
        let fake =
            FakeForge::answering([Said::new(200, merge_request), transition("pending"), jobs(json!([]))]);
        let _ = outcome(&fake, plan(state)).await;
        fake.asked().iter().for_each(|asked| contract.check(asked));
    }
}

#[tokio::test]
async fn a_second_pending_becomes_running_and_a_third_one_is_taken_as_it_stands() {
    let fake = FakeForge::answering([transition("pending"), made(4)]);
    assert_eq!(outcome(&fake, apply(State::Pending)).await, Ok(()));
    assert_eq!(states(&fake), ["pending", "running"]);
    let fake = FakeForge::answering([transition("running")]);
    assert_eq!(outcome(&fake, apply(State::Pending)).await, Ok(()));
    assert_eq!(states(&fake), ["pending"]);
    let fake = FakeForge::answering([transition("pending"), transition("running")]);
    assert_eq!(outcome(&fake, apply(State::Pending)).await, Ok(()));
}

#[tokio::test]
async fn a_refused_transition_from_a_final_state_is_told() {
    let fake = FakeForge::answering([transition("success")]);
    let error = outcome(&fake, apply(State::Pending)).await.unwrap_err();
    assert_eq!(error.class, Class::Refused);
    assert!(error.message.contains("from :success"), "{error}");
}

#[tokio::test]
async fn a_final_one_ends_what_still_waits_in_older_pipelines() {
    let standing = json!([
        { "status": "success", "ref": "main", "pipeline_id": 9 },
        { "status": "running", "ref": "main", "pipeline_id": 9 },
        { "status": "pending", "ref": "feature", "pipeline_id": 4 },
        { "status": "failed", "ref": "main", "pipeline_id": 3 },
        { "status": "pending", "ref": "old", "pipeline_id": null },
    ]);
    let fake = FakeForge::answering([made(9), jobs(standing), made(4)]);
    assert_eq!(outcome(&fake, apply(State::Failure)).await, Ok(()));
    let asked = fake.asked();
    let query = "name=beamline%2Fapply%3A%20dev&order_by=id&sort=desc&per_page=100";
    assert_eq!(asked[1].line(), format!("GET {PROJECT}/repository/commits/{COMMIT}/statuses?{query}"));
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[2].body["pipeline_id"], 4);
    assert_eq!(asked[2].body["ref"], "feature");
    assert_eq!(asked[2].body["state"], "failed");
}

#[tokio::test]
async fn a_refused_final_one_is_delivered_when_the_same_stands_there() {
    for (standing, is_delivered) in [("success", true), ("failed", false)] {
        let fake = FakeForge::answering([
            transition("success"),
            jobs(json!([{ "status": standing, "ref": "main", "pipeline_id": 9 }])),
        ]);
        let outcome = outcome(&fake, apply(State::Success)).await;
        assert_eq!(outcome.is_ok(), is_delivered, "{standing}");
    }
}

#[tokio::test]
async fn a_plan_stands_in_the_pipeline_that_its_merge_request_waits_for() {
    let of = |source: u64, head: Value| {
        json!({
            "iid": 7, "source_branch": "feature", "source_project_id": source,
            "target_project_id": 1, "head_pipeline": head,
        })
    };
    let own = json!({ "sha": COMMIT, "ref": "refs/merge-requests/7/head" });
    let older = json!({ "sha": "f".repeat(40), "ref": "refs/merge-requests/7/head" });
    for (merge_request, reference) in [
        (of(1, own.clone()), "refs/merge-requests/7/head"),
        (of(1, older), "feature"),
        (of(1, Value::Null), "feature"),
        (of(2, own), "refs/merge-requests/7/head"),
        (of(2, json!({ "sha": COMMIT, "ref": "main" })), "refs/merge-requests/7/head"),
    ] {
        let fake = FakeForge::answering([Said::new(200, merge_request), made(4), made(4)]);
        let both = [plan(State::Pending), plan(State::Pending)];
        assert_eq!(forge(&fake).post(&both).await, vec![Ok(()), Ok(())]);
        let asked = fake.asked();
        assert_eq!(asked.len(), 3, "the merge request is looked up once");
        assert_eq!(asked[0].line(), format!("GET {PROJECT}/merge_requests/7"));
        assert_eq!(asked[1].body["ref"], reference);
    }
}

#[tokio::test]
async fn a_plan_whose_merge_request_is_gone_leaves_the_ref_to_gitlab() {
    let gone = Said::new(404, json!({ "message": "404 Not found" }));
    let fake = FakeForge::answering([gone, made(4)]);
    assert_eq!(outcome(&fake, plan(State::Pending)).await, Ok(()));
    assert!(fake.asked()[1].body.get("ref").is_none());
}

#[tokio::test]
async fn only_web_addresses_that_fit_are_targets() {
    for url in ["file:///var/lib/beamline", &format!("https://b/{}", "x".repeat(255))] {
        let fake = FakeForge::default();
        let status = Status { target_url: Some(url.to_owned()), ..apply(State::Pending) };
        outcome(&fake, status).await.unwrap();
        assert!(fake.asked()[0].body.get("target_url").is_none(), "{url}");
    }
}

#[tokio::test]
async fn a_protected_branch_does_not_hold_up_other_statuses() {
    let fake = FakeForge::answering([Said::new(403, json!({ "message": "403 Forbidden" })), made(4)]);
    let outcomes = forge(&fake).post(&[apply(State::Pending), apply(State::Pending)]).await;
    let error = outcomes[0].clone().unwrap_err();
    assert_eq!(error.class, Class::Refused);
    assert!(error.message.contains("protected"), "{error}");
    assert_eq!(outcomes[1], Ok(()));
}

#[tokio::test]
async fn failures_say_whether_trying_again_can_help() {
    let busy = Said::new(409, json!({ "message": "409 Conflict" }));
    let error = outcome(&FakeForge::answering([busy]), apply(State::Pending)).await.unwrap_err();
    assert_eq!(error.class, Class::Retry { after: None });
    let limited = Said::new(429, json!("Retry later")).with("retry-after", "30");
    let error = outcome(&FakeForge::answering([limited]), apply(State::Pending)).await.unwrap_err();
    assert_eq!(error.class, Class::Retry { after: Some(Duration::from_secs(30)) });
    let broken = Said::new(502, Value::Null);
    let error = outcome(&FakeForge::answering([broken]), apply(State::Success)).await.unwrap_err();
    assert_eq!(error.class, Class::Retry { after: None });
}

#[tokio::test]
async fn after_a_refused_token_nothing_more_is_sent() {
    let fake = FakeForge::answering([Said::new(401, json!({ "message": "401 Unauthorized" }))]);
    let outcomes = forge(&fake).post(&vec![apply(State::Pending); 3]).await;
    assert_eq!((fake.asked().len(), outcomes.len()), (1, 3));
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.class, Class::Refused);
        assert!(error.message.contains("token") && !error.message.contains("glpat-secret"), "{error}");
    }
}

#[tokio::test]
async fn a_commit_that_is_not_there_does_not_hold_up_the_next() {
    let gone = Said::new(404, json!({ "message": "404 Commit Not Found" }));
    let fake = FakeForge::answering([gone, made(4)]);
    let outcomes = forge(&fake).post(&[apply(State::Pending), apply(State::Pending)]).await;
    assert_eq!(outcomes[0].clone().unwrap_err().class, Class::NoCommit);
    assert_eq!(outcomes[1], Ok(()));
}

#[tokio::test]
async fn what_only_looks_like_success_is_tried_again() {
    for body in [Value::Null, json!([]), json!({}), json!("<html>Sign in</html>")] {
        let fake = FakeForge::answering([Said::new(200, body)]);
        let error = forge(&fake).post(&[apply(State::Success)]).await.remove(0).unwrap_err();
        assert_eq!(error.class, Class::Retry { after: None });
        assert!(error.message.contains("with something else than it documents"), "{error}");
    }
}
