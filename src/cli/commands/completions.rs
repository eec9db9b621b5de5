//! `beamline completions`: what a shell needs to complete our commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::arguments::{Cli, NoSettings};
use crate::cli::error::{CliError, End};
use crate::cli::output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline completions bash > /etc/bash_completion.d/beamline
  beamline completions zsh > \"${fpath[1]}/_beamline\"

Exit codes:
  0  printed")]
pub(in crate::cli) struct Completions {
    /// The shell
    shell: Shell,
    #[command(flatten)]
    none: NoSettings,
}

pub(in crate::cli) fn run(arguments: &Completions) -> Result<End, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "beamline", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(End::Done)
}
