//! `Microsoft.Storage`: accounts, their services, and their names in a whole subscription.

pub(in crate::providers) mod accounts;
pub(in crate::providers) mod children;
pub(in crate::providers) mod containers;
pub(in crate::providers) mod defaults;
pub(in crate::providers) mod names;
pub(in crate::providers) mod services;
pub(in crate::providers) mod skus;
