//! The demo: a repository, the simulator and the daemon in one folder and one process.
//!
//! Nothing in it is a special path: the daemon is wired from a settings file that the demo writes, it
//! notices the push by file notification, and what is shown at the end is read back through the same
//! functions as `beamline plan` and `beamline outputs`. Git runs without the user's configuration, so that
//! hooks, signing and aliases do not interfere.

mod folder;
mod git;
mod happenings;
mod show;
mod stage;
mod try_this;

pub(super) use show::{Ending, run};
