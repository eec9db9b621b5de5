//! What wakes the daemon. Each trigger only sends an [`Event`](crate::daemon::event::Event); webhooks arrive through
//! `http`.

mod cron;
mod notify;
mod poll;

pub(in crate::daemon) use cron::sweep_by_cron;
pub(in crate::daemon) use notify::{Watching, watch_files};
pub(in crate::daemon) use poll::poll;
