//! The HTTP seam: a request goes out, a response comes back.
//!
//! Every edge that speaks HTTP (`azure`, `git`, `forge`) uses this and nothing else, so that TLS,
//! the CA bundle, proxies, time limits and size limits are decided once. In production a [`Client`]
//! is one shared `reqwest` client (rustls with ring, HTTP/2, keep-alive); in the deterministic
//! simulation it is a router in the same process, on virtual time.
//!
//! Guarantees: no request runs longer than its time limit; no body is read past its size limit; no
//! redirect is followed (ARM and the forges answer where they are asked); an error says whether the
//! request can have reached the other side, because that decides whether it may be sent again.

mod client;
mod redirect;
mod renewable;
mod skew;

pub use client::{Client, Options, Proxy, Request, Response, Sent, Stream, WireError, install_tls_provider};
pub use redirect::{Redirect, RedirectKind};
pub use renewable::{Renewable, Renewal};
pub use skew::{Skew, date};
