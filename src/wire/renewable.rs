//! A secret that may be replaced where it stands while we run.
//!
//! Why: tokens expire and are rotated, and a service is not restarted for that. Guarantees: what is in use
//! stays in use until it is refused ([`Renewable::renew`]), so that a file that is being written, or was
//! replaced too early, breaks nothing; a secret is never printed; where only a restart can take a
//! replaced one, [`Renewable::advice`] says so.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

/// How a replaced secret takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is read again when the one in use is refused; where it stands.
    WhenRefused(String),
    /// By a restart; what it is: a copy that the service manager made at the start, or a variable.
    ByRestart(String),
    /// It is what it was at the start, as long as the process lives.
    Never,
}

/// Reads what stands there now; `None` when it cannot be read.
type Read = dyn Fn() -> Option<SecretString> + Send + Sync;

/// A secret that may be replaced. Cheap to clone; clones are renewed together.
#[derive(Clone)]
pub struct Renewable(Arc<Inner>);

struct Inner {
    in_use: Mutex<SecretString>,
    renewal: Renewal,
    read: Box<Read>,
}

impl Renewable {
    /// A secret that stays as it is.
    #[must_use]
    pub fn fixed(secret: SecretString) -> Self {
        Self::new(secret, Renewal::Never, || None)
    }

    /// `first`, which `read` reads anew.
    #[must_use]
    pub fn new(
        first: SecretString,
        renewal: Renewal,
        read: impl Fn() -> Option<SecretString> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner { in_use: Mutex::new(first), renewal, read: Box::new(read) }))
    }

    /// The one in use.
    #[must_use]
    pub fn current(&self) -> SecretString {
        self.0.in_use.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What stands there, when that is another one than the one in use.
    fn replacement(&self, in_use: &SecretString) -> Option<SecretString> {
        match self.0.renewal {
            Renewal::WhenRefused(_) => {}
            Renewal::ByRestart(_) | Renewal::Never => return None,
        }
        let there = (self.0.read)()?;
        let is_other = there.expose_secret() != in_use.expose_secret() && !there.expose_secret().is_empty();
        is_other.then_some(there)
    }

    /// Whether another one stands there than the one in use.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.replacement(&self.current()).is_some()
    }

    /// Takes what stands there into use, after `refused` was refused. Whether there is another one than
    /// `refused` now: then it is worth trying again at once.
    #[must_use]
    pub fn renew(&self, refused: &SecretString) -> bool {
        let mut in_use = self.0.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if in_use.expose_secret() != refused.expose_secret() {
            // Somebody else was refused first.
            return true;
        }
        let Some(there) = self.replacement(&in_use) else { return false };
        *in_use = there;
        if let Renewal::WhenRefused(place) = &self.0.renewal {
            tracing::info!(%place, "a secret was refused and has been replaced: the new one is used");
        }
        true
    }

    /// What to do so that another one is used, as a sentence; `None` where nothing can be said.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match &self.0.renewal {
            Renewal::WhenRefused(place) => {
                Some(format!("A new one in {place} is taken at once, without a restart"))
            }
            Renewal::ByRestart(what) => Some(format!("It is {what}: a restart takes a replaced one")),
            Renewal::Never => None,
        }
    }
}

impl From<SecretString> for Renewable {
    fn from(secret: SecretString) -> Self {
        Self::fixed(secret)
    }
}

impl From<&str> for Renewable {
    fn from(secret: &str) -> Self {
        Self::fixed(secret.into())
    }
}

impl From<String> for Renewable {
    fn from(secret: String) -> Self {
        Self::fixed(secret.into())
    }
}

impl fmt::Debug for Renewable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewable").field("renewal", &self.0.renewal).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_a_file(text: &'static str) -> (Renewable, Arc<Mutex<Option<&'static str>>>) {
        let file = Arc::new(Mutex::new(Some(text)));
        let read = file.clone();
        let read = move || read.lock().unwrap().map(SecretString::from);
        (Renewable::new(text.into(), Renewal::WhenRefused("/etc/token".to_owned()), read), file)
    }

    #[test]
    fn a_replaced_secret_is_taken_when_the_old_one_is_refused_and_not_before() {
        let (token, file) = in_a_file("old");
        let old = token.current();
        assert!(!token.renew(&old), "nothing has changed");
        *file.lock().unwrap() = Some("new");
        assert!(token.is_replaced());
        assert_eq!(token.current().expose_secret(), "old");
        assert!(token.renew(&old));
        assert_eq!(token.current().expose_secret(), "new");
        assert!(token.renew(&old), "whoever was refused with the old one too");
        assert!(!token.renew(&token.current()));
    }

    #[test]
    fn a_file_that_is_gone_or_empty_replaces_nothing() {
        let (token, file) = in_a_file("old");
        for there in [None, Some("")] {
            *file.lock().unwrap() = there;
            assert!(!token.renew(&token.current()) && !token.is_replaced());
            assert_eq!(token.current().expose_secret(), "old");
        }
    }

    #[test]
    fn a_copy_is_replaced_by_a_restart_and_says_so() {
        let renewal = Renewal::ByRestart("systemd's copy of `token`".to_owned());
        let token = Renewable::new("old".into(), renewal, || Some("new".into()));
        assert!(!token.renew(&token.current()) && !token.is_replaced());
        assert!(token.advice().unwrap().contains("a restart takes a replaced one"));
        assert!(!format!("{token:?}").contains("old"));
    }
}
