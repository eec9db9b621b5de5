//! An apply by hand while a daemon has the state folder: it is asked, and watched.
//!
//! Guarantees: nothing is asked for before somebody has agreed to the plan that the daemon made; what is asked for is
//! bound to that plan; what came of it is what the daemon says, also when it was restarted meanwhile.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::commands::apply::{Outcome, agreed};
use super::error::CliError;
use super::live::{Live, tick};
use super::plan_file::Reviewed;
use super::service::{Answer, Service};
use crate::clock::Clock;
use crate::daemon::api::{ApplyAnswer, ApplyEvent, ApplyRequest, ApplyState};
use crate::definitions::Environment;
use crate::git::CommitId;
use crate::reconcile::apply::RunEnd;
use crate::reconcile::plan::{Blocker, Plan, render};
use crate::reconcile::report::Report;

/// Between two looks at where an apply stands, while no events come.
const GLANCE: Duration = Duration::from_secs(1);

/// How long a daemon that does not answer any more is waited for: a restart takes less.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that asks.
pub(super) struct Asking {
    pub(super) service: Service,
    /// What is applied.
    pub(super) commit: Option<CommitId>,
    pub(super) live: Live,
    pub(super) stop: CancellationToken,
    pub(super) clock: Clock,
}

/// How one apply ended.
struct Ended {
    end: RunEnd,
    reports: Vec<Report>,
}

impl Asking {
    /// Plans, asks whoever is at the terminal, has it applied, and watches until it has ended.
    pub(super) async fn plan_and_apply(
        &self,
        environments: Vec<Environment>,
        reviewed: Option<&Reviewed>,
        agreed_before: bool,
    ) -> Result<Outcome, CliError> {
        let mut outcome = Outcome { is_whole: true, ..Outcome::default() };
        let mut to_do = Vec::new();
        for environment in environments {
            let Some(answer) = self.service.plan(self.commit, &environment).await? else {
                return Err(CliError::Refused {
                    message: "the service applies what it has fetched, and nothing else".to_owned(),
                    hint: "push the commit to the branch that it applies".to_owned(),
                });
            };
            let plan = match answer {
                Answer::Planned(plan) => plan,
                Answer::Invalid(_) => {
                    outcome.is_whole = false;
                    continue;
                }
                Answer::Nothing => continue,
            };
            self.live.say(&format!("{}\n", render(&plan, self.live.colours().style())));
            if let Some(reviewed) = reviewed {
                reviewed.agrees_to(&plan, &[])?;
            }
            // What Azure is still working on is maybe this service's own run, which is watched then.
            let is_busy = |blocker: &Blocker| matches!(blocker, Blocker::InProgress { .. });
            outcome.is_whole &= plan.blockers.iter().all(is_busy);
            if plan.blockers.iter().all(is_busy) && (!plan.steps.is_empty() || !plan.blockers.is_empty()) {
                to_do.push((environment, plan.clone()));
            }
            outcome.plans.push(*plan);
        }
        if !to_do.is_empty() && !agreed_before && !agreed(&self.live, &self.stop).await? {
            self.live.say("Nothing was changed.\n");
            outcome.is_whole = false;
            return Ok(outcome);
        }
        let mut applies: FuturesUnordered<_> =
            to_do.iter().map(|(environment, plan)| self.apply(environment, plan)).collect();
        let done = async {
            while let Some(ended) = applies.next().await {
                let Ended { end, reports } = ended?;
                outcome.is_whole &= end == RunEnd::Complete;
                outcome.reports.extend(reports);
            }
            Ok::<_, CliError>(())
        };
        tokio::select! {
            done = done => done?,
            () = self.stop.cancelled() => {
                self.live.say("The service goes on with it; the status on the commit says how it ends.\n");
                outcome.is_whole = false;
            }
            never = tick(&self.live) => match never {},
        }
        outcome.reports.sort_by(|a, b| a.environment.cmp(&b.environment));
        Ok(outcome)
    }

    /// Asks for an apply, once more where a daemon that ends has taken the answer with it: it is queued once.
    async fn asked(&self, wanted: &ApplyRequest) -> Result<ApplyAnswer, CliError> {
        let silent_until = self.clock.after(PATIENCE);
        loop {
            match self.service.apply(wanted).await {
                Err(CliError::Silent { .. }) if !self.clock.left(silent_until).is_zero() => {
                    self.clock.sleep(GLANCE).await;
                }
                asked => return asked,
            }
        }
    }

    /// Has one environment applied, and says what came of it.
    async fn apply(&self, environment: &Environment, plan: &Plan) -> Result<Ended, CliError> {
        let Some(commit) = self.commit else {
            return Err(CliError::Other("only commits are applied".into()));
        };
        let name = &environment.name;
        let wanted = ApplyRequest {
            commit,
            environment: name.clone(),
            path: environment.path.clone(),
            plan: Some(Box::new(plan.clone())),
        };
        let asked = self.asked(&wanted).await?;
        if asked.was_there {
            self.live.event(&format!(
                "{name}: the service was about to apply it, or does; that is watched, and not bound to this plan"
            ));
        }
        let (mut silent_until, mut is_told) = (self.clock.after(PATIENCE), false);
        let ended = loop {
            if let Some(mut events) = self.service.events(asked.id).await {
                while let Some(event) = events.next().await {
                    match event {
                        ApplyEvent::Planned { plan } if !plan.steps.is_empty() => self.live.begin(&plan),
                        ApplyEvent::Planned { .. } => {}
                        ApplyEvent::Step { progress } => self.live.progress(name, &progress),
                        ApplyEvent::Ended => break,
                    }
                }
            }
            match self.service.state(asked.id).await? {
                Some(ApplyState::Ended { end, summary, reports }) => break (end, summary, reports),
                Some(ApplyState::Queued | ApplyState::Running) => silent_until = self.clock.after(PATIENCE),
                None if self.clock.left(silent_until).is_zero() => {
                    return Err(CliError::Other(format!(
                        "{name}: the service does not answer any more; what was asked for is stored and goes on at \
                         its next start: start it (systemctl status beamline says why it ended)"
                    )));
                }
                None if !std::mem::replace(&mut is_told, true) => self.live.event(&format!(
                    "{name}: the service does not answer; its restart is waited for, {} s at most",
                    PATIENCE.as_secs()
                )),
                None => {}
            }
            self.clock.sleep(GLANCE).await;
        };
        self.live.end(name);
        let (end, summary, reports) = ended;
        self.live.say(&format!("{name}: {summary}\n"));
        Ok(Ended { end, reports })
    }
}
