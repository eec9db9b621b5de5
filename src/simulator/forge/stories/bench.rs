//! The bench of the stories: a world on simulated time, and a client that knows only HTTP and what the
//! forge publishes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request};
use serde_json::Value;
use tower::ServiceExt as _;

use super::contract::Contract;
use crate::forge::{ForgeKind, ForgeOptions, ForgeWorld, Permission, PullRequest};
use beamline_base::clock::Clock;

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub(super) struct Bench {
    pub(super) world: ForgeWorld,
    pub(super) clock: Clock,
    pub(super) token: String,
    contract: Contract,
    checked: AtomicUsize,
}

/// A commit id made of one digit.
pub(super) fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

impl Bench {
    /// `main` at `a…`, and the account `bot` that may write.
    pub(super) fn new(kind: ForgeKind) -> Self {
        Self::with_options(kind, |options| options)
    }

    pub(super) fn with_options(kind: ForgeKind, choose: impl FnOnce(ForgeOptions) -> ForgeOptions) -> Self {
        let clock = Clock::simulated("2026-11-01T00:00:00Z".parse().unwrap(), 1);
        let world = ForgeWorld::new(choose(ForgeOptions::new(clock.clone(), kind)));
        let token = world.add_account("bot", Permission::Write);
        world.pushed("main", &sha('a'));
        drop(world.deliveries());
        let checked = AtomicUsize::new(0);
        Self { world, clock, token, contract: Contract::of(kind), checked }
    }

    /// With a pull request by `alice`, who may write, from `feature` at `b…`.
    pub(super) fn with_pull_request(kind: ForgeKind) -> Self {
        let bench = Self::new(kind);
        bench.world.add_account("alice", Permission::Write);
        let files = ["environments/prod.yaml", "environments/test.yaml", "read me.md"];
        bench.world.open(PullRequest::new("alice", "feature", &sha('b')).changing(&files));
        drop(bench.world.deliveries());
        bench
    }

    fn credential(&self, token: &str) -> (&'static str, String) {
        match self.world.kind() {
            ForgeKind::GitHub | ForgeKind::Bitbucket => ("authorization", format!("Bearer {token}")),
            ForgeKind::GitLab => ("private-token", token.to_owned()),
            ForgeKind::Gitea | ForgeKind::Forgejo => ("authorization", format!("token {token}")),
            ForgeKind::AzureDevOps => {
                ("authorization", format!("Basic {}", STANDARD.encode(format!(":{token}"))))
            }
        }
    }

    pub(super) async fn raw(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let uri = uri.strip_prefix("https://forge.simulator.invalid").unwrap_or(uri);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.world.router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let is_json = headers.get("content-type").is_some_and(|it| it.to_str().unwrap().contains("json"));
        let body = match is_json {
            true => serde_json::from_slice(&bytes).unwrap(),
            false => Value::String(String::from_utf8(bytes.to_vec()).unwrap()),
        };
        if is_json && self.contract.check(method, uri.split('?').next().unwrap(), status, &body) {
            self.checked.fetch_add(1, Ordering::Relaxed);
        }
        Answer { status, headers, body }
    }

    pub(super) async fn send_as(&self, token: &str, method: &str, uri: &str, body: Value) -> Answer {
        let (name, value) = self.credential(token);
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.raw(method, uri, &[(name, &value)], bytes).await
    }

    pub(super) async fn get(&self, uri: &str) -> Answer {
        self.send_as(&self.token, "GET", uri, Value::Null).await
    }

    pub(super) async fn send(&self, method: &str, uri: &str, body: Value) -> Answer {
        self.send_as(&self.token, method, uri, body).await
    }

    /// How many answers were checked against the forge's description.
    pub(super) fn checked(&self) -> usize {
        self.checked.load(Ordering::Relaxed)
    }

    pub(super) async fn wait(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }
}
