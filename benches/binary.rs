//! What an apply of `environments/production.yaml` costs through the binary: process start, settings,
//! Git, a token, TLS, the journal on disk, and a simulator without latency in a process of its own.
//!
//! Run with `cargo bench --bench binary`. Azure's share is three operations one after another (a resource
//! before the workspace, the workspace, a compute), each of which Azure wants to be looked at after 1 s.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds, each against a simulator of its own; the median is reported.
const ROUNDS: usize = 9;

/// What Azure asks to wait on the critical path: `Retry-After: 1`, three times.
const AZURES: Duration = Duration::from_secs(3);

/// What an apply may take, and how much of that may be ours, in milliseconds.
const AIM: (f64, f64) = (3300.0, 200.0);

const BINARY: &str = env!("CARGO_BIN_EXE_beamline");
const PRODUCTION: &str = include_str!("../environments/production.yaml");

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repository");
    std::fs::create_dir_all(repository.join("environments")).unwrap();
    std::fs::write(repository.join("environments/production.yaml"), PRODUCTION).unwrap();
    for arguments in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "production"]] {
        run(Command::new("git").arg("-C").arg(&repository).args(author()).args(arguments));
    }
    let (mut applies, mut plans) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let state = folder.path().join(format!("state-{round}"));
        let simulator = Simulator::start(folder.path(), &format!("{round}"));
        let beamline = |command: &str| {
            let mut beamline = Command::new(BINARY);
            beamline.args([command, "production", "--config"]).arg(&simulator.settings).arg("--dir");
            beamline.arg(&repository).env("BEAMLINE_SECRET_ML", "simulator");
            beamline.env("BEAMLINE_STATE_DIR", &state);
            beamline
        };
        applies.push(run(beamline("apply").arg("--yes")));
        plans.push(run(&mut beamline("plan")));
    }
    println!("production.yaml through the binary over TLS, {ROUNDS} rounds, a simulator without latency");
    let (apply, worst) = median(applies);
    println!("apply       {apply:>7.0} ms (worst {worst:.0}; aim {:.0})", AIM.0);
    println!("  of which ours  {:>4.0} ms (aim {:.0})", apply - millis(AZURES), AIM.1);
    let (plan, worst) = median(plans);
    println!("plan again  {plan:>7.0} ms (worst {worst:.0})");
}

/// A simulator that ends with this value.
struct Simulator {
    process: Child,
    settings: std::path::PathBuf,
}

impl Simulator {
    fn start(folder: &Path, name: &str) -> Self {
        let ca = folder.join(format!("{name}.pem"));
        let mut command = Command::new(BINARY);
        command.args(["simulate", "--latency", "none", "--listen", "127.0.0.1:0", "--ca-file"]);
        let mut process = command.arg(&ca).stdout(Stdio::piped()).spawn().unwrap();
        // What it prints for the settings ends before the part for Terraform.
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let settings: Vec<String> = lines
            .skip_while(|line| !line.starts_with('['))
            .take_while(|line| !line.starts_with("# Terraform"))
            .collect();
        let file = folder.join(format!("{name}.toml"));
        std::fs::write(&file, settings.join("\n")).unwrap();
        Self { process, settings: file }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // A process that has gone already is no trouble.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn author() -> [&'static str; 4] {
    ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com"]
}

/// How long a command takes that must succeed.
fn run(command: &mut Command) -> Duration {
    let began = Instant::now();
    let output = command.output().unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    took
}

fn median(mut samples: Vec<Duration>) -> (f64, f64) {
    samples.sort();
    (millis(samples[samples.len() / 2]), millis(samples[samples.len() - 1]))
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
