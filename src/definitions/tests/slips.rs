//! What makes a file no YAML is told where it is, and with what to write.

use super::*;

#[test]
fn a_slip_that_makes_it_no_yaml_is_told_where_it_is() {
    let slips = [
        ("  name: mlw-x\n", "\tname: mlw-x\n", "Write spaces in place of the tab"),
        ("  key_vault: main\n", "\tkey_vault: main\n", "Write spaces in place of the tab"),
        ("  name: mlw-x\n", "  name: mlw-x\n  description: a: b\n", "`description: \"a: b\"`"),
        ("location: eastus\n", "location:eastus\n", "`location: eastus`"),
        ("{ name: rg-x }", "{ name: rg-x", "Close the `{` with a `}`"),
    ];
    for (right, wrong, remedy) in slips {
        let text = BASE.replacen(right, wrong, 1);
        let line = text.lines().zip(BASE.lines()).position(|(one, other)| one != other).unwrap() + 1;
        let found = yaml(&text).diagnostics;
        assert_eq!((codes(&found), found[0].location.line), (vec!["syntax"], line), "{:?}", said(&found));
        assert!(found[0].remedy.contains(remedy), "{:?}", said(&found));
    }
    let found = toml("beamline = 1\nsubscription: ml\n").diagnostics;
    assert!(found[0].remedy.contains("call the file `.yaml`"), "{:?}", said(&found));
}

/// The only mistake, which the command of its remedy mends.
fn renamed(path: &str, text: &str, words: &str) -> String {
    let found = load(&[file(path, text)]).diagnostics;
    let [one] = found.as_slice() else { panic!("{path}: {:?}", said(&found)) };
    assert_eq!((one.code.as_str(), one.location.line, one.message.as_str()), ("syntax", 1, words));
    let command = one.remedy.split('`').nth(1).unwrap();
    let (from, to) = command.strip_prefix("git mv ").unwrap().split_once(' ').unwrap();
    assert_eq!(from, path, "{command}");
    to.to_owned()
}

#[test]
fn a_file_in_another_notation_is_one_error_with_the_command_that_renames_it() {
    let in_toml = as_toml(BASE);
    let in_json = serde_json::to_string_pretty(&crate::definitions::to_json(
        &read_document(&file("x.yaml", BASE)).unwrap(),
    ));
    for (path, text, words) in [
        ("environments/x.toml", BASE, "this is YAML, not TOML"),
        ("environments/x.toml", "# mine\n---\nbeamline: 1\n", "this is YAML, not TOML"),
        ("environments/x.toml", &in_json.unwrap(), "this is JSON, not TOML"),
        ("environments/x.yaml", &in_toml, "this is TOML, not YAML"),
        ("environments/x.yml", "beamline = 1\n", "this is TOML, not YAML"),
    ] {
        let to = renamed(path, text, words);
        let mended = load(&[file(&to, text)]);
        assert!(!codes(&mended.diagnostics).contains(&"syntax"), "{to}: {:?}", said(&mended.diagnostics));
        assert_eq!(mended.environment.is_some(), text.len() > 100, "{:?}", said(&mended.diagnostics));
    }
    // With a mistake of its own it is no YAML and no TOML.
    let broken = format!("{BASE}tags: {{ a: b\n");
    assert_eq!(renamed("environments/x.toml", &broken, "this is YAML, not TOML"), "environments/x.yaml");
    let broken = format!("{in_toml}\nbroken = = 1\n");
    assert_eq!(renamed("a/x.yaml", &broken, "this is TOML, not YAML"), "a/x.toml");
    let command = crate::definitions::other::move_command("a b/it's.yaml", "a/x.toml");
    assert_eq!(command, "git mv 'a b/it'\\''s.yaml' a/x.toml");
}

#[test]
fn a_file_of_another_notation_is_not_renamed_over_one_that_is_there() {
    let files = [file("environments/x.toml", BASE), file("environments/x.yaml", BASE)];
    let found = crate::definitions::load_all(files.to_vec(), "environments").diagnostics;
    let [one] = found.as_slice() else { panic!("{:?}", said(&found)) };
    assert_eq!(
        one.remedy,
        "Remove it, or put what it says into `environments/x.yaml`, which is there already."
    );
}

#[test]
fn one_line_of_another_notation_does_not_make_a_file_of_it() {
    for (text, path) in [
        ("beamline = 1\nsubscription: ml\nlocation = \"eastus\"\n", "environments/x.toml"),
        ("beamline: 1\nsubscription = ml\nlocation: eastus\n", "environments/x.yaml"),
        ("beamline: 1\nname: [a, b\n", "environments/x.yaml"),
        ("just a sentence\n", "environments/x.yaml"),
    ] {
        let found = load(&[file(path, text)]).diagnostics;
        assert!(!found[0].remedy.contains("git mv"), "{text}: {:?}", said(&found));
    }
}
