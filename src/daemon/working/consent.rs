//! What is consented to for a piece of work: the consent lines of the commits that it brings or that came
//! since the last complete apply, and of a pull request's plan the comments on it. What comments are worth
//! after the merge is `comments.rs`.
//!
//! Which lines there are and how old they are is found out here; what they allow is decided in
//! `reconcile::plan`.

use std::sync::Arc;

use super::error::WorkError;
use super::side_by_side::known_beside;
use crate::attempt::{Messages, expired};
use crate::daemon::shared::Shared;
use crate::daemon::shared::rivals::Rivals;
use crate::git::CommitId;
use crate::reconcile::apply::RunKind;
use crate::reconcile::plan::{ConsentLine, ConsentSource, Consents, Reach, printable};
use crate::store::{GivenConsent, Work};

/// Everything that was written about what `work`, which reads `commit`, may destroy. `since` is the commit
/// of the environment's last complete apply, `rivals` what the work's commit is about.
pub(in crate::daemon) async fn consents(
    shared: &Arc<Shared>,
    work: &Work,
    commit: &CommitId,
    since: Option<&CommitId>,
    rivals: &Arc<Rivals>,
) -> Result<Consents, WorkError> {
    let empty = Consents::new(shared.estate.globs);
    let now = shared.clock.now();
    let main = shared.store.seen_heads().await?.get(&shared.branch).copied();
    let messages = Messages {
        from: since.copied(),
        to: *commit,
        main: main.filter(|_| work.kind == RunKind::Plan),
        heads: shared.store.arrivals(&shared.branch, expired(now)).await?,
        now,
    };
    let mut consents = {
        let shared = shared.clone();
        let read = move || messages.read(&shared.mirror.reader()?, empty);
        tokio::task::spawn_blocking(read).await??
    };
    if let Some(number) = work.line.pull_request() {
        for given in shared.store.consents_of(number).await? {
            let reach = match given.head == work.commit {
                true => Reach::Only(given.id.clone()),
                false => Reach::Void(was_for(&given, &work.commit.short())),
            };
            consents.add(line_of(&given), reach);
        }
    }
    if consents.is_empty() {
        // Which environments there are is asked for those that name some only: every piece of work comes
        // by here.
        return Ok(consents);
    }
    Ok(consents.among(known_beside(shared, rivals).await?))
}

pub(in crate::daemon) fn line_of(given: &GivenConsent) -> ConsentLine {
    ConsentLine {
        verb: given.verb,
        target: given.target.to_string(),
        source: ConsentSource::Comment {
            pull_request: given.pull_request.get(),
            comment: given.comment.to_string(),
        },
        author: printable(&given.author.name),
    }
}

/// Why a consent to another head does not count, and the line to write.
pub(in crate::daemon) fn was_for(given: &GivenConsent, head: &str) -> String {
    let (verb, target, was) = (given.verb, &given.target, given.head.short());
    format!("it was given for {was}; for {head} write: /beamline consent {verb} {target} @{head}")
}
