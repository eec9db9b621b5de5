//! What the daemon tells → what is shown.

use std::collections::BTreeMap;

use crate::cli::live::Live;
use crate::cli::output::{Tone, paint};
use crate::daemon::Happening;
use crate::forge::{State, Status};
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::reconcile::plan::{Action, Plan, render, summary_line};
use crate::reconcile::report::Report;
use crate::resources::EnvironmentName;
use crate::store::{Work, WorkState};

/// A plan with at most this many steps is shown whole, unless it only creates; of others the counts.
const MAX_SHOWN_STEPS: usize = 8;

/// What has been seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The reports of runs, by environment: the latest of each.
    pub(super) reports: BTreeMap<EnvironmentName, Report>,
    /// The last word of each commit's aggregate status.
    pub(super) verdicts: BTreeMap<String, State>,
}

impl Seen {
    /// Shows a happening and remembers what matters later.
    pub(super) fn show(&mut self, happening: Happening, live: &Live) {
        match happening {
            Happening::NewHead { branch, commit, work } => {
                let names: Vec<&str> = work.iter().map(|work| work.environment.as_str()).collect();
                let touches = if names.is_empty() { "no environment".to_owned() } else { names.join(", ") };
                live.event(&format!("the daemon sees {} on {branch}: it touches {touches}", commit.short()));
            }
            Happening::Proposed { number, commit, work } => {
                let count = work.len();
                live.event(&format!(
                    "the daemon sees pull request {number} at {}: plans: {count}",
                    commit.short()
                ));
            }
            Happening::Said(message) => live.event(&format!("the forge has accepted: {}", message.key())),
            Happening::Invalid { work, diagnostics } => {
                live.event(&format!("{}: the definition has errors", work.environment));
                for diagnostic in &diagnostics {
                    live.say(&format!("\n{}\n\n", diagnostic.render(live.colours().into())));
                }
            }
            Happening::Planned { work, plan } => planned(&work, &plan, live),
            Happening::Progress { environment, progress } => live.progress(&environment, &progress),
            Happening::Reported(report) => {
                live.end(&report.environment);
                self.reports.insert(report.environment.clone(), *report);
            }
            Happening::Ended { work } => ended(&work, live),
            Happening::Delivered(status) => self.delivered(&status, live),
            Happening::Trouble(text) => live.event(&paint(&text, Tone::Working, live.colours())),
        }
    }

    fn delivered(&mut self, status: &Status, live: &Live) {
        if status.context.environment().is_none() && status.state.is_final() {
            self.verdicts.insert(status.commit.to_string(), status.state);
        }
        let word = paint(status.state.as_str(), tone(status.state), live.colours());
        let (commit, context) = (status.commit.short(), status.context.to_string());
        live.event(&format!("status on {commit}  {context}  {word}  {}", status.description));
    }
}

fn planned(work: &Work, plan: &Plan, live: &Live) {
    let environment = &work.environment;
    live.event(&format!("{environment}: plan: {}", summary_line(plan)));
    let creates_only = plan.steps.iter().all(|step| step.action == Action::Create);
    if (!creates_only && plan.steps.len() <= MAX_SHOWN_STEPS) || !plan.blockers.is_empty() {
        live.say(&format!("\n{}\n", render(plan, live.colours().style())));
    }
    match work.kind {
        RunKind::Apply | RunKind::Drift if plan.blockers.is_empty() => live.begin(plan),
        RunKind::Apply | RunKind::Drift => {}
        RunKind::Plan => live.event(&format!("{environment}: a branch is only planned, nothing changes")),
    }
}

fn ended(work: &Work, live: &Live) {
    live.end(&work.environment);
    let WorkState::Ended { end, summary } = &work.state else { return };
    let tone = match end {
        RunEnd::Complete | RunEnd::Planned => Tone::Good,
        RunEnd::Failed | RunEnd::Blocked | RunEnd::Invalid => Tone::Bad,
        RunEnd::Interrupted | RunEnd::Superseded => Tone::Working,
    };
    live.event(&format!("{}: {}", work.environment, paint(summary, tone, live.colours())));
}

fn tone(state: State) -> Tone {
    match state {
        State::Pending => Tone::Working,
        State::Success => Tone::Good,
        State::Failure | State::Error => Tone::Bad,
    }
}
