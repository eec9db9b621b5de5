//! Every kind of mistake: its code, the marked text and the words, the same in both notations.

use super::*;
use crate::definitions::{Code, Colour};
use crate::resources::Severity;

/// What is added to the base, the code, the text that is marked, and words of message or remedy.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    ("compute_cluster: {}", "unknown-field", "compute_cluster", &["Did you mean `compute_clusters`?"]),
    ("subnets: {}", "unknown-field", "subnets", &["inside one of the `virtual_networks`"]),
    ("compute_clusters: 5", "wrong-type", "5", &["not a map"]),
    ("compute_clusters: { 'a b': {} }", "invalid-name", "a b", &["short name"]),
    (
        "compute_clusters: { cpu: { vm_sise: Standard_D4s_v3, vm_size: Standard_D4s_v3, scale_settings: { max_node_count: 1 } } }",
        "unknown-field",
        "vm_sise",
        &["compute_clusters/cpu", "Did you mean `vm_size`?"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, scale_settings: { max_node_cuont: 1, max_node_count: 1 } } }",
        "unknown-field",
        "max_node_cuont",
        &["Did you mean `max_node_count`?"],
    ),
    (
        "compute_clusters: { cpu: { resource_group_name: x, vm_size: Standard_D4s_v3, scale_settings: { max_node_count: 1 } } }",
        "unknown-field",
        "resource_group_name",
        &["it comes from the environment's `resource_group`"],
    ),
    (
        "key_vaults: { main: { name: kv-x-001, sku_name: standard, enable_rbac_authorization: true } }",
        "unknown-field",
        "enable_rbac_authorization",
        &["It is called `rbac_authorization_enabled` here."],
    ),
    (
        "role_assignments: { anna: { principal: anna@contoso.com, role: Reader, scope: workspace } }",
        "unknown-reference",
        "anna@contoso.com",
        &["object id", "az ad user show"],
    ),
    (
        "compute_clusters: { cpu: { scale_settings: { max_node_count: 1 } } }",
        "missing-field",
        "cpu",
        &["`vm_size` is missing in compute_clusters/cpu"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, scale_settings: { min_node_count: 0 } } }",
        "missing-field",
        "scale_settings",
        &["`scale_settings.max_node_count` is missing"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, scale_settings: { max_node_count: '1' } } }",
        "wrong-type",
        "1",
        &["Write `max_node_count"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, scale_settings: { max_node_count: 1.5 } } }",
        "wrong-type",
        "1.5",
        &["not a whole number"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, scale_settings: { max_node_count: -1 } } }",
        "out-of-range",
        "-1",
        &["whole number from 0 to"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: 1.10, scale_settings: { max_node_count: 1 } } }",
        "wrong-type",
        "1.1",
        &["is a number", "Write `vm_size"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, vm_priority: dedicated, scale_settings: { max_node_count: 1 } } }",
        "unknown-value",
        "dedicated",
        &["Did you mean `Dedicated`?"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, local_auth_enabled: 'yes', scale_settings: { max_node_count: 1 } } }",
        "wrong-type",
        "yes",
        &["Write `local_auth_enabled"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, scale_settings: { max_node_count: 1, scale_down_nodes_after_idle_duration: 15m } } }",
        "invalid-value",
        "15m",
        &["ISO-8601"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, scale_settings: { max_node_count: 1, scale_down_nodes_after_idle_duration: P30D } } }",
        "out-of-range",
        "P30D",
        &["from PT1S to P7D"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, subnet: main/compute, scale_settings: { max_node_count: 1 } } }",
        "unknown-reference",
        "main/compute",
        &["Declare it at the top: `virtual_networks"],
    ),
    (
        "compute_clusters: { cpu: { vm_size: Standard_D4s_v3, subnet: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg, scale_settings: { max_node_count: 1 } } }",
        "wrong-reference",
        "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg",
        &["not a Microsoft.Network/virtualNetworks/subnets"],
    ),
    (
        "role_assignments: { r: { principal: workspaces, role: AcrPush, scope: key_vaults/main } }",
        "unknown-reference",
        "workspaces",
        &["Did you mean `workspace`?"],
    ),
    (
        "role_assignments: { r: { principal: workspace, role: AcrPush, scope: main } }",
        "unknown-reference",
        "main",
        &["/main`?"],
    ),
    (
        "role_assignments: { r: { name: x, principal: workspace, role: AcrPush, scope: key_vaults/main } }",
        "unknown-field",
        "name",
        &["its name in Azure follows from scope, role and principal"],
    ),
    (
        "compute_clusters: { cpu: { existing: true, id: /subscriptions/x } }",
        "wrong-reference",
        "/subscriptions/x",
        &["not a Microsoft.MachineLearningServices/workspaces/computes"],
    ),
    (
        "container_registries: { hub: { existing: true, adopt: true } }",
        "conflicting-fields",
        "true",
        &["exclude one another"],
    ),
    (
        "container_registries: { hub: { existing: true, on_delete: purge } }",
        "unknown-field",
        "on_delete",
        &["its name is free as soon as it is deleted"],
    ),
    ("tags: { a: 1 }", "wrong-type", "1", &["Quote it: `a"]),
    ("tags: { 'a/b': x }", "invalid-name", "a/b", &["cannot be the name of a tag"]),
    ("tags: { Beamline: x }", "invalid-name", "Beamline", &["beamline's own mark"]),
    ("tags: { Team: a, team: b }", "duplicate-key", "team", &["one and the same to Azure"]),
    (
        "tags: { a: '${location}' }",
        "unknown-variable",
        "${location}",
        &["The placeholders are: `${environment}`"],
    ),
    (
        "tags: { a: 'x-${enviroment}' }",
        "unknown-variable",
        "x-${enviroment}",
        &["Did you mean `${environment}`?"],
    ),
    (
        "acknowledge: [retired-vm-sise]",
        "unknown-acknowledgement",
        "retired-vm-sise",
        &["Did you mean `retired-vm-size`?"],
    ),
    ("acknowledge: [syntax]", "unknown-acknowledgement", "syntax", &["cannot be acknowledged"]),
    ("acknowledge: [retired-vm-size]", "unused-acknowledgement", "retired-vm-size", &["does not occur"]),
    ("renamed_from: 'a b'", "invalid-name", "a b", &["cannot be the name of an environment"]),
    ("ignore_tags: x", "wrong-type", "x", &["not a list"]),
];

