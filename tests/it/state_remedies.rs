//! Every remedy that the journal, its folder and the command line name, followed to the letter by the real binary.
//!
//! Others are followed where the trouble itself is told: disks in `read_only_disk.rs`, a folder that another process
//! has in `state_folder.rs`, a journal that goes away under a daemon in `unwritable_journal.rs`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::old_journals::{fixtures, unpacked};
use crate::support::machine::{Machine, Said};
use crate::support::small;

const PATIENCE: Duration = Duration::from_secs(300);
const QUICK: &str = "base: none\n";
const APPLY: &[&str] = &["apply", "production", "--yes"];
const PLAN: &[&str] = &["plan", "production"];

fn made() -> Machine {
    let machine = Machine::start(QUICK, None);
    machine.push(&small(1));
    machine
}

fn run(machine: &Machine, arguments: &[&str]) -> Said {
    machine.beamline("beamline.toml", arguments).wait(PATIENCE)
}

/// Runs what must fail with this advice. A plan without the journal only lacks its memory, and says so.
fn advised(machine: &Machine, arguments: &[&str], advice: &str) {
    let said = run(machine, arguments);
    let code = said.status.and_then(|status| status.code());
    let is_failed = matches!(code, Some(1 | 2)) || said.text.contains("Planned without the memory");
    assert!(is_failed, "{arguments:?} ends with {code:?}: {}", said.text);
    assert!(said.text.contains(advice), "`{advice}` is not the advice of {arguments:?}: {}", said.text);
}

fn helped(machine: &Machine, arguments: &[&str], advice: &str) {
    let said = run(machine, arguments);
    let is_helped = said.is_success() && !said.text.contains(advice);
    assert!(is_helped, "`{advice}` does not help {arguments:?}: {}", said.text);
}

/// Runs what a message says, in a shell, in the folder of the machine.
fn follow(machine: &Machine, command: &str) {
    let output = Command::new("sh").args(["-c", command]).current_dir(machine.path()).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn opened(journal: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(journal).create_if_missing(true).foreign_keys(false);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Changes a journal that nobody uses.
fn change(journal: &Path, script: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = opened(journal).await;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(script.to_owned()))).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// What is wrong with a state folder, what is advised, and that followed.
struct Trouble {
    harm: fn(&Path),
    fails: &'static [&'static str],
    advice: &'static str,
    command: &'static str,
}

const TROUBLES: [Trouble; 7] = [
    Trouble {
        harm: |state| std::fs::write(state.join("journal.sqlite"), [7; 9000]).unwrap(),
        fails: APPLY,
        advice: "is damaged: restore it, or move it away and start again",
        command: "mv state/journal.sqlite aside",
    },
    Trouble {
        harm: |state| {
            let script = "INSERT INTO schema_versions (version) VALUES (99)";
            change(&state.join("journal.sqlite"), script);
        },
        fails: APPLY,
        advice: "start that version, or move the file away",
        command: "mv state/journal.sqlite aside",
    },
    Trouble {
        harm: |state| change(&state.join("journal.sqlite"), "DROP TABLE environments"),
        fails: APPLY,
        advice: "move the journal (journal.sqlite in the state folder) away, which costs history only",
        command: "mv state/journal.sqlite aside",
    },
    Trouble {
        harm: |state| change(&state.join("journal.sqlite"), "UPDATE environments SET attempt_end = 'odd'"),
        fails: APPLY,
        advice: "or move the journal (journal.sqlite in the state folder) away, which costs history only",
        command: "mv state/journal.sqlite aside",
    },
    Trouble {
        harm: |state| {
            std::fs::remove_file(state.join("journal.sqlite")).unwrap();
            let script = unpacked(&fixtures().join("between_runs/journal.sql.gz"));
            change(&state.join("journal.sqlite"), &script);
        },
        fails: PLAN,
        advice: "`beamline apply` or `beamline daemon` bring it up to date",
        command: "",
    },
    Trouble {
        harm: |state| {
            std::fs::remove_file(state.join("beamline.lock")).unwrap();
            std::fs::create_dir(state.join("beamline.lock")).unwrap();
        },
        fails: APPLY,
        advice: "state/beamline.lock or above it: move it away",
        command: "mv state/beamline.lock aside",
    },
    Trouble {
        harm: |state| {
            std::fs::remove_dir_all(state).unwrap();
            std::fs::write(state, "mine").unwrap();
        },
        fails: APPLY,
        advice: "state or above it: move it away",
        command: "mv state aside",
    },
];

