//! What a pull request would become: its head merged into its base, as a commit.
//!
//! Guarantees: the same two commits always give the same commit (fixed author and text, the newer of
//! their times), so a result that is gone is had again by asking again. Results live in a repository of
//! their own inside the mirror (`merges.rs`), never among what was fetched and never sent anywhere.
//!
//! Renames are followed as far as is affordable and several merge bases (criss-cross) are merged first,
//! as git does; a forge's own result can differ where a rename is only guessed.

use std::collections::{BTreeMap, BTreeSet};

use git2::{MergeOptions, Signature};

use super::changes::Change;
use super::error::GitError;
use super::id::{BlobId, CommitId};
use super::mirror::Mirror;
use super::reader::Opened;

/// How many paths of a conflict are named.
const MAX_PATHS: usize = 50;

/// The largest file whose lines are merged, in bytes. Three versions of it are in memory at a time.
const MAX_MERGED_FILE_BYTES: usize = 16 * 1024 * 1024;

/// How much of new and removed files is compared to find renames, in bytes and in candidates. Above it
/// no renames are looked for (git gives up at 1,000 candidates too).
const MAX_RENAME_BYTES: usize = 64 * 1024 * 1024;
const MAX_RENAMES: usize = 1_000;

/// How often merge bases are merged with one another, and how many there may be.
const MAX_RECURSION: u32 = 4;
const MAX_BASES: usize = 16;

/// The message of every result.
const MESSAGE: &str = "What merging the pull request would give, made by beamline\n";

/// What merging a head into a base gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// This commit has the result. It is the head itself when the head already has the base in it, and
    /// the base itself when the base already has the head in it.
    Result(CommitId),
    /// Both sides changed the same.
    Conflicts {
        /// Where, in the order of paths: at most 50.
        paths: Vec<String>,
        /// How many more there are.
        more: usize,
    },
}