/// The base with a key replaced or added.
fn with(tail: &str) -> String {
    let key = tail.split(':').next().unwrap();
    let mut base = String::new();
    let mut skipping = false;
    for line in BASE.lines() {
        skipping = line.starts_with(&format!("{key}:")) || (skipping && line.starts_with(' '));
        if !skipping {
            base.push_str(line);
            base.push('\n');
        }
    }
    base + tail + "\n"
}

#[test]
fn the_base_of_these_stories_is_clean() {
    for text in [BASE.to_owned(), format!("{BASE}{CLUSTER}")] {
        let loaded = yaml(&text);
        assert_eq!(said(&loaded.diagnostics), Vec::<String>::new());
        assert!(loaded.environment.is_some());
        assert_eq!(said(&toml(&as_toml(&text)).diagnostics), Vec::<String>::new());
    }
}

#[test]
fn what_advice_shows_can_be_pasted_into_its_file() {
    for (tail, ..) in CASES {
        let in_yaml = with(tail);
        for (path, loaded) in [("x.toml", toml(&as_toml(&in_yaml))), ("x.yaml", yaml(&in_yaml))] {
            let other = if path == "x.toml" { "x.yaml" } else { "x.toml" };
            for text in loaded.diagnostics.iter().flat_map(|one| [&one.rule, &one.remedy]) {
                for line in text.split('`').skip(1).step_by(2).filter(|line| line.contains([' ', '='])) {
                    let reads = |path| read_document(&file(path, line)).is_ok();
                    assert!(reads(path) || !reads(other), "{path}: {text}");
                }
            }
        }
    }
    let loaded = toml(&as_toml(&format!("{BASE}{CLUSTER}").replace("{ max", "{ min_node_count: 1, max")));
    let remedy = "Set `min_node_count = 0`, or `acknowledge = [\"min-node-count-above-zero\"]`";
    assert_eq!(loaded.diagnostics[0].remedy, remedy);
    let loaded = toml("beamline = 1\n[workspace]\nname = \"x\"\n");
    let remedy = "Add `location = \"eastus\"` above the first `[table]`, here or in a defaults file.";
    assert!(loaded.diagnostics.iter().any(|one| one.remedy == remedy), "{:?}", said(&loaded.diagnostics));
}

