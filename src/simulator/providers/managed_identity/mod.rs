//! `Microsoft.ManagedIdentity`: identities of users, their federated credentials, and those of resources.

pub(in crate::providers) mod federated_credentials;
pub(in crate::providers) mod identities;
pub(in crate::providers) mod system_identities;
