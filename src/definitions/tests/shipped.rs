//! The environments that are shipped, and the schema beside them.

use super::*;
use crate::definitions::{load_all, schema, to_json};

const SHIPPED: [(&str, &str); 3] = [
    ("environments/production.yaml", include_str!("../../../environments/production.yaml")),
    ("environments/staging.yaml", include_str!("../../../environments/staging.yaml")),
    ("environments/dev.toml", include_str!("../../../environments/dev.toml")),
];

#[test]
fn every_shipped_environment_is_without_errors_and_advice() {
    let estate = load_all(SHIPPED.iter().map(|(path, text)| file(path, text)).collect(), "environments");
    assert_eq!(said(&estate.diagnostics), Vec::<String>::new());
    let names: Vec<_> = estate.environments.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["dev", "production", "staging"]);
}

#[test]
fn the_line_for_a_group_that_is_commented_out_is_right_as_it_stands() {
    let (path, text) = SHIPPED[0];
    let with_group = text.replace("  # scientists:", "  scientists:");
    assert_ne!(with_group, text);
    let estate = load_all(vec![file(path, &with_group)], "environments");
    assert_eq!(said(&estate.diagnostics), Vec::<String>::new());
    assert_eq!(
        estate.environments[0].resources.len(),
        load_all(vec![file(path, text)], "environments").environments[0].resources.len() + 1
    );
}

#[test]
fn the_schema_accepts_every_shipped_environment() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (path, text) in SHIPPED {
        let document = to_json(&read_document(&file(path, text)).unwrap());
        let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{path}");
    }
}

#[test]
fn the_schema_refuses_what_is_not_known_and_accepts_defaults() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (text, accepted) in [
        ("tags: { a: b }", true),
        ("compute_clusters: { cpu: { scale_settings: { max_node_count: 3 } } }", true),
        ("compute_clusters: { cpu: }", true),
        ("beamline: 2", false),
        ("compute_cluster: {}", false),
        ("compute_clusters: { cpu: { vm_sise: x } }", false),
        ("compute_clusters: { cpu: { vm_priority: dedicated } }", false),
        ("compute_clusters: { 'a b': {} }", false),
        ("virtual_networks: { main: { subnets: { a: { nmae: b } } } }", false),
    ] {
        let document = to_json(&read_document(&file("x.yaml", text)).unwrap());
        assert_eq!(validator.is_valid(&document), accepted, "{text}");
    }
}

#[test]
fn the_shipped_schema_is_up_to_date() {
    let shipped: serde_json::Value =
        serde_json::from_str(include_str!("../../../environments/beamline.schema.json")).unwrap();
    assert!(shipped == schema(), "run `beamline schema > environments/beamline.schema.json`");
}

#[test]
fn the_shipped_files_name_the_schema_for_editors() {
    for (path, text) in SHIPPED {
        let comment = match path.ends_with(".toml") {
            true => "#:schema beamline.schema.json",
            false => "# yaml-language-server: $schema=beamline.schema.json",
        };
        assert_eq!(text.lines().next(), Some(comment), "{path}");
    }
}
