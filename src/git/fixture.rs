//! A world for the tests of this module: a bare origin and a clone beside it, made by the real git.

use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{CommitId, Credentials, Mirror, Reader, Remote};

thread_local! {
    static READ: Cell<usize> = const { Cell::new(0) };
}

/// Counts objects that a reader reads in this thread.
pub(super) fn note_read(objects: usize) {
    READ.set(READ.get() + objects);
}

/// How many objects `work` reads: what a look-up costs, whatever the machine.
pub(crate) fn objects_read(work: impl FnOnce()) -> usize {
    let before = READ.get();
    work();
    READ.get() - before
}

pub(crate) struct Fixture {
    root: tempfile::TempDir,
    pub(crate) origin: PathBuf,
    pub(crate) work: PathBuf,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (origin, work) = (root.path().join("origin.git"), root.path().join("work"));
        let world = Self { origin, work, root };
        let path = |path: &Path| path.display().to_string();
        world.run(world.root(), &["init", "-q", "--bare", "-b", "main", &path(&world.origin)]);
        world.run(world.root(), &["init", "-q", "-b", "main", &path(&world.work)]);
        world.git(&["remote", "add", "origin", &path(&world.origin)]);
        world.git(&["config", "core.fileMode", "false"]);
        world.git(&["config", "core.fsync", "none"]);
        world
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Runs git in the clone and returns its output; its failure fails the test.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.run(&self.work, arguments)
    }

    /// Runs a line of a shell in the clone; its failure fails the test.
    pub(super) fn shell(&self, line: &str) {
        let output = Command::new("sh").current_dir(&self.work).args(["-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn run(&self, dir: &Path, arguments: &[&str]) -> String {
        let output = self.command(dir).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new("git");
        command.current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", self.root());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Ada")
                .env(format!("GIT_{role}_EMAIL"), "ada@example.org");
            command.env(format!("GIT_{role}_DATE"), "2026-01-02T03:04:05Z");
        }
        command
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let path = self.work.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Stores content without a path and returns its id.
    pub(crate) fn blob(&self, content: &str) -> String {
        let file = self.root().join("content");
        std::fs::write(&file, content).unwrap();
        self.git(&["hash-object", "-w", &file.display().to_string()])
    }

    /// Writes a file and commits it with everything else that was written.
    pub(crate) fn commit(&self, path: &str, content: &str, message: &str) -> CommitId {
        self.write(path, content);
        self.git(&["add", "--no-all", "."]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    /// Commits many files on main at once, past the working folder.
    pub(crate) fn import(&self, files: impl Iterator<Item = (String, String)>) -> CommitId {
        let mut stream = "commit refs/heads/main\ncommitter Ada <ada@example.org> 1767323045 +0000\n\
                          data 0\n"
            .to_owned();
        if !self.git(&["for-each-ref", "refs/heads/main"]).is_empty() {
            stream.push_str("from refs/heads/main^0\n");
        }
        for (path, content) in files {
            stream.push_str(&format!("M 644 inline {path}\ndata {}\n{content}\n", content.len()));
        }
        let mut command = self.command(&self.work);
        let mut child = command.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        self.git(&["rev-parse", "main"]).parse().unwrap()
    }

    pub(crate) fn push(&self, path: &str, content: &str) -> CommitId {
        let commit = self.commit(path, content, "a push");
        self.git(&["push", "-q", "origin", "HEAD:main"]);
        commit
    }

    pub(super) fn remote(&self) -> Remote {
        let url = self.origin.display().to_string();
        Remote { url, credentials: Credentials::None, pull_refs: None }
    }

    pub(super) fn mirror_with_pulls(&self) -> Mirror {
        let pull_refs = Some("refs/pull/*/head".parse().unwrap());
        Mirror::open(&self.root().join("mirror"), Remote { pull_refs, ..self.remote() }).unwrap()
    }

    /// Pushes a commit on top of the remote's main branch as the head of a pull request.
    pub(super) fn propose(&self, number: u64, path: &str, content: &str) -> CommitId {
        self.git(&["checkout", "-q", "-B", "proposal", "main"]);
        let commit = self.commit(path, content, "a proposal");
        self.git(&["push", "-q", "--force", "origin", &format!("HEAD:refs/pull/{number}/head")]);
        self.git(&["checkout", "-q", "main"]);
        commit
    }

    pub(super) fn mirror(&self) -> Mirror {
        self.mirror_named("mirror")
    }

    pub(super) fn mirror_named(&self, name: &str) -> Mirror {
        Mirror::open(&self.root().join(name), self.remote()).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        super::open_local(&self.work).unwrap().reader().unwrap()
    }
}