#[test]
fn a_mistake_is_the_same_in_both_notations() {
    for (tail, code, text, words) in CASES {
        let in_yaml = with(tail);
        let in_toml = as_toml(&in_yaml);
        for loaded in [yaml(&in_yaml), toml(&in_toml)] {
            let [found] = loaded.diagnostics.as_slice() else {
                panic!("{tail}: {:#?}", said(&loaded.diagnostics));
            };
            assert_eq!(found.code.as_str(), *code, "{tail}: {found}");
            assert_eq!(marked(found).trim_end_matches('0'), text.trim_end_matches('0'), "{tail}: {found}");
            let all = format!("{} {} {}", found.message, found.rule, found.remedy);
            for word in *words {
                assert!(all.contains(word), "{tail}: {all}");
            }
            assert_eq!(loaded.environment.is_some(), found.severity == Severity::Warning, "{tail}");
        }
        let numbers = |text: String| text.replace("1.10", "1.1");
        let [one, other] = [yaml(&in_yaml), toml(&in_toml)];
        let [one, other] = [one, other].map(|loaded| worded(&loaded.diagnostics));
        assert_eq!(numbers(one.join("\n")), numbers(other.join("\n")));
    }
}

#[test]
fn what_is_missing_at_the_top_is_said_at_the_beginning_of_the_file() {
    for (key, code) in [
        ("beamline", "missing-field"),
        ("subscription", "missing-field"),
        ("location", "missing-field"),
        ("resource_group", "missing-field"),
    ] {
        let text = with(&format!("{key}:")).replace(&format!("{key}:\n"), "");
        for loaded in [yaml(&text), toml(&as_toml(&text))] {
            let found =
                loaded.diagnostics.iter().find(|one| one.message == format!("`{key}` is missing")).unwrap();
            assert_eq!((found.code.as_str(), found.location.line, found.location.column), (code, 1, 1));
        }
    }
    let nothing = yaml("");
    assert_eq!(codes(&nothing.diagnostics), ["missing-field"]);
}

#[test]
fn another_version_is_refused_before_anything_else_is_read() {
    for loaded in [yaml("beamline: 2\nnonsense: 1\n"), toml("beamline = 2\nnonsense = 1\n")] {
        assert_eq!(codes(&loaded.diagnostics), ["unsupported-version"]);
        assert_eq!(loaded.diagnostics[0].location.line, 1);
    }
}

#[test]
fn a_key_written_twice_is_the_same_error_in_both_notations() {
    let in_yaml = yaml("beamline: 1\na: { x: 1 }\nbeamline: 1\na: 2\n");
    let in_toml = toml("beamline = 1\na = { x = 1 }\nbeamline = 1\na = 2\n");
    assert_eq!(said(&in_yaml.diagnostics), said(&in_toml.diagnostics));
    assert_eq!(codes(&in_yaml.diagnostics), ["duplicate-key", "duplicate-key"]);
    for loaded in [in_yaml, in_toml] {
        let lines: Vec<_> = loaded.diagnostics.iter().map(|one| one.location.line).collect();
        assert_eq!(lines, [3, 4]);
    }
}

