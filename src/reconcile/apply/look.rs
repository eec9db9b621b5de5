//! Looking at an operation that Azure works on.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::halt::Break;
use super::journal::PollStyle;
use super::progress::Pending;
use super::standing;
use super::step_run::StepRun;
use crate::azure::{ArmError, Backoff, ErrorClass, Operation, Polled, Style, WaitKind};
use crate::reconcile::report::Progress;

/// Between two looks when looking itself has failed for long: the step's own deadline ends it.
const BLIND_WAIT: Duration = Duration::from_secs(60);

impl StepRun<'_, '_> {
    /// Waits until the operation may be looked at, and looks once.
    pub(super) async fn look(&mut self, request: u32, stored: &Pending) -> Result<(), Break> {
        let (operation, moment) = self.live.take().unwrap_or_else(|| {
            let left = self.shared.record.left_until(self.step.ordinal, stored.next_look);
            (operation_of(stored), self.shared.clock().after(left))
        });
        self.pause_until(moment).await?;
        match self.shared.input.arm.poll(&operation).await {
            Ok(Polled::Running { operation: next, progress, state }) => {
                self.blind_looks = 0;
                let next_look = self.shared.clock().after(next.retry_after);
                self.waits(WaitKind::Work, &format!("Azure works on it ({state})"), Some(next_look));
                self.shared.record.tell(&Progress::Working {
                    step: self.step.ordinal,
                    state,
                    percent: progress,
                });
                self.go_on(request, stored, next).await
            }
            Ok(Polled::Done { body }) => {
                self.waits_no_more();
                if let Some(body) = body {
                    let id = self.target().await?;
                    self.result = Some(body).filter(|body| standing::is_of(body, &id));
                }
                self.answered(request).await
            }
            Ok(Polled::Failed { error }) => {
                self.operation_failed(request, error.class(), error.innermost).await
            }
            Err(error) => self.cannot_look(operation, &error).await,
        }
    }

    /// Keeps the operation for the next look; a new URL goes to the journal first.
    async fn go_on(&mut self, request: u32, stored: &Pending, next: Operation) -> Result<(), Break> {
        if next.url.expose_secret() != stored.url.expose_secret() {
            return self.follow(request, next).await;
        }
        let moment = self.shared.clock().after(next.retry_after);
        self.live = Some((next, moment));
        Ok(())
    }

    /// A failed look says nothing about the operation. It is repeated; where Azure does not know the
    /// operation any more, or does not let us look, the resource is asked instead.
    async fn cannot_look(&mut self, operation: Operation, error: &ArmError) -> Result<(), Break> {
        let class = error.class();
        match class {
            ErrorClass::Throttled | ErrorClass::Busy | ErrorClass::Transient | ErrorClass::Propagating => {
                let clock = self.shared.clock();
                let wait = Backoff::for_class(class)
                    .delay(self.blind_looks, error.retry_after(), clock)
                    .unwrap_or(BLIND_WAIT);
                self.blind_looks = self.blind_looks.saturating_add(1);
                let (step, message) = (self.step.ordinal, error.message_for_people());
                self.waits(WaitKind::Trouble, &class.why_to_wait(&message), Some(clock.after(wait)));
                self.shared.record.tell(&Progress::Retrying { step, message, wait });
                self.live = Some((operation, clock.after(wait)));
                Ok(())
            }
            ErrorClass::NotRegistered | ErrorClass::NotFound | ErrorClass::Fatal => self.see().await,
        }
    }
}

fn operation_of(stored: &Pending) -> Operation {
    let style = match stored.style {
        PollStyle::AzureAsyncOperation => Style::AzureAsyncOperation,
        PollStyle::Location => Style::Location,
        PollStyle::Resource => Style::Resource,
    };
    Operation { url: stored.url.clone(), style, retry_after: Duration::ZERO }
}
