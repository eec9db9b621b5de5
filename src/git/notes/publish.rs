//! Writing notes into the remote: fetch, merge, push, and again when somebody else was faster.
//!
//! Guarantees: nobody's note is lost, whoever else writes; what is already there is not written again;
//! tries are bounded. A local remote is written to directly, with a compare-and-swap of the reference,
//! because libgit2 pushes neither atomically to a path nor at all to a repository with a working folder.

use std::collections::BTreeMap;
use std::time::Duration;

use git2::{ErrorCode, Oid, PushOptions, RemoteCallbacks, Repository, Signature};
use jiff::Timestamp;

use super::{text, tree};
use crate::git::address::Place;
use crate::git::apart::Doubts;
use crate::git::download::{Wanted, download, exchange, open_remote};
use crate::git::error::GitError;
use crate::git::failure::{Rejection, printable, rejection};
use crate::git::id::CommitId;
use crate::git::mirror::Mirror;
use crate::git::reader::wrap;

/// The reference that holds our notes.
pub(in crate::git) const NOTES_REF: &str = "refs/notes/beamline";

/// How often a lost race is run again, and how long the first pause is; it doubles each time.
const MAX_TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// How many lines one call may write.
const MAX_LINES: usize = 1000;

/// The largest note that is read, in bytes.
const MAX_NOTE_BYTES: usize = 256 * 1024;

/// The lines to write, by commit: context and line.
type Updates<'a> = BTreeMap<CommitId, Vec<(&'a str, &'a str)>>;

/// What became of one try.
enum Attempt {
    Done,
    /// Somebody else was faster, or has the reference locked; what was said.
    Overtaken(String),
}

impl Mirror {
    /// Writes status lines into the notes of the remote: `(commit, context, line)`, where the line is
    /// `<context>: <state>: <description>` and takes the place of the context's earlier line. The
    /// commits need not be in the mirror. `now` is the time of the notes commit.
    ///
    /// # Errors
    /// [`GitError::Rejected`] when the remote does not take them, [`GitError::Contended`] when others
    /// kept being faster, [`GitError::NoteLine`] for a line of another context, and what can happen to
    /// a fetch.
    pub fn append_notes(&self, notes: &[(CommitId, String, String)], now: Timestamp) -> Result<(), GitError> {
        let updates = checked(notes)?;
        if updates.is_empty() {
            return Ok(());
        }
        let _exchange = self.exchange();
        let (mut pause, mut said) = (FIRST_PAUSE, String::new());
        self.unlock()?;
        for _ in 0..MAX_TRIES {
            match self.try_append(&updates, now)? {
                Attempt::Done => return Ok(()),
                Attempt::Overtaken(why) => {
                    said = why;
                    std::thread::sleep(pause);
                }
            }
            pause *= 2;
        }
        let (remote, reference) = (self.address.shown.clone(), NOTES_REF.to_owned());
        Err(GitError::Contended { remote, reference, tries: MAX_TRIES, said })
    }

