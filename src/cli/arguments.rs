//! The whole command line as one enum: names, help, examples, exit codes.
//!
//! `--help` teaches; a snapshot test keeps the tree of it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::commands::apply::Apply;
use super::commands::completions::Completions;
use super::commands::daemon::Daemon;
use super::commands::demo::Demo;
use super::commands::outputs::Outputs;
use super::commands::plan::Plan;
use super::commands::simulate::Simulate;
use super::commands::validate::Validate;

/// Keeps Azure Machine Learning environments equal to what a Git repository says.
///
/// Each environment is one YAML or TOML file. A push is the only command a team needs: the daemon plans
/// what is proposed, applies what reaches the main branch, and says on the commit what happened. The
/// commands here do the same by hand.
#[derive(Debug, Parser)]
#[command(name = "beamline", version, propagate_version = true, max_term_width = 100)]
#[command(after_long_help = "\
Start here:
  beamline demo                  a push becomes an environment, all on this machine, no account needed
  beamline validate              what is wrong with the definitions in this folder
  beamline plan production       what would change in Azure

Exit codes:
  0  done    1  failed    2  the command line is wrong    130  ended by a second signal

Signals (Ctrl-C, SIGTERM):
  daemon, apply, simulate and demo stop orderly at the first, and end at once at another one
  after half a second; the other commands change nothing, and the first signal ends them

Variables: BEAMLINE_CONFIG, BEAMLINE_STATE_DIR, BEAMLINE_LOG (info, debug, beamline::azure=debug), NO_COLOR")]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// Settings, laid over the built-in ones [variable: BEAMLINE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Say more on standard error: once for what happens, twice for every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// Of commands that read no settings: `--config` is not in their help, and is refused.
#[derive(Clone, Debug, Args)]
pub(super) struct NoSettings {
    // Of the same name as the global one, which it stands in for here.
    #[arg(long, hide = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Demo(Demo),
    Daemon(Daemon),
    Validate(Validate),
    Plan(Plan),
    Apply(Apply),
    Outputs(Outputs),
    /// Print the JSON Schema of definition files
    ///
    /// Editors use it to complete and check: save it beside the definitions, and begin each file with
    /// `# yaml-language-server: $schema=beamline.schema.json` (TOML: `#:schema beamline.schema.json`).
    #[command(after_long_help = "\
Examples:
  beamline schema > environments/beamline.schema.json

Exit codes:
  0  printed    2  the command line is wrong")]
    Schema(NoSettings),
    Simulate(Box<Simulate>),
    Completions(Completions),
}

impl Command {
    /// The name of a command that reads no settings.
    pub(super) fn without_settings(&self) -> Option<&'static str> {
        match self {
            Self::Demo(_) => Some("demo"),
            Self::Schema(_) => Some("schema"),
            Self::Simulate(_) => Some("simulate"),
            Self::Completions(_) => Some("completions"),
            Self::Daemon(_) | Self::Validate(_) | Self::Plan(_) | Self::Apply(_) | Self::Outputs(_) => None,
        }
    }
}
