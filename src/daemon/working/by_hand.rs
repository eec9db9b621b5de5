//! What somebody on this machine asks for: a plan of a commit, or another attempt at the newest one.
//!
//! Guarantees: a plan sends reads only, and is made by the pass that applies make; an apply by hand is work like any
//! other, stored before it is answered, in its turn and with its statuses.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::error::WorkError;
use super::pass::{Heard, Pass};
use super::subject::{Reading, read};
use crate::daemon::api::{ApplyRequest, PlanAnswer, PlanRequest};
use crate::daemon::shared::Shared;
use crate::daemon::telling::sentences;
use crate::definitions::{Colour, Diagnostic};
use crate::git::CommitId;
use crate::reconcile::apply::{Fence, RunKind};
use crate::resources::EnvironmentName;
use crate::store::{Line, NewWork, Work, WorkId, WorkState};

/// What an apply of the environment would do.
pub(in crate::daemon) async fn plan_by_hand(
    shared: &Arc<Shared>,
    request: PlanRequest,
    stop: CancellationToken,
) -> Result<PlanAnswer, WorkError> {
    let PlanRequest { commit, environment, path } = request;
    let work = unstored(shared, commit, environment, path);
    let pass = Pass::new(shared, &work, Fence(0), stop);
    let nothing = |reason: String| Ok(PlanAnswer::Nothing { reason });
    match read(shared, &work, &commit).await? {
        Reading::Subject { mut subject, neighbours } => match pass.hear(&mut subject, neighbours).await? {
            Heard::Planned(planned) => Ok(PlanAnswer::Planned { plan: Box::new(planned.plan), remark: None }),
            Heard::NotYet { why, planned, .. } => {
                let remark = Some(format!("Without the consents that comments give: {why}"));
                Ok(PlanAnswer::Planned { plan: Box::new(planned.plan), remark })
            }
            Heard::Stopped => nothing("The service stops".to_owned()),
        },
        Reading::Invalid { diagnostics, .. } => Ok(invalid(&diagnostics)),
        Reading::Nothing => nothing(sentences::never_made()),
        Reading::Renamed(name) => nothing(sentences::renamed(&name)),
    }
}

/// An apply that is no stored work: nothing is written for it.
fn unstored(shared: &Shared, commit: CommitId, environment: EnvironmentName, path: String) -> Work {
    Work {
        id: WorkId(0),
        commit,
        reads: commit,
        line: Line::Branch(shared.branch.clone()),
        kind: RunKind::Apply,
        environment,
        path,
        removed: false,
        input_digest: None,
        remark: None,
        state: WorkState::Queued,
        queued_at: shared.clock.now(),
        ended_at: None,
    }
}

fn invalid(diagnostics: &[Diagnostic]) -> PlanAnswer {
    let text: Vec<String> = diagnostics.iter().map(|found| found.render(Colour::Off)).collect();
    let diagnostics = diagnostics.iter().filter_map(|found| serde_json::to_value(found).ok()).collect();
    PlanAnswer::Invalid { diagnostics, text: text.join("\n\n") }
}

/// What an apply by hand comes to.
#[derive(Debug)]
pub(in crate::daemon) enum Asked {
    /// It is stored, and to be queued.
    New(Box<Work>),
    /// It was queued or begun before.
    WasThere(WorkId),
    /// There is no such environment at the commit, nor anything left of one; why, as a sentence.
    Unknown(String),
    /// The commit is not the newest of the branch that is applied, which is this one; `None` before the first look.
    NotNewest(Option<CommitId>),
}

/// Stores another attempt at an environment.
pub(in crate::daemon) async fn apply_by_hand(
    shared: &Arc<Shared>,
    request: ApplyRequest,
) -> Result<Asked, WorkError> {
    let newest = shared.store.seen_heads().await?.get(&shared.branch).copied();
    if newest != Some(request.commit) {
        return Ok(Asked::NotNewest(newest));
    }
    let ApplyRequest { commit, environment, path, plan } = request;
    // What nobody has declared gets no status.
    match read(shared, &unstored(shared, commit, environment.clone(), path.clone()), &commit).await? {
        Reading::Subject { .. } | Reading::Invalid { .. } => {}
        Reading::Nothing => return Ok(Asked::Unknown(sentences::never_made())),
        Reading::Renamed(name) => return Ok(Asked::Unknown(sentences::renamed(&name))),
    }
    let new = NewWork {
        kind: RunKind::Apply,
        environment: environment.clone(),
        path,
        removed: false,
        input_digest: None,
        remark: None,
    };
    let line = Line::Branch(shared.branch.clone());
    let queued = shared.store.enqueue_sweep(&line, &commit, shared.clock.now(), vec![new]).await?;
    if let Some(work) = queued.into_iter().next() {
        if let Some(plan) = plan {
            shared.agreed.bind(work.id, *plan);
        }
        return Ok(Asked::New(Box::new(work)));
    }
    // It waits already, maybe for an older commit, whose place the newest takes.
    let mut open = shared.store.open_work().await?.into_iter().rev();
    let is_it =
        |work: &Work| work.environment == environment && work.kind == RunKind::Apply && work.line == line;
    Ok(open.find(is_it).map_or(Asked::NotNewest(newest), |work| Asked::WasThere(work.id)))
}
