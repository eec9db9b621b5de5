//! What systemd is told: that the daemon has started, how it is, and that its loop beats.
//!
//! Guarantees: READY at most 25 s after the start, with a status that says what is missing; the watchdog
//! hears from the loop that does the work and from nobody else. Without systemd nothing happens.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::Clock;
use crate::daemon::{Rhythm, Wellness};

/// By when systemd is told that the daemon has started, whatever is missing; its own patience is longer.
const READY_BY: Duration = Duration::from_secs(25);

/// The shortest time between two beats, however impatient the watchdog is.
const SHORTEST_BEAT: Duration = Duration::from_secs(1);

/// What systemd knows of us.
#[derive(Debug)]
pub(super) struct Systemd {
    /// How long the watchdog waits; `None`: there is none.
    watchdog: Option<Duration>,
    status: Mutex<String>,
}

impl Systemd {
    pub(super) fn new() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), status: Mutex::default() }
    }

    /// How often the loop beats: twice within the watchdog's time.
    pub(super) fn rhythm(&self) -> Rhythm {
        let usual = Rhythm::default();
        let beat = self.watchdog.map_or(usual.beat, |time| usual.beat.min(time / 2).max(SHORTEST_BEAT));
        Rhythm { beat, ..usual }
    }

    /// Says READY when the start takes too long, and what it is at; never comes back.
    pub(super) async fn ready_in_time(&self, clock: &Clock) -> Infallible {
        clock.sleep(READY_BY).await;
        self.ready(
            "still starting: opening the journal and the mirror, and reaching the clouds of the settings",
        );
        std::future::pending().await
    }

    /// The daemon has started.
    pub(super) fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready]);
        self.say(status.to_owned());
    }

    /// It stops.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The loop beats, and the daemon is so; `watching` is what it says when all is well.
    pub(super) fn supervise(&self, wellness: &Wellness, watching: &str) {
        self.say(status(wellness, watching));
        if self.watchdog.is_some() && wellness.beats() {
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn say(&self, status: String) {
        let mut said = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != status {
            tell(&[NotifyState::Status(&status)]);
            *said = status;
        }
    }
}

/// One line for `systemctl status`.
fn status(wellness: &Wellness, watching: &str) -> String {
    match wellness.reasons().first() {
        None => watching.to_owned(),
        Some(worst) => format!("{}: {}", wellness.word(), worst.reason),
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::{Part, Reason};

    #[test]
    fn the_loop_beats_twice_within_the_watchdogs_time() {
        let beat = |seconds| {
            let watchdog = Some(Duration::from_secs(seconds));
            Systemd { watchdog, status: Mutex::default() }.rhythm().beat.as_secs()
        };
        assert_eq!([beat(60), beat(6), beat(1)], [5, 3, 1]);
    }

    #[test]
    fn the_status_line_says_the_worst() {
        let reason = |part, reason: &str| Reason { part, since: None, reason: reason.to_owned() };
        assert_eq!(status(&Wellness::Ready, "watching it"), "watching it");
        let reasons = vec![reason(Part::Journal, "the disk is full"), reason(Part::Forge, "the token")];
        let unwell = Wellness::NotReady(reasons);
        assert!(unwell.beats(), "a full disk is no reason to restart");
        assert_eq!(status(&unwell, "watching it"), "not ready: the disk is full");
    }
}
