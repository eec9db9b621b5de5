//! Remedies are followed to the letter: what is missing or misspelt is mended by the line that is shown.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::definitions::to_json;
use crate::resources::{Field, Kind, Shape, WhenAbsent, of};

/// One resource of each kind at least, with every group of fields that has one that is required.
const EVERYTHING: &str = "\
container_registries:
  hub: { name: crx001, sku: Basic }
virtual_networks:
  main:
    address_space: [10.0.0.0/16]
    subnets:
      one: { address_prefixes: [10.0.0.0/24] }
compute_clusters:
  cpu:
    vm_size: Standard_D4s_v3
    scale_settings: { max_node_count: 2 }
    identity: { type: SystemAssigned }
compute_instances:
  anna:
    virtual_machine_size: Standard_DS3_v2
    idle_time_before_shutdown: PT1H
    assign_to_user: { object_id: 11111111-1111-1111-1111-111111111111, tenant_id: 11111111-1111-1111-1111-111111111111 }
    ssh: { public_key: ssh-rsa AAAA }
    identity: { type: SystemAssigned }
    schedules: [{ action: Stop, cron: 0 18 * * 1-5 }]
datastores:
  blobs: { type: AzureBlob, storage_account: default, container: blobs }
role_assignments:
  pull: { principal: workspace, role: AcrPull, scope: container_registries/hub }
";

pub(super) fn everything() -> Value {
    let base = BASE.replace("LRS }", "LRS, containers: { blobs: {} } }");
    let text = format!("{base}  managed_network: {{ isolation_mode: AllowInternetOutbound }}\n{EVERYTHING}");
    to_json(&read_document(&file("environments/x.yaml", &text)).unwrap())
}

/// JSON is YAML.
pub(super) fn loaded(document: &Value) -> Loaded {
    yaml(&document.to_string())
}

pub(super) fn loaded_toml(document: &Value) -> Loaded {
    toml(&as_toml(&document.to_string()))
}

/// The keys that nothing may be without: the JSON pointer of the map they are in, and the key. `seen` is told
/// the rows.
fn required(document: &Value, seen: &mut BTreeSet<(Kind, String)>) -> Vec<(String, String)> {
    let top = ["beamline", "subscription", "location", "resource_group", "workspace"];
    let mut found: Vec<(String, String)> = top.iter().map(|key| (String::new(), (*key).to_owned())).collect();
    for kind in Kind::ALL {
        for place in places(document, kind) {
            if kind.is_single() {
                found.push((place.clone(), "name".to_owned()));
            }
            let mut add = |row: &str, place: &str, key: &str| {
                seen.insert((kind, row.to_owned()));
                found.push((place.to_owned(), key.to_owned()));
            };
            fields(document, of(kind).spec().fields, &place, "", &mut add);
        }
    }
    found
}

/// Where the resources of a kind are.
fn places(document: &Value, kind: Kind) -> Vec<String> {
    let outer = kind.written_inside().map_or_else(|| vec![String::new()], |outer| places(document, outer));
    let maps = outer.into_iter().map(|outer| format!("{outer}/{}", kind.key()));
    if kind.is_single() {
        return maps.collect();
    }
    let names = |map: String| {
        let resources = document.pointer(&map).and_then(Value::as_object);
        resources.into_iter().flatten().map(|(name, _)| format!("{map}/{name}")).collect::<Vec<_>>()
    };
    maps.flat_map(names).collect()
}

fn fields(document: &Value, table: &[Field], place: &str, row: &str, add: &mut dyn FnMut(&str, &str, &str)) {
    for field in table.iter().filter(|field| document.pointer(&format!("{place}/{}", field.name)).is_some()) {
        let (inner, row) = (format!("{place}/{}", field.name), format!("{row}.{}", field.name));
        if matches!(field.absent, WhenAbsent::Refused) {
            add(&row, place, field.name);
        }
        match field.shape {
            Shape::Object(table) => fields(document, table, &inner, &row, add),
            Shape::Objects { fields: table, .. } => fields(document, table, &format!("{inner}/0"), &row, add),
            Shape::Bool
            | Shape::Integer { .. }
            | Shape::Text { .. }
            | Shape::Guid
            | Shape::Choice(_)
            | Shape::Word { .. }
            | Shape::Duration { .. }
            | Shape::Set { .. }
            | Shape::Prefixes
            | Shape::Reference(_)
            | Shape::Principal(_) => {}
        }
    }
}

