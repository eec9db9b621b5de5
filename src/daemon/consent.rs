//! What is consented to for a piece of work: the consent lines of the commits that it brings or that came
//! since the last complete apply, and of a pull request's plan the comments on it. What comments are worth
//! after the merge is `comments.rs`.
//!
//! Which lines there are and how old they are is found out here; what they allow is decided in
//! `reconcile::plan`.

use std::sync::Arc;

use jiff::Timestamp;

use super::service::Shared;
use super::worker::WorkError;
use crate::git::{CommitId, CommitInfo, GitError, Reader};
use crate::reconcile::apply::RunKind;
use crate::reconcile::plan::{ConsentLine, ConsentSource, Consents, Reach, VALID_FOR, printable};
use crate::store::{Arrivals, GivenConsent, Work};

/// Everything that was written about what `work`, which reads `commit`, may destroy. `since` is the commit
/// of the environment's last complete apply.
pub(super) async fn consents(
    shared: &Arc<Shared>,
    work: &Work,
    commit: &CommitId,
    since: Option<&CommitId>,
) -> Result<Consents, WorkError> {
    let empty = Consents::new(shared.estate.globs);
    let now = shared.clock.now();
    let main = shared.store.seen_heads().await?.get(&shared.branch).copied();
    let range = Range {
        from: since.copied(),
        to: *commit,
        main: main.filter(|_| work.kind == RunKind::Plan),
        heads: shared.store.arrivals(&shared.branch, expired(now)).await?,
        now,
    };
    let mut consents = {
        let shared = shared.clone();
        let read = move || range.read(&shared.mirror.reader()?, empty);
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
    let known = shared.store.environments().await?.into_iter().map(|record| record.environment.to_string());
    let touched = shared.store.work_of_commit(&work.commit, work.kind).await?;
    let touched = touched.into_iter().map(|work| work.environment.to_string());
    Ok(consents.among(known.chain(touched)))
}

pub(super) fn line_of(given: &GivenConsent) -> ConsentLine {
    ConsentLine {
        target: given.target.to_string(),
        source: ConsentSource::Comment {
            pull_request: given.pull_request.get(),
            comment: given.comment.to_string(),
        },
        author: printable(&given.author.name),
    }
}

/// Why a consent to another head does not count, and the line to write.
pub(super) fn was_for(given: &GivenConsent, head: &str) -> String {
    let (target, was) = (&given.target, given.head.short());
    format!("it was given for {was}; for {head} write: /beamline consent destroy {target} @{head}")
}

/// The commits whose messages count, and what is known of when they came.
struct Range {
    from: Option<CommitId>,
    to: CommitId,
    /// The head of the main branch, where `to` is only proposed for it.
    main: Option<CommitId>,
    /// The heads that the main branch has had.
    heads: Arrivals,
    now: Timestamp,
}

impl Range {
    /// Blocking.
    fn read(&self, reader: &Reader, mut consents: Consents) -> Result<Consents, GitError> {
        for commit in reader.commits_between(self.from.as_ref(), &self.to)? {
            self.note(reader, &commit, None, &mut consents)?;
        }
        // A merge brings these into force only where the last complete apply is known.
        if let (Some(main), true) = (&self.main, !self.is_known(reader)?) {
            for commit in reader.commits_between(Some(main), &self.to)? {
                let why =
                    "the last complete apply is not known, so only the message of the head commit counts";
                self.note(reader, &commit, Some(why), &mut consents)?;
            }
        }
        Ok(consents)
    }

    fn is_known(&self, reader: &Reader) -> Result<bool, GitError> {
        self.from.as_ref().map_or(Ok(false), |from| reader.has(from))
    }

    fn note(
        &self,
        reader: &Reader,
        commit: &CommitInfo,
        void: Option<&str>,
        consents: &mut Consents,
    ) -> Result<(), GitError> {
        // Where a commit came from is asked for those that have something to say only.
        if !Consents::speaks(&commit.message) {
            return Ok(());
        }
        let is_brought = match &self.main {
            Some(main) => !reader.is_ancestor(&commit.id, main)?,
            None => false,
        };
        let reach = match void {
            Some(why) => Reach::Void(why.to_owned()),
            None if is_brought => Reach::Brought,
            None => Reach::since(arrival(reader, &self.heads, commit, self.now)?, self.now),
        };
        consents.read_message(&commit.id.to_string(), &commit.author, &commit.message, &reach);
        Ok(())
    }
}

/// When a commit first reached the main branch, as exactly as the age of a consent needs it: of what came
/// before anything is remembered, when it was committed.
pub(super) fn arrival(
    reader: &Reader,
    heads: &Arrivals,
    commit: &CommitInfo,
    now: Timestamp,
) -> Result<Timestamp, GitError> {
    let had = |head: &CommitId| Ok(reader.has(head)? && reader.is_ancestor(&commit.id, head)?);
    if let Some((first, seen)) = &heads.first
        && had(first)?
    {
        return Ok(commit.committed.min(*seen));
    }
    // One is enough unless the branch was pushed back.
    for (head, seen) in &heads.old {
        if had(head)? {
            return Ok(*seen);
        }
    }
    Ok(now)
}

/// What came before this does not count any more.
pub(super) fn expired(now: Timestamp) -> Timestamp {
    now.checked_sub(VALID_FOR).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Fixture;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400 + 1_767_225_600).unwrap()
    }

    #[test]
    fn a_commit_arrives_with_the_first_head_that_has_it() {
        let world = Fixture::new();
        let commits: Vec<CommitId> =
            ["1", "2", "3"].iter().map(|text| world.commit("a.yaml", text, text)).collect();
        let reader = world.reader();
        let heads: Vec<_> = commits.iter().copied().zip([day(5), day(10), day(30)]).collect();
        let arrived = |commit: &CommitId, now| {
            let old = heads.iter().rev().filter(|(_, seen)| *seen < expired(now)).copied().collect();
            let heads = Arrivals { first: heads.first().copied(), old };
            arrival(&reader, &heads, &reader.commit(commit).unwrap(), now).unwrap()
        };
        // What the first head had may be older: when it was committed is all there is.
        assert_eq!(arrived(&commits[0], day(31)), reader.commit(&commits[0]).unwrap().committed);
        assert_eq!(arrived(&commits[1], day(31)), day(10), "it has been there for three weeks");
        assert_eq!(arrived(&commits[1], day(12)), day(12), "not two weeks yet");
        assert_eq!(arrived(&commits[2], day(31)), day(31));
    }
}
