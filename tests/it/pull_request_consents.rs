//! Consent in a comment counts as a line of its pull request's merge, on every forge and however it is
//! merged; and for nothing that its author was not shown.

use std::time::Duration;

use beamline::git::CommitId;
use beamline_simulator::forge::{ForgeKind, Permission};

use crate::support::proposals::{BOT, Proposals};
use crate::support::small;

const DEV: &str = "environments/dev.yaml";
const LAKE: &str = "rg-dev/providers/Microsoft.Storage/storageAccounts/lakedev001";
const ADDRESS: &str = "dev/storage_accounts/lake";

/// How a forge brings a pull request into its base.
#[derive(Clone, Copy, Debug)]
enum Merge {
    Commit,
    Squash,
    Rebase,
}

fn with_lake() -> String {
    let lake = "  lake: { name: \"lake${environment}001\", account_tier: Standard, account_replication_type: LRS }\n";
    small(2).replace("key_vaults:", &format!("{lake}key_vaults:"))
}

/// A pull request that removes the lake, planned and shown for a while.
async fn removal(kind: ForgeKind) -> (Proposals, u64, CommitId) {
    let story = Proposals::running(kind, &[(DEV, &with_lake())]).await;
    let (number, head) = story.propose("no-lake", DEV, &small(2));
    story.planned(number, &head).await;
    story.daemon.clock.sleep(Duration::from_secs(5)).await;
    (story, number, head)
}

/// Brings the branch into main without telling the forge that this was the pull request.
fn bring(story: &Proposals, how: Merge) -> CommitId {
    story.main();
    let repository = &story.daemon.repository;
    // Somebody else was faster, so that nothing can be moved along.
    repository.write("README", "meanwhile");
    repository.commit("meanwhile");
    match how {
        Merge::Commit => drop(repository.git(&["merge", "-q", "--no-ff", "-m", "merge it", "no-lake"])),
        Merge::Squash => {
            repository.git(&["merge", "-q", "--squash", "no-lake"]);
            repository.git(&["commit", "-q", "-m", "only the title (#1)"]);
        }
        Merge::Rebase => drop(repository.git(&["cherry-pick", "no-lake"])),
    }
    let commit: CommitId = repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
    repository.git(&["push", "-q", "origin", "HEAD:main"]);
    commit
}

async fn merge(story: &Proposals, number: u64, how: Merge) -> CommitId {
    let commit = bring(story, how);
    story.forge.merge(number, &commit.to_string());
    story.daemon.settled("main", &commit).await;
    story.at_rest().await;
    commit
}

/// The answers of the daemon: what it has said beside the plan.
fn answers(story: &Proposals, number: u64) -> Vec<String> {
    let said = story.said(number).into_iter().map(|body| body.trim().to_owned());
    said.filter(|body| !body.contains("### beamline") && body != "Read.").collect()
}

