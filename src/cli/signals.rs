//! Ctrl-C and SIGTERM: the first stops orderly, the second at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::output::remark;
use crate::clock::Clock;

/// The exit code of a program that a signal ended, as shells report SIGINT.
const AT_ONCE: i32 = 130;

/// Signals within this time of the first are the same one: `timeout`, and shells that signal a group and
/// its leader, send it twice.
const SAME: Duration = Duration::from_millis(500);

/// A token that the first SIGINT or SIGTERM of this process cancels. The second ends the process.
pub(super) fn stop_on_signals(on_first: &'static str) -> Result<CancellationToken, CliError> {
    let stop = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let told = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        told.cancel();
        if !on_first.is_empty() {
            remark(on_first);
        }
        let clock = Clock::system();
        let same_ends = clock.after(SAME);
        loop {
            signals.next().await;
            if clock.monotonic() >= same_ends {
                std::process::exit(AT_ONCE);
            }
        }
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |source| CliError::io("listen for signals", source);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self, CliError> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
