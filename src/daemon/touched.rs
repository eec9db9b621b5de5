//! Which environments a new head touches, at a cost that follows the size of the change.
//!
//! Two commits are compared tree by tree (equal subtrees are skipped); a changed environment file
//! touches its environment, a changed `defaults` file those below it. Only touched definitions are
//! read, one at a time: of each only its name and its digest are kept.

use std::collections::BTreeSet;

use crate::daemon::source::{environment_files, is_environment, load_at};
use crate::definitions::{InputDigest, Role, Touched, role, touched_by};
use crate::git::{CommitId, GitError, Reader, RepoPath};
use crate::resources::EnvironmentName;

/// What a head touches.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// The environments.
    pub(super) candidates: Vec<Candidate>,
    /// Names that were given up with `renamed_from`: whoever had them is not gone.
    pub(super) former_names: BTreeSet<EnvironmentName>,
    /// What was looked through.
    pub(super) extent: Extent,
}

/// What was looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What differs from an earlier commit.
    Change,
    /// The whole definitions folder, because there is no earlier commit to compare with.
    Everything,
}

/// An environment that a head touches.
#[derive(Debug, PartialEq)]
pub(super) struct Candidate {
    /// Its name.
    pub(super) name: EnvironmentName,
    /// Its file.
    pub(super) path: String,
    /// Digest of what the new head has there; `None` when the file is gone, or is another environment's.
    pub(super) digest: Option<InputDigest>,
}

/// Everything that differs between `from` and `to`; everything at all without a `from`. A file that is
/// too broken to say its name keeps the name that it had at `from`: a slip of the pen must not look
/// like a removal. Blocking.
pub(super) fn touched(
    reader: &Reader,
    from: Option<&CommitId>,
    to: &CommitId,
    root: &RepoPath,
) -> Result<Found, GitError> {
    let known = from.filter(|from| reader.commit(from).is_ok());
    let extent = if known.is_some() { Extent::Change } else { Extent::Everything };
    let (present, before) = match known {
        Some(from) => changed_files(reader, from, to, root)?,
        None => (environment_files(reader, to, root, root)?.into_iter().collect(), BTreeSet::new()),
    };
    let mut found = Found { candidates: Vec::new(), former_names: BTreeSet::new(), extent };
    for path in present {
        let Some(definition) = load_at(reader, to, root, &path)? else { continue };
        let name = match (definition.loaded.name, known) {
            (None, Some(from)) => name_at(reader, from, root, &path)?,
            (name, _) => name,
        };
        let Some(name) = name.or_else(|| stem_name(&path, root)) else { continue };
        let renamed_from = definition.loaded.environment.and_then(|environment| environment.renamed_from);
        found.former_names.extend(renamed_from);
        found.candidates.push(Candidate { name, path, digest: Some(definition.digest) });
    }
    if let Some(from) = known {
        found.gone(reader, from, root, before)?;
    }
    Ok(found)
}

impl Found {
    /// Adds the environments of `paths` at `from` that have no file any more. One whose file moved, or
    /// that was renamed, is not gone.
    fn gone(
        &mut self,
        reader: &Reader,
        from: &CommitId,
        root: &RepoPath,
        paths: BTreeSet<String>,
    ) -> Result<(), GitError> {
        let present: BTreeSet<EnvironmentName> = self.candidates.iter().map(|one| one.name.clone()).collect();
        for path in paths {
            let name = name_at(reader, from, root, &path)?.or_else(|| stem_name(&path, root));
            let Some(name) = name else { continue };
            if !present.contains(&name) && !self.former_names.contains(&name) {
                self.candidates.push(Candidate { name, path, digest: None });
            }
        }
        Ok(())
    }
}

/// Environment files that are there, and those that were changed or removed.
fn changed_files(
    reader: &Reader,
    from: &CommitId,
    to: &CommitId,
    root: &RepoPath,
) -> Result<(BTreeSet<String>, BTreeSet<String>), GitError> {
    let (mut present, mut before) = (BTreeSet::new(), BTreeSet::new());
    if let Some((path, _)) = reader.obstacle(to, root.as_str())? {
        present.insert(path);
    }
    for change in reader.changes(from, to, root)? {
        match touched_by(&change.path, root.as_str()) {
            Touched::Environment(path) => {
                if change.before.is_some() {
                    before.insert(path.clone());
                }
                // What a link or a submodule hides now is not gone.
                if change.after.is_some() || reader.obstacle(to, &path)?.is_some() {
                    present.insert(path);
                }
            }
            Touched::Below(folder) => {
                if let Ok(folder) = folder.parse::<RepoPath>() {
                    present.extend(environment_files(reader, to, &folder, root)?);
                }
            }
            Touched::Nothing if change.after.is_some() && is_environment(&change.path, change.kind, root) => {
                present.insert(change.path);
            }
            Touched::Nothing => {}
        }
    }
    Ok((present, before))
}

fn name_at(
    reader: &Reader,
    commit: &CommitId,
    root: &RepoPath,
    path: &str,
) -> Result<Option<EnvironmentName>, GitError> {
    Ok(load_at(reader, commit, root, path)?.and_then(|definition| definition.loaded.name))
}

fn stem_name(path: &str, root: &RepoPath) -> Option<EnvironmentName> {
    match role(path, root.as_str()) {
        Role::Environment { stem } => stem.parse().ok(),
        Role::Defaults { .. } => None,
        Role::Other => hidden_name(path),
    }
}

