//! `beamline demo`: a push becomes an environment, all on this machine.

use std::path::PathBuf;

use clap::Args;

use crate::cli::arguments::{Global, NoSettings};
use crate::cli::demo::{self, Ending};
use crate::cli::error::{CliError, End};

/// Watch a push become a working environment, on this machine alone
///
/// Makes a Git repository from the shipped definitions, starts the embedded Azure and the daemon, and
/// pushes. The daemon notices by itself, plans and applies; you see what is created, what waits for what,
/// and what the commit says in the end. Then everything stays up and you are told what to try.
///
/// It needs the git program and nothing else: no account, no network, no certificates. Provisioning times
/// are Azure's, divided by --speed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline demo
  beamline demo --dir ./demo --speed 60
  beamline demo --once                 end after the first push, for a script

Exit codes:
  0  everything was applied, and planning again found no changes    1  it did not work
  2  the command line is wrong    130  ended by a second signal")]
pub(in crate::cli) struct Demo {
    /// An empty or new folder for it all, which stays [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End after the first push was applied
    #[arg(long)]
    once: bool,
    /// How many times faster than Azure the simulator is
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = speed)]
    speed: f64,
    #[command(flatten)]
    none: NoSettings,
}

fn speed(text: &str) -> Result<f64, String> {
    let rule = "a number from 1 to 10000";
    text.parse().ok().filter(|speed| (1.0..=10_000.0).contains(speed)).ok_or_else(|| rule.to_owned())
}

pub(in crate::cli) async fn run(global: &Global, arguments: Demo) -> Result<End, CliError> {
    let ending = if arguments.once { Ending::AfterActOne } else { Ending::WhenStopped };
    demo::run(global, arguments.dir.as_deref(), arguments.speed, ending).await
}
