//! Any document means the same in YAML and in TOML, and survives being written.

use proptest::prelude::*;

use super::*;
use crate::definitions::source::FileId;
use crate::definitions::{Document, Entry, Key, Node, NodeValue, Span, to_json, to_yaml};

fn node(value: NodeValue) -> Node {
    Node { value, span: Span::start_of(FileId(0)) }
}

fn map(entries: Vec<(String, Node)>) -> Vec<Entry> {
    let mut seen = std::collections::BTreeSet::new();
    entries
        .into_iter()
        .filter(|(name, _)| seen.insert(name.clone()))
        .map(|(name, node)| Entry { key: Key { name, span: Span::start_of(FileId(0)) }, node })
        .collect()
}

/// Texts that look like something else to a careless reader.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_-]{0,8}",
        "[ -~äß日]{0,10}",
        prop::sample::select(vec![
            "",
            "no",
            "on",
            "true",
            "null",
            "~",
            "017",
            "1_000",
            "0x1F",
            "1.10",
            "1e3",
            ".inf",
            "-",
            "- a",
            "a: b",
            "#x",
            "<<",
            "=",
            "!x",
            "&a",
            "*a",
            "${environment}",
            "$${x}",
            "${y}",
            "2026-01-01",
            "a\nb\n",
            "\t",
            " a ",
            "'",
            "\"",
            "PT15M",
            "main",
            "default",
            "Dedicated",
            "SystemAssigned",
            "eastus",
            "/subscriptions/x",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Keys that the decoder knows, and others.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "beamline", "name", "subscription", "location", "tags", "ignore_tags", "acknowledge", "resource_group",
            "workspace", "storage_accounts", "containers", "key_vaults", "virtual_networks", "subnets",
            "compute_clusters", "role_assignments", "existing", "id", "adopt", "on_delete", "vm_size", "subnet",
            "scale_settings", "max_node_count", "identity", "type", "principal", "role", "scope", "address_space",
            "main", "default",
        ])
        .prop_map(str::to_owned),
        1 => text().prop_filter("a merge key is no key", |key| key != "<<"),
    ]
}

fn value() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(NodeValue::Bool),
        any::<i64>().prop_map(NodeValue::Integer),
        (-3i64..20).prop_map(NodeValue::Integer),
        text().prop_map(NodeValue::Text),
    ]
    .prop_map(node);
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| node(NodeValue::List(items))),
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|entries| node(NodeValue::Map(map(entries)))),
        ]
    })
}

/// A document that often gets as far as its resources.
fn document() -> impl Strategy<Value = Document> {
    let head = [
        ("beamline".to_owned(), node(NodeValue::Integer(1))),
        ("subscription".to_owned(), node(NodeValue::Text("ml".to_owned()))),
        ("location".to_owned(), node(NodeValue::Text("eastus".to_owned()))),
    ];
    prop::collection::vec((key(), value()), 0..8)
        .prop_map(move |entries| map(head.iter().cloned().chain(entries).collect()))
}

/// The meaning of an environment, without where it is written.
fn meaning(loaded: &Loaded) -> (Vec<String>, String) {
    let environment = loaded.environment.as_ref().map(|one| {
        format!(
            "{:?}",
            (
                &one.name,
                &one.subscription,
                &one.location,
                &one.tags,
                &one.ignore_tags,
                &one.renamed_from,
                &one.resource_group,
                &one.resources,
                &one.acknowledged,
            )
        )
    });
    (worded(&loaded.diagnostics), environment.unwrap_or_default())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_document_means_the_same_in_yaml_and_toml(document in document()) {
        let in_yaml = to_yaml(&document).unwrap();
        let in_toml = to_toml(&document).unwrap();
        let read = |path, text: &str| to_json(&read_document(&file(path, text)).unwrap());
        prop_assert_eq!(read("x.yaml", &in_yaml), to_json(&document), "{}", in_yaml);
        prop_assert_eq!(read("x.toml", &in_toml), to_json(&document), "{}", in_toml);
        prop_assert_eq!(meaning(&yaml(&in_yaml)), meaning(&toml(&in_toml)));
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "[ -~\n\u{0}-\u{ff}]{0,200}", base in any::<bool>()) {
        let text = if base { format!("{BASE}{text}") } else { text };
        for loaded in [yaml(&text), toml(&text)] {
            prop_assert!(loaded.environment.is_some() || !loaded.diagnostics.is_empty());
            loaded.diagnostics.iter().for_each(|one| drop(one.render(crate::definitions::Colour::Off)));
        }
    }
}