    /// The note of a commit, as of the last [`Mirror::append_notes`] of this mirror.
    ///
    /// # Errors
    /// [`GitError::Repository`] when the mirror is damaged.
    pub fn notes(&self, commit: &CommitId) -> Result<Option<String>, GitError> {
        let repository = self.repository()?;
        let read = || {
            let base = match repository.refname_to_id(NOTES_REF) {
                Ok(base) => base,
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            note(&repository, &repository.find_commit(base)?.tree()?, commit)
        };
        read().map_err(|error| wrap(&self.dir, error))
    }

    fn try_append(&self, updates: &Updates<'_>, now: Timestamp) -> Result<Attempt, GitError> {
        let mirror = self.repository()?;
        let base = self.fetch_notes(&mirror)?;
        match &self.address.place {
            Place::Local(path) => {
                let remote = open_remote(&self.address, path)?;
                let failed = |error| wrap(path, error);
                let Some(new) = commit_notes(&remote, base, updates, now).map_err(failed)? else {
                    return Ok(Attempt::Done);
                };
                let swapped = swap(&remote, base, new).map_err(failed)?;
                self.fetch_notes(&mirror)?;
                Ok(swapped)
            }
            Place::Http(_) | Place::Ssh(_) => {
                let failed = |error| wrap(&self.dir, error);
                let Some(new) = commit_notes(&mirror, base, updates, now).map_err(failed)? else {
                    return Ok(Attempt::Done);
                };
                let pushed = self.push(&mirror, new)?;
                if matches!(pushed, Attempt::Done) {
                    mirror.reference(NOTES_REF, new, true, "notes").map_err(failed)?;
                }
                Ok(pushed)
            }
        }
    }

    /// Brings the remote's notes into the mirror; `None` when it has none.
    fn fetch_notes(&self, mirror: &Repository) -> Result<Option<Oid>, GitError> {
        let failed = |error| wrap(&self.dir, error);
        let none = &mut Doubts::default();
        let found = download(mirror, &self.address, Wanted::Notes, Some(NOTES_REF), none)?;
        if let Some((_, error)) = found.lost.into_iter().next() {
            return Err(error);
        }
        match found.tips.first() {
            Some((_, tip)) => {
                mirror.reference(NOTES_REF, *tip, true, "fetch").map_err(failed)?;
                Ok(Some(*tip))
            }
            None => {
                if let Ok(mut stale) = mirror.find_reference(NOTES_REF) {
                    stale.delete().map_err(failed)?;
                }
                Ok(None)
            }
        }
    }

    fn push(&self, mirror: &Repository, new: Oid) -> Result<Attempt, GitError> {
        let mut refused = None;
        let pushed = exchange(&self.address, || {
            let mut callbacks = RemoteCallbacks::new();
            callbacks.push_update_reference(|_, reason| {
                refused = reason.map(printable);
                Ok(())
            });
            let mut options = PushOptions::new();
            options.remote_callbacks(callbacks);
            let mut remote = mirror.remote_anonymous(&self.address.url())?;
            match remote.push(&[format!("{new}:{NOTES_REF}")], Some(&mut options)) {
                Err(error) if error.code() == ErrorCode::NotFastForward => {
                    Ok(Attempt::Overtaken(printable(error.message())))
                }
                other => other.map(|()| Attempt::Done),
            }
        })?;
        match refused {
            None => Ok(pushed),
            Some(reason) => match rejection(&reason) {
                Rejection::Overtaken => Ok(Attempt::Overtaken(reason)),
                Rejection::Forbidden => {
                    let (remote, reference) = (self.address.shown.clone(), NOTES_REF.to_owned());
                    Err(GitError::Rejected { remote, reference, reason })
                }
            },
        }
    }
}

fn checked(notes: &[(CommitId, String, String)]) -> Result<Updates<'_>, GitError> {
    if notes.len() > MAX_LINES {
        let what = format!("the number of note lines ({})", notes.len());
        return Err(GitError::Limit { what, limit: format!("{MAX_LINES} lines") });
    }
    let mut updates = Updates::new();
    for (commit, context, line) in notes {
        let fits = line.strip_prefix(context.as_str()).is_some_and(|rest| rest.starts_with(':'));
        if !fits || line.contains(char::is_control) {
            return Err(GitError::NoteLine { context: context.clone(), line: line.clone() });
        }
        updates.entry(*commit).or_default().push((context, line));
    }
    Ok(updates)
}

