//! Merging a pull request for real: by a merge commit, as one commit, commit by commit, or by moving the
//! branch.
//!
//! What is guaranteed: the target branch is moved only from where it was read, so that a push at the same
//! time is never lost; what conflicts changes nothing.

use git2::{Commit, ErrorCode, Oid, Repository, Signature, Sort};

use super::objects::Objects;

/// The longest line of commits that a rebase takes.
const MAX_REBASED: usize = 1_000;

/// How a pull request becomes part of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MergeStyle {
    /// A commit with two parents.
    Merge,
    /// One commit with everything.
    Squash,
    /// Each of its commits anew, after the target's head.
    Rebase,
    /// The branch moves, or nothing happens.
    FastForward,
}

/// Why a pull request is not merged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unmergeable {
    /// It is merged or closed, or has no number.
    #[error("it is not open")]
    NotOpen,
    /// It is a draft.
    #[error("it is a draft")]
    Draft,
    /// Its head is another one than the caller has seen.
    #[error("its head has moved")]
    HeadMoved,
    /// Both sides changed the same, or the target cannot simply move.
    #[error("it has conflicts with its target branch")]
    Conflict,
    /// The world has no objects.
    #[error("this world has no Git objects to merge")]
    NoObjects,
    #[error("Git says: {0}")]
    Git(#[from] git2::Error),
}

/// A merge that is asked for.
pub(super) struct Merge<'a> {
    /// The branch that takes it.
    pub(super) target: &'a str,
    /// The commit that is merged.
    pub(super) head: &'a str,
    pub(super) style: MergeStyle,
    /// Of the commit that is made, where one is.
    pub(super) message: &'a str,
    pub(super) login: &'a str,
    /// When, in seconds since 1970.
    pub(super) at: i64,
}

impl Objects {
    /// Merges, and answers where the target branch stands then.
    pub(super) fn merge(&self, merge: &Merge<'_>) -> Result<String, Unmergeable> {
        let repository = self.ours()?;
        let branch = format!("refs/heads/{}", merge.target);
        let base = repository.refname_to_id(&branch)?;
        let head = Oid::from_str(merge.head)?;
        let by = Signature::new(
            merge.login,
            &format!("{}@users.noreply.example.com", merge.login),
            &git2::Time::new(merge.at, 0),
        )?;
        let (ours, theirs) = (repository.find_commit(base)?, repository.find_commit(head)?);
        let made = match merge.style {
            MergeStyle::FastForward => forward(&repository, base, head)?,
            MergeStyle::Merge => together(&repository, &ours, &theirs, &by, merge.message)?,
            MergeStyle::Squash => as_one(&repository, &ours, &theirs, &by, merge.message)?,
            MergeStyle::Rebase => one_by_one(&repository, &ours, head, &by)?,
        };
        let moved = repository.reference_matching(&branch, made, true, base, "a pull request is merged");
        match moved {
            Ok(_) => {}
            // Somebody pushed meanwhile: the caller may try again.
            Err(error) if error.code() == ErrorCode::Modified => return Err(Unmergeable::Conflict),
            Err(error) => return Err(error.into()),
        }
        Ok(made.to_string())
    }
}

fn forward(repository: &Repository, base: Oid, head: Oid) -> Result<Oid, Unmergeable> {
    match base == head || repository.graph_descendant_of(head, base)? {
        true => Ok(head),
        false => Err(Unmergeable::Conflict),
    }
}

fn merged_tree(repository: &Repository, ours: &Commit<'_>, theirs: &Commit<'_>) -> Result<Oid, Unmergeable> {
    let mut index = repository.merge_commits(ours, theirs, None)?;
    if index.has_conflicts() {
        return Err(Unmergeable::Conflict);
    }
    Ok(index.write_tree_to(repository)?)
}

fn together(
    repository: &Repository,
    ours: &Commit<'_>,
    theirs: &Commit<'_>,
    by: &Signature<'_>,
    message: &str,
) -> Result<Oid, Unmergeable> {
    let tree = repository.find_tree(merged_tree(repository, ours, theirs)?)?;
    Ok(repository.commit(None, by, by, message, &tree, &[ours, theirs])?)
}

/// The author stays that of the last commit, as on the forges.
fn as_one(
    repository: &Repository,
    ours: &Commit<'_>,
    theirs: &Commit<'_>,
    by: &Signature<'_>,
    message: &str,
) -> Result<Oid, Unmergeable> {
    let tree = repository.find_tree(merged_tree(repository, ours, theirs)?)?;
    Ok(repository.commit(None, &theirs.author(), by, message, &tree, &[ours])?)
}

fn one_by_one(
    repository: &Repository,
    ours: &Commit<'_>,
    head: Oid,
    by: &Signature<'_>,
) -> Result<Oid, Unmergeable> {
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push(head)?;
    walk.hide(ours.id())?;
    let line: Vec<Oid> = walk.take(MAX_REBASED + 1).collect::<Result<_, _>>()?;
    if line.len() > MAX_REBASED {
        return Err(Unmergeable::Conflict);
    }
    let mut tip = ours.clone();
    for id in line {
        let commit = repository.find_commit(id)?;
        // A merge of the target into the branch has nothing of its own.
        if commit.parent_count() > 1 {
            continue;
        }
        let mut index = repository.cherrypick_commit(&commit, &tip, 0, None)?;
        if index.has_conflicts() {
            return Err(Unmergeable::Conflict);
        }
        let tree = repository.find_tree(index.write_tree_to(repository)?)?;
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        let made = repository.commit(None, &commit.author(), by, &message, &tree, &[&tip])?;
        tip = repository.find_commit(made)?;
    }
    Ok(tip.id())
}
