//! Bringing the mirror up to its remote.
//!
//! Guarantees: the mirror's branches are those of the remote at the last fetch, and its pull requests
//! those that were asked for; a fetch that fails leaves both as they were. The objects of what is gone stay.

use std::collections::{BTreeMap, BTreeSet};

use super::download::{Tip, Wanted, download};
use super::error::GitError;
use super::id::{BranchName, CommitId};
use super::mirror::Mirror;
use super::reader::wrap;

/// Where the remote's branches are kept.
pub(super) const BRANCHES: &str = "refs/remotes/origin/";

/// Where the heads of pull requests are kept, by number.
pub(super) const PULLS: &str = "refs/remotes/pull/";

/// How many pull requests one fetch may ask for. Each is compared with each reference of the remote.
const MAX_PULLS: usize = 2_000;

/// For a fetch of branches alone.
pub static NO_PULLS: BTreeSet<u64> = BTreeSet::new();

/// What the mirror has of the remote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Every branch and the commit at its head.
    pub branches: BTreeMap<BranchName, CommitId>,
    /// The pull requests of the last fetch that the remote has, and the commit at the head of each.
    pub pulls: BTreeMap<u64, CommitId>,
}

impl Mirror {
    /// Brings the mirror's branches up to the remote's (new, moved, forced and deleted ones), and in the
    /// same exchange the heads of these pull requests, and returns them. Forges keep the references of
    /// closed pull requests for ever: ask for the open ones. A number that the remote does not have is
    /// left out of the answer, as are all of them when [`Remote::pull_refs`](super::Remote::pull_refs)
    /// is not given. Tags and notes are not fetched.
    ///
    /// # Errors
    /// What the remote or the way to it refused, [`GitError::Limit`] above 2,000 pull requests; the
    /// mirror's heads are then as before.
    pub fn fetch(&self, pulls: &BTreeSet<u64>) -> Result<Heads, GitError> {
        if pulls.len() > MAX_PULLS {
            let what = format!("the number of pull requests of {}", self.address.shown);
            return Err(GitError::Limit { what, limit: format!("{MAX_PULLS} pull requests") });
        }
        let names = match &self.pull_refs {
            Some(pattern) => pulls.iter().map(|number| (pattern.of(*number), *number)).collect(),
            None => BTreeMap::new(),
        };
        let _exchange = self.exchange();
        let repository = self.repository()?;
        let tips = download(&repository, &self.address, Wanted::Heads { pulls: &names })?;
        set_references(&repository, &kept(&tips, &names)).map_err(|error| wrap(&self.dir, error))?;
        self.heads()
    }

    /// The remote's branches and pull requests as of the last fetch.
    ///
    /// # Errors
    /// [`GitError::Repository`] when the mirror is damaged.
    pub fn heads(&self) -> Result<Heads, GitError> {
        let repository = self.repository()?;
        let failed = |error| wrap(&self.dir, error);
        let mut heads = Heads::default();
        for reference in repository.references_glob("refs/remotes/*").map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let Some(target) = reference.target() else { continue };
            if !heads.add(reference.name_bytes(), CommitId::from_oid(target)) {
                tracing::warn!(reference = ?reference.name_bytes(), "a branch's name is unusable: ignored");
            }
        }
        Ok(heads)
    }
}

impl Heads {
    /// Whether the name is one that can be used.
    fn add(&mut self, name: &[u8], commit: CommitId) -> bool {
        let Ok(name) = std::str::from_utf8(name) else { return false };
        if let Some(branch) = name.strip_prefix(BRANCHES).and_then(|name| name.parse().ok()) {
            self.branches.insert(branch, commit);
            return true;
        }
        if let Some(number) = name.strip_prefix(PULLS).and_then(|name| name.parse().ok()) {
            self.pulls.insert(number, commit);
            return true;
        }
        false
    }
}

/// The mirror's references for what the remote has.
fn kept(tips: &[Tip], pulls: &BTreeMap<String, u64>) -> BTreeMap<String, git2::Oid> {
    let local = |name: &str| match name.strip_prefix("refs/heads/") {
        Some(branch) => Some(format!("{BRANCHES}{branch}")),
        None => pulls.get(name).map(|number| format!("{PULLS}{number}")),
    };
    tips.iter().filter_map(|(name, id)| Some((local(name)?, *id))).collect()
}