#[test]
fn several_syntax_errors_of_a_toml_file_are_reported_at_once() {
    let loaded = toml("a = \nb = 1\nc = = 2\n");
    let lines: Vec<_> = loaded.diagnostics.iter().map(|one| one.location.line).collect();
    assert!(codes(&loaded.diagnostics).iter().all(|code| *code == "syntax"));
    assert!(lines.contains(&1) && lines.contains(&3), "{lines:?}");
}

#[test]
fn a_syntax_error_has_its_place() {
    let loaded = yaml("beamline: 1\nname: [a, b\nlocation: x\n");
    assert_eq!(codes(&loaded.diagnostics), ["syntax"]);
    assert!(loaded.diagnostics[0].location.line >= 2, "{}", loaded.diagnostics[0]);
    let unquoted = yaml("workspace: { name: mlw-${environment} }\n");
    assert!(unquoted.diagnostics[0].remedy.starts_with("Quote"), "{:?}", said(&unquoted.diagnostics));
    let two = yaml("beamline: 1\n---\nbeamline: 1\n");
    assert_eq!(codes(&two.diagnostics), ["syntax"]);
    assert!(two.diagnostics[0].message.contains("second document"));
}

#[test]
fn columns_count_characters_of_any_language() {
    let text = format!("{BASE}tags: {{ straße: 'grün', größe: 5 }}\n");
    let loaded = yaml(&text);
    let [found] = loaded.diagnostics.as_slice() else { panic!("{:#?}", said(&loaded.diagnostics)) };
    let line = text.lines().last().unwrap();
    assert_eq!(found.location.column, line.chars().position(|c| c == '5').unwrap() + 1);
    assert_eq!(marked(found), "5");
    let loaded = yaml(&format!("{BASE}\"日本\": 1\n"));
    let found = &loaded.diagnostics[0];
    assert_eq!((found.code, found.location.column, found.location.end_column), (Code::UnknownField, 1, 5));
}

#[test]
fn every_problem_is_reported_in_one_go() {
    let loaded = yaml(
        "beamline: 1\nlocation: 5\nsubscripton: ml\nresource_group: {}\nworkspace: { name: 1, kee_vault: x }\n",
    );
    let found = codes(&loaded.diagnostics);
    for code in ["wrong-type", "unknown-field", "missing-field"] {
        assert!(found.contains(&code), "{found:?}");
    }
    assert!(loaded.diagnostics.len() >= 5, "{:#?}", said(&loaded.diagnostics));
}

#[test]
fn advice_is_shown_until_it_is_acknowledged() {
    let cluster = |extra: &str| {
        format!(
            "{BASE}compute_clusters:\n  cpu:\n    vm_size: Standard_D4s_v3\n    scale_settings: {{ min_node_count: 1, max_node_count: 2 }}\n{extra}"
        )
    };
    let loaded = yaml(&cluster(""));
    assert_eq!(codes(&loaded.diagnostics), ["min-node-count-above-zero"]);
    let environment = loaded.environment.unwrap();
    assert_eq!(environment.advice, loaded.diagnostics);
    assert_eq!(marked(&environment.advice[0]), "1");
    for extra in
        ["    acknowledge: [min-node-count-above-zero]\n", "acknowledge: [min-node-count-above-zero]\n"]
    {
        assert_eq!(said(&yaml(&cluster(extra)).diagnostics), Vec::<String>::new());
    }
}

#[test]
fn a_broken_resource_is_not_blamed_on_those_that_name_it() {
    let text = with(
        "storage_accounts: { default: { name: stx001, account_tier: Standard, account_replication_type: LRS, is_hns_enabled: yes } }",
    ) + "datastores: { d: { type: AzureDataLakeGen2, storage_account: default, container: c } }\n";
    let loaded = yaml(&text);
    assert!(codes(&loaded.diagnostics).contains(&"wrong-type"));
    assert!(
        !codes(&loaded.diagnostics).contains(&"datastore-without-hns"),
        "{:#?}",
        said(&loaded.diagnostics)
    );
}

