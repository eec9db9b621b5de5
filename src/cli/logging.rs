//! Log lines: to people on a terminal, to systemd's journal, or into a file.

use std::fs::File;
use std::io::IsTerminal as _;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use super::arguments::Global;
use super::error::CliError;
use crate::config;

/// Who reads the log.
#[derive(Debug)]
pub(super) enum Destination {
    /// Somebody who waits for a result: only what is wrong, unless asked for more.
    Person,
    /// Whoever looks after a service.
    Service,
    /// A file.
    File(File),
}

/// Starts logging for this process. A second start changes nothing.
pub(super) fn start(global: &Global, destination: Destination) -> Result<(), CliError> {
    let filter = filter(global, &destination)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match destination {
        Destination::File(file) => lines.with_ansi(false).with_writer(Mutex::new(file)).try_init(),
        // The journal has its own times, and no colours.
        Destination::Service if config::under_systemd() => {
            lines.with_ansi(false).without_time().with_writer(std::io::stderr).try_init()
        }
        Destination::Service | Destination::Person => {
            let colours = std::io::stderr().is_terminal() && !config::no_color();
            lines.with_ansi(colours).with_writer(std::io::stderr).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(())
}

fn filter(global: &Global, destination: &Destination) -> Result<EnvFilter, CliError> {
    if let Some(text) = config::log_filter() {
        return EnvFilter::try_new(&text).map_err(|error| {
            CliError::usage(
                format!("BEAMLINE_LOG is `{text}`, which is not a filter: {error}"),
                "write for example BEAMLINE_LOG=info or BEAMLINE_LOG=warn,beamline::azure=debug",
            )
        });
    }
    let quiet = match destination {
        Destination::Person => 0,
        Destination::Service | Destination::File(_) => 1,
    };
    let directives = match quiet + global.verbose {
        0 => "warn",
        1 => "warn,beamline=info",
        2 => "info,beamline=debug",
        _ => "debug,beamline=trace",
    };
    Ok(EnvFilter::new(directives))
}
