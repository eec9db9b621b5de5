//! Defaults files: what is inherited, what wins, and where an error in them is shown.

use super::*;
use crate::definitions::load_all;
use crate::resources::{Address, Kind, OnDelete, Presence, Reference};

fn environment(files: &[SourceFile]) -> crate::definitions::Environment {
    let loaded = load(files);
    loaded.environment.unwrap_or_else(|| panic!("{:#?}", said(&loaded.diagnostics)))
}

#[test]
fn the_nearer_file_wins_key_by_key() {
    let outer = format!("{BASE}tags: {{ team: a, cost: x }}\nignore_tags: [a, b]\n");
    let inner = "ignore_tags = [\"c\"]\n[tags]\nteam = \"b\"\n";
    let own = "resource_group: { name: rg-own }\ntags:\n";
    let loaded = environment(&[
        file("defaults.yaml", &outer),
        file("eu/defaults.toml", inner),
        file("eu/own.yaml", own),
    ]);
    assert_eq!(loaded.name.as_str(), "own");
    assert_eq!(loaded.resource_group, "rg-own");
    assert_eq!(
        loaded.tags.into_iter().collect::<Vec<_>>(),
        [("cost".into(), "x".into()), ("team".into(), "b".into())]
    );
    assert_eq!(loaded.ignore_tags, ["c"]);
}

#[test]
fn the_environments_name_is_filled_in() {
    let defaults = BASE
        .replace("{ name: rg-x }", "{ name: 'rg-${environment}' }")
        .replace("location", "tags: { a: '$${b}' }\nlocation");
    let loaded = environment(&[file("defaults.yaml", &defaults), file("blue.yaml", "")]);
    assert_eq!(loaded.resource_group, "rg-blue");
    assert_eq!(loaded.tags["a"], "${b}");
}

#[test]
fn an_error_in_an_inherited_value_is_shown_in_the_defaults_file() {
    let defaults = format!("{BASE}{CLUSTER}").replace("max_node_count: 2", "max_node_count: many");
    let loaded = load(&[file("defaults.yaml", &defaults), file("x.yaml", "name: y\n")]);
    let [found] = loaded.diagnostics.as_slice() else { panic!("{:#?}", said(&loaded.diagnostics)) };
    assert_eq!((found.location.file.as_str(), found.location.line), ("defaults.yaml", 22));
    assert_eq!(marked(found), "many");
}

#[test]
fn an_error_of_the_catalog_in_an_inherited_value_too() {
    let defaults =
        format!("{BASE}{CLUSTER}").replace("max_node_count: 2", "min_node_count: 3, max_node_count: 2");
    let loaded = load(&[file("defaults.yaml", &defaults), file("x.yaml", "")]);
    assert!(!loaded.diagnostics.is_empty());
    assert!(loaded.diagnostics.iter().all(|one| one.location.file == "defaults.yaml" && marked(one) == "3"));
}

#[test]
fn broken_defaults_stop_the_environment_without_more_words() {
    let loaded = load(&[file("defaults.yaml", "a: ["), file("x.yaml", BASE)]);
    assert_eq!(codes(&loaded.diagnostics), ["syntax"]);
    assert_eq!(loaded.diagnostics[0].location.file, "defaults.yaml");
}

#[test]
fn two_defaults_files_in_a_folder_are_an_error() {
    let loaded = load(&[file("a/defaults.yaml", ""), file("a/defaults.toml", ""), file("a/x.yaml", BASE)]);
    assert_eq!(codes(&loaded.diagnostics), ["two-defaults"]);
}

#[test]
fn a_name_cannot_be_inherited() {
    let loaded = load(&[file("defaults.yaml", "name: y\n"), file("x.yaml", BASE)]);
    assert_eq!(codes(&loaded.diagnostics), ["invalid-name"]);
}

