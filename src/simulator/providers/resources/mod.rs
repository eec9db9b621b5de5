//! `Microsoft.Resources` and what is asked of a subscription: groups, tags, providers, locations.

pub(in crate::providers) mod geography;
pub(crate) mod groups;
pub(in crate::providers) mod provider_catalog;
pub(crate) mod registrations;
pub(crate) mod subscriptions;
pub(in crate::providers) mod tags;
