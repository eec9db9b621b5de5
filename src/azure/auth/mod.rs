//! Tokens for Azure Resource Manager.
//!
//! The credential is chosen in the configuration, never probed. The protocols are `azure_identity`'s;
//! its requests go over our [`crate::wire`], so that CA bundle, proxy and limits are ours, and a
//! simulation needs no socket. The cache is ours, on the passed-in clock: theirs reads the system's.

mod certificate;
mod credential;
mod entra;
mod error;
mod tokens;
mod transport;

pub use credential::Credential;
pub use error::TokenError;
pub(crate) use tokens::Freshness;
pub use tokens::Tokens;
