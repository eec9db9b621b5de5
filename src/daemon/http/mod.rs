//! What the daemon serves: webhooks and health, all routes in one list. There is no TLS here; a reverse
//! proxy has it.

mod commits;
mod health;
mod intake;
mod server;
mod webhooks;

pub(super) use server::serve;
