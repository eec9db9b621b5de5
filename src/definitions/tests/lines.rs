//! The line that a remedy shows for a wrong value, a wrong key or a missing reference is accepted.

use serde_json::Value;

use super::remedies::{everything, follow, loaded, loaded_toml, map};
use super::*;
use crate::definitions::to_json;

/// A wrong value at a place of [`everything`], whose remedy is a line for the map that it is in.
const WRONG: &[(&str, &str)] = &[
    ("/workspace/identity", "SystemAssigned"),
    ("/workspace/identity", "[SystemAssigned]"),
    ("/workspace/identity/type", "systemassigned"),
    ("/workspace/storage_account", "{ name: default }"),
    ("/workspace/storage_account", "[default]"),
    ("/workspace/storage_account", "null"),
    (
        "/workspace",
        "[{ name: mlw-x, storage_account: default, key_vault: main, application_insights: main, identity: { type: SystemAssigned } }]",
    ),
    ("/resource_group", "rg-x"),
    ("/location", "west-europe"),
    ("/location", "West_Europe"),
    ("/location", "[eastus]"),
    ("/key_vaults/main/sku_name", "Standard"),
    ("/key_vaults/main/rbac_authorization_enabled", "'yes'"),
    ("/key_vaults/main/rbac_authorization_enabled", "1"),
    ("/key_vaults", "{ name: kv-x-001, sku_name: standard, rbac_authorization_enabled: true }"),
    ("/key_vaults", "[{ name: main, sku_name: standard, rbac_authorization_enabled: true }]"),
    ("/storage_accounts/default/name", "12345"),
    ("/virtual_networks/main/address_space", "10.0.0.0/16"),
    ("/virtual_networks/main/address_space", "{ all: 10.0.0.0/16 }"),
    ("/virtual_networks/main/subnets", "[{ name: one, address_prefixes: [10.0.0.0/24] }]"),
    ("/compute_clusters", "[{ vm_size: Standard_D4s_v3, scale_settings: { max_node_count: 2 } }]"),
    ("/compute_clusters/cpu", "Standard_D4s_v3"),
    ("/compute_clusters/cpu/scale_settings", "[{ max_node_count: 2 }, { min_node_count: 0 }]"),
    ("/compute_clusters/cpu/scale_settings/max_node_count", "'2'"),
    ("/compute_clusters/cpu/scale_settings/max_node_count", "2.0"),
    ("/compute_clusters/cpu/scale_settings/max_node_count", "two"),
    ("/compute_clusters/cpu/scale_settings/max_node_count", "2 nodes"),
    ("/compute_clusters/cpu/scale_settings/max_node_count", "many"),
    ("/key_vaults/main/adopt", "'yes'"),
    ("/compute_instances/anna/idle_time_before_shutdown", "30"),
    ("/compute_instances/anna/idle_time_before_shutdown", "1h30m"),
    ("/compute_instances/anna/idle_time_before_shutdown", "15 minutes"),
    ("/compute_instances/anna/idle_time_before_shutdown", "2 hours"),
    ("/compute_instances/anna/idle_time_before_shutdown", "two hours"),
    ("/compute_instances/anna/idle_time_before_shutdown", "true"),
    ("/compute_instances/anna/assign_to_user/object_id", "123"),
    ("/compute_instances/anna/schedules", "{ action: Stop, cron: 0 18 * * 1-5 }"),
    ("/role_assignments", "[{ principal: workspace, role: AcrPull, scope: container_registries/hub }]"),
    ("/tags", "[team]"),
    ("/ignore_tags", "hidden-*"),
    ("/ignore_tags", "{ hidden-*: true }"),
];

#[test]
fn the_line_for_a_wrong_value_is_accepted_where_it_stands() {
    let document = everything();
    for (pointer, value) in WRONG {
        let value =
            to_json(&read_document(&file("x.yaml", &format!("value: {value}"))).unwrap())["value"].take();
        let (place, key) = pointer.rsplit_once('/').unwrap();
        let mut wrong = document.clone();
        map(&mut wrong, place).insert(key.to_owned(), value.clone());
        for (path, found) in [("x.yaml", loaded(&wrong)), ("x.toml", loaded_toml(&wrong))] {
            if value.is_null() && path == "x.toml" {
                continue;
            }
            let missed = |one: &&Diagnostic| one.is_error() && one.code.as_str() != "unknown-reference";
            let errors: Vec<&Diagnostic> = found.diagnostics.iter().filter(missed).collect();
            let [one] = errors.as_slice() else {
                panic!("{pointer}: {value}: {:#?}", said(&found.diagnostics))
            };
            let mended = loaded(&follow(&wrong, place, &one.remedy, path));
            assert_eq!(said(&mended.diagnostics), Vec::<String>::new(), "{pointer}: {}", one.remedy);
        }
    }
}

