//! How libgit2 reaches a remote: https over `wire`, ssh through the OpenSSH client.
//!
//! libgit2's own transports would bring OpenSSL and libssh2, a second TLS stack and a second set of
//! trusted authorities; they are compiled out. Both of ours fetch and push.

mod limits;
mod register;
mod smart_http;
mod ssh;

pub use limits::Patience;
pub(super) use register::is_registered;
pub use register::register_transports;
