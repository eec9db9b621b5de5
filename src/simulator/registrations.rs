//! Which resource providers a subscription may use: registered, not, or on the way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::options::Providers;
use beamline_base::id::SubscriptionId;

/// The state of a provider in a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Registration {
    NotRegistered,
    /// Region after region, from one moment to the other.
    Registering {
        since: Timestamp,
        until: Timestamp,
    },
    Registered,
    Unregistering {
        until: Timestamp,
    },
    Unregistered,
}

impl Registration {
    /// What has become of it by now.
    fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Registering { until, .. } if until <= now => Self::Registered,
            Self::Unregistering { until } if until <= now => Self::Unregistered,
            Self::NotRegistered
            | Self::Registering { .. }
            | Self::Registered
            | Self::Unregistering { .. }
            | Self::Unregistered => self,
        }
    }

    /// As `registrationState` spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NotRegistered => "NotRegistered",
            Self::Registering { .. } => "Registering",
            Self::Registered => "Registered",
            Self::Unregistering { .. } => "Unregistering",
            Self::Unregistered => "Unregistered",
        }
    }
}

/// The registrations of all subscriptions, by the namespace in lower case.
#[derive(Debug)]
pub(super) struct Registrations {
    at_first: Providers,
    pub(super) changed: BTreeMap<(SubscriptionId, String), Registration>,
}

impl Registrations {
    pub(super) fn new(at_first: Providers) -> Self {
        Self { at_first, changed: BTreeMap::new() }
    }

    pub(super) fn get(&self, subscription: SubscriptionId, namespace: &str, now: Timestamp) -> Registration {
        let at_first = match self.at_first {
            Providers::Registered => Registration::Registered,
            Providers::NotRegistered => Registration::NotRegistered,
        };
        let changed = self.changed.get(&(subscription, namespace.to_ascii_lowercase()));
        changed.map_or(at_first, |registration| registration.at(now))
    }

    pub(super) fn set(&mut self, subscription: SubscriptionId, namespace: &str, to: Registration) {
        self.changed.insert((subscription, namespace.to_ascii_lowercase()), to);
    }
}
