//! The command line as people and scripts meet it: the real binary, its texts, its exit codes.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use assert_cmd::Command;
use beamline::cli::Cli;
use clap::CommandFactory as _;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, is_empty, starts_with};

/// How long the demo may take, on a busy machine.
const DEMO_PATIENCE: Duration = Duration::from_secs(300);

/// The id of a subscription or directory that nobody asks for.
const SOME_ID: &str = "5a1c0c52-0c1f-4f7a-9d3e-0d4f5f7f1c11";

/// The binary, in `dir`, with nothing of this machine's configuration.
pub(crate) fn beamline(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("beamline").unwrap();
    for variable in ["BEAMLINE_CONFIG", "BEAMLINE_STATE_DIR", "BEAMLINE_LOG", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.current_dir(dir).env("HOME", dir).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

/// A folder whose definitions are these files.
pub(crate) fn definitions(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = dir.path().join("environments").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    dir
}

/// `beamline simulate` in a process of its own, until it is dropped.
pub(crate) struct Simulator {
    process: Child,
    pub(crate) settings: PathBuf,
    pub(crate) secret: String,
}

impl Simulator {
    /// Starts one in `dir`, with settings for beamline that name it.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::with(dir, &["--latency", "none"])
    }

    /// Starts one in `dir` with these words about how long its Azure takes.
    pub(crate) fn with(dir: &Path, latency: &[&str]) -> Self {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("beamline"));
        command.current_dir(dir).args(["simulate", "--json", "--listen", "127.0.0.1:0"]).args(latency);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = process.stdout.take().unwrap();
        let mut documents = serde_json::Deserializer::from_reader(said).into_iter::<serde_json::Value>();
        let said = documents.next().unwrap().unwrap();
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        let settings = format!(
            "state_dir = {:?}\n[clouds.simulator]\nresource_manager = {:?}\nca_file = {:?}\n[subscriptions.ml]\n\
             id = {:?}\ntenant = {:?}\ncloud = \"simulator\"\ncredential = \"client-secret\"\nclient_id = {:?}\n",
            dir.join("state"),
            text("resource_manager"),
            text("ca_file"),
            text("subscription"),
            text("tenant"),
            text("client_id"),
        );
        let file = dir.join("beamline.toml");
        std::fs::write(&file, settings).unwrap();
        Self { process, settings: file, secret: text("client_secret") }
    }

    /// A command that uses it.
    pub(crate) fn command(&self, dir: &Path) -> Command {
        let mut command = beamline(dir);
        // Shown when a test fails: what was under way.
        command
            .env("BEAMLINE_LOG", "debug")
            .env("BEAMLINE_CONFIG", &self.settings)
            .env("BEAMLINE_SECRET_ML", &self.secret)
            .timeout(DEMO_PATIENCE);
        command
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Commits everything in `dir`.
pub(crate) fn commit(dir: &Path, message: &str) {
    for arguments in [vec!["init", "-q"], vec!["add", "."], vec!["commit", "-qm", message]] {
        let mut git = std::process::Command::new("git");
        git.current_dir(dir)
            .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
            .args(arguments);
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        assert!(git.status().unwrap().success());
    }
}

pub(crate) const DEV: &str = include_str!("../../environments/dev.toml");

#[test]
fn the_whole_help_is_known() {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut texts = vec![root.clone().render_long_help().to_string()];
    for command in root.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        texts.push(command.clone().term_width(100).render_long_help().to_string());
    }
    insta::assert_snapshot!(texts.join("\n----------------------------------------\n\n"));
}

#[test]
fn help_teaches_every_command() {
    for command in Cli::command().get_subcommands() {
        let help = command.clone().render_long_help().to_string();
        assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
    }
}

#[test]
fn sound_definitions_end_with_zero() {
    let dir = definitions(&[("dev.toml", DEV)]);
    beamline(dir.path())
        .arg("validate")
        .assert()
        .code(0)
        .stdout(contains("0 errors, 0 warnings in 1 environment; 1 sound (dev)"))
        .stderr(is_empty());
}

#[test]
fn every_mistake_of_every_file_is_said_with_its_place() {
    let broken = DEV.replace("vm_size", "vm_sise");
    let dir = definitions(&[("a.toml", &broken), ("b.toml", "beamline = 1\nlocation = \"eastus\n")]);
    beamline(dir.path()).arg("validate").assert().code(1).stdout(
        contains("environments/a.toml:").and(contains("vm_size")).and(contains("environments/b.toml:")),
    );
}

#[test]
fn what_a_commit_could_not_follow_is_refused_in_the_working_tree_too() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let dir = definitions(&[("dev.toml", DEV), ("lfs.yaml", pointer)]);
    let folder = dir.path().join("environments");
    std::os::unix::fs::symlink("dev.toml", folder.join("linked.toml")).unwrap();
    std::os::unix::fs::symlink("/", folder.join("more")).unwrap();
    std::fs::create_dir(folder.join("shared")).unwrap();
    std::fs::write(folder.join("shared/.git"), "gitdir: ../../.git/modules/shared\n").unwrap();
    beamline(dir.path()).arg("validate").assert().code(1).stdout(
        contains("environments/lfs.yaml:1:1")
            .and(contains("this is a Git LFS pointer"))
            .and(contains("environments/linked.toml:1:1"))
            .and(contains("environments/more:1:1"))
            .and(contains("this is a symbolic link"))
            .and(contains("environments/shared:1:1"))
            .and(contains("Commit the files here, or move the submodule out")),
    );
}