/// Lets what stands wrong on main be taken back, so that nothing is left over.
async fn take_back(story: Proposals) {
    story.main();
    story.daemon.repository.write(DEV, &with_lake());
    story.push_to_main("taken back").await;
    assert!(story.daemon.exists(LAKE));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_consents_on_every_forge_however_it_is_merged() {
    for kind in ForgeKind::ALL {
        for how in [Merge::Commit, Merge::Squash, Merge::Rebase] {
            let (story, number, head) = removal(kind).await;
            let comment = story.plan_comment(number);
            let line = format!("/beamline consent destroy {ADDRESS} @{}", head.short());
            // GitLab takes what begins with a slash for itself: a space stands before it there.
            assert!(comment.lines().any(|one| one.trim() == line), "{kind:?}: {comment}");
            story.forge.comment(number, "ada", &line);
            story.at_rest().await;
            let consent = format!("consent: {ADDRESS} (a comment by ada on #{number})");
            let planned = format!("success: dev: Would be: 1 to delete; {consent}");
            assert_eq!(story.status(&head, "beamline/plan"), planned, "{kind:?} {how:?}");
            assert!(story.plan_comment(number).contains("is in force"), "{}", story.plan_comment(number));
            assert!(answers(&story, number)[0].starts_with("Noted: when "), "{:?}", answers(&story, number));
            let commit = merge(&story, number, how).await;
            let applied = format!("success: dev: Applied: 1 deleted; {consent}");
            assert_eq!(story.status(&commit, "beamline/apply"), applied, "{kind:?} {how:?}");
            assert!(!story.daemon.exists(LAKE), "{kind:?} {how:?}");
            story.finish().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_message_consents_to_is_lost_by_a_squash_unless_a_comment_says_it_too() {
    for kind in ForgeKind::ALL {
        let (story, number, _) = removal(kind).await;
        let message = format!("we moved out\n\nBeamline-Consent: destroy {ADDRESS}");
        let head = story.push("no-lake", "NOTES", "moved", &message);
        story.keep_ref(number, &head);
        story.planned(number, &head).await;
        story.daemon.clock.sleep(Duration::from_secs(5)).await;
        let comment = story.plan_comment(number);
        assert!(
            comment.contains("**Before a squash merge**: it may keep the title only"),
            "{kind:?}: {comment}"
        );
        let line = format!("/beamline consent destroy {ADDRESS} @{}", head.short());
        assert!(comment.lines().any(|one| one.trim() == line), "{kind:?}: {comment}");
        assert!(comment.contains(&format!("\nBeamline-Consent: destroy {ADDRESS}\n")), "{kind:?}: {comment}");
        story.forge.comment(number, "ada", &line);
        story.at_rest().await;
        let comment = story.plan_comment(number);
        assert!(
            !comment.contains("**Before a squash merge**"),
            "nothing would be lost any more: {kind:?}: {comment}"
        );
        let commit = merge(&story, number, Merge::Squash).await;
        let applied =
            format!("success: dev: Applied: 1 deleted; consent: {ADDRESS} (a comment by ada on #{number})");
        assert_eq!(story.status(&commit, "beamline/apply"), applied, "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_releases_what_the_plan_asks_consent_for_and_nothing_else() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = removal(kind).await;
        let line = format!("/beamline consent release {ADDRESS} @{}", head.short());
        let comment = story.plan_comment(number);
        assert!(comment.lines().any(|one| one.trim() == line), "{kind:?}: {comment}");
        story.forge.comment(number, "ada", "/beamline consent release dev/compute_clusters/cpu");
        story.at_rest().await;
        let answer = answers(&story, number).remove(0);
        assert!(answer.contains("\nBeamline-Consent: release dev/compute_clusters/cpu\n"), "{answer}");
        story.forge.comment(number, "ada", &line);
        story.at_rest().await;
        let answer = answers(&story, number).remove(1);
        assert!(
            answer.contains(" is released: it stays in Azure, and beamline leaves it alone. "),
            "{answer}"
        );
        let consent = format!("consent: release {ADDRESS} (a comment by ada on #{number})");
        let planned = format!("success: dev: Would be: 1 to release; {consent}");
        assert_eq!(story.status(&head, "beamline/plan"), planned, "{kind:?}");
        let comment = story.plan_comment(number);
        assert!(comment.contains("| delete | release | result |"), "{comment}");
        assert!(comment.contains("| dev | 0 | 0 | 0 | 0 | 1 | ready to merge |"), "{comment}");
        assert!(!comment.contains("**Destroys**") && comment.contains("is released, and stays"), "{comment}");
        let commit = merge(&story, number, Merge::Squash).await;
        let applied = format!("success: dev: Applied: 1 released; {consent}");
        assert_eq!(story.status(&commit, "beamline/apply"), applied, "{kind:?}");
        assert!(story.daemon.exists(LAKE), "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_right_before_the_merge_counts_and_the_forge_may_be_late() {
    for kind in ForgeKind::ALL {
        let (story, number, _) = removal(kind).await;
        story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS}"));
        story.daemon.clock.sleep(Duration::from_secs(2)).await;
        let commit = bring(&story, Merge::Squash);
        story.daemon.clock.sleep(Duration::from_secs(30)).await;
        story.forge.merge(number, &commit.to_string());
        story.daemon.settled("main", &commit).await;
        story.at_rest().await;
        let applied = story.status(&commit, "beamline/apply");
        assert!(applied.starts_with("success: dev: Applied: 1 deleted; consent: "), "{kind:?}: {applied}");
        assert!(!story.daemon.exists(LAKE), "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_is_read_in_time_also_when_the_forge_calls_the_merge_open_still() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = removal(kind).await;
        // No look has read the comment when the commit arrives.
        let commit = bring(&story, Merge::Squash);
        story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS} @{}", head.short()));
        story.daemon.clock.sleep(Duration::from_secs(20)).await;
        story.forge.merge(number, &commit.to_string());
        story.daemon.settled("main", &commit).await;
        story.at_rest().await;
        let applied = story.status(&commit, "beamline/apply");
        assert!(applied.starts_with("success: dev: Applied: 1 deleted; consent: "), "{kind:?}: {applied}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn work_waits_a_minute_for_the_forge_and_not_for_ever() {
    let (story, number, _) = removal(ForgeKind::GitHub).await;
    story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS}"));
    story.at_rest().await;
    // The same change, and no merge of the pull request.
    let before = story.daemon.clock.now();
    let commit = bring(&story, Merge::Squash);
    story.forge.pushed("main", &commit.to_string());
    story.daemon.settled("main", &commit).await;
    let waited = story.daemon.clock.now().duration_since(before).as_secs();
    assert!((60..75).contains(&waited), "{waited}");
    let applied = story.status(&commit, "beamline/apply");
    assert!(
        applied.contains("Consent line dev/storage_accounts/lake") && applied.contains(" is void"),
        "{applied}"
    );
    assert!(applied.ends_with("write: Beamline-Consent: destroy dev/storage_accounts/lake"), "{applied}");
    take_back(story).await;
}

#[tokio::test(start_paused = true)]
async fn what_lacked_consent_because_the_forge_was_late_is_applied_when_asked() {
    for kind in ForgeKind::ALL {
        let (story, number, _) = removal(kind).await;
        story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS}"));
        story.at_rest().await;
        let commit = bring(&story, Merge::Squash);
        story.forge.pushed("main", &commit.to_string());
        story.daemon.settled("main", &commit).await;
        let applied = story.status(&commit, "beamline/apply");
        let said =
            format!("failure: dev: Consent line {ADDRESS} (a comment by ada on #{number}) is void; write: ");
        assert!(applied.starts_with(&said), "{kind:?}: {applied}");
        story.forge.merge(number, &commit.to_string());
        story.at_rest().await;
        story.forge.comment(number, "ada", "/beamline retry");
        story.at_rest().await;
        assert_eq!(answers(&story, number).pop().unwrap(), "Applying again: `dev`.", "{kind:?}");
        let applied = story.status(&commit, "beamline/apply");
        assert!(applied.starts_with("success: dev: Applied: 1 deleted; consent: "), "{kind:?}: {applied}");
        assert!(!story.daemon.exists(LAKE), "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_consent_that_was_in_time_and_is_read_late_has_what_is_blocked_applied() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = removal(kind).await;
        story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS} @{}", head.short()));
        story.daemon.clock.sleep(Duration::from_secs(2)).await;
        story.forge.delete_repository();
        let commit = bring(&story, Merge::Squash);
        story.worked("main", &commit).await;
        story.forge.merge(number, &commit.to_string());
        assert!(story.daemon.exists(LAKE), "{kind:?}");
        story.forge.restore_repository();
        story.daemon.settled("main", &commit).await;
        story.at_rest().await;
        let noted = format!(
            "Noted for {}: `{ADDRESS}` may be deleted or replaced. Applying again: `dev`.",
            head.short()
        );
        assert_eq!(answers(&story, number), [noted], "{kind:?}");
        let applied = story.status(&commit, "beamline/apply");
        assert!(applied.starts_with("success: dev: Applied: 1 deleted; consent: "), "{kind:?}: {applied}");
        assert!(!story.daemon.exists(LAKE), "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_consent_after_the_merge_is_answered_with_the_line_that_works() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = removal(kind).await;
        merge(&story, number, Merge::Squash).await;
        let said = format!("/beamline consent destroy {ADDRESS} @{}", head.short());
        story.forge.comment(number, "ada", &said);
        story.at_rest().await;
        let answer = answers(&story, number).pop().unwrap();
        assert!(answer.starts_with("Not done: ") && answer.contains("at the merge"), "{kind:?}: {answer}");
        // What comes next is no consent either.
        story.main();
        story.daemon.repository.write("README", "something else");
        let next = story.push_to_main("something else").await;
        let applied = story.status(&next, "beamline/apply");
        assert!(applied.starts_with("failure: dev: Needs consent to delete"), "{kind:?}: {applied}");
        let line = answer.lines().find(|line| line.trim().starts_with("Beamline-Consent: ")).unwrap();
        let repository = &story.daemon.repository;
        repository.git(&[
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            &format!("the lake goes\n\n{}", line.trim()),
        ]);
        repository.git(&["push", "-q", "origin", "HEAD:main"]);
        let commit: CommitId = repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
        story.forge.pushed("main", &commit.to_string());
        story.daemon.settled("main", &commit).await;
        let applied = story.status(&commit, "beamline/apply");
        assert!(applied.starts_with("success: dev: Applied: 1 deleted; consent: "), "{kind:?}: {applied}");
        assert!(!story.daemon.exists(LAKE), "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_that_was_taken_back_is_void() {
    type Deed = fn(&Proposals, u64, u64);
    let deeds: [(&str, Deed); 3] = [
        ("deleted", |story, _, comment| story.forge.delete_comment(comment)),
        ("edited", |story, _, comment| story.forge.edit_comment(comment, "/beamline help")),
        ("withdrawn", |story, number, _| {
            let line = format!("/beamline consent withdraw {ADDRESS}");
            story.forge.comment(number, "ada", &line);
        }),
    ];
    for kind in ForgeKind::ALL {
        for (name, deed) in deeds {
            for seen in [true, false] {
                let (story, number, _) = removal(kind).await;
                let comment =
                    story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS}"));
                story.at_rest().await;
                deed(&story, number, comment);
                if seen {
                    story.at_rest().await;
                } else {
                    story.daemon.clock.sleep(Duration::from_secs(2)).await;
                }
                let commit = merge(&story, number, Merge::Squash).await;
                let applied = story.status(&commit, "beamline/apply");
                assert!(applied.starts_with("failure: dev: "), "{kind:?} {name} {seen}: {applied}");
                if !seen && name != "withdrawn" {
                    assert!(
                        applied.contains(&format!(" is void: its comment was {name}; write: ")),
                        "{applied}"
                    );
                }
                assert!(story.daemon.exists(LAKE), "{kind:?} {name} {seen}");
                take_back(story).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_people_who_may_push_consent_at_both_moments() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = removal(kind).await;
        story.forge.comment(number, "eve", &format!("/beamline consent destroy {ADDRESS}"));
        story.forge.comment(number, BOT, &format!("/beamline consent destroy {ADDRESS}"));
        story.at_rest().await;
        let said = answers(&story, number);
        assert!(
            said.contains(&"Refused: it takes the right to push to this repository.".to_owned()),
            "{said:?}"
        );
        assert!(said.iter().any(|one| one.contains("consent is a person's to give")), "{kind:?}: {said:?}");
        assert!(story.status(&head, "beamline/plan").starts_with("failure: dev: Needs consent"), "{kind:?}");
        story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS}"));
        story.at_rest().await;
        assert!(story.status(&head, "beamline/plan").starts_with("success"), "{kind:?}");
        story.forge.add_account("ada", Permission::Read);
        let commit = merge(&story, number, Merge::Commit).await;
        let applied = story.status(&commit, "beamline/apply");
        assert!(applied.contains(" is void; write: "), "{kind:?}: {applied}");
        assert!(story.daemon.exists(LAKE), "{kind:?}");
        take_back(story).await;
    }
}

#[tokio::test(start_paused = true)]
async fn consent_is_for_the_head_that_was_shown() {
    for kind in ForgeKind::ALL {
        let (story, number, first) = removal(kind).await;
        story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS}"));
        story.at_rest().await;
        assert!(story.status(&first, "beamline/plan").starts_with("success"), "{kind:?}");
        let second = story.amend(number, "no-lake", DEV, &small(3));
        story.planned(number, &second).await;
        let planned = story.status(&second, "beamline/plan");
        assert!(planned.contains(" is void: it was given for "), "{kind:?}: {planned}");
        let line = format!("/beamline consent destroy {ADDRESS} @{}", second.short());
        assert!(story.plan_comment(number).contains(&line), "{}", story.plan_comment(number));
        // A comment that names the first one holds for that.
        let stale = format!("/beamline consent destroy {ADDRESS} @{}", first.short());
        story.forge.comment(number, "ada", &stale);
        story.at_rest().await;
        let said = answers(&story, number);
        assert!(said.last().unwrap().lines().any(|one| one.trim() == line), "{kind:?}: {said:?}");
        let commit = merge(&story, number, Merge::Squash).await;
        let applied = story.status(&commit, "beamline/apply");
        assert!(applied.starts_with("failure: dev: "), "{kind:?}: {applied}");
        assert!(story.daemon.exists(LAKE), "{kind:?}");
        take_back(story).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_is_answered_with_what_was() {
    let (story, number, head) = removal(ForgeKind::GitHub).await;
    let line = format!("/beamline consent destroy {ADDRESS} @{}", head.short());
    for asked in ["dev/storage_accounts/lkae", "dev/*", "dev/workspace"] {
        let before = answers(&story, number).len();
        story.forge.comment(number, "ada", &format!("/beamline consent destroy {asked}"));
        story.at_rest().await;
        let said = answers(&story, number);
        assert_eq!(said.len(), before + 1, "{asked}: {said:?}");
        assert!(said[before].starts_with("Not done: ") && said[before].contains(&line), "{said:?}");
    }
    assert!(story.status(&head, "beamline/plan").starts_with("failure: dev: Needs consent"));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn another_resource_of_that_name_is_not_what_was_consented_to() {
    let (story, number, head) = removal(ForgeKind::GitHub).await;
    story.forge.comment(number, "ada", &format!("/beamline consent destroy {ADDRESS}"));
    story.at_rest().await;
    assert!(story.status(&head, "beamline/plan").starts_with("success"));
    // Meanwhile the address is another account: the old one went, with a line of its own.
    story.main();
    story.daemon.repository.write(DEV, &small(2));
    story.push_to_main(&format!("no lake\n\nBeamline-Consent: destroy {ADDRESS}")).await;
    let other = with_lake().replace("lake${environment}001", "lake${environment}002");
    story.daemon.repository.write(DEV, &other);
    story.push_to_main("another lake").await;
    let commit = {
        let repository = &story.daemon.repository;
        repository.write(DEV, &small(2));
        let commit = repository.push("the lake goes (#1)");
        story.forge.merge(number, &commit.to_string());
        commit
    };
    story.daemon.settled("main", &commit).await;
    story.at_rest().await;
    let applied = story.status(&commit, "beamline/apply");
    assert!(applied.contains(" is void; write: "), "{applied}");
    assert!(story.daemon.exists(&LAKE.replace("001", "002")));
    story.main();
    story.daemon.repository.write(DEV, &other);
    story.push_to_main("taken back").await;
    story.finish().await;
}