#[test]
fn resources_are_resolved_and_filled_in() {
    let text = format!(
        "{BASE}{CLUSTER}    subnet: main/compute
    tags: {{ priority: low, TEAM: mine }}
tags: {{ team: all, owner: us }}
virtual_networks:
  main:
    address_space: [10.1.0.0/16]
    location: West Europe
    subnets: {{ compute: {{ address_prefixes: [10.1.1.0/24] }} }}
  hub:
    existing: true
    id: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet-hub
"
    );
    let loaded = environment(&[file("x.yaml", &text)]);
    let at = |local: &str| &loaded.resources[&Address::parse_local(&loaded.name, local).unwrap()];
    let cluster = at("compute_clusters/cpu");
    let subnet = Address::parse_local(&loaded.name, "virtual_networks/main/subnets/compute").unwrap();
    assert_eq!(cluster.references["subnet"], Reference::Local(subnet.clone()));
    assert_eq!(cluster.text("vm_priority"), Some("Dedicated"));
    assert!(
        cluster.written.contains("scale_settings.max_node_count") && !cluster.written.contains("vm_priority")
    );
    let tags: Vec<_> = cluster.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(tags, ["TEAM=mine", "owner=us", "priority=low"]);
    assert_eq!((cluster.name.as_str(), cluster.location.as_str()), ("cpu", "eastus"));
    assert_eq!(at("virtual_networks/main").location, "westeurope");
    assert_eq!(loaded.resources[&subnet].location, "westeurope");
    let hub = at("virtual_networks/hub");
    assert_eq!(hub.name, "vnet-hub");
    assert!(matches!(hub.presence, Presence::Existing(Some(_))) && hub.fields.is_empty());
    assert_eq!(at("workspace").on_delete, OnDelete::Keep);
    let workspace = Address::single(&loaded.name, Kind::Workspace);
    assert_eq!(loaded.locate(&workspace, "identity.type").line, 18);
    assert_eq!(loaded.locate(&workspace, "description").line, 13);
    assert_eq!(loaded.locate(&cluster.address, "tags.owner").line, 25);
    assert_eq!(loaded.locate_key("subscription").line, 2);
}

#[test]
fn a_misspelt_defaults_file_is_one_error_with_the_command_that_renames_it() {
    let (shared, own) = BASE.split_once("resource_group").unwrap();
    let own = format!("resource_group{own}");
    for name in ["default.yaml", "default.yml", "defualts.yaml", "defaults-.yaml", "DEFAULT.yaml"] {
        let path = format!("environments/{name}");
        let files = |path: &str| [file("environments/x.yaml", &own), file(path, shared)].to_vec();
        let found = load_all(files(&path), "environments").diagnostics;
        let [of_defaults] = found.iter().filter(|one| one.location.file == path).collect::<Vec<_>>()[..]
        else {
            panic!("{name}: {:?}", said(&found));
        };
        assert!(of_defaults.remedy.starts_with("Did you mean `defaults.y"), "{name}: {of_defaults:?}");
        let command = of_defaults.remedy.split('`').nth(3).unwrap();
        let (from, to) = command.strip_prefix("git mv ").unwrap().split_once(' ').unwrap();
        assert_eq!(from, path);
        let mended = load_all(files(to), "environments");
        assert_eq!(said(&mended.diagnostics), Vec::<String>::new(), "{name}");
        assert_eq!(mended.environments.len(), 1);
    }
    // Where there is one already, two of a folder would be the next mistake.
    let files = [
        file("environments/default.toml", "location = \"eastus\"\n"),
        file("environments/defaults.yaml", shared),
        file("environments/x.yaml", &own),
    ];
    let found = load_all(files.to_vec(), "environments").diagnostics;
    let remedy = "Did you mean `defaults.toml`? Put what it says into `environments/defaults.yaml`, which is there already.";
    assert_eq!(found.iter().map(|one| one.remedy.as_str()).collect::<Vec<_>>(), [remedy]);
    // An environment may be called so.
    let found = load_all(vec![file("environments/default.yaml", BASE)], "environments");
    assert_eq!((said(&found.diagnostics), found.environments.len()), (Vec::new(), 1));
}
