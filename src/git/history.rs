//! Questions about commits and their order.

use jiff::Timestamp;

use super::error::GitError;
use super::id::CommitId;
use super::reader::{Opened, Reader};

/// How many commits one push may bring before their messages are no longer read.
const MAX_COMMITS: usize = 10_000;

/// How much of a commit message is read, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// A commit, without its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// The commit that this is about.
    pub id: CommitId,
    /// The author's name, without the mail address.
    pub author: String,
    /// When it was committed (not authored).
    pub committed: Timestamp,
    /// The first paragraph of the message in one line.
    pub summary: String,
    /// The whole message, at most 64 KiB of it.
    pub message: String,
    /// Its parents in order; more than one for a merge.
    pub parents: Vec<CommitId>,
}

impl Reader {
    /// Author, time, message and parents of a commit.
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`] when it is not in the repository.
    pub fn commit(&self, id: &CommitId) -> Result<CommitInfo, GitError> {
        self.with(|opened| opened.info(id))
    }

    /// Whether a commit is in the repository.
    ///
    /// # Errors
    /// [`GitError`] when the repository cannot be read.
    pub fn has(&self, id: &CommitId) -> Result<bool, GitError> {
        self.with(|opened| opened.has(id))
    }

    /// Whether `ancestor` is `of` itself or can be reached from it. A commit that is not in the
    /// repository (any more) is nobody's ancestor.
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`] when `of` is not in the repository.
    pub fn is_ancestor(&self, ancestor: &CommitId, of: &CommitId) -> Result<bool, GitError> {
        self.with(|opened| {
            opened.commit(of)?;
            if ancestor == of {
                return Ok(true);
            }
            if !opened.has(ancestor)? {
                return Ok(false);
            }
            opened.repository.graph_descendant_of(of.oid(), ancestor.oid()).map_err(opened.failed())
        })
    }

    /// The best common ancestor of two commits; `None` when their histories are unrelated.
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`] when either is not in the repository.
    pub fn merge_base(&self, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>, GitError> {
        self.with(|opened| {
            opened.commit(a)?;
            opened.commit(b)?;
            match opened.repository.merge_base(a.oid(), b.oid()) {
                Ok(base) => Ok(Some(CommitId::from_oid(base))),
                Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
                Err(error) => Err(opened.failed()(error)),
            }
        })
    }

    /// The commits that are reachable from `to` and not from `from`, newest first. With `from` unknown
    /// (`None`, or not in the repository) only `to` itself.
    ///
    /// # Errors
    /// [`GitError::Limit`] when there are more than 10,000; [`GitError::UnknownCommit`] for `to`.
    pub fn commits_between(
        &self,
        from: Option<&CommitId>,
        to: &CommitId,
    ) -> Result<Vec<CommitInfo>, GitError> {
        self.with(|opened| {
            let own = opened.info(to)?;
            let from = match from {
                Some(from) if opened.has(from)? => from,
                Some(_) | None => return Ok(vec![own]),
            };
            let mut walk = opened.repository.revwalk().map_err(opened.failed())?;
            walk.push(to.oid()).map_err(opened.failed())?;
            walk.hide(from.oid()).map_err(opened.failed())?;
            let mut commits = Vec::new();
            for oid in walk {
                if commits.len() == MAX_COMMITS {
                    let what = format!("the number of commits between {} and {}", from.short(), to.short());
                    return Err(GitError::Limit { what, limit: format!("{MAX_COMMITS} commits") });
                }
                let id = CommitId::from_oid(oid.map_err(opened.failed())?);
                commits.push(opened.info(&id)?);
            }
            Ok(commits)
        })
    }
}

impl Opened<'_> {
    fn info(&self, id: &CommitId) -> Result<CommitInfo, GitError> {
        let commit = self.commit(id)?;
        let author = commit.author();
        Ok(CommitInfo {
            id: *id,
            author: text(author.name_bytes()),
            committed: Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
            summary: text(commit.summary_bytes().unwrap_or_default()),
            message: text(commit.message_bytes()),
            parents: commit.parent_ids().map(CommitId::from_oid).collect(),
        })
    }

    fn has(&self, id: &CommitId) -> Result<bool, GitError> {
        match self.commit(id) {
            Ok(_) => Ok(true),
            Err(GitError::UnknownCommit { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_MESSAGE_BYTES)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn a_commit_tells_who_when_and_why() {
        let world = Fixture::new();
        let first = world.commit("a.yaml", "1", "first");
        let second = world.commit("a.yaml", "2", "second line\n\nBeamline-Consent: destroy x\n");
        let info = world.reader().commit(&second).unwrap();
        assert_eq!((info.author.as_str(), info.summary.as_str()), ("Ada", "second line"));
        assert_eq!(info.committed.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(info.message, "second line\n\nBeamline-Consent: destroy x\n");
        assert_eq!(info.parents, [first]);
        let unknown: CommitId = "1".repeat(40).parse().unwrap();
        let error = world.reader().commit(&unknown).unwrap_err();
        assert!(matches!(error, GitError::UnknownCommit { .. }), "{error}");
    }

    #[test]
    fn messages_are_those_since_the_last_known_commit() {
        let world = Fixture::new();
        let first = world.commit("a.yaml", "1", "first");
        world.commit("a.yaml", "2", "second");
        let third = world.commit("a.yaml", "3", "third");
        let reader = world.reader();
        let texts = |from: Option<&CommitId>| -> Vec<String> {
            let commits = reader.commits_between(from, &third).unwrap();
            commits.into_iter().map(|commit| commit.message.trim().to_owned()).collect()
        };
        assert_eq!(texts(Some(&first)), ["third", "second"]);
        assert_eq!(texts(Some(&third)), Vec::<String>::new());
        assert_eq!(texts(None), ["third"]);
        assert_eq!(texts(Some(&"1".repeat(40).parse().unwrap())), ["third"]);
    }

    #[test]
    fn ancestry_is_told_for_branches_and_unrelated_histories() {
        let world = Fixture::new();
        let base = world.commit("a.yaml", "1", "base");
        let main = world.commit("a.yaml", "2", "main");
        world.git(&["checkout", "-q", "-b", "side", &base.to_string()]);
        let side = world.commit("b.yaml", "1", "side");
        world.git(&["checkout", "-q", "--orphan", "other"]);
        let other = world.commit("c.yaml", "1", "other");
        let reader = world.reader();
        assert_eq!(reader.merge_base(&main, &side).unwrap(), Some(base));
        assert_eq!(reader.merge_base(&main, &other).unwrap(), None);
        assert!(reader.is_ancestor(&base, &side).unwrap());
        assert!(reader.is_ancestor(&side, &side).unwrap());
        assert!(!reader.is_ancestor(&main, &side).unwrap());
        assert!(!reader.is_ancestor(&"1".repeat(40).parse().unwrap(), &side).unwrap());
    }
}
