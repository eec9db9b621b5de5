//! Several files together.

use super::*;
use crate::definitions::{Estate, load_all};

/// An environment that claims nothing that another one does.
fn named(name: &str) -> String {
    BASE.replace("-x", &format!("-{name}")).replace("stx001", &format!("st{name}001"))
}

fn estate(files: &[(&str, &str)]) -> Estate {
    load_all(files.iter().map(|(path, text)| file(path, text)).collect(), "environments")
}

#[test]
fn one_broken_file_does_not_stop_the_others() {
    let (a, b) = (named("a"), named("b").replace("location: eastus", "location: 5"));
    let estate = estate(&[("environments/a.yaml", &a), ("environments/b.yaml", &b), ("README.md", "# x")]);
    let names: Vec<_> = estate.environments.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(estate.failed, ["environments/b.yaml"]);
    assert_eq!(codes(&estate.diagnostics), ["wrong-type"]);
}

#[test]
fn defaults_reach_everything_below_them_and_are_complained_about_once() {
    let estate = estate(&[
        ("environments/defaults.yaml", "beamline: 1\nlocatoin: eastus\n"),
        ("environments/a.yaml", &named("a")),
        ("environments/eu/b.yaml", &named("b")),
    ]);
    assert_eq!(codes(&estate.diagnostics), ["unknown-field"]);
    assert_eq!(estate.failed.len(), 2);
}

#[test]
fn defaults_that_nobody_inherits_are_read_too() {
    let estate = estate(&[("environments/eu/defaults.yaml", "a: [")]);
    assert_eq!(codes(&estate.diagnostics), ["syntax"]);
}

#[test]
fn the_same_claim_in_two_files_is_an_error_on_both() {
    let (a, b) = (named("a"), named("b").replace("rg-b", "RG-A").replace("stb001", "sta001"));
    let estate = estate(&[
        ("environments/a.yaml", &a),
        ("environments/b.yaml", &b),
        ("environments/c.yaml", &named("c")),
    ]);
    assert_eq!(estate.failed, ["environments/a.yaml", "environments/b.yaml"]);
    assert_eq!(estate.environments.len(), 1);
    assert_eq!(codes(&estate.diagnostics), ["name-collision"; 4]);
    let collision = &estate.diagnostics[0];
    assert_eq!(collision.location.file, "environments/a.yaml");
    assert_eq!(collision.related[0].location.file, "environments/b.yaml");
}

#[test]
fn two_environments_of_one_name_collide_and_so_does_a_former_name() {
    let twice = estate(&[("environments/a.yaml", &named("a")), ("environments/eu/a.yaml", &named("b"))]);
    assert_eq!(codes(&twice.diagnostics), ["name-collision"; 2]);
    let renamed = format!("{}renamed_from: a\n", named("b"));
    let former = estate(&[("environments/a.yaml", &named("a")), ("environments/b.yaml", &renamed)]);
    assert_eq!(codes(&former.diagnostics), ["name-collision"; 2]);
}

#[test]
fn a_cluster_name_used_twice_in_a_region_is_advice() {
    let (a, b) = (named("a") + CLUSTER, named("b") + CLUSTER);
    let twice = estate(&[("environments/a.yaml", &a), ("environments/b.yaml", &b)]);
    assert_eq!(codes(&twice.diagnostics), ["cluster-name-reused"; 2]);
    assert_eq!(twice.environments.len(), 2);
    assert_eq!(codes(&twice.environments[0].advice), ["cluster-name-reused"]);
    let known = format!("{a}    acknowledge: [cluster-name-reused]\n");
    let half = estate(&[("environments/a.yaml", &known), ("environments/b.yaml", &b)]);
    assert_eq!(half.diagnostics.len(), 1);
    assert_eq!(half.diagnostics[0].location.file, "environments/b.yaml");
}

#[test]
fn a_name_inherited_by_two_environments_breaks_both() {
    let shared = "resource_group: { name: rg-same }\n";
    let own = |name: &str| named(name).replace(&format!("resource_group: {{ name: rg-{name} }}\n"), "");
    let twice = estate(&[
        ("environments/defaults.yaml", shared),
        ("environments/a.yaml", &own("a")),
        ("environments/b.yaml", &own("b")),
    ]);
    assert_eq!(twice.failed, ["environments/a.yaml", "environments/b.yaml"]);
    assert!(twice.diagnostics.iter().all(|one| one.location.file == "environments/defaults.yaml"));
    assert_eq!(twice.diagnostics.len(), 2);
}

#[test]
fn one_collision_is_one_finding() {
    let three = BASE
        .replace("main: { name: log-x }", "main: { name: log-x }, b: { name: LOG-X }, c: { name: log-x }");
    let three =
        three.replace("workspaces:\n  main: { name: log-x }, b", "workspaces: { main: { name: log-x }, b");
    let found = yaml(&three.replace("c: { name: log-x }", "c: { name: log-x } }")).diagnostics;
    assert_eq!((codes(&found), found[0].related.len()), (vec!["name-collision"], 2), "{:?}", said(&found));
    let twins = format!(
        "{BASE}{CLUSTER}compute_instances: {{ cpu: {{ virtual_machine_size: Standard_DS3_v2, idle_time_before_shutdown: PT1H }} }}\n"
    );
    assert_eq!(codes(&yaml(&twins).diagnostics), ["compute-name-taken"]);
}
