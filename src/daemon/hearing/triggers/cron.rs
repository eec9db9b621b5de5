//! The periodic sweep, by cron expression. The scheduler does nothing but send [`Event::Sweep`]; a
//! simulation sends that event itself.
//!
//! The scheduler keeps the date of the next sweep. When the clock is set back, that date is far away: so
//! whenever the clock is set, the expression is asked anew.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::mpsc::Sender;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::daemon::shared::event::Event;

/// How often it is checked whether the clock was set.
const CHECK: Duration = Duration::from_secs(30);

/// By how much a clock moves at least when it is set. Slewing moves it by 15 ms in half a minute.
const SET: SignedDuration = SignedDuration::from_secs(2);

/// Sends a sweep whenever `expression` (six fields, UTC) says, until `stop`.
///
/// # Errors
/// [`JobSchedulerError`] when the expression is not one.
pub(in crate::daemon) async fn sweep_by_cron(
    expression: &str,
    clock: Clock,
    events: Sender<Event>,
    stop: CancellationToken,
) -> Result<(), JobSchedulerError> {
    let mut scheduler = JobScheduler::new().await?;
    let mut job = scheduler.add(sweeping(expression, &events)?).await?;
    scheduler.start().await?;
    let expression = expression.to_owned();
    tokio::spawn(async move {
        let mut offset = offset_of(&clock);
        while stop.run_until_cancelled(clock.sleep(CHECK)).await.is_some() {
            let before = std::mem::replace(&mut offset, offset_of(&clock));
            if (offset - before).abs() < SET {
                continue;
            }
            tracing::warn!(
                by_seconds = (offset - before).as_secs(),
                "the clock was set; the next sweep is planned anew"
            );
            let again = async {
                scheduler.remove(&job).await?;
                scheduler.add(sweeping(&expression, &events)?).await
            };
            match again.await {
                Ok(id) => job = id,
                Err(error) => {
                    tracing::error!(%error, "the sweep could not be planned anew; restart the service")
                }
            }
        }
        if let Err(error) = scheduler.shutdown().await {
            tracing::debug!(%error, "the cron scheduler did not stop cleanly");
        }
    });
    Ok(())
}

fn sweeping(expression: &str, events: &Sender<Event>) -> Result<Job, JobSchedulerError> {
    let events = events.clone();
    Job::new_async(expression, move |_, _| {
        let events = events.clone();
        Box::pin(async move {
            // A daemon that is busy enough to have its channel full sweeps next time.
            let _ = events.try_send(Event::Sweep);
        })
    })
}

/// By how much the wall clock was set since this clock was made.
fn offset_of(clock: &Clock) -> SignedDuration {
    clock.now().duration_since(clock.steady())
}
