//! Where the results of merges live: in a small repository of their own inside the mirror, which
//! borrows the mirror's objects.
//!
//! Why apart: what was fetched is kept for ever, but results come with every push and go with their
//! pull request; and their commits, which no remote knows, stay out of what a fetch says it has.
//! Guarantees: a result is kept while it is its pull request's newest and a day longer; everything else
//! in there goes with [`Mirror::forget_merges`]. All of it can be made again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Repository, RepositoryInitOptions};
use jiff::{SignedDuration, Timestamp};

use super::error::GitError;
use super::id::CommitId;
use super::mirror::Mirror;
use super::reader::wrap;
use super::stale::remove_locks;

/// The folder inside the mirror.
pub(super) const FOLDER: &str = "merges.git";

/// The newest result of each pull request, by number.
const RESULTS: &str = "refs/merges/";

/// How long a result is kept that is no longer the newest. A run that reads it may still be under way.
const GRACE: SignedDuration = SignedDuration::from_hours(24);

impl Mirror {
    /// Lets go of the results of all pull requests but these, and removes from the disk what has not
    /// been needed for a day. Call it now and then; its cost follows the number of kept objects.
    ///
    /// # Errors
    /// [`GitError::Repository`], [`GitError::Create`] when files cannot be read or removed.
    pub fn forget_merges(&self, open: &BTreeSet<u64>, now: Timestamp) -> Result<(), GitError> {
        let _merging = self.merging();
        let repository = self.merges()?;
        forget(&repository, open).map_err(|error| wrap(&self.dir, error))?;
        let io_failed = |source| GitError::Create { dir: self.merges_dir(), source };
        let loose = loose(&repository).map_err(io_failed)?;
        let needed = needed(&repository, &loose).map_err(|error| wrap(&self.dir, error))?;
        for (_, file) in loose.into_iter().filter(|(id, _)| !needed.contains(id)) {
            remove_if_old(&file, now).map_err(io_failed)?;
        }
        Ok(())
    }

    pub(super) fn merges_dir(&self) -> PathBuf {
        self.dir.join(FOLDER)
    }

    /// The repository of the results, without locks that an earlier process left. It also has everything that the
    /// mirror has. The caller has the turn to merge.
    pub(super) fn merges(&self) -> Result<Repository, GitError> {
        let dir = self.merges_dir();
        remove_locks(&dir).map_err(|source| GitError::Create { dir, source })?;
        Repository::open_bare(self.merges_dir()).map_err(|error| wrap(&self.dir, error))
    }

    /// Makes `commit` the newest result of pull request `number`.
    pub(super) fn keep_merge(
        &self,
        repository: &Repository,
        number: u64,
        commit: &CommitId,
    ) -> Result<(), GitError> {
        let kept = repository.reference(&format!("{RESULTS}{number}"), commit.oid(), true, "merge");
        kept.map(drop).map_err(|error| wrap(&self.dir, error))
    }

    /// Makes the repository of the results when there is none.
    pub(super) fn prepare_merges(&self) -> Result<(), GitError> {
        let dir = self.merges_dir();
        if Repository::open_bare(&dir).is_err() {
            let mut options = RepositoryInitOptions::new();
            options.bare(true).external_template(false).description("beamline's merges: safe to delete");
            Repository::init_opts(&dir, &options).map_err(|error| wrap(&self.dir, error))?;
        }
        let info = dir.join("objects/info");
        let written = std::fs::create_dir_all(&info)
            .and_then(|()| std::fs::write(info.join("alternates"), "../../objects\n"));
        written.map_err(|source| GitError::Create { dir, source })
    }

    /// Lets `repository`, which is the mirror's, read the results too.
    pub(super) fn with_merges(&self, repository: Repository) -> Result<Repository, GitError> {
        let objects = self.merges_dir().join("objects");
        let added = repository.odb().and_then(|odb| odb.add_disk_alternate(&objects.to_string_lossy()));
        added.map_err(|error| wrap(&self.dir, error))?;
        Ok(repository)
    }
}

fn forget(repository: &Repository, open: &BTreeSet<u64>) -> Result<(), git2::Error> {
    for reference in repository.references_glob(&format!("{RESULTS}*"))? {
        let mut reference = reference?;
        let number = reference.name().ok().and_then(|name| name.strip_prefix(RESULTS)?.parse().ok());
        if !number.is_some_and(|number: u64| open.contains(&number)) {
            reference.delete()?;
        }
    }
    Ok(())
}

/// The objects that were made here, with their files. They are never packed.
fn loose(repository: &Repository) -> io::Result<BTreeMap<git2::Oid, PathBuf>> {
    let mut found = BTreeMap::new();
    for folder in repository.path().join("objects").read_dir()? {
        let folder = folder?;
        let first = folder.file_name().to_string_lossy().into_owned();
        if first.len() != 2 {
            continue;
        }
        for file in folder.path().read_dir()? {
            let file = file?;
            let id = format!("{first}{}", file.file_name().to_string_lossy());
            // Unfinished files have other names.
            if let Ok(id) = id.parse::<CommitId>() {
                found.insert(id.oid(), file.path());
            }
        }
    }
    Ok(found)
}

