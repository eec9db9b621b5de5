//! The consent lines in the messages of commits: which commits count, and how old their lines are.
//!
//! What a line allows is decided in `reconcile::plan`. Those in comments are the daemon's: only it speaks to a
//! forge.

use jiff::Timestamp;

use crate::git::{CommitId, CommitInfo, GitError, Reader};
use crate::reconcile::plan::{Consents, Reach, VALID_FOR};
use crate::store::Arrivals;

/// The commits whose messages count, and what is known of when they came.
#[derive(Clone, Debug)]
pub struct Messages {
    /// The commit of the last complete apply, as far as it is remembered.
    pub from: Option<CommitId>,
    /// The commit that is attempted.
    pub to: CommitId,
    /// The head of the main branch, where `to` is only proposed for it.
    pub main: Option<CommitId>,
    /// The heads that the main branch has had.
    pub heads: Arrivals,
    /// From when they are as old as they are.
    pub now: Timestamp,
}

impl Messages {
    /// Adds what they consent to. Blocking.
    ///
    /// # Errors
    /// [`GitError`] when the repository cannot be read.
    pub fn read(&self, reader: &Reader, mut consents: Consents) -> Result<Consents, GitError> {
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
pub fn arrival(
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
#[must_use]
pub fn expired(now: Timestamp) -> Timestamp {
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
