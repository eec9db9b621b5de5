//! A password that changes over time.
//!
//! Why: a GitHub App's installation token lives for an hour; a mirror lives as long as the service.
//! Guarantees: each request to the remote asks for the present password; nothing is kept here, so
//! whoever gives it should keep it for as long as it is good.

use std::fmt;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use secrecy::SecretString;

/// The present password, or why there is none: a sentence for people, without the secret.
type Answer = Result<SecretString, String>;

/// Gives the present password of a remote.
#[derive(Clone)]
pub struct PasswordSource(Arc<dyn Fn() -> BoxFuture<'static, Answer> + Send + Sync>);

impl PasswordSource {
    /// Asks `ask` each time. It runs on the runtime of the transports and is given half a minute.
    pub fn new<F>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self(Arc::new(move || ask().boxed()))
    }

    pub(super) fn ask(&self) -> BoxFuture<'static, Answer> {
        (self.0)()
    }
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PasswordSource").finish_non_exhaustive()
    }
}
