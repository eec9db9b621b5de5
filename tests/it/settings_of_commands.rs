//! `--config` is read by every command that takes it, and refused by the others.

use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, is_empty};

use crate::cli::{DEV, beamline, commit, definitions};

#[test]
fn a_settings_file_that_is_missing_is_named_by_every_command_that_reads_one() {
    let dir = definitions(&[("dev.toml", DEV)]);
    for command in [&["validate"][..], &["plan"], &["apply", "--yes"], &["outputs", "dev"], &["daemon"]] {
        for arguments in [&["--config", "nothere.toml"][..], &["--config=nothere.toml"]] {
            let said = contains("error: cannot read nothere.toml: check that it exists");
            let after = [command, arguments].concat();
            beamline(dir.path()).args(&after).assert().code(1).stdout(is_empty()).stderr(said.clone());
            let before = [arguments, command].concat();
            beamline(dir.path()).args(&before).assert().code(1).stdout(is_empty()).stderr(said);
        }
        let mut of_variable = beamline(dir.path());
        of_variable.env("BEAMLINE_CONFIG", "nothere.toml").args(command);
        of_variable.assert().code(1).stderr(contains("nothere.toml"));
    }
}

#[test]
fn who_reads_no_settings_takes_none() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("beamline.toml"), "").unwrap();
    let config = ["--config", "beamline.toml"];
    for command in [&["schema"][..], &["completions", "bash"], &["simulate"], &["demo", "--once"]] {
        for arguments in [[command, &config].concat(), [&config, command].concat()] {
            let refused = format!("error: `beamline {}` reads no settings", command[0]);
            let said = contains(refused).and(contains("hint: leave it out"));
            beamline(dir.path()).args(arguments).assert().code(2).stdout(is_empty()).stderr(said);
        }
        beamline(dir.path()).args([command[0], "--help"]).assert().code(0).stdout(contains("--config").not());
    }
    // What is set for the whole shell is in nobody's way.
    beamline(dir.path()).arg("schema").env("BEAMLINE_CONFIG", "nothere.toml").assert().code(0);
}

#[test]
fn validate_looks_where_the_settings_say() {
    let dir = definitions(&[("dev.toml", DEV)]);
    std::fs::rename(dir.path().join("environments"), dir.path().join("infra")).unwrap();
    let settings = "[repository]\ndefinitions = \"infra\"\n";
    std::fs::write(dir.path().join("beamline.toml"), settings).unwrap();
    let validate = |more: &[&str]| beamline(dir.path()).arg("validate").args(more).assert();
    validate(&[]).code(2).stderr(contains("there is no folder `environments`"));
    validate(&["--config", "beamline.toml"]).code(0).stdout(contains("1 sound (dev)"));
    validate(&["--config", "beamline.toml", "infra/dev.toml"]).code(0).stdout(contains("1 sound (dev)"));
    validate(&["--config", "beamline.toml", "--definitions", "x"]).code(2).stderr(contains("no folder `x`"));
    std::fs::write(dir.path().join("beamline.toml"), format!("{settings}brnch = \"main\"\n")).unwrap();
    validate(&["--config", "beamline.toml"])
        .code(1)
        .stderr(contains("beamline.toml:3:1: unknown key `repository.brnch`. Did you mean"));
}

#[test]
fn a_folder_without_definitions_is_no_success_and_the_advice_helps() {
    let dir = definitions(&[("README.md", "soon"), ("eu/defaults.yaml", "location: westeurope\n")]);
    let validate = |more: &[&str]| beamline(dir.path()).arg("validate").args(more).assert();
    let nothing =
        |folder: &str| contains(format!("error: there are no definitions in `{folder}`\nhint: write"));
    let advice = "for example environments/dev.yaml (`beamline schema` says what it may have)";
    validate(&[]).code(1).stderr(nothing("environments").and(contains(advice)));
    validate(&["--json"]).code(1).stdout(contains("\"valid\": false")).stderr(nothing("environments"));
    validate(&["environments/eu"]).code(1).stderr(nothing("environments/eu"));
    // A hook names what was changed.
    validate(&["environments/README.md"]).code(0);
    validate(&["environments/eu/defaults.yaml"]).code(0);
    beamline(dir.path())
        .arg("plan")
        .assert()
        .code(0)
        .stderr(contains("`beamline validate` says how to begin"));
    commit(dir.path(), "Nothing yet");
    validate(&["--commit", "HEAD"]).code(1).stderr(nothing("environments"));
    validate(&["--commit", "HEAD", "--definitions", "elsewhere"]).code(1).stderr(nothing("elsewhere"));
    // What is in the way is said instead, with its place.
    std::fs::write(dir.path().join("environments/Dev West.yaml"), "beamline: 1\n").unwrap();
    validate(&[]).code(1).stdout(contains("invalid-name")).stderr(is_empty());
    std::fs::remove_file(dir.path().join("environments/Dev West.yaml")).unwrap();
    std::fs::write(dir.path().join("environments/dev.toml"), DEV).unwrap();
    validate(&[]).code(0).stderr(is_empty());
    validate(&["nothere"]).code(2).stdout(is_empty()).stderr(contains("there is nothing at `nothere`"));
}
