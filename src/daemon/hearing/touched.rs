//! Which environments a new head touches, at a cost that follows the size of the change.
//!
//! Two commits are compared tree by tree (equal subtrees are skipped); a changed environment file
//! touches its environment, a changed `defaults` file those below it. Only touched definitions are
//! read, one at a time: of each only its name and its digest are kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::unheeded::Ignored;
use crate::attempt::source::{Miscased, environment_files, is_environment, load_at, miscased};
use crate::daemon::telling::nameless::hidden_name;
use crate::definitions::{InputDigest, Role, Touched, misnamed, overlooked, role, touched_by};
use crate::git::{self, CommitId, GitError, Lasting, Reader, RepoPath, Snapshot};
use crate::resources::EnvironmentName;

/// What a head touches.
#[derive(Debug, PartialEq)]
pub(in crate::daemon) struct Found {
    /// The environments.
    pub(in crate::daemon) candidates: Vec<Candidate>,
    /// Names that were given up with `renamed_from`, and the files of those that have others now: whoever had them
    /// is not gone.
    pub(in crate::daemon) former_names: BTreeMap<EnvironmentName, String>,
    /// What was looked through.
    pub(in crate::daemon) extent: Extent,
    /// New or changed files that are ignored, although they could have been meant as definitions.
    pub(in crate::daemon) overlooked: Ignored,
}

/// Most environments that one head may touch. Each is read, has its work and its place in the status; a
/// repository of definitions has a dozen to a thousand of them.
pub(in crate::daemon) const MAX_ENVIRONMENTS: usize = 5_000;

/// What was looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Extent {
    /// What differs from an earlier commit.
    Change,
    /// The whole definitions folder, because there is no earlier commit to compare with.
    Everything,
}

/// An environment that a head touches.
#[derive(Debug, PartialEq)]
pub(in crate::daemon) struct Candidate {
    /// Its name.
    pub(in crate::daemon) name: EnvironmentName,
    /// Its file.
    pub(in crate::daemon) path: String,
    /// Digest of what the new head has there; `None` when the file is gone, or is another environment's.
    pub(in crate::daemon) digest: Option<InputDigest>,
}

/// Everything that differs between `from` and `to`; everything at all without a `from`, or with one that
/// cannot be read. A file that is too broken to say its name keeps the name that it had at `from`: a slip
/// of the pen must not look like a removal. Blocking.
///
/// # Errors
/// [`GitError::NoFolder`] when something else stands in the place of the definitions folder: nobody removes all
/// environments that way. [`GitError::OtherCasing`] when it differs in casing only. [`GitError::Limit`] above [`MAX_ENVIRONMENTS`], before any definition is read.
pub(in crate::daemon) fn touched(
    reader: &Reader,
    from: Option<&CommitId>,
    to: &CommitId,
    root: &RepoPath,
) -> Result<Found, GitError> {
    let ends = Ends::of(reader, from, to)?;
    check_root(reader, to, root)?;
    let miscased = miscased(reader, to, root)?;
    let (files, ends) = match ends.from.as_ref().map(|from| changed_files(reader, from, &ends.to, root)) {
        Some(Ok(files)) => (files, ends),
        // What is wrong with the former commit must not be held against the one that may mend it.
        Some(Err(error)) if is_about_commits(&error) => {
            (all_files(reader, to, root)?, Ends { from: None, ..ends })
        }
        Some(Err(error)) => return Err(error),
        None => (all_files(reader, to, root)?, ends),
    };
    check_number(&files)?;
    let extent = if ends.from.is_some() { Extent::Change } else { Extent::Everything };
    let Files { present, before, mut overlooked } = files;
    let known =
        ends.from.as_ref().map(|(from, _)| reader.namesakes(from, root)).transpose()?.unwrap_or_default();
    let is_new = |one: &Miscased| known.iter().all(|known| (&known.path, &known.id) != (&one.path, &one.id));
    miscased.into_iter().filter(is_new).for_each(|one| overlooked.push_folder(one));
    let mut found = Found { candidates: Vec::new(), former_names: BTreeMap::new(), extent, overlooked };
    for path in present {
        let Some(definition) = load_at(&ends.to.1, root, &path)? else { continue };
        let name = match (definition.loaded.name, &ends.from) {
            (None, Some(from)) => name_at(&from.1, root, &path)?,
            (name, _) => name,
        };
        let name = match name {
            Some(name) => name,
            None => name_of_file(&ends.to.1, root, &path)?,
        };
        let renamed_from = definition.loaded.environment.and_then(|environment| environment.renamed_from);
        found.former_names.extend(renamed_from.map(|former| (former, path.clone())));
        found.candidates.push(Candidate { name, path, digest: Some(definition.digest) });
    }
    if let Some(from) = &ends.from {
        found.gone(&from.1, root, before)?;
    }
    Ok(found)
}

