//! The command line: for people and their scripts.
//!
//! Every command is one file in `commands`; it reads definitions, plans and applies through exactly the
//! functions that the daemon uses. What is shared: `arguments` (one enum), `wiring` (settings →
//! clients), `sources` (files → environments), `subject` (an environment and everything that a
//! plan of it needs), `memory` (the journal, to look into), `lease`, `live` (what happens, while it happens), `plan_file` (a plan that somebody has read), `output`, `error`.
//!
//! Guarantees: results go to standard output and nothing else does; with `--json` they are one versioned
//! document; no colour without a terminal or with `NO_COLOR`; a closed pipe ends a command quietly; an
//! error is printed once, with its causes and a next step, and never contains a secret. Exit codes: 0
//! done, 1 failed, 2 a wrong command line, or changes under `--detailed-exitcode`.

mod arguments;
mod asking;
mod casing;
mod commands;
mod demo;
mod entry;
mod error;
mod forges;
mod lease;
mod live;
mod logging;
mod memory;
mod output;
mod plan_file;
mod run;
mod service;
mod signals;
mod sources;
mod subject;
mod systemd;
mod wiring;

pub use arguments::Cli;
pub use entry::run;
