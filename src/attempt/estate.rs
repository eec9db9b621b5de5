//! Which subscriptions this installation may use, by the alias that definitions name.
//!
//! Configuration on the VM, not the repository, decides what an alias stands for.

use std::collections::{BTreeMap, BTreeSet};

use crate::azure::Arm;
use crate::definitions::{Code, Diagnostic, Environment};
use crate::reconcile::plan::Globs;
use crate::resources::id::{SubscriptionId, TenantId};
use crate::resources::suggest::nearest;
use crate::resources::{Severity, Site};

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
    /// The accounts, by the alias that definitions use; a command has only those that it needs.
    pub accounts: BTreeMap<String, Account>,
    /// Every alias of the settings.
    pub aliases: BTreeSet<String>,
    /// Whether a consent line with a `*` allows anything.
    pub globs: Globs,
}

impl Estate {
    /// The way into the subscription of `environment`.
    ///
    /// # Errors
    /// The problem of its definition, whose alias is not configured.
    pub fn account(&self, environment: &Environment) -> Result<&Account, Box<Diagnostic>> {
        self.accounts.get(&environment.subscription).ok_or_else(|| Box::new(self.unknown(environment)))
    }

    /// Where `environment` lives; `None` when its alias is not configured.
    #[must_use]
    pub fn site(&self, environment: &Environment) -> Option<Site> {
        let account = self.accounts.get(&environment.subscription)?;
        Some(environment.site(&self.owner, account.subscription, account.tenant))
    }

    fn unknown(&self, environment: &Environment) -> Diagnostic {
        let alias = &environment.subscription;
        let configure = format!("add `[subscriptions.{alias}]` to the settings");
        let remedy = match nearest(alias, self.aliases.iter().map(String::as_str)) {
            Some(meant) => format!("Did you mean `{meant}`? Write it as `subscription`, or {configure}."),
            None if self.aliases.is_empty() => format!("Have somebody {configure}."),
            None => format!("Write one of those that are configured as `subscription`, or {configure}."),
        };
        let quoted: Vec<String> = self.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let configured = match quoted.as_slice() {
            [] => "none is".to_owned(),
            [one] => format!("{one} is"),
            several => format!("{} are", several.join(", ")),
        };
        Diagnostic {
            code: Code::UnknownReference,
            severity: Severity::Error,
            message: format!("the subscription alias `{alias}` is not configured here: {configured}"),
            location: environment.locate_key("subscription"),
            rule: "`subscription` is an alias; the settings say which subscription it is.".to_owned(),
            remedy,
            related: Vec::new(),
        }
    }
}
