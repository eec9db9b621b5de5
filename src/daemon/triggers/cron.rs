//! The periodic sweep, by cron expression. The scheduler does nothing but send [`Event::Sweep`]; a
//! simulation sends that event itself.

use tokio::sync::mpsc::Sender;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use crate::daemon::event::Event;

/// Sends a sweep whenever `expression` (six fields, UTC) says, until `stop`.
///
/// # Errors
/// [`JobSchedulerError`] when the expression is not one.
pub(in crate::daemon) async fn sweep_by_cron(
    expression: &str,
    events: Sender<Event>,
    stop: CancellationToken,
) -> Result<(), JobSchedulerError> {
    let mut scheduler = JobScheduler::new().await?;
    let job = Job::new_async(expression, move |_, _| {
        let events = events.clone();
        Box::pin(async move {
            // A daemon that is busy enough to have its channel full sweeps next time.
            let _ = events.try_send(Event::Sweep);
        })
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    tokio::spawn(async move {
        stop.cancelled().await;
        if let Err(error) = scheduler.shutdown().await {
            tracing::debug!(%error, "the cron scheduler did not stop cleanly");
        }
    });
    Ok(())
}
