//! Which subscriptions this installation may use, by the alias that definitions name.
//!
//! Configuration on the VM, not the repository, decides what an alias stands for.

use std::collections::BTreeMap;

use crate::azure::Arm;
use crate::definitions::Environment;
use crate::reconcile::plan::Globs;
use crate::resources::Site;
use crate::resources::id::{SubscriptionId, TenantId};

/// A subscription and the way into it.
#[derive(Clone)]
pub struct Account {
    /// The subscription that the alias stands for.
    pub subscription: SubscriptionId,
    /// The directory (tenant) of the subscription.
    pub tenant: TenantId,
    /// Azure, signed in as this subscription's identity.
    pub arm: Arm,
}

/// The owner and its subscriptions.
#[derive(Clone)]
pub struct Estate {
    /// The configured name of this installation, which marks carry.
    pub owner: String,
    /// The accounts, by the alias that definitions use.
    pub accounts: BTreeMap<String, Account>,
    /// Whether a consent line with a `*` allows anything.
    pub globs: Globs,
}

/// A definition names what is not configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the subscription alias `{alias}` is not configured here (known: {known}). Correct `subscription`, or add \
     [subscriptions.{alias}] to the daemon's configuration"
)]
pub struct EstateError {
    /// The alias that a definition used.
    pub alias: String,
    /// The configured aliases, as a list in a sentence.
    pub known: String,
}

impl Estate {
    /// The way into the subscription with this alias.
    ///
    /// # Errors
    /// [`EstateError`] when there is none.
    pub fn account(&self, alias: &str) -> Result<&Account, EstateError> {
        self.accounts.get(alias).ok_or_else(|| {
            let known: Vec<&str> = self.accounts.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            EstateError { alias: alias.to_owned(), known }
        })
    }

    /// Where `environment` lives.
    ///
    /// # Errors
    /// [`EstateError`] when its alias is not configured.
    pub fn site(&self, environment: &Environment) -> Result<Site, EstateError> {
        let account = self.account(&environment.subscription)?;
        Ok(environment.site(&self.owner, account.subscription, account.tenant))
    }
}
