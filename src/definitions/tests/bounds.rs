//! Hostile input costs little and gets an answer.

use super::*;
use crate::definitions::{MAX_FILE_BYTES, Unreadable, load_all};

#[test]
fn nesting_is_bounded_alike_in_both_notations() {
    for depth in [33, 40, 70, 5000] {
        let in_yaml = yaml(&format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth)));
        let in_toml = toml(&format!("a = {}{}\n", "[".repeat(depth), "]".repeat(depth)));
        assert_eq!(
            codes(&in_yaml.diagnostics),
            ["limit-exceeded"],
            "{depth}: {:?}",
            said(&in_yaml.diagnostics)
        );
        assert!(
            codes(&in_toml.diagnostics).contains(&"limit-exceeded"),
            "{depth}: {:?}",
            said(&in_toml.diagnostics)
        );
    }
}

#[test]
fn deep_block_maps_and_dotted_keys_are_bounded() {
    let in_yaml: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(codes(&yaml(&in_yaml).diagnostics), ["limit-exceeded"]);
    let in_toml = format!("{} = 1\n", vec!["a"; 500].join("."));
    assert!(codes(&toml(&in_toml).diagnostics).contains(&"limit-exceeded"));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let loaded = yaml(&text);
    assert_eq!(codes(&loaded.diagnostics), ["limit-exceeded"], "{:?}", said(&loaded.diagnostics));
}

#[test]
fn anchors_and_merge_keys_are_allowed() {
    let text = format!(
        "{BASE}compute_clusters:\n  aaa: &a\n    vm_size: Standard_D4s_v3\n    scale_settings: &s {{ max_node_count: 2 }}\n  bbb: {{ <<: *a }}\n  ccc: {{ vm_size: Standard_D8s_v3, scale_settings: *s }}\n"
    );
    let loaded = yaml(&text);
    assert_eq!(said(&loaded.diagnostics), Vec::<String>::new());
    assert_eq!(loaded.environment.unwrap().resources.len(), 9);
}

#[test]
fn a_wrong_value_behind_an_anchor_is_marked_where_it_stands() {
    let text = format!(
        "{BASE}compute_clusters:\n  a: {{ vm_size: Standard_D4s_v3, scale_settings: &s {{ max_node_count: many }} }}\n  b: {{ vm_size: Standard_D4s_v3, scale_settings: *s }}\n"
    );
    let loaded = yaml(&text);
    assert!(loaded.diagnostics.iter().all(|one| marked(one) == "many"), "{:#?}", said(&loaded.diagnostics));
}

#[test]
fn unreadable_files_are_errors_of_their_environment() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    for (bytes, word) in [
        (vec![b' '; MAX_FILE_BYTES + 1], "bytes"),
        (b"name: \xff".to_vec(), "UTF-8"),
        (pointer.to_vec(), "Git LFS pointer"),
    ] {
        let loaded = load(&[SourceFile::from_bytes("x.yaml", &bytes)]);
        assert_eq!(codes(&loaded.diagnostics), ["unreadable-file"]);
        assert!(loaded.diagnostics[0].message.contains(word));
    }
}

#[test]
fn a_link_or_submodule_that_hides_definitions_is_refused_where_it_stands() {
    let refused = |path: &str, why| SourceFile::refused(path, why);
    let estate = load_all(
        vec![
            refused("environments/eu", Unreadable::Submodule),
            refused("environments/x.yaml", Unreadable::SymbolicLink),
            refused("environments/_parts", Unreadable::Submodule),
            refused("elsewhere", Unreadable::SymbolicLink),
        ],
        "environments",
    );
    assert_eq!(estate.failed, ["environments/eu", "environments/x.yaml"]);
    assert_eq!(codes(&estate.diagnostics), ["unreadable-file", "unreadable-file"]);
    let root = load_all(vec![refused("a", Unreadable::SymbolicLink)], "a/environments");
    assert_eq!(root.failed, ["a"]);
}

#[test]
fn the_number_of_reported_problems_is_bounded() {
    let text: String = (0..5000).map(|n| format!("k{n}: 1\n")).collect();
    let loaded = yaml(&format!("{BASE}{text}"));
    assert!(loaded.diagnostics.len() < 300);
    assert!(codes(&loaded.diagnostics).contains(&"too-many-problems"));
    assert!(loaded.environment.is_none());
}

#[test]
fn scalars_keep_their_spelling() {
    for (spelling, code) in [("no", "unknown-value"), ("017", "unknown-value"), ("1_000", "unknown-value")] {
        let text = format!("{BASE}{CLUSTER}    vm_priority: {spelling}\n");
        assert_eq!(codes(&yaml(&text).diagnostics), [code], "{spelling}");
    }
    for huge in ["9223372036854775808", "99999999999999999999999999"] {
        let text = format!(
            "{BASE}compute_clusters: {{ a: {{ vm_size: x, scale_settings: {{ max_node_count: {huge} }} }} }}\n"
        );
        assert!(codes(&yaml(&text).diagnostics).contains(&"out-of-range"), "{huge}");
    }
    let tagged = yaml(&format!("{BASE}name: !!python/object x\n"));
    assert_eq!(codes(&tagged.diagnostics), ["syntax"]);
}