/// A name for what is hidden by a link or submodule at `path`, so that it can be spoken of. Not that of
/// an environment which somebody could have.
fn hidden_name(path: &str) -> Option<EnvironmentName> {
    let segment = path.rsplit('/').next().unwrap_or(path);
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let word: String = segment.chars().map(legal).take(40).collect();
    format!("unreadable-{}", word.trim_matches('-')).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Fixture;

    /// A repository and its head.
    struct Story {
        repository: Fixture,
        head: CommitId,
    }

    impl Story {
        fn new(files: &[(&str, &str)]) -> Self {
            let mut story = Self { repository: Fixture::new(), head: "0".repeat(40).parse().unwrap() };
            story.commit(files);
            story
        }

        fn commit(&mut self, files: &[(&str, &str)]) -> CommitId {
            for (path, text) in files {
                let path = format!("environments/{path}");
                self.head = self.repository.commit(&path, text, "a change");
            }
            self.head
        }

        fn remove(&mut self, path: &str) {
            self.repository.git(&["rm", "-q", &format!("environments/{path}")]);
            self.head = self.repository.commit("README", &format!("without {path}"), "a removal");
        }

        /// Name, file, and whether the file is there.
        fn touched(&self, from: Option<&CommitId>) -> Vec<String> {
            let root = "environments".parse().unwrap();
            let found = touched(&self.repository.reader(), from, &self.head, &root).unwrap();
            let line = |one: &Candidate| {
                let sign = if one.digest.is_some() { "+" } else { "-" };
                format!("{sign}{} {}", one.name, one.path.trim_start_matches("environments/"))
            };
            found.candidates.iter().map(line).collect()
        }
    }

    #[test]
    fn without_an_earlier_commit_everything_is_touched() {
        let story = Story::new(&[("a.yaml", "x: 1"), ("sub/b.toml", "y = 1"), ("defaults.yaml", "z: 1")]);
        assert_eq!(story.touched(None), ["+a a.yaml", "+b sub/b.toml"]);
        let unknown = "1".repeat(40).parse().unwrap();
        assert_eq!(story.touched(Some(&unknown)), ["+a a.yaml", "+b sub/b.toml"]);
    }

    #[test]
    fn a_change_touches_its_environment_and_defaults_those_below() {
        let mut story = Story::new(&[("a.yaml", "x: 1"), ("sub/b.yaml", "y: 1"), ("sub/in/c.yaml", "z: 1")]);
        let before = story.head;
        assert!(story.touched(Some(&before)).is_empty());
        story.commit(&[("a.yaml", "x: 2"), ("notes.md", "text")]);
        assert_eq!(story.touched(Some(&before)), ["+a a.yaml"]);
        let before = story.head;
        story.commit(&[("sub/defaults.toml", "t = 1")]);
        assert_eq!(story.touched(Some(&before)), ["+b sub/b.yaml", "+c sub/in/c.yaml"]);
    }

    #[test]
    fn a_removed_file_is_a_removed_environment_and_a_moved_one_is_not() {
        let named = "beamline: 1\nname: production\n";
        let mut story = Story::new(&[("a.yaml", "x: 1"), ("main.yaml", named)]);
        let before = story.head;
        story.remove("a.yaml");
        assert_eq!(story.touched(Some(&before)), ["-a a.yaml"]);
        let before = story.head;
        story.remove("main.yaml");
        story.commit(&[("moved.yaml", named)]);
        assert_eq!(story.touched(Some(&before)), ["+production moved.yaml"]);
    }

    #[test]
    fn a_file_that_takes_another_name_removes_the_one_it_had() {
        let mut story = Story::new(&[("a.yaml", "beamline: 1\nname: one\n")]);
        let before = story.head;
        story.commit(&[("a.yaml", "beamline: 1\nname: two\n")]);
        assert_eq!(story.touched(Some(&before)), ["+two a.yaml", "-one a.yaml"]);
    }

    #[test]
    fn what_a_link_or_a_submodule_hides_is_not_gone() {
        let named = "beamline: 1\nname: production\n";
        let mut story = Story::new(&[("a.yaml", named), ("eu/b.yaml", "x: 1"), ("us/c.yaml", "x: 1")]);
        let before = story.head;
        let link = |target: &str, path: &str| {
            let blob = story.repository.blob(target);
            let entry = format!("120000,{blob},environments/{path}");
            story.repository.git(&["update-index", "--add", "--replace", "--cacheinfo", &entry]);
        };
        link("b.yaml", "a.yaml");
        link("../elsewhere", "eu");
        let pinned = format!("160000,{},environments/us", "1".repeat(40));
        story.repository.git(&["update-index", "--add", "--replace", "--cacheinfo", &pinned]);
        story.repository.git(&["commit", "-q", "-m", "hidden"]);
        story.head = story.repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
        assert_eq!(
            story.touched(Some(&before)),
            ["+production a.yaml", "+unreadable-eu eu", "+b eu/b.yaml", "+unreadable-us us", "+c us/c.yaml"]
        );
        assert_eq!(story.touched(None), ["+a a.yaml", "+unreadable-eu eu", "+unreadable-us us"]);
    }

    #[test]
    fn a_file_that_is_too_broken_to_say_its_name_keeps_it() {
        let mut story = Story::new(&[("a.yaml", "beamline: 1\nname: one\n")]);
        let before = story.head;
        story.commit(&[("a.yaml", "{ not closed\n")]);
        assert_eq!(story.touched(Some(&before)), ["+one a.yaml"]);
    }
}
