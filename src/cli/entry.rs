//! From arguments to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use super::arguments::{Cli, Command};
use super::commands;
use super::error::{CliError, End};
use super::logging::{self, Destination};
use super::output;
use crate::wire;

/// How long background work may go on after a command has ended. Nothing that matters is in it.
const WIND_DOWN: Duration = Duration::from_secs(2);

/// Runs the command that `arguments` (with the program's name first) ask for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and versions come this way too.
            let printed = answer.print();
            return match answer.use_stderr() {
                // Where standard error is closed, the exit code is all that is left.
                true => End::Usage.into(),
                false => output::written(printed).map_or_else(|error| error.report(), |()| End::Done.into()),
            };
        }
    };
    wire::install_tls_provider();
    match in_runtime(cli) {
        Ok(end) => end.into(),
        Err(error) => error.report(),
    }
}

fn in_runtime(cli: Cli) -> Result<End, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::io("start the runtime", source))?;
    let ended = runtime.block_on(dispatch(cli));
    runtime.shutdown_timeout(WIND_DOWN);
    ended
}

async fn dispatch(cli: Cli) -> Result<End, CliError> {
    let Cli { global, command } = cli;
    match &command {
        Command::Daemon(_) => logging::start(&global, Destination::Service)?,
        // The demo writes its log into its folder, once there is one.
        Command::Demo(_) => {}
        Command::Validate(_)
        | Command::Plan(_)
        | Command::Apply(_)
        | Command::Outputs(_)
        | Command::Schema(_)
        | Command::Simulate(_)
        | Command::Completions(_) => logging::start(&global, Destination::Person)?,
    }
    if let (Some(command), Some(file)) = (command.without_settings(), &global.config) {
        return Err(CliError::usage(
            format!(
                "`beamline {command}` reads no settings: --config {} means nothing to it",
                file.display()
            ),
            "leave it out; validate, plan, apply, outputs and daemon read settings",
        ));
    }
    match command {
        Command::Demo(arguments) => commands::demo::run(&global, arguments).await,
        Command::Daemon(arguments) => commands::daemon::run(&global, arguments).await,
        Command::Validate(arguments) => commands::validate::run(&global, arguments).await,
        Command::Plan(arguments) => commands::plan::run(&global, arguments).await,
        Command::Apply(arguments) => commands::apply::run(&global, arguments).await,
        Command::Outputs(arguments) => commands::outputs::run(&global, arguments).await,
        Command::Schema(_) => commands::schema::run(),
        Command::Simulate(arguments) => commands::simulate::run(*arguments).await,
        Command::Completions(arguments) => commands::completions::run(&arguments),
    }
}
