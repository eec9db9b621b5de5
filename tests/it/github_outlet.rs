//! GitHub as the outlet: exactly the documented request, pending before final, again until accepted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use beamline::clock::Clock;
use beamline::forge::github::{Access, Options};
use beamline::forge::{Forge, GitHub};
use beamline::wire;
use serde_json::{Value, json};

use crate::support::{DaemonWorld, Setup, small};

/// GitHub's status API, as far as a poster sees it.
#[derive(Clone, Default)]
struct StatusApi {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Accepted statuses: commit and body.
    accepted: Vec<(String, Value)>,
    refused: usize,
    mood: Mood,
}

#[derive(Clone, Copy, Default)]
enum Mood {
    #[default]
    Fine,
    Broken,
    Limited,
    CommitUnknown,
    /// Something before GitHub wants people to sign in.
    SignIn,
}

impl StatusApi {
    fn forge(&self, clock: &Clock) -> Forge {
        let router = Router::new()
            .route("/repos/{owner}/{name}/statuses/{commit}", post(create))
            .with_state(self.clone());
        let options = Options {
            api: "https://api.github.invalid".to_owned(),
            repository: "team/environments".parse().unwrap(),
            access: Access::Token("token-1".into()),
        };
        Forge::GitHub(GitHub::new(wire::Client::in_process(router), clock.clone(), options).unwrap())
    }

    fn set(&self, mood: Mood) {
        self.inner.lock().unwrap().mood = mood;
    }

    fn refused(&self) -> usize {
        self.inner.lock().unwrap().refused
    }

    /// The states that each context of a commit was given, in order.
    fn states(&self, commit: &str) -> BTreeMap<String, Vec<String>> {
        let mut states: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, body) in self.inner.lock().unwrap().accepted.iter().filter(|(sha, _)| sha == commit) {
            let text = |field: &str| body[field].as_str().unwrap().to_owned();
            states.entry(text("context")).or_default().push(text("state"));
        }
        states
    }

    fn last(&self, context: &str) -> Value {
        let inner = self.inner.lock().unwrap();
        inner.accepted.iter().rev().find(|(_, body)| body["context"] == context).unwrap().1.clone()
    }
}

async fn create(
    State(api): State<StatusApi>,
    Path((owner, name, commit)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!((owner.as_str(), name.as_str()), ("team", "environments"));
    assert_eq!(headers["authorization"], "Bearer token-1");
    assert_eq!(headers["accept"], "application/vnd.github+json");
    assert_eq!(headers["x-github-api-version"], "2022-11-28");
    let mut inner = api.inner.lock().unwrap();
    let refusal = match inner.mood {
        Mood::Fine => {
            inner.accepted.push((commit, serde_json::from_slice(&body).unwrap()));
            return (StatusCode::CREATED, json!({ "id": 1 }).to_string()).into_response();
        }
        Mood::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "oops").into_response(),
        Mood::Limited => {
            let message = json!({ "message": "API rate limit exceeded" }).to_string();
            (StatusCode::FORBIDDEN, [("retry-after", "600")], message).into_response()
        }
        Mood::SignIn => (StatusCode::OK, "<html>Sign in</html>").into_response(),
        Mood::CommitUnknown => {
            let message = json!({ "message": "No commit found for SHA" }).to_string();
            (StatusCode::UNPROCESSABLE_ENTITY, message).into_response()
        }
    };
    inner.refused += 1;
    refusal
}

fn world() -> (DaemonWorld, StatusApi) {
    let (api, setup) = (StatusApi::default(), Setup::new());
    let forge = Some(api.forge(&setup.clock));
    (DaemonWorld::with(Setup { forge, ..setup }), api)
}

#[tokio::test(start_paused = true)]
async fn a_push_is_told_to_github_pending_first_and_then_how_it_ended() {
    let (mut world, api) = world();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    world.settled("main", &commit).await;
    let states = api.states(&commit.to_string());
    assert_eq!(states.keys().collect::<Vec<_>>(), ["beamline/apply", "beamline/apply: dev"]);
    for (context, states) in &states {
        assert_eq!(states.last().unwrap(), "success", "{context}");
        assert_eq!(states.first().unwrap(), "pending", "{context}");
        assert_eq!(states.iter().filter(|state| *state != "pending").count(), 1, "{context}");
    }
    assert_eq!(
        api.last("beamline/apply: dev"),
        json!({ "state": "success", "context": "beamline/apply: dev", "description": "Applied: 7 created" })
    );
    assert_eq!(world.repository.note(&commit), "", "notes are for where there is no forge");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn statuses_wait_until_github_accepts_them_and_only_the_newest_is_sent() {
    for mood in [Mood::Broken, Mood::Limited, Mood::CommitUnknown, Mood::SignIn] {
        let (mut world, api) = world();
        api.set(mood);
        world.repository.write("environments/dev.yaml", &small(1));
        world.start().await;
        let commit = world.repository.push("first");
        world.clock.sleep(Duration::from_secs(30 * 60)).await;
        assert!(world.store().open_work().await.unwrap().is_empty(), "work does not wait for GitHub");
        assert!((1..60).contains(&api.refused()), "{} tries in half an hour", api.refused());
        api.set(Mood::Fine);
        world.settled("main", &commit).await;
        for (context, states) in api.states(&commit.to_string()) {
            assert_eq!(states, ["success"], "{context}");
        }
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_that_github_did_not_accept_survive_a_crash() {
    let (mut world, api) = world();
    api.set(Mood::Broken);
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    world
        .until("the work has ended", async || {
            let seen = world.store().seen_heads().await.unwrap();
            !seen.is_empty() && world.store().open_work().await.unwrap().is_empty()
        })
        .await;
    world.kill().await;
    api.set(Mood::Fine);
    world.start().await;
    world.settled("main", &commit).await;
    assert_eq!(api.states(&commit.to_string()).len(), 2);
    world.finish().await;
}
