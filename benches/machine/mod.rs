//! What the benchmarks through the binary share: the simulator and a Git repository as an operator has them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_beamline");

/// A `beamline` that ends with this value.
pub(crate) struct Process(pub(crate) Child);

/// `/proc/PID/stat` counts in these (USER_HZ).
const TICKS_PER_SEC: f64 = 100.0;

impl Process {
    /// Its processor time so far, user and system.
    pub(crate) fn spent(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // The command's name, which may have anything in it, ends with the last bracket.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: f64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
        Duration::from_secs_f64(ticks / TICKS_PER_SEC)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has gone already is no trouble.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A simulator without latency, and the settings that lead to it.
pub(crate) struct Simulator {
    pub(crate) process: Process,
    pub(crate) settings: String,
}

impl Simulator {
    pub(crate) fn start(folder: &Path, name: &str) -> Self {
        let ca = folder.join(format!("{name}.pem"));
        let mut command = Command::new(BINARY);
        command.args(["simulate", "--latency", "none", "--listen", "127.0.0.1:0", "--ca-file"]);
        let mut process = command.arg(&ca).stdout(Stdio::piped()).spawn().unwrap();
        // The settings end where something else begins that they are printed with.
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let settings: Vec<String> = lines
            .skip_while(|line| !line.starts_with('['))
            .take_while(|line| line.is_empty() || line.starts_with('[') || line.contains(" = "))
            .collect();
        Self { process: Process(process), settings: settings.join("\n") }
    }
}

/// Git with an author, in `folder`; it must succeed.
pub(crate) fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com", "-C"]).arg(folder);
    let output = git.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Writes `text` to `name` in `folder`; the path.
pub(crate) fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}