/// Those of the objects that a kept result needs. What the mirror has is not entered.
fn needed(
    repository: &Repository,
    loose: &BTreeMap<git2::Oid, PathBuf>,
) -> Result<BTreeSet<git2::Oid>, git2::Error> {
    let mut needed = BTreeSet::new();
    let mut next = Vec::new();
    for reference in repository.references_glob(&format!("{RESULTS}*"))? {
        next.extend(reference?.target());
    }
    while let Some(id) = next.pop() {
        if !loose.contains_key(&id) || !needed.insert(id) {
            continue;
        }
        let object = repository.find_object(id, None)?;
        match object.kind() {
            Some(ObjectType::Commit) => {
                let commit = repository.find_commit(id)?;
                next.push(commit.tree_id());
                next.extend(commit.parent_ids());
            }
            Some(ObjectType::Tree) => next.extend(repository.find_tree(id)?.iter().map(|entry| entry.id())),
            Some(ObjectType::Blob | ObjectType::Tag | ObjectType::Any) | None => {}
        }
    }
    Ok(needed)
}

/// A file's time is that of the last merge that wanted to write it.
fn remove_if_old(file: &Path, now: Timestamp) -> io::Result<()> {
    let written = file.metadata()?.modified()?;
    let is_old = Timestamp::try_from(written).is_ok_and(|written| now.duration_since(written) > GRACE);
    if is_old { std::fs::remove_file(file) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::fetch::NO_PULLS;
    use super::super::fixture::Fixture;
    use super::super::{Merge, compact};
    use super::*;

    /// A time from which everything that was just made is `hours` old.
    fn after(file_hours: i64) -> Timestamp {
        let file = tempfile::NamedTempFile::new().unwrap();
        let made = Timestamp::try_from(file.path().metadata().unwrap().modified().unwrap()).unwrap();
        made + SignedDuration::from_hours(file_hours)
    }

    fn kept(mirror: &Mirror) -> usize {
        loose(&mirror.merges().unwrap()).unwrap().len()
    }

    fn is_readable(mirror: &Mirror, commit: &CommitId) -> bool {
        mirror.reader().unwrap().commit(commit).is_ok()
    }

    #[test]
    fn results_stay_while_their_pull_request_is_open_and_a_day_longer() {
        let world = Fixture::new();
        world.push("env/a.yaml", "1\n");
        let mirror = world.mirror_with_pulls();
        let heads = [world.propose(1, "env/b.yaml", "1"), world.propose(2, "env/c.yaml", "1")];
        let both = BTreeSet::from([1, 2]);
        let mut results = Vec::new();
        for content in ["2\n", "3\n"] {
            let base = world.push("env/a.yaml", content);
            mirror.fetch(&both).unwrap();
            for (number, head) in (1..).zip(&heads) {
                let Merge::Result(result) = mirror.merge(number, &base, head).unwrap() else { panic!() };
                results.push(result);
            }
        }
        mirror.forget_merges(&both, after(23)).unwrap();
        assert!(results.iter().all(|result| is_readable(&mirror, result)), "a run may read them");
        mirror.forget_merges(&both, after(25)).unwrap();
        let readable: Vec<bool> = results.iter().map(|result| is_readable(&mirror, result)).collect();
        assert_eq!(readable, [false, false, true, true], "the newest of each");
        assert!(kept(&mirror) > 0);
        compact::compact(&mirror.repository().unwrap(), 0).unwrap();
        drop(mirror);
        let mirror = world.mirror_with_pulls();
        assert!(is_readable(&mirror, &results[3]), "after a restart and a tidying");
        let dir = mirror.merges_dir().display().to_string();
        assert_eq!(world.git(&["-C", &dir, "fsck", "--full", "--strict"]), "");
        mirror.forget_merges(&NO_PULLS, after(25)).unwrap();
        assert_eq!(kept(&mirror), 0);
    }

    #[test]
    fn what_failed_merges_leave_behind_goes_too() {
        let world = Fixture::new();
        world.write("env/both.yaml", "1\n2\n3\n4\n5\n");
        world.push("env/a.yaml", "1\n");
        let mirror = world.mirror_with_pulls();
        world.git(&["checkout", "-q", "-B", "proposal", "main"]);
        world.write("env/both.yaml", "1\n2\n3\n4\nfive\n");
        let head = world.commit("env/a.yaml", "2\n", "a proposal");
        world.git(&["push", "-q", "origin", "HEAD:refs/pull/1/head"]);
        world.git(&["checkout", "-q", "main"]);
        world.write("env/both.yaml", "one\n2\n3\n4\n5\n");
        let base = world.push("env/a.yaml", "3\n");
        mirror.fetch(&BTreeSet::from([1])).unwrap();
        let merge = mirror.merge(1, &base, &head).unwrap();
        assert_eq!(merge, Merge::Conflicts { paths: vec!["env/a.yaml".to_owned()], more: 0 });
        assert!(kept(&mirror) > 0, "the file that could be merged");
        mirror.forget_merges(&BTreeSet::from([1]), after(25)).unwrap();
        assert_eq!(kept(&mirror), 0);
    }
}
