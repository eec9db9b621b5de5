//! What an apply of `environments/production.yaml` costs through the binary: process start, settings,
//! Git, a token, TLS, the journal on disk, and a simulator without latency in a process of its own.
//!
//! Run with `cargo bench --bench binary`. Azure's share is three operations one after another (a resource
//! before the workspace, the workspace, a compute), each of which Azure wants to be looked at after 1 s.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

mod machine;

use std::process::Command;
use std::time::{Duration, Instant};

use machine::{BINARY, Simulator, git, written};

/// Rounds, each against a simulator of its own; the median is reported.
const ROUNDS: usize = 9;

/// What Azure asks to wait on the critical path: `Retry-After: 1`, three times.
const AZURES: Duration = Duration::from_secs(3);

/// What an apply may take, and how much of that may be ours, in milliseconds.
const AIM: (f64, f64) = (3300.0, 200.0);

const PRODUCTION: &str = include_str!("../environments/production.yaml");

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repository");
    written(&repository, "environments/production.yaml", PRODUCTION);
    for arguments in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "production"]] {
        git(&repository, arguments);
    }
    let (mut applies, mut plans, mut azures) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let state = folder.path().join(format!("state-{round}"));
        let simulator = Simulator::start(folder.path(), &format!("{round}"));
        let settings = written(folder.path(), &format!("{round}.toml"), &simulator.settings);
        let beamline = |command: &str| {
            let mut beamline = Command::new(BINARY);
            beamline.args([command, "production", "--config"]).arg(&settings).arg("--dir");
            beamline.arg(&repository).env("BEAMLINE_SECRET_ML", "simulator");
            beamline.env("BEAMLINE_STATE_DIR", &state);
            beamline
        };
        applies.push(run(beamline("apply").arg("--yes")));
        plans.push(run(&mut beamline("plan")));
        azures.push(simulator.process.spent());
    }
    println!("production.yaml through the binary over TLS, {ROUNDS} rounds, a simulator without latency");
    let (apply, worst) = median(applies);
    println!("apply       {apply:>7.0} ms (worst {worst:.0}; aim {:.0})", AIM.0);
    println!("  of which ours  {:>4.0} ms (aim {:.0})", apply - millis(AZURES), AIM.1);
    let (plan, worst) = median(plans);
    println!("plan again  {plan:>7.0} ms (worst {worst:.0})");
    println!("the simulator's processor time for both  {:.0} ms", median(azures).0);
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