/// The two commits that are compared.
struct Ends<'r> {
    /// `None` when there is none that is known.
    from: Option<(CommitId, Snapshot<'r>)>,
    to: (CommitId, Snapshot<'r>),
}

impl<'r> Ends<'r> {
    fn of(reader: &'r Reader, from: Option<&CommitId>, to: &CommitId) -> Result<Self, GitError> {
        // One that was forced away and is gone is as none.
        let from = from.and_then(|from| Some((*from, reader.snapshot(from).ok()?)));
        Ok(Self { from, to: (*to, reader.snapshot(to)?) })
    }
}

/// Whether an error is one of what was committed, and not of the way to it.
fn is_about_commits(error: &GitError) -> bool {
    match error.lasting() {
        Lasting::OfTheCommit => true,
        Lasting::Passing => matches!(error, GitError::Damaged { .. }),
    }
}

impl Found {
    /// Adds the environments of `paths` at `from` that have no file any more. One whose file moved, or
    /// that was renamed, is not gone.
    fn gone(
        &mut self,
        from: &Snapshot<'_>,
        root: &RepoPath,
        paths: BTreeSet<String>,
    ) -> Result<(), GitError> {
        let present: BTreeSet<EnvironmentName> = self.candidates.iter().map(|one| one.name.clone()).collect();
        for path in paths {
            let name = match name_at(from, root, &path)? {
                Some(name) => name,
                None => name_of_file(from, root, &path)?,
            };
            if !present.contains(&name) && !self.former_names.contains_key(&name) {
                self.candidates.push(Candidate { name, path, digest: None });
            }
        }
        Ok(())
    }
}

/// The files that a head may touch an environment with.
#[derive(Default)]
struct Files {
    /// Environment files that are there.
    present: BTreeSet<String>,
    /// Those that were changed or removed.
    before: BTreeSet<String>,
    /// What is new or changed and is not read, although it could have been meant.
    overlooked: Ignored,
}

fn check_root(reader: &Reader, to: &CommitId, root: &RepoPath) -> Result<(), GitError> {
    match reader.obstacle(to, root.as_str())? {
        Some((path, kind)) => Err(GitError::NoFolder { path, kind, root: root.to_string() }),
        None => Ok(()),
    }
}

fn check_number(files: &Files) -> Result<(), GitError> {
    let number = files.present.union(&files.before).count();
    if number > MAX_ENVIRONMENTS {
        let what = format!("the number of environments that it touches ({number})");
        return Err(GitError::Limit { what, limit: format!("{MAX_ENVIRONMENTS} environments") });
    }
    Ok(())
}

fn all_files(reader: &Reader, to: &CommitId, root: &RepoPath) -> Result<Files, GitError> {
    let mut files = Files::default();
    // What is ignored is counted here, not listed: there may be more of it than a listing may have.
    let ignored = RefCell::new(Ignored::default());
    let is_ignored = |path: &str| overlooked(path, root.as_str()).is_some();
    let note = |path: &str| {
        if is_ignored(path) {
            ignored.borrow_mut().push(path.to_owned());
        }
        false
    };
    for entry in reader.tree_with(to, root, &note)? {
        if is_environment(&entry.path, entry.kind, root) {
            files.present.insert(entry.path);
        } else {
            note(&entry.path);
        }
    }
    files.overlooked = ignored.into_inner().in_order();
    Ok(files)
}

/// Environment files that are there, and those that were changed or removed.
fn changed_files(
    reader: &Reader,
    (from, _): &(CommitId, Snapshot<'_>),
    (to, snapshot): &(CommitId, Snapshot<'_>),
    root: &RepoPath,
) -> Result<Files, GitError> {
    let mut files = Files::default();
    for change in reader.changes(from, to, root)? {
        match touched_by(&change.path, root.as_str()) {
            Touched::Environment(path) => {
                if change.before.is_some() {
                    files.before.insert(path.clone());
                }
                // What a link or a submodule hides now is not gone.
                let is_hidden = matches!(snapshot.at(&path)?, Some(git::Found::Obstacle { .. }));
                if change.after.is_some() || is_hidden {
                    files.present.insert(path);
                }
            }
            Touched::Below(folder) => {
                if let Ok(folder) = folder.parse::<RepoPath>() {
                    files.present.extend(environment_files(reader, to, &folder, root)?);
                }
            }
            Touched::Nothing if change.after.is_none() => {}
            Touched::Nothing if is_environment(&change.path, change.kind, root) => {
                files.present.insert(change.path);
            }
            Touched::Nothing => {
                if overlooked(&change.path, root.as_str()).is_some() {
                    files.overlooked.push(change.path);
                }
            }
        }
    }
    Ok(files)
}

fn name_at(
    snapshot: &Snapshot<'_>,
    root: &RepoPath,
    path: &str,
) -> Result<Option<EnvironmentName>, GitError> {
    Ok(load_at(snapshot, root, path)?.and_then(|definition| definition.loaded.name))
}

/// What a file is called that does not say it itself: by its stem; where nobody may be called so, or where
/// a file with the same stem and a right name is there too, by a name that nobody else has.
fn name_of_file(snapshot: &Snapshot<'_>, root: &RepoPath, path: &str) -> Result<EnvironmentName, GitError> {
    let Role::Environment { stem } = role(path, root.as_str()) else { return Ok(hidden_name(path)) };
    let Ok(name) = stem.parse::<EnvironmentName>() else { return Ok(hidden_name(path)) };
    if misnamed(path).is_none() {
        return Ok(name);
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for extension in ["yaml", "yml", "toml"] {
        let right = format!("{folder}/{stem}.{extension}");
        if snapshot.at(right.trim_start_matches('/'))?.is_some() {
            return Ok(hidden_name(path));
        }
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::hearing::unheeded::Unheeded;
    use crate::git::fixture::{Fixture, objects_read};

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
    fn every_file_that_could_be_a_definition_is_a_candidate_or_named() {
        let mut story = Story::new(&[("a.yaml", "beamline: 1\n"), ("b.yaml", "beamline: 1\n")]);
        let before = story.head;
        story.repository.git(&["mv", "environments/b.yaml", "environments/b.YAML"]);
        let files = [
            ("Prod West.yaml", "beamline: 1\n"),
            ("eu/Prod West.yaml", "beamline: 1\n"),
            ("Named Well.yaml", "beamline: 1\nname: west\n"),
            ("a.TOML", "beamline = 1\n"),
            ("defaults.YML", "x: 1\n"),
            ("empty.yaml", ""),
            ("old.yaml~", "beamline: 1\n"),
            (".#b.yaml", "beamline: 1\n"),
            ("_draft.yaml", "beamline: 1\n"),
            ("README.md", "text"),
        ];
        story.commit(&files);
        let root = "environments".parse().unwrap();
        let expected = [
            "+west Named Well.yaml",
            "+unreadable-Prod-West-18df Prod West.yaml",
            "+unreadable-a-f00d a.TOML",
            "+b b.YAML",
            "+unreadable-defaults defaults.YML",
            "+empty empty.yaml",
            "+unreadable-Prod-West-eeee eu/Prod West.yaml",
        ];
        let touched = story.touched(Some(&before));
        let cut = |line: &str| line.split_once(' ').unwrap().1.to_owned();
        assert_eq!(
            touched.iter().map(|line| cut(line)).collect::<Vec<_>>(),
            expected.map(cut),
            "{touched:?}"
        );
        let names: BTreeSet<&str> = touched.iter().map(|line| line.split_once(' ').unwrap().0).collect();
        assert_eq!(names.len(), expected.len(), "each has a name of its own: {touched:?}");
        assert!(names.contains("+west") && names.contains("+b") && names.contains("+empty"), "{names:?}");
        assert!(!names.contains("+a"), "a.yaml is not harmed by a.TOML: {names:?}");
        let found = super::touched(&story.repository.reader(), Some(&before), &story.head, &root).unwrap();
        let ignored = |found: &super::Found| {
            let unheeded = Unheeded { files: found.overlooked.clone(), ..Unheeded::default() };
            unheeded.sentences().unwrap_or_default()
        };
        assert_eq!(ignored(&found), "Ignored by their names: environments/.#b.yaml, environments/old.yaml~");
        let first = super::touched(&story.repository.reader(), None, &story.head, &root).unwrap();
        assert_eq!(ignored(&first), ignored(&found), "the first head has no change to find them in");
    }

    /// What a head touches and what it names, or why it is refused.
    fn told(story: &Story, from: Option<&CommitId>) -> String {
        let root = "environments".parse().unwrap();
        match super::touched(&story.repository.reader(), from, &story.head, &root) {
            Ok(found) => {
                let unheeded = Unheeded { files: found.overlooked, ..Unheeded::default() };
                format!("{}; {}", found.candidates.len(), unheeded.sentences().unwrap_or_default())
            }
            Err(error) => format!("{:?}: {error}", error.lasting()),
        }
    }

    #[test]
    fn a_folder_of_definitions_in_another_casing_is_named_with_the_command_that_renames_it() {
        let mut story = Story::new(&[("a.yaml", "x: 1")]);
        let before = story.head;
        story.repository.git(&["mv", "environments", "Environments"]);
        story.head = story.repository.commit("README", "renamed", "renamed");
        let refused = "OfTheCommit: Environments is not read, only environments: git mv Environments \
                       environments.new && git mv environments.new environments";
        assert_eq!(told(&story, Some(&before)), refused, "nothing counts as removed");
        assert_eq!(told(&story, None), refused);
        story.commit(&[("b.yaml", "x: 1")]);
        let both = "1; Not read for its casing: Environments: git mv Environments/* environments/";
        assert_eq!(told(&story, None), both);
        let before = story.head;
        story.commit(&[("b.yaml", "x: 2")]);
        assert_eq!(told(&story, Some(&before)), "1; ", "what did not change was named before");
        let before = story.head;
        story.head = story.repository.commit("Environments/c.yaml", "x: 1", "one more");
        assert_eq!(told(&story, Some(&before)), both.replace("1;", "0;"));
    }

    #[test]
    fn a_link_in_another_casing_is_named_and_what_holds_no_definition_is_not() {
        let mut story = Story::new(&[("a.yaml", "x: 1")]);
        story.head = story.repository.commit("ENVIRONMENTS/README.md", "text", "a text");
        story.head = story.repository.commit("Environments", "text", "a file");
        assert_eq!(told(&story, None), "1; ");
        let blob = story.repository.blob("elsewhere");
        let entry = format!("120000,{blob},Environments");
        story.repository.git(&["update-index", "--add", "--replace", "--cacheinfo", &entry]);
        story.repository.git(&["commit", "-q", "-m", "linked"]);
        story.head = story.repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
        assert_eq!(
            told(&story, None),
            "1; Not read for its casing: Environments: it is a symbolic link; environments is the folder of the \
             definitions"
        );
        story.repository.git(&["rm", "-q", "-r", "--cached", "environments"]);
        story.repository.git(&["commit", "-q", "-m", "without"]);
        story.head = story.repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
        assert!(
            told(&story, None).starts_with("OfTheCommit: Environments is a symbolic link, and environments")
        );
    }

    #[test]
    fn a_head_of_very_many_environments_is_a_limit_before_any_is_read() {
        let story = Story::new(&[("a.yaml", "x: 1")]);
        let file = |index| (format!("environments/e{index}.yaml"), String::new());
        let many = story.repository.import((0..MAX_ENVIRONMENTS + 1).map(file));
        let root = "environments".parse().unwrap();
        let reader = story.repository.reader();
        for from in [None, Some(&story.head)] {
            let error = touched(&reader, from, &many, &root).unwrap_err();
            assert_eq!(error.lasting(), Lasting::OfTheCommit);
            assert!(error.to_string().contains("is over the limit of 5000 environments"), "{error}");
        }
        let data = |index| (format!("environments/data/e{index}.csv"), String::new());
        let story = Story::new(&[("a.yaml", "x: 1")]);
        let many = story.repository.import((0..2 * MAX_ENVIRONMENTS).map(data));
        let reader = story.repository.reader();
        assert!(touched(&reader, Some(&story.head), &many, &root).unwrap().candidates.is_empty());
    }

    /// What is read to find what a commit touches that changes `data` files and `environments` definitions in
    /// each of 20 folders.
    fn objects_of_change(data: usize, environments: usize) -> usize {
        let repository = Fixture::new();
        let change = |text: &str| {
            let file = |folder, name: String| (format!("environments/f{folder}/{name}"), text.to_owned());
            let of_folder = |folder: usize| {
                let data = (0..data).map(move |index| format!("d{index}.csv"));
                let names = data.chain((0..environments).map(move |index| format!("e{folder}x{index}.yaml")));
                names.map(move |name| file(folder, name)).collect::<Vec<_>>()
            };
            repository.import((0..20).flat_map(of_folder))
        };
        let (from, to) = (change("x: 1"), change("x: 2"));
        let (reader, root) = (repository.reader(), "environments".parse().unwrap());
        objects_read(|| {
            let found = touched(&reader, Some(&from), &to, &root).unwrap();
            assert_eq!(found.candidates.len(), 20 * environments);
        })
    }

    #[test]
    fn what_twenty_thousand_files_touch_is_found_by_one_walk_of_two_trees() {
        let few = objects_of_change(1, 1);
        assert_eq!(objects_of_change(1000, 1), few, "what is no definition is not read");
        // Of each commit the root, the folder and the 20 below it, for the walk and for what it finds; of each
        // environment the file at both commits.
        assert!(few <= 2 * (2 * 22 + 2 * 20), "{few} objects for 20 environments");
        let [one, two, three] = [10, 20, 30].map(|environments| objects_of_change(1, environments));
        assert_eq!(three - two, two - one, "as many objects for each further environment");
        assert!(two - one <= 200 * 4, "{} objects for 200 environments", two - one);
    }

    #[test]
    fn what_is_wrong_with_the_former_commit_is_not_held_against_the_one_that_mends_it() {
        let mut story = Story::new(&[("a.yaml", "x: 1")]);
        let before = story.head;
        story.commit(&[(&format!("{}b.yaml", "d/".repeat(40)), "x: 1")]);
        let root = "environments".parse().unwrap();
        let error = touched(&story.repository.reader(), Some(&before), &story.head, &root).unwrap_err();
        assert_eq!(error.lasting(), Lasting::OfTheCommit, "{error}");
        let deep = story.head;
        story.repository.git(&["rm", "-q", "-r", "environments/d"]);
        story.commit(&[("a.yaml", "x: 2")]);
        assert_eq!(story.touched(Some(&deep)), ["+a a.yaml"]);
    }

    #[test]
    fn a_file_that_is_too_broken_to_say_its_name_keeps_it() {
        let mut story = Story::new(&[("a.yaml", "beamline: 1\nname: one\n")]);
        let before = story.head;
        story.commit(&[("a.yaml", "{ not closed\n")]);
        assert_eq!(story.touched(Some(&before)), ["+one a.yaml"]);
    }
}
