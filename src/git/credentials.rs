//! Who we are at a remote.
//!
//! libgit2 hands a transport nothing but a URL (its credential callback is for its own transports), so
//! the credentials of every opened mirror are kept in one table of this process, by URL. Guarantees: a
//! URL gets only the credentials that were given for exactly its repository; nothing is written to disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretString;

use super::address::{Address, Place};
use super::error::GitError;
use super::password::PasswordSource;
use super::pulls::PullRefs;

/// How to prove who we are.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Nothing is sent. An SSH remote then uses the agent, keys and configuration of the process's user.
    #[default]
    None,
    /// HTTP basic authentication, which is also how the forges take tokens.
    Basic {
        /// The user name; forges that take tokens accept any (GitHub documents `x-access-token`).
        username: String,
        /// The password or token.
        password: SecretString,
    },
    /// HTTP basic authentication with a password that changes over time.
    Dynamic {
        /// The user name that goes with the password.
        username: String,
        /// Asked at each request.
        password: PasswordSource,
    },
    /// The OpenSSH client, with its own configuration unless overridden here.
    Ssh {
        /// The private key (`ssh -i`); others are then not tried.
        identity_file: Option<PathBuf>,
        /// The file of known host keys. A host that is not in it is refused.
        known_hosts: Option<PathBuf>,
        /// The client to run. Default: `ssh` on the path.
        program: Option<PathBuf>,
    },
}

/// A repository somewhere, and who we are there.
#[derive(Clone, Debug)]
pub struct Remote {
    /// `https://…`, `ssh://…`, `user@host:path`, `file:///…` or a path.
    pub url: String,
    /// Who we are there.
    pub credentials: Credentials,
    /// Where the forge there keeps the heads of pull requests; `None` where it keeps none.
    pub pull_refs: Option<PullRefs>,
}

static TABLE: RwLock<BTreeMap<String, Arc<Credentials>>> = RwLock::new(BTreeMap::new());

impl Remote {
    /// The parsed address, after a check that the credentials can be used there.
    pub(super) fn address(&self) -> Result<Address, GitError> {
        let address = Address::parse(&self.url)?;
        let reason = match (&address.place, &self.credentials) {
            (Place::Http(_), Credentials::Ssh { .. }) => "an https remote takes a user name and a password",
            (Place::Ssh(_), Credentials::Basic { .. } | Credentials::Dynamic { .. }) => {
                "an ssh remote takes a key, not a password"
            }
            (
                Place::Local(_),
                Credentials::Basic { .. } | Credentials::Dynamic { .. } | Credentials::Ssh { .. },
            ) => "a local repository takes no credentials",
            (Place::Http(_), Credentials::None | Credentials::Basic { .. } | Credentials::Dynamic { .. })
            | (Place::Ssh(_), Credentials::None | Credentials::Ssh { .. })
            | (Place::Local(_), Credentials::None) => return Ok(address),
        };
        Err(GitError::Address { remote: address.shown, reason: reason.to_owned() })
    }
}

/// Remembers `credentials` for the repository at `url`, replacing what was known.
pub(super) fn remember(url: &str, credentials: &Credentials) {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    table.insert(url.to_owned(), Arc::new(credentials.clone()));
}

/// The credentials for the repository at `url`.
pub(super) fn recall(url: &str) -> Arc<Credentials> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.get(url).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbouring_repository_gets_no_credentials() {
        let basic = Credentials::Basic { username: "u".into(), password: "p".into() };
        remember("https://credentials.test/a", &basic);
        assert!(matches!(*recall("https://credentials.test/a"), Credentials::Basic { .. }));
        assert!(matches!(*recall("https://credentials.test/ab"), Credentials::None));
        assert!(matches!(*recall("https://credentials.test.evil/a"), Credentials::None));
    }

    #[test]
    fn credentials_must_fit_the_remote() {
        let password = SecretString::from("p");
        let basic = Credentials::Basic { username: "u".into(), password };
        let remote = Remote { url: "git@host:a".into(), credentials: basic, pull_refs: None };
        assert!(remote.address().unwrap_err().to_string().contains("takes a key"));
        assert!(!format!("{remote:?}").contains("\"p\""));
    }
}