impl Mirror {
    /// Merges `head` into `base` for pull request `number`. The result stays until the pull request has
    /// another one or is no longer open, and a day longer ([`Mirror::forget_merges`]).
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`] for either commit; [`GitError::Limit`] when both sides changed a file
    /// over 16 MiB, when 100,000 files differ, or above 16 merge bases.
    pub fn merge(&self, number: u64, base: &CommitId, head: &CommitId) -> Result<Merge, GitError> {
        let _merging = self.merging();
        let repository = self.merges()?;
        let opened = Opened { repository: &repository, dir: &self.dir };
        if opened.reaches(head, base)? {
            return Ok(Merge::Result(*head));
        }
        if opened.reaches(base, head)? {
            return Ok(Merge::Result(*base));
        }
        let merged = opened.merge(base, head)?;
        if let Merge::Result(commit) = &merged {
            self.keep_merge(&repository, number, commit)?;
        }
        Ok(merged)
    }
}

impl Opened<'_> {
    /// Whether `ancestor` can be reached from `of`, or is it.
    fn reaches(&self, of: &CommitId, ancestor: &CommitId) -> Result<bool, GitError> {
        self.commit(of)?;
        self.commit(ancestor)?;
        Ok(of == ancestor
            || self.repository.graph_descendant_of(of.oid(), ancestor.oid()).map_err(self.failed())?)
    }

    fn merge(&self, base: &CommitId, head: &CommitId) -> Result<Merge, GitError> {
        let failed = self.failed();
        let (ours, theirs) = (self.commit(base)?, self.commit(head)?);
        let options = self.merge_options(base, head)?;
        let mut index = self.repository.merge_commits(&ours, &theirs, Some(&options)).map_err(&failed)?;
        if index.has_conflicts() {
            return conflicts(&index).map_err(failed);
        }
        let tree = index.write_tree_to(self.repository).map_err(&failed)?;
        let tree = self.repository.find_tree(tree).map_err(&failed)?;
        let seconds = ours.time().seconds().max(theirs.time().seconds());
        let who = Signature::new("beamline", "beamline@localhost", &git2::Time::new(seconds, 0));
        let who = who.map_err(&failed)?;
        let commit = self.repository.commit(None, &who, &who, MESSAGE, &tree, &[&ours, &theirs]);
        Ok(Merge::Result(CommitId::from_oid(commit.map_err(failed)?)))
    }

    /// How the two may be merged, by what they changed.
    fn merge_options(&self, base: &CommitId, head: &CommitId) -> Result<MergeOptions, GitError> {
        let bases = match self.repository.merge_bases(base.oid(), head.oid()) {
            Ok(bases) => bases.iter().map(|base| CommitId::from_oid(*base)).collect(),
            // Unrelated histories: everything is new on both sides.
            Err(error) if error.code() == git2::ErrorCode::NotFound => Vec::new(),
            Err(error) => return Err(self.failed()(error)),
        };
        if bases.len() > MAX_BASES {
            let what = format!("the number of merge bases of {} and {}", base.short(), head.short());
            return Err(GitError::Limit { what, limit: format!("{MAX_BASES} merge bases") });
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        if let Some(common) = bases.first() {
            ours = self.changes(common, base, "")?;
            theirs = self.changes(common, head, "")?;
        }
        self.check_both_changed(&ours, &theirs)?;
        let mut options = MergeOptions::new();
        options.find_renames(self.can_find_renames(&ours, &theirs)?);
        options.target_limit(u32::try_from(MAX_RENAMES).unwrap_or(u32::MAX));
        options.recursion_limit(MAX_RECURSION);
        Ok(options)
    }

    /// Refuses files whose lines would have to be merged and that are too large for it.
    fn check_both_changed(&self, ours: &[Change], theirs: &[Change]) -> Result<(), GitError> {
        let ours: BTreeMap<&str, &Change> =
            ours.iter().map(|change| (change.path.as_str(), change)).collect();
        for their in theirs {
            let Some(our) = ours.get(their.path.as_str()) else { continue };
            if our.after == their.after {
                continue;
            }
            for blob in [our.before, our.after, their.after].into_iter().flatten() {
                if self.size(&blob)? > MAX_MERGED_FILE_BYTES {
                    let what = format!("the size of {}, which both sides changed,", their.path);
                    return Err(GitError::Limit { what, limit: format!("{MAX_MERGED_FILE_BYTES} bytes") });
                }
            }
        }
        Ok(())
    }

    fn can_find_renames(&self, ours: &[Change], theirs: &[Change]) -> Result<bool, GitError> {
        let mut bytes = 0;
        let mut count = 0;
        for change in ours.iter().chain(theirs) {
            if let (None, Some(blob)) | (Some(blob), None) = (change.before, change.after) {
                bytes += self.size(&blob)?;
                count += 1;
            }
            if bytes > MAX_RENAME_BYTES || count > MAX_RENAMES {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// In bytes; a submodule's commit, which is not here, has none.
    fn size(&self, blob: &BlobId) -> Result<usize, GitError> {
        let odb = self.repository.odb().map_err(self.failed())?;
        match odb.read_header(blob.oid()) {
            Ok((size, _)) => Ok(size),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(0),
            Err(error) => Err(self.failed()(error)),
        }
    }
}

fn conflicts(index: &git2::Index) -> Result<Merge, git2::Error> {
    let mut paths = BTreeSet::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        let sides = [conflict.our, conflict.their, conflict.ancestor];
        if let Some(entry) = sides.into_iter().flatten().next() {
            paths.insert(String::from_utf8_lossy(&entry.path).into_owned());
        }
    }
    let more = paths.len().saturating_sub(MAX_PATHS);
    Ok(Merge::Conflicts { paths: paths.into_iter().take(MAX_PATHS).collect(), more })
}

#[cfg(test)]
mod tests {
    use super::super::RepoPath;
    use super::super::fetch::NO_PULLS;
    use super::super::fixture::Fixture;
    use super::*;

    /// A mirror with everything that was pushed, and a commit on main besides `head` on a branch.
    struct Story {
        world: Fixture,
        mirror: Mirror,
    }

    impl Story {
        fn new() -> Self {
            let world = Fixture::new();
            world.push("env/a.yaml", "one\ntwo\nthree\nfour\nfive\n");
            let mirror = world.mirror();
            Self { world, mirror }
        }

        fn on(&self, branch: &str, path: &str, content: &str) -> CommitId {
            self.world.git(&["checkout", "-q", branch]);
            let commit = self.world.commit(path, content, "a change");
            self.publish(branch);
            commit
        }

        fn branch(&self, name: &str) {
            self.world.git(&["branch", "-q", name, "main"]);
        }

        fn publish(&self, branch: &str) {
            self.world.git(&["push", "-q", "--force", "origin", branch]);
            self.mirror.fetch(&NO_PULLS).unwrap();
        }

        fn merged(&self, base: &CommitId, head: &CommitId) -> CommitId {
            match self.mirror.merge(1, base, head).unwrap() {
                Merge::Result(commit) => commit,
                Merge::Conflicts { paths, .. } => panic!("{paths:?}"),
            }
        }

        fn text(&self, commit: &CommitId, path: &str) -> String {
            let reader = self.mirror.reader().unwrap();
            let blob = reader.blob_at(commit, path).unwrap().unwrap();
            String::from_utf8(reader.read(&blob, 1000).unwrap()).unwrap()
        }
    }

    #[test]
    fn the_result_has_both_sides_and_is_always_the_same_commit() {
        let story = Story::new();
        story.branch("topic");
        let base = story.on("main", "env/a.yaml", "ONE\ntwo\nthree\nfour\nfive\n");
        let head = story.on("topic", "env/a.yaml", "one\ntwo\nthree\nfour\nFIVE\n");
        let merged = story.merged(&base, &head);
        assert_eq!(story.text(&merged, "env/a.yaml"), "ONE\ntwo\nthree\nfour\nFIVE\n");
        let info = story.mirror.reader().unwrap().commit(&merged).unwrap();
        assert_eq!((info.author.as_str(), info.parents), ("beamline", vec![base, head]));
        assert_eq!(info.committed.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(story.merged(&base, &head), merged);
        let other = story.world.mirror_named("another");
        other.fetch(&NO_PULLS).unwrap();
        assert_eq!(other.merge(9, &base, &head).unwrap(), Merge::Result(merged));
        let reader = story.mirror.reader().unwrap();
        assert_eq!(reader.changes(&base, &merged, &RepoPath::root()).unwrap().len(), 1);
        assert!(reader.is_ancestor(&head, &merged).unwrap());
    }

    #[test]
    fn the_tree_is_the_one_that_git_would_make() {
        let story = Story::new();
        story.branch("topic");
        story.world.git(&["checkout", "-q", "topic"]);
        story.world.git(&["mv", "env/a.yaml", "env/renamed.yaml"]);
        let head = story.on("topic", "env/new/b.yaml", "new\n");
        let base = story.on("main", "env/a.yaml", "one\ntwo\nthree\nfour\nfive\nsix\n");
        let merged = story.merged(&base, &head);
        assert_eq!(story.text(&merged, "env/renamed.yaml"), "one\ntwo\nthree\nfour\nfive\nsix\n");
        let dir = story.mirror.merges_dir().display().to_string();
        let ours = story.world.git(&["-C", &dir, "rev-parse", &format!("{merged}^{{tree}}")]);
        let theirs = story.world.git(&["merge-tree", "--write-tree", &base.to_string(), &head.to_string()]);
        assert_eq!(ours, theirs);
        assert_eq!(story.world.git(&["-C", &dir, "fsck", "--full", "--strict"]), "");
    }

    #[test]
    fn nothing_is_made_when_one_side_has_the_other() {
        let story = Story::new();
        story.branch("topic");
        let base = story.world.git(&["rev-parse", "main"]).parse().unwrap();
        let head = story.on("topic", "env/b.yaml", "x\n");
        assert_eq!(story.merged(&base, &head), head, "the head is ahead of the base");
        assert_eq!(story.merged(&head, &base), head, "the head is merged already");
        assert_eq!(story.merged(&head, &head), head);
        let unknown = "1".repeat(40).parse().unwrap();
        for (base, head) in [(unknown, head), (head, unknown)] {
            let error = story.mirror.merge(1, &base, &head).unwrap_err();
            assert!(matches!(error, GitError::UnknownCommit { .. }), "{error}");
        }
    }

    #[test]
    fn conflicts_are_named_up_to_a_number() {
        let story = Story::new();
        story.branch("topic");
        let file = |index| format!("env/f{index:02}.yaml");
        for (branch, text) in [("main", "ours"), ("topic", "theirs")] {
            story.world.git(&["checkout", "-q", branch]);
            (0..60).for_each(|index| story.world.write(&file(index), text));
            story.on(branch, "env/a.yaml", text);
        }
        let id = |branch| story.world.git(&["rev-parse", branch]).parse().unwrap();
        let merge = story.mirror.merge(1, &id("main"), &id("topic")).unwrap();
        let Merge::Conflicts { paths, more } = merge else { panic!("{merge:?}") };
        assert_eq!((paths[0].as_str(), paths.len(), more), ("env/a.yaml", 50, 11));
    }

    #[test]
    fn a_criss_cross_history_is_merged() {
        let story = Story::new();
        story.branch("topic");
        let main = story.on("main", "env/a.yaml", "ONE\ntwo\nthree\nfour\nfive\n");
        let topic = story.on("topic", "env/a.yaml", "one\ntwo\nthree\nfour\nFIVE\n");
        for (branch, other) in [("main", topic), ("topic", main)] {
            story.world.git(&["checkout", "-q", branch]);
            story.world.git(&["merge", "-q", "-m", "crossing", &other.to_string()]);
        }
        let base = story.on("main", "env/a.yaml", "ONE\ntwo\nthree\nfour\nFIVE\nsix\n");
        let head = story.on("topic", "env/a.yaml", "zero\nONE\ntwo\nthree\nfour\nFIVE\n");
        let reader = story.mirror.reader().unwrap();
        assert!(!reader.is_ancestor(&base, &head).unwrap());
        let merged = story.merged(&base, &head);
        assert_eq!(story.text(&merged, "env/a.yaml"), "zero\nONE\ntwo\nthree\nfour\nFIVE\nsix\n");
    }

    #[test]
    fn a_large_file_that_both_changed_is_a_limit_and_otherwise_no_matter() {
        let story = Story::new();
        story.branch("topic");
        let large = |with: &str| format!("{with}{}", "x".repeat(MAX_MERGED_FILE_BYTES));
        let head = story.on("topic", "model.bin", &large("b"));
        let base = story.on("main", "env/b.yaml", "b\n");
        story.merged(&base, &head);
        let base = story.on("main", "model.bin", &large("a"));
        let error = story.mirror.merge(1, &base, &head).unwrap_err();
        assert!(error.to_string().contains("model.bin, which both sides changed"), "{error}");
    }
}
