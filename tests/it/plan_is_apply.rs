//! `plan` says what `apply` does: through the binary, with the journal that both look into (rules.md 19).

use std::path::Path;

use predicates::str::contains;
use serde_json::Value;

use crate::cli::{Simulator, commit, definitions};
use crate::support::small;

/// What `beamline plan --json` says of the only environment.
fn planned(azure: &Simulator, dir: &Path) -> Value {
    let output = azure.command(dir).args(["plan", "--commit", "HEAD", "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `beamline apply --json` does, planned and reported.
fn applied(azure: &Simulator, dir: &Path) -> Value {
    let output = azure.command(dir).args(["apply", "--yes", "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// What of a plan decides what is done: steps with their reasons, blockers, consents.
fn essence(plan: &Value) -> Value {
    let parts = ["steps", "blockers", "consents"].map(|part| (part.to_owned(), plan[part].clone()));
    Value::Object(parts.into_iter().collect())
}

/// Plans, applies, and sees that both were the same and that nothing is left.
fn plan_and_apply(azure: &Simulator, dir: &Path) -> Value {
    let promised = planned(azure, dir);
    assert_eq!(promised["memory"], Value::Null);
    let done = applied(azure, dir);
    assert_eq!(essence(&promised["plans"][0]), essence(&done["plans"][0]));
    let report = done["reports"][0].clone();
    if report["end"] == "complete" {
        let again = planned(azure, dir);
        assert_eq!(again["plans"][0]["steps"], serde_json::json!([]), "planned again");
    }
    done
}

fn write(dir: &Path, text: &str) {
    std::fs::write(dir.join("environments/dev.yaml"), text).unwrap();
}

/// A small environment with a second account, which nothing uses.
fn with_data() -> String {
    let data = "  data: { name: stdevdata001, account_tier: Standard, account_replication_type: LRS }\n";
    let with_data = small(1).replacen("key_vaults:\n", &format!("{data}key_vaults:\n"), 1);
    with_data.replacen("sku_name: standard,", "sku_name: standard, on_delete: purge,", 1)
}

const CONSENT: &str = "Without it\n\nBeamline-Consent: destroy dev/storage_accounts/data";

/// A repository whose environment with a second account is applied.
fn begun() -> (tempfile::TempDir, Simulator) {
    let dir = definitions(&[("dev.yaml", &with_data())]);
    std::fs::write(dir.path().join(".gitignore"), "state\n*.toml\n*.pem\n").unwrap();
    let azure = Simulator::start(dir.path());
    commit(dir.path(), "begin");
    let first = planned(&azure, dir.path());
    assert!(first["memory"].as_str().unwrap().contains("there is no journal at"), "{first}");
    assert_eq!(applied(&azure, dir.path())["reports"][0]["end"], "complete");
    (dir, azure)
}

#[test]
fn a_consent_of_the_commit_before_the_last_counts_for_both() {
    let (dir, azure) = begun();
    write(dir.path(), &small(1));
    commit(dir.path(), CONSENT);
    std::fs::write(dir.path().join("README"), "more").unwrap();
    commit(dir.path(), "Something else");
    let done = plan_and_apply(&azure, dir.path());
    assert_eq!(done["reports"][0]["end"], "complete");
}

#[test]
fn a_consent_is_spent_for_both_by_an_apply_that_had_nothing_to_do() {
    let (dir, azure) = begun();
    std::fs::write(dir.path().join("README"), "more").unwrap();
    commit(dir.path(), CONSENT);
    // There is nothing to destroy here, and from now on it is in the past.
    let done = plan_and_apply(&azure, dir.path());
    assert_eq!(done["plans"][0]["steps"], serde_json::json!([]));
    write(dir.path(), &small(1));
    commit(dir.path(), "Without it, and nobody agreed");
    let done = plan_and_apply(&azure, dir.path());
    assert_eq!(done["reports"], serde_json::json!([]));
    assert_ne!(done["plans"][0]["blockers"], serde_json::json!([]));
}

#[test]
fn a_renamed_group_is_known_to_both_until_nothing_is_left_of_it() {
    let (dir, azure) = begun();
    let elsewhere = with_data().replace("rg-${environment}", "rg-new-${environment}");
    write(dir.path(), &elsewhere);
    commit(dir.path(), "Another group");
    let done = plan_and_apply(&azure, dir.path());
    let blockers = done["plans"][0]["blockers"].as_array().unwrap();
    let lines: Vec<String> = blockers
        .iter()
        .filter_map(|blocker| blocker["address"].as_str())
        .map(|address| format!("Beamline-Consent: destroy {address}"))
        .collect();
    assert!(lines.len() > 3, "{blockers:#?}");
    // Refused once, it is still known where it lived.
    assert_eq!(essence(&planned(&azure, dir.path())["plans"][0]), essence(&done["plans"][0]));
    std::fs::write(dir.path().join("README"), "agreed").unwrap();
    commit(dir.path(), &format!("Agreed\n\n{}", lines.join("\n")));
    let done = plan_and_apply(&azure, dir.path());
    assert_eq!(done["reports"][0]["end"], "complete", "{done:#}");
}

#[test]
fn who_renames_a_file_where_nothing_is_remembered_is_told_of_renamed_from() {
    let (dir, azure) = begun();
    let text = with_data().replace("${environment}", "dev");
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    std::fs::remove_file(dir.path().join("environments/dev.yaml")).unwrap();
    let write = |text: &str| std::fs::write(dir.path().join("environments/development.yaml"), text).unwrap();
    write(&text);
    commit(dir.path(), "Another name");
    let blockers = planned(&azure, dir.path())["plans"][0]["blockers"].clone();
    assert_eq!(blockers.as_array().map(Vec::len), Some(1), "{blockers:#}");
    azure
        .command(dir.path())
        .arg("plan")
        .assert()
        .code(1)
        .stdout(contains(
            "more bear the mark of the environment `dev`, of which there is no file and no memory",
        ))
        .stdout(contains("If `development` was called so, write `renamed_from: dev`"));
    write(&format!("{text}renamed_from: dev\n"));
    commit(dir.path(), "As told");
    let done = applied(&azure, dir.path());
    assert_eq!(done["reports"][0]["end"], "complete", "{done:#}");
    let made = done["plans"][0]["steps"].as_array().unwrap().iter().filter(|step| step["action"] != "update");
    assert_eq!(made.count(), 0, "{done:#}");
    assert_eq!(planned(&azure, dir.path())["plans"][0]["steps"], serde_json::json!([]), "planned again");
}

#[test]
fn a_plan_that_was_read_is_applied_without_a_question_and_only_once() {
    let dir = definitions(&[("dev.yaml", &small(1))]);
    let azure = Simulator::start(dir.path());
    commit(dir.path(), "begin");
    let run = |arguments: &[&str]| azure.command(dir.path()).args(arguments).assert();
    run(&["plan", "dev", "--out", "read"]).code(0).stderr(contains("beamline apply ./read\n"));
    // What is committed meanwhile is not what was read.
    write(dir.path(), &with_data());
    commit(dir.path(), "meanwhile");
    run(&["apply", "./read"]).code(0).stdout(contains("dev: applied, 7 of 7 steps done (7 created)"));
    run(&["apply", "./read"])
        .code(1)
        .stderr(contains("dev is not applied: something has moved since its plan was made\n"))
        .stderr(contains("\n  workspace is not to be created any more\n"))
        .stderr(contains("hint: read what would be done now"));
    run(&["plan", "--out", "again.json"]).code(0);
    run(&["apply", "again.json"]).code(0).stdout(contains("storage_accounts/data"));
    run(&["plan", "--detailed-exitcode"]).code(0);
}

#[test]
fn what_is_no_plan_of_a_commit_is_refused_with_the_command_that_makes_one() {
    let dir = definitions(&[("dev.yaml", &small(1))]);
    let azure = Simulator::start(dir.path());
    commit(dir.path(), "begin");
    let run = |arguments: &[&str]| azure.command(dir.path()).args(arguments).assert();
    let tree = run(&["plan", "--json"]).code(0).get_output().stdout.clone();
    for (content, why) in [
        (tree.as_slice(), "it is of a working tree, and only commits are applied"),
        (b"{\"format\": 1, \"plans\": []}", "it has no plan"),
        (b"{\"format\": 7, \"plans\": []}", "its format is 7"),
        (b"nonsense", "it is not read"),
    ] {
        std::fs::write(dir.path().join("plan.json"), content).unwrap();
        run(&["apply", "plan.json"])
            .code(2)
            .stderr(contains(why))
            .stderr(contains("beamline plan --out FILE"));
    }
    run(&["apply", "gone.json"]).code(1).stderr(contains("cannot read gone.json"));
    run(&["apply", "plan.json", "dev"]).code(2).stderr(contains("name nothing beside it"));
    write(dir.path(), &with_data());
    run(&["plan", "--out", "plan.json"])
        .code(1)
        .stderr(contains("uncommitted changes in environments/dev.yaml"));
}

#[test]
fn an_environment_whose_file_is_gone_is_planned_and_deleted_by_its_name() {
    let (dir, azure) = begun();
    let run = |arguments: &[&str]| azure.command(dir.path()).args(arguments).assert();
    std::fs::remove_file(dir.path().join("environments/dev.yaml")).unwrap();
    std::fs::write(dir.path().join("environments/README.md"), "empty").unwrap();
    commit(dir.path(), "Without it");
    run(&["plan", "nobody"]).code(2).stderr(contains("there is no environment `nobody`"));
    // Nothing is taken down that was not named.
    run(&["plan"]).code(0).stderr(contains("nothing to plan"));
    let said = run(&["plan", "dev", "--json"]).code(1).get_output().stdout.clone();
    let document: Value = serde_json::from_slice(&said).unwrap();
    let blockers = document["plans"][0]["blockers"].as_array().unwrap();
    let lines: Vec<String> = blockers
        .iter()
        .filter_map(|blocker| blocker["address"].as_str())
        .map(|address| format!("Beamline-Consent: destroy {address}"))
        .collect();
    std::fs::write(dir.path().join("README"), "agreed").unwrap();
    commit(dir.path(), &format!("Agreed\n\n{}", lines.join("\n")));
    run(&["plan", "dev", "--out", "plan.json"]).code(0);
    run(&["apply", "plan.json"]).code(0);
    // Nothing of it is remembered, and nothing is left.
    run(&["plan", "dev"]).code(2).stderr(contains("there is no environment `dev`"));
}
