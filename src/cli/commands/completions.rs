//! `beamline completions`: what a shell needs to complete our commands.

use clap::{Args, CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

use crate::cli::arguments::{Cli, NoSettings};
use crate::cli::error::{CliError, End};
use crate::cli::output;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  source <(beamline completions bash)          in ~/.bashrc, or once for this shell
  beamline completions bash > /etc/bash_completion.d/beamline
  beamline completions zsh > \"${fpath[1]}/_beamline\"

Exit codes:
  0  printed    2  the command line is wrong")]
pub(in crate::cli) struct Completions {
    /// The shell; without one you are told which there are
    shell: Option<Shell>,
    #[command(flatten)]
    none: NoSettings,
}

pub(in crate::cli) fn run(arguments: &Completions) -> Result<End, CliError> {
    let mut script = Vec::new();
    let Some(shell) = arguments.shell else {
        let known: Vec<String> = Shell::value_variants().iter().map(Shell::to_string).collect();
        return Err(CliError::usage(
            format!("for which shell? There are {}", known.join(", ")),
            "name yours, for example: source <(beamline completions bash). `beamline completions --help` has more",
        ));
    };
    clap_complete::generate(shell, &mut Cli::command(), "beamline", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(End::Done)
}
