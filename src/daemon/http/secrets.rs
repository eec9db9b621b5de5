//! The webhook's secrets, and when their files are read again.
//!
//! Guarantees: a secret that was replaced in its file is taken once something was refused; what arrives is
//! checked against all of them; files are read at most once a second, however much is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock::Clock;
use crate::forge::Renewable;

/// The shortest time between two readings.
const APART: Duration = Duration::from_secs(1);

/// All secrets that are valid.
#[derive(Clone)]
pub(super) struct Secrets(Arc<Inner>);

struct Inner {
    all: Vec<Renewable>,
    clock: Clock,
    read_at: Mutex<Option<Timestamp>>,
}

impl Secrets {
    pub(super) fn new(all: Vec<Renewable>, clock: Clock) -> Self {
        Self(Arc::new(Inner { all, clock, read_at: Mutex::new(None) }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// The secrets as they are now.
    pub(super) fn current(&self) -> Vec<SecretString> {
        self.0.all.iter().map(Renewable::current).collect()
    }

    /// The secrets after `refused` fitted none; `None` when there are no others.
    pub(super) fn renewed(&self, refused: &[SecretString]) -> Option<Vec<SecretString>> {
        let is_time = {
            let now = self.0.clock.now();
            let mut read_at = self.0.read_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_time = read_at.is_none_or(|at| at.saturating_add(APART).is_ok_and(|next| next <= now));
            if is_time {
                *read_at = Some(now);
            }
            is_time
        };
        if is_time {
            for secret in &self.0.all {
                let _ = secret.renew(&secret.current());
            }
        }
        let now = self.current();
        let differs =
            now.iter().zip(refused).any(|(one, other)| one.expose_secret() != other.expose_secret());
        differs.then_some(now)
    }

    /// How a replaced one takes effect.
    pub(super) fn advice(&self) -> Option<String> {
        self.0.all.iter().find_map(Renewable::advice)
    }
}
