//! What a history tells, and which ones are not to be.

use serde_json::json;

use super::bench::{Bench, sha};
use crate::forge::{ForgeKind, Problem};

async fn post(bench: &Bench, context: &str, state: &str, description: &str, run: Option<u64>) {
    let target = run.map(|run| format!("https://b.example.com/runs/{run}"));
    let body =
        json!({ "state": state, "context": context, "description": description, "target_url": target });
    let place = format!("/repos/octo/infra/statuses/{}", sha('a'));
    assert_eq!(bench.send("POST", &place, body).await.status, 201);
}

const PLAN: &str = "beamline/plan";

fn overtaken(description: &str) -> Problem {
    Problem::FinalOvertaken {
        commit: sha('a'),
        context: PLAN.to_owned(),
        description: description.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_well_has_no_problems() {
    let bench = Bench::new(ForgeKind::GitHub);
    for (state, text, run) in [
        ("pending", "queued", 1),
        ("pending", "planning", 1),
        ("success", "3 changes", 1),
        ("pending", "main moved: planning again", 2),
        ("success", "2 changes", 2),
    ] {
        post(&bench, PLAN, state, text, Some(run)).await;
    }
    assert_eq!(bench.world.history().problems("bot", 400), []);
}

#[tokio::test(start_paused = true)]
async fn a_context_that_ends_unfinished_is_found() {
    let bench = Bench::new(ForgeKind::GitHub);
    post(&bench, PLAN, "success", "done", Some(1)).await;
    post(&bench, PLAN, "pending", "planning again", Some(2)).await;
    let ends = Problem::EndsUnfinished { commit: sha('a'), context: PLAN.to_owned() };
    assert_eq!(bench.world.history().problems("bot", 400), [ends]);
}

#[tokio::test(start_paused = true)]
async fn an_older_pending_after_the_final_is_found() {
    let bench = Bench::new(ForgeKind::GitHub);
    post(&bench, PLAN, "pending", "queued", None).await;
    post(&bench, PLAN, "success", "done", None).await;
    post(&bench, PLAN, "pending", "queued", None).await;
    post(&bench, PLAN, "success", "done", Some(7)).await;
    post(&bench, PLAN, "pending", "never seen before, and of the same run", Some(7)).await;
    post(&bench, PLAN, "success", "done", Some(7)).await;
    let found = bench.world.history().problems("bot", 400);
    assert_eq!(found, [overtaken("queued"), overtaken("never seen before, and of the same run")]);
}

#[tokio::test(start_paused = true)]
async fn more_than_twenty_environments_on_a_commit_are_found() {
    let bench = Bench::new(ForgeKind::GitHub);
    post(&bench, PLAN, "success", "done", None).await;
    for number in 0..20 {
        post(&bench, &format!("beamline/plan: env-{number}"), "success", "done", None).await;
    }
    assert_eq!(bench.world.history().problems("bot", 400), []);
    post(&bench, "beamline/plan: one-more", "success", "done", None).await;
    let crowded = Problem::TooManyContexts { commit: sha('a'), count: 21 };
    assert_eq!(bench.world.history().problems("bot", 400), [crowded]);
}

#[tokio::test(start_paused = true)]
async fn more_writes_in_an_hour_than_allowed_are_found() {
    let bench = Bench::with_pull_request(ForgeKind::GitHub);
    for minute in 0..10 {
        post(&bench, PLAN, "success", &format!("plan {minute}"), None).await;
        bench.world.comment(1, "alice", "people write as much as they like");
        bench.wait(60).await;
    }
    assert_eq!(bench.world.history().problems("bot", 10), []);
    let found = bench.world.history().problems("bot", 9);
    let at = "2026-11-01T00:09:00Z".parse().unwrap();
    assert_eq!(found, [Problem::TooManyWrites { at, count: 10 }]);
    bench.wait(3600).await;
    post(&bench, PLAN, "success", "an hour later", None).await;
    assert_eq!(bench.world.history().problems("bot", 10), []);
}
