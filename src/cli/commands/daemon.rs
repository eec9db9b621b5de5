//! `beamline daemon`: the service.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::arguments::Global;
use crate::cli::error::{CliError, End};
use crate::cli::signals::stop_on_signals;
use crate::cli::systemd::Systemd;
use crate::cli::wiring;
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::daemon;

/// Run the service: plan what is proposed, apply what is pushed
///
/// Watches the repository of the settings, applies what reaches its main branch, plans what is on other
/// branches, and writes the outcome onto the commits. It stops orderly on SIGTERM or Ctrl-C: what Azure is
/// already doing is finished at the next start. A second signal ends it at once, which is safe too.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline daemon --config /etc/beamline/beamline.toml
  BEAMLINE_LOG=debug beamline daemon --config beamline.toml --state-dir ./state

Exit codes:
  0  stopped as asked    1  could not start, or its journal failed    2  the command line is wrong
  130  ended by a second signal")]
pub(in crate::cli) struct Daemon {
    /// Where the journal and the mirror live [variable: BEAMLINE_STATE_DIR]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The repository to watch [variable: BEAMLINE_REPOSITORY_URL]
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
}

pub(in crate::cli) async fn run(global: &Global, arguments: Daemon) -> Result<End, CliError> {
    let overrides = Overrides {
        file: global.config.clone(),
        state_dir: arguments.state_dir,
        repository: arguments.repository,
    };
    let config = Config::load(&overrides)?;
    // Before anything is started, so that no signal is missed.
    let stop = stop_on_signals("")?;
    let clock = Clock::system();
    let systemd = Arc::new(Systemd::new());
    let starting = wiring::parts(&config, "beamline daemon", &clock, daemon::watchers());
    let mut parts = tokio::select! {
        parts = starting => parts?,
        () = stop.cancelled() => return Ok(End::Done),
        never = systemd.ready_in_time(&clock) => match never {},
    };
    tracing::info!(
        repository = parts.mirror.remote(),
        branch = %parts.branch,
        owner = parts.estate.owner,
        subscriptions = parts.estate.accounts.keys().cloned().collect::<Vec<_>>().join(", "),
        "beamline {} starts",
        env!("CARGO_PKG_VERSION"),
    );
    let (stopping, told) = (stop.clone(), systemd.clone());
    tokio::spawn(async move {
        stopping.cancelled().await;
        tracing::info!("stopping: what Azure is doing is finished at the next start");
        told.stopping();
    });
    let watching = format!("watching {}", parts.mirror.remote());
    parts.rhythm = systemd.rhythm();
    let supervising = systemd.clone();
    parts.supervisor = Some(Box::new(move |wellness| supervising.supervise(wellness, &watching)));
    daemon::run(parts, stop, || systemd.ready("the first look at the repository is under way")).await?;
    tracing::info!("stopped");
    Ok(End::Done)
}