/// Every row that must be written, of every type.
fn all_rows() -> BTreeSet<(Kind, String)> {
    fn rows(kind: Kind, table: &[Field], row: &str, all: &mut BTreeSet<(Kind, String)>) {
        for field in table {
            let row = format!("{row}.{}", field.name);
            if matches!(field.absent, WhenAbsent::Refused) {
                all.insert((kind, row.clone()));
            }
            if let Shape::Object(table) | Shape::Objects { fields: table, .. } = field.shape {
                rows(kind, table, &row, all);
            }
        }
    }
    let mut all = BTreeSet::new();
    Kind::ALL.iter().for_each(|kind| rows(*kind, of(*kind).spec().fields, "", &mut all));
    all
}

pub(super) fn map<'v>(document: &'v mut Value, place: &str) -> &'v mut serde_json::Map<String, Value> {
    document.pointer_mut(place).and_then(Value::as_object_mut).unwrap()
}

/// The only mistake of `document`.
fn only(document: &Value, why: &str) -> Diagnostic {
    let loaded = loaded(document);
    let [found] = loaded.diagnostics.as_slice() else { panic!("{why}: {:#?}", said(&loaded.diagnostics)) };
    found.clone()
}

/// Writes the line of the remedy, which is in the notation of `path`, into the map at `place`.
pub(super) fn follow(document: &Value, place: &str, remedy: &str, path: &str) -> Value {
    let mut lines = remedy.split('`').skip(1).step_by(2).filter(|text| text.contains([':', '=']));
    let line = to_json(&read_document(&file(path, lines.next().unwrap())).expect(remedy));
    let mut document = document.clone();
    map(&mut document, place).extend(line.as_object().unwrap().clone());
    document
}

