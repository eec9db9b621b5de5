//! Drains the outbox to the forge: at least once, in order per commit and context, until accepted.
//!
//! Due dates are stored by [`Clock::steady`], so that a clock that is set neither silences what waits
//! nor sends it in a burst. What a process before this one wrote by a clock that has been set back since is dated
//! in the future: it is taken as written at the start of this one, so that it counts against the hour's limit for one
//! hour, and not again when the clock gets there.
//!
//! However much waits, a forge that accepts nothing is asked with one thing at a time and growing waits.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::messenger::deliver_message;
use super::weather::{Tally, Weather};
use crate::clock::Clock;
use crate::daemon::shared::Shared;
use crate::daemon::shared::allowance::{Allowance, Supply, WINDOW, allowance};
use crate::daemon::shared::happening::Happening;
use crate::daemon::shared::wellness::Part;
use crate::forge::{Class, ForgeError, Status, after_failure};
use crate::store::{Outgoing, StoreError};

/// Most statuses that are taken out at once. One Git push carries them all.
const BATCH: u32 = 50;

/// Most messages that are taken out at once.
const MESSAGES: u32 = 10;

/// How long an outbox in which nothing is due is left alone. Whoever puts something in wakes it; this is
/// the backstop.
const IDLE: Duration = Duration::from_secs(60);

/// The shortest pause, so that a store that cannot be written does not make statuses go out in a storm.
const BREATH: Duration = Duration::from_millis(100);

/// Delivers until `stop`, then once more whatever is due.
pub(in crate::daemon) async fn deliver(shared: Arc<Shared>, stop: CancellationToken) {
    let beating = shared.beats.begin("the delivery of statuses".to_owned(), shared.beats.rhythm.exchange);
    beating.watch(deliver_until(shared.clone(), stop)).await;
}