#[test]
fn a_value_that_nobody_wrote_is_called_an_example() {
    let nodes = |value: &str| {
        let text =
            format!("{BASE}{CLUSTER}").replace("max_node_count: 2", &format!("max_node_count: {value}"));
        yaml(&text).diagnostics[0].remedy.clone()
    };
    assert_eq!(nodes("two"), "Write `max_node_count: 2`.");
    for value in ["many", "true", "[1, 2]", "{ a: 1 }"] {
        let remedy = nodes(value);
        assert!(remedy.starts_with("Write a whole number from 0 to "), "{remedy}");
        assert!(remedy.ends_with(". For example: `max_node_count: 4`."), "{remedy}");
    }
}

/// Follows the remedies one after the other until nothing is wrong.
fn until_sound(mut document: Value, place: &str, rounds: usize) {
    for _ in 0..rounds {
        let found = loaded(&document).diagnostics;
        let Some(first) = found.iter().find(|one| one.is_error()) else { return };
        let mut lines = first.remedy.split('`').skip(1).step_by(2).filter(|text| text.contains(": "));
        let mut place = if first.location.line == 1 && place.is_empty() { "" } else { place };
        for line in &mut lines {
            let line = to_json(&read_document(&file("x.yaml", line)).expect(&first.remedy));
            map(&mut document, place).extend(line.as_object().unwrap().clone());
            place = "";
        }
    }
    let left = loaded(&document).diagnostics;
    assert!(!left.iter().any(Diagnostic::is_error), "{:#?}", said(&left));
}

#[test]
fn what_a_line_names_is_declared_along_with_it() {
    let bare = to_json(
        &read_document(&file("x.yaml", "beamline: 1\nsubscription: ml\nlocation: eastus\n")).unwrap(),
    );
    until_sound(bare, "", 2);
    let mut document = everything();
    map(&mut document, "").remove("log_analytics_workspaces");
    map(&mut document, "/application_insights/main").remove("workspace");
    until_sound(document, "/application_insights/main", 1);
    let mut document = everything();
    map(&mut document, "").remove("virtual_networks");
    map(&mut document, "/compute_clusters/cpu").insert("subnet".to_owned(), "net/nodes".into());
    until_sound(document, "", 1);
}

#[test]
fn examples_fit_what_is_written_around_them() {
    let network = |rest: &str| format!("{BASE}virtual_networks:\n  main:\n{rest}");
    let cluster = |rest: &str| {
        format!(
            "{BASE}compute_clusters:\n  cpu:\n    vm_size: Standard_D4s_v3\n    scale_settings: {{ {rest} }}\n"
        )
    };
    let subnet = "    subnets: { a: { address_prefixes: [172.16.5.0/24] } }\n";
    let space =
        "    address_space: [10.1.0.0/26]\n    subnets: { a: { address_prefixes: [10.1.0.0/27] }, b: {} }\n";
    let file_share = format!("{BASE}datastores: {{ d: {{ storage_account: default, share: s }} }}\n");
    for (text, line) in [
        (network(subnet), "`address_space: [\"172.16.0.0/16\"]`"),
        (network(space), "`address_prefixes: [\"10.1.0.32/27\"]`"),
        (cluster("min_node_count: 8"), "`max_node_count: 8`"),
        (file_share, "`type: AzureFile`"),
    ] {
        assert_eq!(yaml(&text).diagnostics[0].remedy, format!("Add {line}."), "{text}");
    }
}

#[test]
fn keys_in_other_spellings_are_told_with_the_one_that_is_meant() {
    for (written, meant) in [
        ("primary-identity", "primary_user_assigned_identity"),
        ("primaryUserAssignedIdentity", "primary_user_assigned_identity"),
        ("Public-Network-Access-Enabled", "public_network_access_enabled"),
        ("build-compute", "image_build_compute_name"),
    ] {
        let found = yaml(&format!("{BASE}  {written}: x\n")).diagnostics;
        assert_eq!(found[0].remedy, format!("Did you mean `{meant}`?"), "{written}");
    }
    let nested = BASE.replace("workspace:\n  name", "workspaces:\n main:\n  name");
    assert_eq!(codes(&yaml(&nested).diagnostics), ["unknown-field", "unknown-field"]);
    let found = yaml(&nested.replace("\nworkspaces:", "\nworkspace:"));
    assert_eq!(
        found.diagnostics[0].remedy,
        "Remove `main:`, and write its fields below `workspace:` itself."
    );
}