#[test]
fn the_line_for_whatever_is_missing_is_accepted_where_it_is_missing() {
    let (document, mut seen) = (everything(), BTreeSet::new());
    assert_eq!(said(&loaded(&document).diagnostics), Vec::<String>::new());
    let all = required(&document, &mut seen);
    assert_eq!(seen, all_rows());
    let mut wrong = Vec::new();
    for (place, key) in all {
        let mut without = document.clone();
        map(&mut without, &place).remove(&key);
        for (path, found) in [("x.yaml", loaded(&without)), ("x.toml", loaded_toml(&without))] {
            let found = found.diagnostics;
            let is_missed = |one: &&Diagnostic| one.code.as_str() == "missing-field";
            let remedy = &found.iter().find(is_missed).unwrap_or_else(|| panic!("{place}/{key}")).remedy;
            let mended = loaded(&follow(&without, &place, remedy, path));
            wrong.extend(
                said(&mended.diagnostics).iter().map(|said| format!("{place}/{key}: {remedy}: {said}")),
            );
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_misspelt_key_that_must_be_there_is_one_error_with_the_line_to_write() {
    let document = everything();
    for (place, key) in required(&document, &mut BTreeSet::new()) {
        let mut letters: Vec<char> = key.chars().collect();
        let at = (1..letters.len() - 1).find(|at| letters[*at] != letters[at + 1]).unwrap();
        letters.swap(at, at + 1);
        let misspelt: String = letters.into_iter().collect();
        let mut wrong = document.clone();
        let value = map(&mut wrong, &place).remove(&key).unwrap();
        map(&mut wrong, &place).insert(misspelt.clone(), value);
        let found = only(&wrong, &format!("{place}/{misspelt}"));
        assert_eq!((found.code.as_str(), marked(&found)), ("unknown-field", misspelt.clone()));
        assert!(found.remedy.starts_with(&format!("Did you mean `{key}`? Write ")), "{}", found.remedy);
        let long = found.remedy.ends_with("in its place.");
        let value = map(&mut wrong, &place).remove(&misspelt).unwrap();
        let mended = if long {
            map(&mut wrong, &place).insert(key, value);
            wrong
        } else {
            follow(&wrong, &place, &found.remedy, "x.yaml")
        };
        assert_eq!(mended, document);
    }
}

#[test]
fn a_key_that_only_shares_a_word_with_the_one_that_is_missing_is_one_error() {
    for (place, key, written) in [
        ("", "location", "region"),
        ("/compute_clusters/cpu", "vm_size", "size"),
        ("/compute_clusters/cpu", "scale_settings", "scaling_settings"),
        ("/compute_clusters/cpu", "scale_settings", "scale"),
        ("/compute_clusters/cpu/scale_settings", "max_node_count", "max"),
        ("/compute_clusters/cpu/scale_settings", "max_node_count", "nodes"),
        ("/storage_accounts/default", "account_tier", "tier"),
        ("/storage_accounts/default", "account_replication_type", "replication"),
        ("/storage_accounts/default", "account_replication_type", "redundancy"),
        ("/compute_instances/anna", "virtual_machine_size", "machine-type"),
    ] {
        let mut document = everything();
        let value = map(&mut document, place).remove(key).unwrap();
        map(&mut document, place).insert(written.to_owned(), value);
        let found = only(&document, &format!("{place}/{written}"));
        assert_eq!((found.code.as_str(), marked(&found)), ("unknown-field", written.to_owned()));
        assert!(found.remedy.starts_with(&format!("Did you mean `{key}`? Write ")), "{}", found.remedy);
    }
}

#[test]
fn a_key_that_may_be_either_of_two_missing_ones_is_told_beside_them() {
    let mut document = everything();
    let account = map(&mut document, "/storage_accounts/default");
    account.remove("account_tier");
    let replication = account.remove("account_replication_type").unwrap();
    account.insert("account".to_owned(), replication);
    let found = loaded(&document).diagnostics;
    // A word of both says nothing, and the value what is meant.
    assert_eq!(codes(&found), ["missing-field", "unknown-field"], "{:?}", said(&found));
    let account = map(&mut document, "/storage_accounts/default");
    account.insert("account".to_owned(), "x".into());
    let found = loaded(&document).diagnostics;
    assert_eq!(codes(&found), ["missing-field", "missing-field", "unknown-field"], "{:?}", said(&found));
    let mut document = everything();
    let scale = map(&mut document, "/compute_clusters/cpu/scale_settings");
    scale.remove("max_node_count");
    scale.extend([("nodes".to_owned(), 2.into()), ("count".to_owned(), 2.into())]);
    let found = loaded(&document).diagnostics;
    assert_eq!(codes(&found), ["missing-field", "unknown-field", "unknown-field"], "{:?}", said(&found));
}

#[test]
fn a_misspelt_section_is_one_error_whoever_names_what_is_in_it() {
    for (place, key, written) in [
        ("", "storage_accounts", "storage_acounts"),
        ("", "key_vaults", "key_vault"),
        ("", "application_insights", "application_insight"),
        ("", "container_registries", "container_registry"),
        ("/virtual_networks/main", "subnets", "subnet"),
        ("/storage_accounts/default", "containers", "container"),
    ] {
        let mut document = everything();
        map(&mut document, "/compute_clusters/cpu").insert("subnet".to_owned(), "main/one".into());
        assert_eq!(said(&loaded(&document).diagnostics), Vec::<String>::new());
        let value = map(&mut document, place).remove(key).unwrap();
        map(&mut document, place).insert(written.to_owned(), value);
        let found = only(&document, &format!("{place}/{written}"));
        assert_eq!((found.code.as_str(), marked(&found)), ("unknown-field", written.to_owned()));
        assert_eq!(found.remedy, format!("Did you mean `{key}`?"));
    }
}

#[test]
fn what_is_misspelt_and_wrong_is_told_with_both_mistakes() {
    let found = yaml(&format!(
        "{BASE}compute_clusters: {{ cpu: {{ vm_size: Standard_D4s_v3, scale_setings: {{ max_node_count: -1 }} }} }}\n"
    ));
    assert_eq!(codes(&found.diagnostics), ["unknown-field", "out-of-range"]);
}

#[test]
fn examples_bear_the_name_of_their_environment() {
    let text = BASE.replace("resource_group: { name: rg-x }\n", "");
    let found = load(&[file("environments/Dev_2.yaml", &text)]).diagnostics;
    assert!(found[0].remedy.contains("`resource_group: { name: rg-Dev-2 }`"), "{:?}", said(&found));
    let text = BASE.split("workspace:\n  name").next().unwrap();
    let found = load(&[file("environments/Dev_2.yaml", text)]).diagnostics;
    assert!(found[0].remedy.contains("name: mlw-Dev-2, storage_account: default }`"), "{:?}", said(&found));
}

#[test]
fn a_name_that_azure_refuses_is_told_with_one_that_it_takes() {
    let text = BASE.replace("name: stx001", "name: St_X-001");
    let found = yaml(&text).diagnostics;
    assert_eq!(found[0].remedy, "Write another name, such as `name: stx001`", "{:?}", said(&found));
}

#[test]
fn a_short_name_that_is_none_is_told_with_one_that_is() {
    let found = yaml(&format!("{BASE}virtual_networks: {{ 'a b!': {{ address_space: [10.0.0.0/16] }} }}\n"));
    assert!(found.diagnostics[0].remedy.starts_with("Write `a-b:`"), "{:?}", said(&found.diagnostics));
}