async fn deliver_until(shared: Arc<Shared>, stop: CancellationToken) {
    let (mut weather, mut is_dated) = (Weather::default(), false);
    loop {
        // What cannot be noted as told is not told: else it would be told again and again.
        tokio::select! {
            biased;
            () = shared.store.until_writable() => {}
            () = stop.cancelled() => return,
        }
        let woken = shared.outbox.notified();
        if !is_dated {
            match shared.store.date_writes_back(shared.clock.steady()).await {
                Ok(()) => is_dated = true,
                Err(error) => tracing::warn!(%error, "what was written to the forge counts by its old dates"),
            }
        }
        let round = match deliver_due(&shared, &mut weather).await {
            Ok(round) => round,
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be read");
                Round::Rest
            }
        };
        if stop.is_cancelled() {
            return;
        }
        if shared.has_new_credential.swap(false, Ordering::AcqRel) {
            // Whatever the forge was like, it was like that to somebody else.
            weather = Weather::default();
        }
        let pause = match round {
            Round::More => BREATH,
            Round::Rest => pause(&shared).await,
            Round::Spent => IDLE,
            Round::Failed(wait) => wait,
        };
        tokio::select! {
            () = woken => {}
            () = shared.clock.sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What a round of deliveries leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// There may be more that is due.
    More,
    /// Nothing is due.
    Rest,
    /// What may be written within an hour is used up.
    Spent,
    /// The forge has accepted nothing; how long to leave it alone.
    Failed(Duration),
}

/// Until the next status or message is due.
async fn pause(shared: &Shared) -> Duration {
    let next = match (shared.store.next_due().await, shared.store.next_due_message().await) {
        (Ok(status), Ok(message)) => status.into_iter().chain(message).min(),
        (Err(_), _) | (_, Err(_)) => None,
    };
    next.map_or(IDLE, |next| {
        let left = Duration::try_from(next.duration_since(shared.clock.steady())).unwrap_or_default();
        left.clamp(BREATH, IDLE)
    })
}

/// Delivers what is due now; one thing only, while the forge accepts nothing.
async fn deliver_due(shared: &Shared, weather: &mut Weather) -> Result<Round, StoreError> {
    let now = shared.clock.steady();
    if let Some(wait) = weather.asked_to_wait(shared.clock.monotonic()) {
        return Ok(Round::Failed(wait));
    }
    let written = match shared.write_limit {
        None => 0,
        Some(_) => shared.store.writes_between(now.checked_sub(WINDOW).unwrap_or(now), now).await?,
    };
    let Allowance { share, statuses, messages, supply } =
        allowance(written, shared.write_limit, shared.forge.quota());
    note_supply(shared, supply);
    let limit = statuses.min(weather.at_once(BATCH));
    let due = shared.store.due_of(now, limit, share).await?;
    let mut tally = post(shared, &due).await;
    let mut is_full = due.len() == limit as usize;
    if tally.failure.is_none() || tally.accepted > 0 {
        let limit = messages.min(weather.at_once(MESSAGES));
        let told = shared.store.due_messages(now, limit).await?;
        is_full |= !told.is_empty() && told.len() == limit as usize;
        for message in &told {
            match deliver_message(shared, message).await? {
                Ok(()) => tally.accepted += 1,
                Err(class) => {
                    // What else waits is tried in the next round, which knows whether this was the forge.
                    tally.failure = Some(class);
                    is_full = true;
                    break;
                }
            }
        }
    }
    if let Some(wait) = weather.after(&tally, &shared.clock) {
        return Ok(Round::Failed(wait));
    }
    Ok(match (is_full, supply) {
        (true, _) => Round::More,
        (false, Supply::Enough) => Round::Rest,
        (false, Supply::Low(_) | Supply::Spent(_)) => Round::Spent,
    })
}

/// Remembers how much may be written, for those who ask, and says when that changes.
fn note_supply(shared: &Shared, supply: Supply) {
    let before =
        std::mem::replace(&mut *shared.supply.lock().unwrap_or_else(PoisonError::into_inner), supply);
    if std::mem::discriminant(&before) == std::mem::discriminant(&supply) {
        return;
    }
    match supply.shortage() {
        Some(shortage) => tracing::warn!(%shortage, "the forge's budget runs low"),
        None => tracing::info!("the forge's budget is enough again"),
    }
}

async fn post(shared: &Shared, due: &[Outgoing]) -> Tally {
    let mut tally = Tally::default();
    let statuses: Vec<Status> = due
        .iter()
        .map(|Outgoing { status, .. }| Status { target_url: shared.target_of(status), ..status.clone() })
        .collect();
    if statuses.is_empty() {
        return tally;
    }
    let answers = shared.forge.post(&statuses).await;
    // What failed together is tried again together, so that a forge that refuses all of them is asked once.
    let tries = due.iter().map(|outgoing| outgoing.attempts).max().unwrap_or(0) + 1;
    let mut known: Option<(ForgeError, Timestamp)> = None;
    // A forge that is away is away for all of them: that is one line, and says how many wait.
    let is_late = |answer: &&Result<(), ForgeError>| matches!(answer, Err(error) if error.is_passing());
    let late = answers.iter().filter(is_late).count();
    let mut has_complained = false;
    for (outgoing, answer) in due.iter().zip(answers) {
        let recorded = match answer {
            Ok(()) => {
                tally.accepted += 1;
                shared.absent.forget(&outgoing.status.commit);
                shared.accepted(Part::Forge);
                shared.tell(Happening::Delivered(outgoing.status.clone()));
                shared.store.delivered(outgoing.id, shared.clock.steady()).await
            }
            Err(error) => {
                let mut is_known = false;
                match error.class {
                    // The forge itself is well.
                    Class::NoCommit => {
                        is_known = !shared.absent.note(&outgoing.status.commit);
                        tally.accepted += 1;
                    }
                    Class::Retry { .. } | Class::Refused => tally.failure = Some(error.class),
                }
                let retry_at = match &known {
                    Some((same, at)) if *same == error => *at,
                    Some(_) | None => {
                        // How often a commit was asked for is its own affair.
                        let own = outgoing.attempts + 1;
                        let tries = if error.class == Class::NoCommit { own } else { tries };
                        due_after(tries, &error.class, &shared.clock)
                    }
                };
                is_known |= error.is_passing() && std::mem::replace(&mut has_complained, error.is_passing());
                if !is_known {
                    let Status { commit, context, state, .. } = &outgoing.status;
                    let commit = commit.short();
                    let what = match late {
                        count @ 2.. if error.is_passing() => {
                            format!("{count} statuses, the first of {commit}")
                        }
                        _ => format!("a status of {commit} ({context}: {})", state.as_str()),
                    };
                    complain(shared, &error, &what, Some(retry_at));
                }
                let recorded = shared.store.delivery_failed(outgoing.id, &error.to_string(), retry_at).await;
                known = Some((error, retry_at));
                recorded
            }
        };
        if let Err(error) = recorded {
            tracing::error!(%error, "the outbox cannot be written; the status will be delivered again");
        }
    }
    tally
}

/// When to try again, as it is stored.
pub(in crate::daemon) fn due_after(failures: u32, class: &Class, clock: &Clock) -> Timestamp {
    clock.steady().checked_add(after_failure(failures, class, clock)).unwrap_or(Timestamp::MAX)
}

/// Says that something was not accepted: to the operator, when somebody has to act. It is tried again at `retry_at`,
/// where that is known, or later where the forge takes nothing.
pub(in crate::daemon) fn complain(
    shared: &Shared,
    error: &ForgeError,
    what: &str,
    retry_at: Option<Timestamp>,
) {
    match error.class {
        Class::Refused => {
            let is_news = shared.tell_trouble(error.to_string());
            shared.refused_about(Part::Forge, what, &error.to_string(), is_news);
        }
        Class::NoCommit => {
            shared.tell_trouble(error.to_string());
            tracing::warn!(what, %error, "the forge does not have the commit");
        }
        Class::Retry { .. } => {
            if !shared.is_degraded(Part::Forge) {
                let wait = retry_at.map(|at| at.duration_since(shared.clock.steady()).as_secs());
                tracing::warn!(what, %error, wait_at_least_secs = wait, "it is delivered later");
            }
            shared.failing(Part::Forge, &error.to_string());
        }
    }
}