/// Deletes before it creates: `a` may have become `a/b`.
fn set_references(
    repository: &git2::Repository,
    wanted: &BTreeMap<String, git2::Oid>,
) -> Result<(), git2::Error> {
    let mut current = BTreeSet::new();
    for reference in repository.references_glob("refs/remotes/*")? {
        let mut reference = reference?;
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        match wanted.get(&name) {
            None => reference.delete()?,
            Some(id) if reference.target() == Some(*id) => drop(current.insert(name)),
            Some(_) => {}
        }
    }
    for (name, id) in wanted.iter().filter(|(name, _)| !current.contains(*name)) {
        repository.reference(name, *id, true, "fetch")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn names(heads: &Heads) -> Vec<&str> {
        heads.branches.keys().map(BranchName::as_str).collect()
    }

    #[test]
    fn a_fetch_follows_new_moved_forced_and_deleted_branches() {
        let world = Fixture::new();
        let mirror = world.mirror();
        assert_eq!(mirror.fetch(&NO_PULLS).unwrap(), Heads::default());
        let first = world.push("a.yaml", "1");
        let second = world.push("a.yaml", "2");
        let main: BranchName = "main".parse().unwrap();
        assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches[&main], second);
        world.git(&["push", "-q", "origin", "main:topic"]);
        assert_eq!(names(&mirror.fetch(&NO_PULLS).unwrap()), ["main", "topic"]);
        world.git(&["push", "-q", "origin", ":topic", "main:topic/deeper"]);
        assert_eq!(names(&mirror.fetch(&NO_PULLS).unwrap()), ["main", "topic/deeper"]);
        world.git(&["push", "-q", "origin", ":topic/deeper"]);
        world.git(&["reset", "-q", "--hard", &first.to_string()]);
        let forced = world.commit("b.yaml", "3", "forced");
        world.git(&["push", "-q", "--force", "origin", "main"]);
        let heads = mirror.fetch(&NO_PULLS).unwrap();
        assert_eq!(heads.branches, BTreeMap::from([(main, forced)]));
        assert_eq!(mirror.heads().unwrap(), heads);
        let reader = mirror.reader().unwrap();
        assert!(!reader.is_ancestor(&second, &forced).unwrap());
        let packed = mirror.dir.join("objects/pack").read_dir().unwrap().count();
        mirror.fetch(&NO_PULLS).unwrap();
        assert_eq!(
            mirror.dir.join("objects/pack").read_dir().unwrap().count(),
            packed,
            "nothing new, no pack"
        );
    }

    #[test]
    fn only_the_pull_requests_that_are_asked_for_are_kept() {
        let world = Fixture::new();
        world.push("a.yaml", "1");
        let first = world.propose(7, "b.yaml", "1");
        let other = world.propose(12, "c.yaml", "1");
        let mirror = world.mirror_with_pulls();
        let fetch = |numbers: &[u64]| mirror.fetch(&numbers.iter().copied().collect()).unwrap();
        let heads = fetch(&[7, 99]);
        assert_eq!(heads.pulls, BTreeMap::from([(7, first)]));
        assert_eq!(names(&heads), ["main"]);
        let second = world.propose(7, "b.yaml", "2");
        assert_eq!(fetch(&[7, 12]).pulls, BTreeMap::from([(7, second), (12, other)]));
        assert_eq!(mirror.reader().unwrap().commit(&second).unwrap().id, second);
        assert_eq!(fetch(&[]).pulls, BTreeMap::new());
        assert_eq!(mirror.heads().unwrap().pulls, BTreeMap::new());
        let many = (0..3000).collect();
        assert!(matches!(mirror.fetch(&many), Err(GitError::Limit { .. })));
        assert_eq!(world.mirror_named("plain").fetch(&BTreeSet::from([7])).unwrap().pulls, BTreeMap::new());
    }
}
