//! A real Git repository: a bare origin and a clone beside it, written to with the git program.

use std::path::{Path, PathBuf};
use std::process::Command;

use beamline::git::CommitId;
use tempfile::TempDir;

/// An origin and a clone in a folder that goes when the test ends.
pub(crate) struct Repository {
    folder: TempDir,
}

impl Repository {
    /// An empty origin whose main branch is `main`.
    pub(crate) fn new() -> Self {
        Self::made_in(tempfile::tempdir().unwrap())
    }

    /// The same in memory, where the machine has files there: for stories of which there are many.
    pub(crate) fn in_memory() -> Self {
        Self::made_in(tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap()))
    }

    fn made_in(folder: TempDir) -> Self {
        let repository = Self { folder };
        repository.git_in(repository.folder.path(), &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        repository.git_in(repository.folder.path(), &["init", "-q", "-b", "main", "clone"]);
        repository.git(&["remote", "add", "origin", "../origin.git"]);
        repository
    }

    /// A folder for whatever else the test keeps.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The origin.
    pub(crate) fn origin(&self) -> PathBuf {
        self.folder.path().join("origin.git")
    }

    /// Writes a file of the clone.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.folder.path().join("clone").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Removes a file of the clone.
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join("clone").join(path)).unwrap();
    }

    /// Puts a symbolic link into the clone.
    pub(crate) fn link(&self, path: &str, target: &str) {
        let link = self.folder.path().join("clone").join(path);
        let _ = std::fs::remove_dir(&link);
        std::os::unix::fs::symlink(target, link).unwrap();
    }

    /// Makes these paths submodules, as far as a commit tells.
    pub(crate) fn pin(&self, one: &str, other: &str) {
        let root = self.folder.path().join("clone");
        for path in [one, other] {
            self.git(&["rm", "-r", "-q", "--cached", "--ignore-unmatch", path]);
            std::fs::create_dir_all(root.join(path)).unwrap();
            self.git(&["init", "-q", "-b", "main", path]);
            self.git(&["-C", path, "commit", "-q", "--allow-empty", "-m", "elsewhere"]);
        }
    }

    /// Takes whatever is at `path` out of the clone.
    pub(crate) fn clear(&self, path: &str) {
        self.git(&["rm", "-r", "-q", "--cached", path]);
        let path = self.folder.path().join("clone").join(path);
        let removed = if path.is_symlink() || path.is_file() {
            std::fs::remove_file(path)
        } else {
            std::fs::remove_dir_all(path)
        };
        removed.unwrap();
    }

    /// Commits everything and answers the commit.
    pub(crate) fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    /// Commits everything, pushes it to `main`, and answers the commit.
    pub(crate) fn push(&self, message: &str) -> CommitId {
        let commit = self.commit(message);
        self.git(&["push", "-q", "--force", "origin", "HEAD:main"]);
        commit
    }

    /// Commits everything on top of what is checked out, pushes it to `branch`, and answers the commit.
    pub(crate) fn push_to(&self, branch: &str, message: &str) -> CommitId {
        let commit = self.commit(message);
        self.git(&["push", "-q", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]);
        commit
    }

    /// A file as the head of the main branch has it.
    pub(crate) fn head_of_main(&self, path: &str) -> Option<String> {
        let shown = self.command(&self.origin(), &["show", &format!("main:{path}")]).output().unwrap();
        shown.status.success().then(|| String::from_utf8(shown.stdout).unwrap())
    }

    /// The note that beamline wrote on `commit`, as git shows it; empty without one.
    pub(crate) fn note(&self, commit: &CommitId) -> String {
        let shown = self
            .command(&self.origin(), &["log", "-1", "--format=%N", "--notes=beamline", &commit.to_string()])
            .output()
            .unwrap();
        String::from_utf8_lossy(&shown.stdout).trim().to_owned()
    }

    /// The note on the head of the main branch.
    pub(crate) fn note_of_main(&self) -> String {
        self.note(
            &self.git(&["ls-remote", "origin", "main"]).split_whitespace().next().unwrap().parse().unwrap(),
        )
    }

    /// Runs git in the clone and answers what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.folder.path().join("clone"), arguments)
    }

    /// Runs git in the origin.
    pub(crate) fn git_of_origin(&self, arguments: &[&str]) -> String {
        self.git_in(&self.origin(), arguments)
    }

    fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.command(folder, arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(folder)
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "author")
            .env("GIT_AUTHOR_EMAIL", "author@localhost")
            .env("GIT_COMMITTER_NAME", "author")
            .env("GIT_COMMITTER_EMAIL", "author@localhost");
        command
    }
}
