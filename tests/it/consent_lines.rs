//! Consent lines of commit messages: what is asked for is what people copy, what is written is accounted
//! for, and nothing is in force for ever.

use beamline::reconcile::plan::Globs;
use jiff::SignedDuration;

use crate::support::{DaemonWorld, Kept, Setup, consent_to_remove, small};

const LAKE: &str =
    "  lake: { name: \"stlake${environment}\", account_tier: Standard, account_replication_type: LRS }\n";

fn with_lake() -> String {
    small(1).replace("key_vaults:", &format!("{LAKE}key_vaults:"))
}

/// `dev` with a lake, and `other`.
async fn world(globs: Globs) -> DaemonWorld {
    let mut world = DaemonWorld::with(Setup { globs, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &with_lake());
    world.repository.write("environments/other.yaml", &small(1));
    world.start().await;
    world.push("the beginning").await;
    world.take_writes();
    world.repository.write("environments/dev.yaml", &small(1));
    world
}

#[tokio::test(start_paused = true)]
async fn a_line_that_matches_nothing_is_said_with_what_was_meant() {
    for line in ["dev/storage_accounts/lkae", "dve/storage_accounts/lake", "dev/workspace"] {
        let world = world(Globs::DoNotCount).await;
        let note = world.push(&format!("the lake goes\n\nBeamline-Consent: destroy {line}")).await;
        assert!(note.contains("beamline/apply: dev: failure: Consent line "), "{note}");
        assert!(note.contains(" matches nothing"), "{note}");
        let whole = "; write: Beamline-Consent: destroy dev/storage_accounts/lake\n";
        assert!(format!("{note}\n").contains(whole), "{note}");
        assert!(world.take_writes().is_empty());
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cannot_be_read_is_said_with_the_one_to_write() {
    for line in
        ["Consent: dev/storage_accounts/lake", "Consent: detsroy dev/storage_accounts/lake", "Consent:"]
    {
        let world = world(Globs::DoNotCount).await;
        let note = world.push(&format!("the lake goes\n\nBeamline-{line}")).await;
        assert!(note.contains(" is no consent line"), "{note}");
        let whole = "; write: Beamline-Consent: destroy dev/storage_accounts/lake\n";
        assert!(format!("{note}\n").contains(whole), "{note}");
        assert!(world.take_writes().is_empty());
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_names_the_lines_in_force() {
    let world = world(Globs::DoNotCount).await;
    let note = world.push("the lake goes\n\nBeamline-Consent: destroy dev/storage_accounts/lake").await;
    let named = "success: Applied: 1 deleted; consent: dev/storage_accounts/lake (";
    assert!(note.contains(named) && note.contains(" by author)"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_message_releases_and_what_it_names_is_not_missed() {
    let world = world(Globs::DoNotCount).await;
    let note = world.push("the lake goes").await;
    assert!(note.contains("Needs consent to delete (`release` keeps it). Add "), "{note}");
    let note = world.push("it stays\n\nBeamline-Consent: release dev/storage_accounts/lake").await;
    let named = "success: Applied: 1 released; consent: release dev/storage_accounts/lake (";
    assert!(note.contains(named) && note.contains(" by author)"), "{note}");
    assert!(world.exists("rg-dev/providers/Microsoft.Storage/storageAccounts/stlakedev"));
    world.repository.write("environments/dev.yaml", &small(2));
    let note = world.push("two nodes").await;
    assert!(note.contains("dev: success: Applied: 1 changed"), "{note}");
    assert!(world.exists("rg-dev/providers/Microsoft.Storage/storageAccounts/stlakedev"));
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_glob_counts_only_where_the_machine_says_so() {
    let counting = world(Globs::Count).await;
    let note = counting.push("the lake goes\n\nBeamline-Consent: destroy dev/storage_accounts/*").await;
    assert!(note.contains("success: Applied: 1 deleted"), "{note}");
    counting.finish().await;
    let world = world(Globs::DoNotCount).await;
    let note = world.push("the lake goes\n\nBeamline-Consent: destroy dev/storage_accounts/*").await;
    let said = "is a glob, which does not count; write: Beamline-Consent: destroy dev/storage_accounts/lake";
    assert!(note.contains(said), "{note}");
    assert!(world.take_writes().is_empty());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_is_void_two_weeks_after_it_reached_the_main_branch() {
    for (days, is_void) in [(13, false), (15, true)] {
        let world = world(Globs::DoNotCount).await;
        // It consents to what is not removed yet, and what else its commit does is in the way for a while.
        world
            .repository
            .write("environments/dev.yaml", &with_lake().replace("Standard_D4s_v3", "no such size!"));
        let note = world.push("soon\n\nBeamline-Consent: destroy dev/storage_accounts/lake").await;
        assert!(note.contains("dev: failure"), "{note}");
        world.clock.jump(SignedDuration::from_hours(24 * days));
        world.repository.write("environments/dev.yaml", &small(1));
        let note = world.push("the lake goes").await;
        if is_void {
            assert!(note.contains("is void"), "{note}");
        } else {
            assert!(note.contains("success: Applied: 1 deleted"), "{note}");
        }
        world.repository.write("environments/dev.yaml", &with_lake());
        world.push("as it was").await;
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_exact_line_together_removes_an_environment() {
    let world = world(Globs::DoNotCount).await;
    world.repository.write("environments/dev.yaml", &with_lake());
    world.repository.remove("environments/other.yaml");
    let note = world.push(&format!("other goes\n\n{}", consent_to_remove("other"))).await;
    assert!(note.contains("beamline/apply: other: success: Applied: "), "{note}");
    assert_eq!(world.groups(), ["rg-dev"]);
    // `dev` was not applied since, and sees the lines that were used: nothing is said of them.
    world.repository.write("environments/dev.yaml", &format!("{}tags: {{ seen: again }}\n", with_lake()));
    let note = world.push("dev is tagged").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: "), "{note}");
    assert!(!note.contains("consent line"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn lines_after_the_first_thousand_are_counted_once_and_a_newer_commit_is_read_first() {
    let log = Kept::default();
    let _kept = log.keep();
    let world = world(Globs::DoNotCount).await;
    let needed = "Beamline-Consent: destroy dev/storage_accounts/lake";
    let many: String =
        (0..1200).map(|n| format!("Beamline-Consent: destroy dev/key_vaults/v{n}\n")).collect();
    let note = world.push(&format!("the lake goes\n\n{many}{needed}")).await;
    let said = format!("dev: failure: 1201 consent lines do nothing (201 not read); write: {needed}\n");
    assert!(format!("{note}\n").contains(&said), "{note}");
    let warned = log.having(&["WARN", "onsent"]);
    assert!((1..40).contains(&warned.len()), "{} lines", warned.len());
    let note = world.push(&format!("once more\n\n{needed}")).await;
    assert!(note.contains("success: Applied: 1 deleted"), "{note}");
    world.finish().await;
}
