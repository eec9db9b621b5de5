//! What the daemon serves: webhooks and health, all routes in one list. There is no TLS here; a reverse
//! proxy has it.

mod bodies;
mod commits;
mod connections;
mod health;
mod intake;
pub(super) mod local;
mod secrets;
mod server;
mod web;
mod webhooks;

pub use server::HttpOptions;
pub(super) use server::{LAST_ANSWERS, serve};
