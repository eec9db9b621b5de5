//! Output that nobody gets is no success: a script that keeps it in a file must learn that the disk was full.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use crate::cli::{DEV, Simulator, beamline, commit, definitions};

/// Runs the binary in the folder of `definitions`, with standard output going to `stdout`.
fn run(prepared: &assert_cmd::Command, arguments: &[&str], stdout: Stdio) -> Output {
    let mut command = Command::new(prepared.get_program());
    for (name, value) in prepared.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(prepared.get_current_dir().unwrap());
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

/// A disk without room.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn is_said(prepared: &assert_cmd::Command, arguments: &[&str]) {
    let output = run(prepared, arguments, full());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    let expected = "error: cannot write to standard output\n  because: No space left on device";
    assert!(said.contains(expected), "{arguments:?}: {said}");
    let output = run(prepared, arguments, closed());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(141), "{arguments:?}: {said}");
    assert!(!said.contains("error:"), "{arguments:?}: {said}");
}

#[test]
fn what_needs_no_azure_fails_when_its_output_is_lost() {
    let dir = definitions(&[("dev.toml", DEV)]);
    let commands: [&[&str]; 12] = [
        &["--version"],
        &["--help"],
        &["-h"],
        &["help", "plan"],
        &["plan", "--help"],
        &["validate"],
        &["validate", "--json"],
        &["schema"],
        &["completions", "bash"],
        &["simulate", "--listen", "127.0.0.1:0"],
        &["simulate", "--listen", "127.0.0.1:0", "--json"],
        &["demo", "--once", "--speed", "10000"],
    ];
    for arguments in commands {
        is_said(&beamline(dir.path()), arguments);
    }
}

#[test]
fn what_asks_azure_fails_when_its_output_is_lost_and_an_apply_is_finished_first() {
    let machine = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(machine.path());
    let work = definitions(&[("dev.toml", DEV)]);
    commit(work.path(), "The first environment");
    let mut prepared = simulator.command(work.path());
    prepared.env("BEAMLINE_LOG", "error");
    let commands: [&[&str]; 6] = [
        &["apply", "--yes"],
        &["apply", "--yes", "--json"],
        &["plan"],
        &["plan", "--json"],
        &["outputs", "dev"],
        &["outputs", "dev", "--json"],
    ];
    for arguments in commands {
        is_said(&prepared, arguments);
    }
    prepared.args(["plan", "--detailed-exitcode"]).assert().code(0);
}
