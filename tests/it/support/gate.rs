//! What stands between a daemon and Azure: it can be shut, and it can be the place where a daemon dies.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Notify;

/// Where the daemon is to be killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DeathAt {
    /// Before this request reaches Azure.
    Request(i64),
    /// After this request has had its effect, before it is answered.
    Answer(i64),
    /// When this much has happened.
    Happening(i64),
}

/// A handle; clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    shut: AtomicBool,
    silent: AtomicBool,
    silent_about: Mutex<Option<String>>,
    requests_left: AtomicI64,
    answers_left: AtomicI64,
    happenings_left: AtomicI64,
    death: Notify,
}

impl Gate {
    /// Azure cannot be reached.
    pub(crate) fn shut(&self) {
        self.inner.shut.store(true, Ordering::SeqCst);
    }

    /// Azure answers nothing from now on, not even that it cannot.
    pub(crate) fn fall_silent(&self) {
        self.inner.silent.store(true, Ordering::SeqCst);
    }

    /// Azure does not answer writes to paths that have this in them.
    pub(crate) fn fall_silent_about(&self, path: &str) {
        *self.inner.silent_about.lock().unwrap() = Some(path.to_owned());
    }

    /// It can again.
    pub(crate) fn open(&self) {
        self.inner.shut.store(false, Ordering::SeqCst);
    }

    /// Arms the gate; [`Gate::death`] ends when it is time.
    pub(crate) fn arm(&self, death: DeathAt) {
        let (counter, count) = match death {
            DeathAt::Request(count) => (&self.inner.requests_left, count),
            DeathAt::Answer(count) => (&self.inner.answers_left, count),
            DeathAt::Happening(count) => (&self.inner.happenings_left, count),
        };
        counter.store(count, Ordering::SeqCst);
    }

    /// Nobody is to be killed any more.
    pub(crate) fn disarm(&self) {
        for counter in [&self.inner.requests_left, &self.inner.answers_left, &self.inner.happenings_left] {
            counter.store(0, Ordering::SeqCst);
        }
    }

    /// Ends when the daemon is to be killed.
    pub(crate) async fn death(&self) {
        self.inner.death.notified().await;
    }

    /// Something has happened.
    pub(crate) fn passed_by(&self) {
        self.inner.count(&self.inner.happenings_left);
    }

    /// `azure` behind the gate.
    pub(crate) fn before(&self, azure: Router) -> Router {
        let gate = self.clone();
        azure.layer(from_fn(move |request: Request, next: Next| gate.clone().pass(request, next)))
    }

    async fn pass(self, request: Request, next: Next) -> Response {
        if self.inner.shut.load(Ordering::SeqCst) {
            return (StatusCode::SERVICE_UNAVAILABLE, "the gate is shut").into_response();
        }
        let is_meant = |path: &String| request.method() != Method::GET && request.uri().path().contains(path);
        if self.inner.silent_about.lock().unwrap().as_ref().is_some_and(is_meant) {
            return std::future::pending().await;
        }
        if self.inner.silent.load(Ordering::SeqCst) || self.inner.count(&self.inner.requests_left) {
            return std::future::pending().await;
        }
        let answer = next.run(request).await;
        if self.inner.count(&self.inner.answers_left) {
            return std::future::pending().await;
        }
        answer
    }
}

impl Inner {
    /// Counts down; `true` at the end of an armed counter.
    fn count(&self, left: &AtomicI64) -> bool {
        let reached = left.fetch_sub(1, Ordering::SeqCst) == 1;
        if reached {
            self.death.notify_one();
        }
        reached
    }
}
