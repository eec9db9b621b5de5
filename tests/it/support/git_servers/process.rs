//! Programs that run while a story is told.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::in_ci;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that ends with the story.
pub(super) struct Server(Child);

impl Server {
    pub(super) fn start(command: &mut Command) -> Self {
        // What a server leaves running must not hold on to our own output.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Waits until `is_ready`.
    pub(super) fn wait_until(&mut self, what: &str, is_ready: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_ready() {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{what} did not start: {ended:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program is; servers are often outside of a user's search path.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether all of these programs are here. If not, says so; under `CI=true` that is a failure.
pub(crate) fn is_installed(programs: &[&str]) -> bool {
    let missing: Vec<&&str> = programs.iter().filter(|name| program(name).is_none()).collect();
    assert!(missing.is_empty() || !in_ci(), "CI needs {missing:?}");
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} not installed");
    }
    missing.is_empty()
}

pub(super) fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// What a program prints; its failure fails the story.
pub(super) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The folder of the programs that `git` runs.
pub(super) fn git_programs() -> PathBuf {
    Path::new(&output(Command::new("git").arg("--exec-path"))).to_owned()
}
