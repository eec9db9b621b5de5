//! The webhook's secrets, and when their files are read again.
//!
//! Guarantees: a secret that was replaced in its file is taken once something was refused; what arrives is
//! checked against all of them; files are read at most once a second, however much is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::clock::{Clock, Instant};
use crate::forge::Renewable;

/// The shortest time between two readings.
const APART: Duration = Duration::from_secs(1);

/// All secrets that are valid.
#[derive(Clone)]
pub(super) struct Secrets(Arc<Inner>);

struct Inner {
    all: Vec<Renewable>,
    clock: Clock,
    /// Not before this they are read again.
    next: Mutex<Option<Instant>>,
}

impl Secrets {
    pub(super) fn new(all: Vec<Renewable>, clock: Clock) -> Self {
        Self(Arc::new(Inner { all, clock, next: Mutex::new(None) }))
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
            let mut next = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
            let is_time = next.is_none_or(|next| self.0.clock.left(next).is_zero());
            if is_time {
                *next = Some(self.0.clock.after(APART));
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
