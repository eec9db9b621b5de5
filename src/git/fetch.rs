//! Bringing the mirror up to its remote.
//!
//! Guarantees: the mirror's branches are those of the remote at the last fetch, and its pull requests
//! those that were asked for; a fetch that fails leaves both as they were. The objects of what is gone stay.

use std::collections::{BTreeMap, BTreeSet};

use super::apart::Doubts;
use super::download::{Downloaded, Tip, Wanted, download, ignored};
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
    /// What the remote offers and does not have, or has broken. In `branches` and `pulls` such a one stands
    /// as it was before, if it was there.
    pub lost: Lost,
    /// What did not come this time and may come the next, and why. It stands as it was before, too.
    pub late: Late,
}

/// The heads that a fetch could not bring, for a reason that passes or is not certain yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// Branches that could not be taken, and why.
    pub branches: BTreeMap<BranchName, String>,
    /// Pull requests, and why.
    pub pulls: BTreeMap<u64, String>,
}

/// The heads that a fetch could not bring, because of damage at the remote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Branches: the commit that should be there, and what is wrong, with the remedy.
    pub branches: BTreeMap<BranchName, (CommitId, String)>,
    /// Pull requests whose head could not be taken, with that head and why.
    pub pulls: BTreeMap<u64, (CommitId, String)>,
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
        let mut doubts = self.exchange();
        self.remake_if_gone()?;
        match self.fetch_once(&names, &mut doubts) {
            Err(error) if self.is_damaged() => {
                self.remake(&error)?;
                self.fetch_once(&names, &mut doubts)
            }
            fetched => fetched,
        }
    }

    fn fetch_once(&self, names: &BTreeMap<String, u64>, doubts: &mut Doubts) -> Result<Heads, GitError> {
        let repository = self.repository()?;
        let (wanted, first) = (Wanted::Heads { pulls: names }, self.first.as_deref());
        let Downloaded { tips, lost, late } = download(&repository, &self.address, wanted, first, doubts)?;
        let missing = lost.iter().map(|(tip, _)| tip).chain(late.iter().map(|(tip, _)| tip));
        let missing: Vec<Tip> = missing.cloned().collect();
        let stay = kept(&missing, names).into_keys().collect();
        let set = || set_references(&repository, &kept(&tips, names), &stay);
        let set = match set() {
            Err(error) if error.code() == git2::ErrorCode::Locked => {
                self.unlock()?;
                set()
            }
            set => set,
        };
        set.map_err(|error| wrap(&self.dir, error))?;
        let mut heads = self.heads()?;
        for ((name, id), error) in lost {
            let found = (CommitId::from_oid(id), error.to_string());
            match (name.strip_prefix("refs/heads/").map(str::parse), names.get(&name)) {
                (Some(Ok(branch)), _) => drop(heads.lost.branches.insert(branch, found)),
                (_, Some(number)) => drop(heads.lost.pulls.insert(*number, found)),
                (_, None) => {}
            }
        }
        for ((name, _), why) in late {
            match (name.strip_prefix("refs/heads/").map(str::parse), names.get(&name)) {
                (Some(Ok(branch)), _) => drop(heads.late.branches.insert(branch, why)),
                (_, Some(number)) => drop(heads.late.pulls.insert(*number, why)),
                (_, None) => {}
            }
        }
        Ok(heads)
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
                ignored(reference.name_bytes());
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

/// Deletes before it creates: `a` may have become `a/b`. What is in `stay` is left as it is. A reference
/// that cannot be had here, whatever the remote thinks of its name, is left alone.
fn set_references(
    repository: &git2::Repository,
    wanted: &BTreeMap<String, git2::Oid>,
    stay: &BTreeSet<String>,
) -> Result<(), git2::Error> {
    let mut current = BTreeSet::new();
    for reference in repository.references_glob("refs/remotes/*")? {
        let mut reference = reference?;
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        match wanted.get(&name) {
            None if stay.contains(&name) => {}
            None => reference.delete()?,
            Some(id) if reference.target() == Some(*id) => drop(current.insert(name)),
            Some(_) => {}
        }
    }
    for (name, id) in wanted.iter().filter(|(name, _)| !current.contains(*name)) {
        match repository.reference(name, *id, true, "fetch") {
            Ok(_) => {}
            Err(error) if error.code() == git2::ErrorCode::InvalidSpec => ignored(name.as_bytes()),
            Err(error) => return Err(error),
        }
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

    /// Takes an object out of the remote.
    fn lose(world: &Fixture, id: &str) {
        let file = world.origin.join("objects").join(&id[..2]).join(&id[2..]);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn damage_at_the_remote_keeps_only_its_own_branches_from_coming() {
        let world = Fixture::new();
        let mirror = world.mirror();
        let first = world.push("a.yaml", "1");
        world.git(&["push", "-q", "origin", "main:moves"]);
        mirror.fetch(&NO_PULLS).unwrap();
        for (branch, content) in [("lost-blob", "b"), ("lost-tree", "c"), ("moves", "d"), ("whole", "e")] {
            world.git(&["checkout", "-q", "-B", branch, "main"]);
            world.commit(&format!("{branch}/x.yaml"), content, branch);
            world.git(&["push", "-q", "origin", branch]);
        }
        let id = |revision: &str| world.git(&["rev-parse", revision]);
        lose(&world, &id("lost-blob:lost-blob/x.yaml"));
        lose(&world, &id("lost-tree:lost-tree"));
        lose(&world, &id("moves:moves/x.yaml"));
        world.git(&["checkout", "-q", "main"]);
        let second = world.push("a.yaml", "2");
        std::fs::write(world.origin.join("refs/heads/lost-commit"), format!("{}\n", "1".repeat(40))).unwrap();
        let weird = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9");
        std::fs::write(world.origin.join("refs/heads").join::<&std::ffi::OsStr>(weird), first.to_string())
            .unwrap();
        for _ in 0..2 {
            let heads = mirror.fetch(&NO_PULLS).unwrap();
            assert_eq!(names(&heads), ["main", "moves", "whole"]);
            let of = |name: &str| heads.branches[&name.parse::<BranchName>().unwrap()];
            assert_eq!((of("main"), of("moves")), (second, first), "what cannot be had stays as it was");
            let lost: Vec<String> = heads.lost.branches.keys().map(ToString::to_string).collect();
            assert_eq!(lost, ["lost-blob", "lost-commit", "lost-tree", "moves"]);
            for (commit, why) in heads.lost.branches.values() {
                assert!(why.contains("origin.git is damaged") && why.contains("git fsck"), "{commit}: {why}");
            }
            assert_eq!(heads.lost.branches[&"moves".parse().unwrap()].0.to_string(), id("moves"));
        }
    }

    #[test]
    fn what_nobody_can_read_is_told_from_what_is_lost() {
        let world = Fixture::new();
        let first = world.push("a.yaml", "1");
        let origin = world.origin.display().to_string();
        let blob = world.git(&["rev-parse", "main:a.yaml"]);
        let raw: Vec<u8> = {
            let id = git2::Oid::from_str(&blob).unwrap();
            [b"100644 ..\0".as_slice(), id.as_bytes(), b"100644 x\0", id.as_bytes()].concat()
        };
        let file = world.root().join("tree");
        std::fs::write(&file, raw).unwrap();
        let path = file.display().to_string();
        let tree = world.git(&["-C", &origin, "hash-object", "-t", "tree", "-w", "--literally", &path]);
        let commit = world.git(&["-C", &origin, "commit-tree", "-p", &first.to_string(), "-m", "odd", &tree]);
        world.git(&["-C", &origin, "update-ref", "refs/heads/odd", &commit]);
        let mirror = world.mirror();
        let heads = mirror.fetch(&NO_PULLS).unwrap();
        let odd: CommitId = commit.parse().unwrap();
        let error = match heads.lost.branches.get(&"odd".parse().unwrap()) {
            Some((_, why)) => why.clone(),
            None => {
                let reader = mirror.reader().unwrap();
                let root = super::super::RepoPath::root();
                reader.changes(&first, &odd, &root).unwrap_err().to_string()
            }
        };
        assert!(error.contains("malformed, as git fsck says too: rewrite the commit"), "{error}");
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