#[test]
fn only_what_concerns_a_path_is_said() {
    let dir = definitions(&[("a.toml", "beamline = 1\nnonsense = 1\n"), ("dev.toml", DEV)]);
    beamline(dir.path()).args(["validate", "environments/dev.toml"]).assert().code(0);
    beamline(dir.path()).args(["validate", "environments/a.toml"]).assert().code(1);
    // From within the folder, too, and for a file that lies elsewhere.
    beamline(&dir.path().join("environments"))
        .args(["validate", "--dir", "..", "dev.toml"])
        .assert()
        .code(0)
        .stdout(contains("1 environment;"));
    std::fs::write(dir.path().join("loose.yaml"), "beamline: 2\n").unwrap();
    beamline(dir.path()).args(["validate", "loose.yaml"]).assert().code(1).stdout(contains("loose.yaml:1:"));
}

#[test]
fn a_path_at_which_nothing_is_is_no_success() {
    let dir = definitions(&[("dev.toml", DEV)]);
    commit(dir.path(), "As it is");
    for more in [&["environments/nope.yaml"][..], &["nope"], &["environments/nope.yaml", "--commit", "HEAD"]]
    {
        let said = beamline(dir.path()).arg("validate").args(more).assert().code(2);
        said.stderr(contains(format!("at `{}`", more[0])));
    }
    beamline(dir.path()).args(["validate", "environments/dev.toml", "--commit", "HEAD"]).assert().code(0);
    beamline(dir.path()).args(["validate", "environments"]).assert().code(0);
}

#[test]
fn machine_output_is_one_versioned_document() {
    let dir = definitions(&[("a.toml", "beamline = 1\nnonsense = 1\n")]);
    let output =
        beamline(dir.path()).args(["validate", "--json"]).assert().code(1).get_output().stdout.clone();
    let document: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["valid"], false);
    let diagnostics = document["diagnostics"].as_array().unwrap();
    let place = |found: &serde_json::Value| {
        (found["location"]["file"].clone(), found["location"]["line"].clone(), found["severity"].clone())
    };
    let expected = ("environments/a.toml".into(), 2.into(), "error".into());
    assert!(diagnostics.iter().any(|found| place(found) == expected), "{document:#}");
}

