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
