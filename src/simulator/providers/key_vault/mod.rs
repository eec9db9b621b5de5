//! `Microsoft.KeyVault`: vaults, their secrets, and their names in a whole subscription.

pub(in crate::providers) mod names;
pub(in crate::providers) mod secrets;
pub(in crate::providers) mod vaults;