/// A notes commit on top of `base`; `None` when everything is there already.
fn commit_notes(
    repository: &Repository,
    base: Option<Oid>,
    updates: &Updates<'_>,
    now: Timestamp,
) -> Result<Option<Oid>, git2::Error> {
    let parent = base.map(|base| repository.find_commit(base)).transpose()?;
    let old = parent.as_ref().map(git2::Commit::tree).transpose()?;
    let mut new = old.clone();
    for (commit, lines) in updates {
        let existing = match &new {
            Some(tree) => note(repository, tree, commit)?.unwrap_or_default(),
            None => String::new(),
        };
        let merged = text::merged(&existing, lines);
        if merged != existing {
            let blob = repository.blob(merged.as_bytes())?;
            let id = tree::with_note(repository, new.as_ref(), &commit.to_string(), blob)?;
            new = Some(repository.find_tree(id)?);
        }
    }
    match new {
        Some(tree) if old.as_ref().map(git2::Tree::id) != Some(tree.id()) => {
            let who = Signature::new("beamline", "beamline@localhost", &git2::Time::new(now.as_second(), 0))?;
            let parents: Vec<_> = parent.iter().collect();
            repository.commit(None, &who, &who, "Notes added by beamline\n", &tree, &parents).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

fn note(
    repository: &Repository,
    tree: &git2::Tree<'_>,
    commit: &CommitId,
) -> Result<Option<String>, git2::Error> {
    let Some(id) = tree::find(repository, tree, &commit.to_string())? else { return Ok(None) };
    if repository.odb()?.read_header(id)?.0 > MAX_NOTE_BYTES {
        return Err(git2::Error::from_str(&format!("the note of {commit} is over {MAX_NOTE_BYTES} bytes")));
    }
    Ok(Some(String::from_utf8_lossy(repository.find_blob(id)?.content()).into_owned()))
}

/// Moves the reference from `base` to `new`, unless it is no longer at `base`.
fn swap(remote: &Repository, base: Option<Oid>, new: Oid) -> Result<Attempt, git2::Error> {
    // libgit2 takes the zero id for "must not exist yet".
    let expected = base.unwrap_or(Oid::ZERO_SHA1);
    match remote.reference_matching(NOTES_REF, new, true, expected, "beamline") {
        Ok(_) => Ok(Attempt::Done),
        Err(error) => {
            let code = error.code();
            let lost = [ErrorCode::Modified, ErrorCode::Exists, ErrorCode::Locked, ErrorCode::NotFound];
            if lost.contains(&code) { Ok(Attempt::Overtaken(printable(error.message()))) } else { Err(error) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Fixture;

    fn line(commit: CommitId, context: &str, rest: &str) -> (CommitId, String, String) {
        (commit, context.to_owned(), format!("{context}: {rest}"))
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn git_log_shows_the_statuses() {
        let world = Fixture::new();
        let first = world.push("a.yaml", "1");
        let second = world.push("a.yaml", "2");
        let mirror = world.mirror();
        let all = [
            line(second, "beamline/apply: production", "pending: started"),
            line(second, "beamline/apply", "pending: 1 environment"),
            line(first, "beamline/apply", "success: nothing to do"),
        ];
        mirror.append_notes(&all, now()).unwrap();
        mirror
            .append_notes(&[line(second, "beamline/apply: production", "success: 22 created")], now())
            .unwrap();
        let origin = world.origin.display().to_string();
        let log = world.git(&["-C", &origin, "log", "--notes=beamline", "--format=%N", "main"]);
        assert_eq!(
            log.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>(),
            [
                "beamline/apply: pending: 1 environment",
                "beamline/apply: production: success: 22 created",
                "beamline/apply: success: nothing to do",
            ]
        );
        assert!(mirror.notes(&second).unwrap().unwrap().contains("22 created"));
        assert_eq!(mirror.notes(&"1".repeat(40).parse().unwrap()).unwrap(), None);
        let who = world.git(&["-C", &origin, "log", "-1", "--format=%cn <%ce> %ct", "refs/notes/beamline"]);
        assert_eq!(who, "beamline <beamline@localhost> 1767323045");
        assert_eq!(mirror.fetch(&crate::git::NO_PULLS).unwrap().branches.len(), 1, "notes are no branch");
    }

    #[test]
    fn writing_the_same_again_writes_nothing() {
        let world = Fixture::new();
        let commit = world.push("a.yaml", "1");
        let mirror = world.mirror();
        let note = [line(commit, "beamline/apply", "success: done")];
        mirror.append_notes(&note, now()).unwrap();
        mirror.append_notes(&note, now()).unwrap();
        let origin = world.origin.display().to_string();
        assert_eq!(world.git(&["-C", &origin, "rev-list", "--count", "refs/notes/beamline"]), "1");
        assert_eq!(world.git(&["-C", &origin, "fsck", "--strict"]), "");
    }

    #[test]
    fn notes_that_git_wrote_are_kept_whatever_their_layout() {
        let world = Fixture::new();
        let commit = world.push("a.yaml", "1");
        let origin = world.origin.display().to_string();
        let id = commit.to_string();
        world.git(&["-C", &origin, "notes", "--ref=beamline", "add", "-m", "by hand", &id]);
        let mirror = world.mirror();
        mirror.append_notes(&[line(commit, "beamline/apply", "success: done")], now()).unwrap();
        let expected = "beamline/apply: success: done\nby hand";
        assert_eq!(world.git(&["-C", &origin, "notes", "--ref=beamline", "show", &id]), expected);
        world.git(&["-C", &origin, "notes", "--ref=beamline", "append", "-m", "more", &id]);
        mirror.append_notes(&[line(commit, "beamline/apply", "failure: no")], now()).unwrap();
        let shown = world.git(&["-C", &origin, "notes", "--ref=beamline", "show", &id]);
        assert!(
            shown.contains("more") && shown.contains("failure: no") && !shown.contains("done"),
            "{shown}"
        );
    }

    #[test]
    fn two_writers_lose_nothing() {
        let world = Fixture::new();
        let commit = world.push("a.yaml", "1");
        let mirrors = [world.mirror_named("one"), world.mirror_named("two")];
        std::thread::scope(|scope| {
            for (writer, mirror) in mirrors.iter().enumerate() {
                scope.spawn(move || {
                    for index in 0..10 {
                        let context = format!("beamline/apply: env-{writer}-{index}");
                        mirror.append_notes(&[line(commit, &context, "success: done")], now()).unwrap();
                    }
                });
            }
        });
        let origin = world.origin.display().to_string();
        let shown = world.git(&["-C", &origin, "notes", "--ref=beamline", "show", &commit.to_string()]);
        assert_eq!(shown.lines().count(), 20, "{shown}");
    }

    #[test]
    fn a_repository_with_a_working_folder_takes_notes_too() {
        let world = Fixture::new();
        let commit = world.commit("a.yaml", "1", "first");
        let remote = crate::git::Remote {
            url: world.work.display().to_string(),
            credentials: crate::git::Credentials::None,
            pull_refs: None,
        };
        let mirror = Mirror::open(&world.root().join("m"), remote).unwrap();
        mirror.append_notes(&[line(commit, "beamline/apply", "success: done")], now()).unwrap();
        let shown = world.git(&["notes", "--ref=beamline", "show", &commit.to_string()]);
        assert_eq!(shown, "beamline/apply: success: done");
    }

    #[test]
    fn a_line_of_another_context_is_refused() {
        let world = Fixture::new();
        let commit = world.push("a.yaml", "1");
        for bad in ["other: success", "beamline/apply: a\nb", "beamline/applyx: success"] {
            let note = (commit, "beamline/apply".to_owned(), bad.to_owned());
            let error = world.mirror().append_notes(&[note], now()).unwrap_err();
            assert!(matches!(error, GitError::NoteLine { .. }), "{error}");
        }
    }
}