#[test]
fn the_schema_is_json_and_accepts_the_shipped_definitions() {
    let dir = tempfile::tempdir().unwrap();
    let output = beamline(dir.path()).arg("schema").assert().code(0).get_output().stdout.clone();
    let schema: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in
        [include_str!("../../environments/production.yaml"), include_str!("../../environments/staging.yaml")]
    {
        let definition: serde_json::Value = serde_yaml::from_str(text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&definition).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn a_wrong_command_line_ends_with_two_and_a_next_step() {
    let dir = tempfile::tempdir().unwrap();
    beamline(dir.path()).arg("pan").assert().code(2).stderr(contains("plan"));
    beamline(dir.path())
        .arg("plan")
        .assert()
        .code(2)
        .stderr(starts_with("error: there is no folder `environments`").and(contains("\nhint: ")));
    beamline(dir.path()).arg("apply").assert().code(1).stderr(contains("there is no Git repository"));
}

#[test]
fn an_unknown_subscription_is_a_failure_with_a_next_step() {
    let dir = definitions(&[("dev.toml", DEV)]);
    beamline(dir.path()).args(["plan", "dev"]).assert().code(1).stdout(is_empty()).stderr(
        starts_with(
            "error: environments/dev.toml:7:16: the subscription alias `ml` is not configured here: none is",
        )
        .and(contains("Have somebody add `[subscriptions.ml]` to the settings.")),
    );
    beamline(dir.path()).args(["plan", "production"]).assert().code(2).stderr(contains("there are: dev"));
}

#[test]
fn a_misspelt_alias_or_environment_is_told_with_those_that_are_known() {
    let dir = definitions(&[("dev.toml", DEV), ("prod.toml", "beamline = 2\n")]);
    let account = |alias: &str| {
        format!(
            "[subscriptions.{alias}]\nid = \"{SOME_ID}\"\ntenant = \"{SOME_ID}\"\ncredential = \"managed-identity\"\n"
        )
    };
    let plan = |aliases: &[&str], name: &str| {
        let settings: String = aliases.iter().map(|alias| account(alias)).collect();
        std::fs::write(dir.path().join("beamline.toml"), settings).unwrap();
        let mut command = beamline(dir.path());
        command.args(["--config", "beamline.toml", "plan", name]);
        command.assert()
    };
    plan(&["mll", "other"], "dev").code(1).stderr(
        contains("`ml` is not configured here: `mll`, `other` are\n")
            .and(contains("Did you mean `mll`? Write it as `subscription`, or add `[subscriptions.ml]`")),
    );
    plan(&["production"], "dev").code(1).stderr(
        contains("`ml` is not configured here: `production` is\n").and(contains("Write one of those")),
    );
    // What is not known is said before anybody signs in.
    plan(&["ml"], "dve").code(2).stderr(
        contains("did you mean `dev`? there are: dev, prod; one definition has errors")
            .and(contains("there is no environment `dve`")),
    );
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let dir = definitions(&[("a.toml", "beamline = 1\nnonsense = 1\n")]);
    let plain = || contains("\u{1b}[").not();
    beamline(dir.path()).arg("validate").assert().stdout(plain());
    beamline(dir.path()).arg("validate").env("CLICOLOR_FORCE", "1").assert().stdout(contains("\u{1b}["));
    beamline(dir.path())
        .arg("validate")
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .assert()
        .stdout(plain());
}

#[test]
fn completions_are_for_the_shell_that_asks() {
    let dir = tempfile::tempdir().unwrap();
    let shells = ["bash", "elvish", "fish", "powershell", "zsh"];
    let list = format!("error: for which shell? There are {}\nhint: name yours", shells.join(", "));
    let advice = "for example: source <(beamline completions bash).";
    let asked = beamline(dir.path()).arg("completions").assert().code(2).stdout(is_empty());
    asked.stderr(contains(list).and(contains(advice)));
    for shell in shells {
        beamline(dir.path()).args(["completions", shell]).assert().code(0).stdout(contains("beamline"));
    }
    // As it is advised.
    let program = assert_cmd::cargo::cargo_bin("beamline");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let script = "source <(beamline completions bash) && complete -p beamline";
    let shell = std::process::Command::new("bash").args(["-c", script]).env("PATH", path).output().unwrap();
    assert!(String::from_utf8_lossy(&shell.stdout).contains("_beamline"), "{shell:?}");
}

#[test]
fn the_demo_turns_a_push_into_environments_and_says_so_on_the_commit() {
    let home = tempfile::tempdir().unwrap();
    let said = beamline(home.path())
        .args(["demo", "--once", "--speed", "10000", "--dir", "demo"])
        // No certificate authority is needed, whatever the machine has.
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nonexistent")
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .timeout(DEMO_PATIENCE)
        .assert()
        .code(0)
        .get_output()
        .stdout
        .clone();
    let said = String::from_utf8(said).unwrap();
    for expected in [
        "compute_clusters/cpu-cluster",
        "(after workspace)",
        "plan again: no changes",
        "workspace.name = mlw-production",
        "Notes (beamline):",
        "beamline/apply: success: 3 environments applied: dev, production, staging",
    ] {
        assert!(said.contains(expected), "`{expected}` is missing in:\n{said}");
    }
    // What stays can be looked at with the other commands' eyes.
    let clone = home.path().join("demo/clone");
    beamline(&clone).arg("validate").assert().code(0);
    assert!(home.path().join("demo/origin.git/refs").is_dir());
}

#[test]
fn the_settings_in_the_readme_are_right() {
    let readme = include_str!("../../README.md");
    let settings = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let id = "00000000-0000-0000-0000-000000000001";
    let settings =
        settings.replace("\"SUBSCRIPTION\"", &format!("{id:?}")).replace("\"TENANT\"", &format!("{id:?}"));
    let config = beamline::config::Config::over_default("README.md", &settings).unwrap();
    assert!(config.subscriptions.contains_key("ml"));
}

#[test]
fn a_laptop_plans_applies_and_asks_for_outputs() {
    let machine = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(machine.path());
    let work = definitions(&[("dev.toml", DEV)]);
    commit(work.path(), "The first environment");
    let run = |arguments: &[&str]| simulator.command(work.path()).args(arguments).assert();
    run(&["plan", "--detailed-exitcode"]).code(2).stdout(contains("dev: 7 to create"));
    run(&["apply"]).code(2).stdout(is_empty()).stderr(contains("agree beforehand with --yes"));
    // What is wrong with the question is said first.
    run(&["apply", "nope"]).code(2).stdout(is_empty()).stderr(contains("nope").and(contains("--yes").not()));
    run(&["apply", "dev", "--yes", "--detailed-exitcode"])
        .code(2)
        .stdout(contains("created").and(contains("dev: applied, 7 of 7 steps done")));
    run(&["apply", "--yes", "--detailed-exitcode"]).code(0).stdout(contains("no changes"));
    run(&["outputs", "dev", "workspace.name"]).code(0).stdout("mlw-dev\n");
    run(&["outputs", "dev", "workspace.nme"]).code(1).stdout(is_empty());

    let file = work.path().join("environments/dev.toml");
    std::fs::write(&file, DEV.replace("max_node_count = 1", "max_node_count = 3")).unwrap();
    run(&["plan"]).code(0).stdout(contains("scale_settings.max_node_count: 1 → 3"));
    run(&["apply", "--yes"]).code(1).stderr(contains("uncommitted changes in environments/dev.toml"));
    commit(work.path(), "Three nodes");
    let said = run(&["apply", "--yes", "--json"]).code(0).get_output().stdout.clone();
    let document: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(document["reports"][0]["end"], "complete");

    let spare = "\n[storage_accounts.spare]\nname = \"stsparedev001\"\naccount_tier = \"Standard\"\naccount_replication_type = \"LRS\"\n";
    std::fs::write(&file, format!("{DEV}{spare}")).unwrap();
    commit(work.path(), "Another account");
    run(&["apply", "--yes"]).code(0).stdout(contains("1 created"));
    std::fs::write(&file, DEV).unwrap();
    commit(work.path(), "It is theirs now\n\nBeamline-Consent: release dev/storage_accounts/spare");
    run(&["plan"])
        .code(0)
        .stdout(contains("=> storage_accounts/spare").and(contains("is released, and stays")));
    run(&["apply", "--yes"]).code(0).stdout(contains("released"));
    run(&["plan", "--detailed-exitcode"]).code(0).stdout(contains("no changes"));

    std::fs::remove_dir_all(machine.path().join("state")).unwrap();
    std::fs::write(&file, DEV.replace("kv-ml-${environment}", "kv-ml-${environment}-2")).unwrap();
    commit(work.path(), "Another vault");
    run(&["plan"]).code(1).stdout(contains("Beamline-Consent: destroy dev/key_vaults/main"));
    run(&["apply", "--yes"]).code(1).stdout(contains("blocked:"));
}

#[test]
fn validate_names_a_folder_of_definitions_in_another_casing_with_the_command_that_renames_it() {
    let dir = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.current_dir(dir.path()).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
        assert!(command.args(arguments).status().unwrap().success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    std::fs::create_dir(dir.path().join("Environments")).unwrap();
    std::fs::write(dir.path().join("Environments/dev.yaml"), "beamline: 1\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "the beginning"]);
    let rename = "git mv Environments environments.new && git mv environments.new environments";
    let validate = |more: &[&str]| beamline(dir.path()).arg("validate").args(more).assert();
    validate(&[]).code(2).stderr(contains("environments` in").and(contains(rename)));
    validate(&["--commit", "HEAD"]).code(1).stderr(contains(rename));
    std::fs::create_dir(dir.path().join("environments")).unwrap();
    std::fs::write(dir.path().join("environments/prod.yaml"), "beamline: 1\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "both"]);
    for more in [&[][..], &["--commit", "HEAD"]] {
        let named = contains("warning[ignored-file]").and(contains("git mv Environments/* environments/"));
        validate(more).code(1).stdout(named);
    }
}

#[test]
fn validate_names_the_files_that_are_ignored_or_misnamed() {
    let dir = definitions(&[
        ("dev.toml", DEV),
        ("old.yaml~", "beamline: 1"),
        ("staging.json", "{}"),
        (".hidden.yaml", "beamline: 1"),
        ("notes.md", "beamline"),
        ("_aside.yaml", "beamline: 1"),
        ("more.TOML", DEV),
        ("x.YAML", "beamline: 1"),
        ("Prod West.yaml", "beamline: 1\nsubscription: ml"),
    ]);
    let said = beamline(dir.path()).arg("validate").assert().failure().code(1);
    let text = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    commit(dir.path(), "As it is");
    let said = beamline(dir.path()).args(["validate", "--commit", "HEAD"]).assert().failure().code(1);
    let committed = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    assert_eq!(committed, text, "a commit is read as its files are");
    for name in ["old.yaml~", "staging.json", ".hidden.yaml"] {
        let at =
            text.find(&format!("--> environments/{name}:1:1")).unwrap_or_else(|| panic!("{name}: {text}"));
        let title = text[..at].trim_end().lines().next_back().unwrap();
        assert!(title.starts_with("warning[ignored-file]: the file is ignored: "), "{title}");
    }
    for name in ["more.TOML", "x.YAML", "Prod West.yaml"] {
        assert!(text.contains(&format!(" --> environments/{name}:")), "{name}: {text}");
    }
    assert_eq!(text.matches("error[invalid-name]").count(), 3, "{text}");
    assert!(!text.contains("notes.md") && !text.contains("_aside"), "{text}");
}

#[test]
fn a_folder_elsewhere_is_checked_as_its_hint_says() {
    let work = definitions(&[("dev.toml", DEV)]);
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = work.path().display().to_string();
    for path in [folder.clone(), format!("{folder}/environments")] {
        let beamline = || {
            let mut command = assert_cmd::Command::cargo_bin("beamline").unwrap();
            command.current_dir(&elsewhere).args(["validate"]);
            command
        };
        let refused = beamline().arg(&path).assert().code(2);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        let (_, hint) = said.split_once("hint: say where they are: beamline validate ").unwrap();
        beamline().args(hint.split_whitespace()).assert().success();
    }
}