#[test]
fn a_field_of_an_existing_resource_is_advice() {
    let text = format!("{BASE}container_registries: {{ hub: {{ existing: true, sku: Basic }} }}\n");
    let loaded = yaml(&text);
    assert_eq!(codes(&loaded.diagnostics), ["ignored-field"]);
    let text = text.replace("existing: true,", "existing: true, acknowledge: [ignored-field],");
    assert_eq!(codes(&yaml(&text).diagnostics), Vec::<&str>::new());
}

#[test]
fn two_resources_of_one_name_collide() {
    let text = with("log_analytics_workspaces: { main: { name: log-x }, other: { name: LOG-X } }");
    let loaded = yaml(&text);
    assert_eq!(codes(&loaded.diagnostics), ["name-collision"]);
    assert_eq!(loaded.diagnostics[0].related.len(), 1);
}

#[test]
fn two_assignments_of_one_role_collide() {
    let text = format!(
        "{BASE}role_assignments:\n  a: {{ principal: workspace, role: Key Vault Administrator, scope: key_vaults/main }}\n  b: {{ principal: workspace, role: Key Vault Administrator, scope: key_vaults/main }}\n"
    );
    assert_eq!(codes(&yaml(&text).diagnostics), ["name-collision"]);
}

#[test]
fn a_rendered_problem_shows_line_rule_and_remedy() {
    let loaded = yaml(&format!("{BASE}{CLUSTER}    vm_priorty: Dedicated\n"));
    let found = &loaded.diagnostics[0];
    let plain = found.render(Colour::Off);
    for part in [
        "error[unknown-field]: `vm_priorty` is not a field of compute_clusters/cpu",
        "environments/x.yaml:23:5",
        "    vm_priorty: Dedicated",
        "^^^^^^^^^^",
        "Did you mean `vm_priority`?",
    ] {
        assert!(plain.contains(part), "{plain}");
    }
    assert!(!plain.contains('\u{1b}'));
    assert!(found.render(Colour::On).contains('\u{1b}'));
    assert_eq!(
        found.to_string(),
        "environments/x.yaml:23:5: `vm_priorty` is not a field of compute_clusters/cpu"
    );
    let json = serde_json::to_value(found).unwrap();
    assert_eq!(json["code"], "unknown-field");
    assert_eq!(json["severity"], "error");
    assert_eq!(json["location"]["line"], 23);
}

#[test]
fn a_definition_cannot_steer_a_terminal() {
    let loaded = yaml(&format!("{BASE}\"\\e[31mred\\nline\": 1\n"));
    let found = &loaded.diagnostics[0];
    assert!(!found.message.contains(['\u{1b}', '\n']), "{:?}", found.message);
    assert!(!found.render(Colour::Off).contains('\u{1b}'));
}

/// What nobody wrote is never what is wrong.
#[test]
fn a_default_follows_what_it_depends_on() {
    let with_log =
        |rest: &str| BASE.replace("main: { name: log-x }", &format!("main: {{ name: log-x{rest} }}"));
    for (rest, days) in [("", 30), (", sku: Free", 7), (", sku: Free, retention_in_days: 7", 7)] {
        let loaded = yaml(&with_log(rest));
        assert_eq!(codes(&loaded.diagnostics), [""; 0], "{rest}");
        let environment = loaded.environment.unwrap();
        let log = environment.resources.values().find(|one| one.name == "log-x").unwrap();
        assert_eq!(log.fields["retention_in_days"], days, "{rest}");
    }
    for (rest, code, field) in [
        (", sku: Free, retention_in_days: 30", "log-retention", "30"),
        (", sku: Free, daily_quota_gb: 1", "log-quota", "1"),
    ] {
        let diagnostics = yaml(&with_log(rest)).diagnostics;
        assert_eq!(codes(&diagnostics), [code], "{rest}");
        assert!(marked(&diagnostics[0]).ends_with(field), "{rest}: {}", marked(&diagnostics[0]));
    }
}
