//! What wakes the daemon. Each trigger only sends an [`super::event::Event`]; webhooks arrive through
//! `http`.

mod cron;
mod notify;
mod poll;

pub(super) use cron::sweep_by_cron;
pub(super) use notify::{Watching, watch_files};
pub(super) use poll::poll;