#[test]
fn what_is_wrong_with_the_state_folder_ends_as_its_message_says() {
    let machine = made();
    for Trouble { harm, fails, advice, command } in TROUBLES {
        helped(&machine, APPLY, "nothing is wrong");
        harm(&machine.path().join("state"));
        advised(&machine, fails, advice);
        follow(&machine, command);
        helped(&machine, APPLY, advice);
        helped(&machine, fails, advice);
        follow(&machine, "rm -rf aside");
    }
}

#[test]
fn a_process_that_does_not_let_go_of_the_journal_is_found_and_its_end_helps() {
    let machine = made();
    helped(&machine, APPLY, "nothing is wrong");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let journal = machine.path().join("state/journal.sqlite");
    let mut holder = runtime.block_on(async {
        let mut holder = opened(&journal).await;
        holder.execute("BEGIN IMMEDIATE").await.unwrap();
        holder
    });
    let advice = format!("end it (`fuser {}` names it)", journal.display());
    advised(&machine, APPLY, &advice);
    if let Ok(output) = Command::new("fuser").arg(&journal).output() {
        let named = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(named.contains(&std::process::id().to_string()), "{named}");
    }
    runtime.block_on(async {
        holder.execute("ROLLBACK").await.unwrap();
        holder.close().await.unwrap();
    });
    helped(&machine, APPLY, &advice);
}

#[test]
fn what_a_command_advises_is_what_then_works() {
    let machine = made();
    helped(&machine, APPLY, "nothing is wrong");
    std::fs::write(machine.path().join("plan.json"), "{}").unwrap();
    let cases: [(&[&str], &str, &[&str]); 6] = [
        (&["apply", "production"], "agree beforehand with --yes", APPLY),
        (&["plan", "elsewhere"], "there are: production", PLAN),
        (
            &["validate", "--definitions", "elsewhere"],
            "`beamline validate` takes --definitions too",
            &["validate", "--definitions", "environments"],
        ),
        (
            &["outputs", "production", "elsewhere"],
            "`beamline outputs production` lists them",
            &["outputs", "production"],
        ),
        (
            &["simulate", "--latency", "odd"],
            "say none, fast or realistic, or name a file with times",
            &["validate"],
        ),
        (
            &["apply", "../plan.json", "--yes"],
            "make one with: beamline plan --out FILE",
            &["plan", "--out", "../plan.json"],
        ),
    ];
    for (arguments, advice, followed) in cases {
        advised(&machine, arguments, advice);
        helped(&machine, followed, advice);
    }
    helped(&machine, &["apply", "../plan.json", "--yes"], "make one with");
    std::fs::write(machine.path().join("clone/environments/production.yaml"), small(2)).unwrap();
    let advice = "say with --commit HEAD that the committed state is meant";
    advised(&machine, APPLY, advice);
    helped(&machine, &["apply", "production", "--yes", "--commit", "HEAD"], advice);
}

#[test]
fn what_is_advised_about_the_settings_helps() {
    let machine = made();
    let changes: [(&str, &str, &str); 3] = [
        ("[subscriptions.ml]", "[subscriptions.other]", "add `[subscriptions.ml]` to the settings"),
        ("ca_file = ", "ca_file = \"/none\" # ", "check that it exists"),
        (
            "poll_secs = 5",
            "definitions = \"elsewhere\"",
            "the folder of the definitions in the settings (`definitions` in [repository])",
        ),
    ];
    for (right, wrong, advice) in changes {
        machine.change_settings("beamline.toml", |text| text.replace(right, wrong));
        advised(&machine, PLAN, advice);
        machine.change_settings("beamline.toml", |text| text.replace(wrong, right));
        helped(&machine, PLAN, advice);
    }
}
