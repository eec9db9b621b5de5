//! What a plan advises is in the notation of the definition's file, and works there as it stands.

use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;

use crate::cli::{DEV, Simulator, commit, definitions};
use crate::support::small;

/// The definition with the account, and a line of its own for that.
type With<'a> = &'a dyn Fn(&str) -> String;

#[test]
fn what_is_given_up_is_taken_back_with_the_advised_line() {
    let machine = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(machine.path());
    let fields =
        ["name = \"stspare001\"", "account_tier = \"Standard\"", "account_replication_type = \"LRS\""];
    let toml = |more: &str| format!("{DEV}\n[storage_accounts.spare]\n{}\n{more}\n", fields.join("\n"));
    let yaml = |more: &str| {
        let fields = fields.map(|field| field.replace(" =", ":").replace("001", "002")).join("\n    ");
        let beside = format!("storage_accounts:\n  spare:\n    {fields}\n    {more}\n");
        small(1).replace("storage_accounts:\n", &beside)
    };
    let without = small(1);
    let cases: [(&str, &str, With<'_>, &str); 2] =
        [("dev.toml", DEV, &toml, "adopt = true"), ("eu.yaml", &without, &yaml, "adopt: true")];
    for (file, without, with, line) in cases {
        let work = definitions(&[(file, &with(""))]);
        let name = file.split('.').next().unwrap();
        let other = if line.contains('=') { "adopt: true" } else { "adopt = true" };
        let write = |text: &str, message: &str| {
            std::fs::write(work.path().join("environments").join(file), text).unwrap();
            commit(work.path(), message);
        };
        let run = |arguments: &[&str]| simulator.command(work.path()).args(arguments).assert();
        commit(work.path(), "With a spare account");
        run(&["apply", "--yes"]).code(0);
        write(without, &format!("It is theirs\n\nBeamline-Consent: release {name}/storage_accounts/spare"));
        let declare = format!("To take it back, declare it with `{line}`");
        run(&["plan"]).code(0).stdout(contains(&declare).and(contains(other).not()));
        run(&["plan", "--json"]).code(0).stdout(contains(&declare));
        run(&["apply", "--yes"]).code(0);
        write(&with(""), "It is ours again");
        let advice = format!("Write `{line}` at {name}/storage_accounts/spare to take it over");
        run(&["plan"]).code(1).stdout(contains(&advice).and(contains(other).not()));
        run(&["apply", "--yes"]).code(1).stdout(contains(&advice).and(contains(other).not()));
        write(&with(line), "It is ours again");
        run(&["apply", "--yes"]).code(0);
        run(&["plan", "--detailed-exitcode"]).code(0);
    }
}
