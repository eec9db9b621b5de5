//! What a reviewer reads: the comment with the plan, and on GitHub the page of the check.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use beamline::git::CommitId;
use beamline_simulator::forge::{Annotation, ForgeKind, PullRequest, Seen, Shown};

use super::pull_request_comments::deliver;
use crate::support::proposals::{Choices, Proposals};
use crate::support::small;

const DEV: &str = "environments/dev.yaml";
const TEST: &str = "environments/test.yaml";

/// Of the simulated App, used nowhere else.
const KEY: &str = include_str!("../../src/simulator/forge/stories/test_app_key.pem");

/// With a second storage account, which is protected.
fn with_lake() -> String {
    let lake = "  lake: { name: \"lake${environment}001\", account_tier: Standard, account_replication_type: LRS }\n";
    small(2).replace("key_vaults:\n", &format!("{lake}key_vaults:\n"))
}

fn consent_of(comment: &str) -> String {
    let line = comment.lines().find(|line| line.starts_with("Beamline-Consent: "));
    line.unwrap_or_else(|| panic!("no consent line: {comment}")).to_owned()
}

/// Pushes to a proposal with a message of one's own.
fn push(story: &Proposals, number: u64, branch: &str, message: &str) -> CommitId {
    let head = story.push(branch, "README", message, message);
    story.keep_ref(number, &head);
    head
}

#[tokio::test(start_paused = true)]
async fn the_consent_line_of_the_comment_works() {
    for kind in [ForgeKind::GitHub, ForgeKind::Bitbucket] {
        let story = Proposals::running(kind, &[(DEV, &with_lake())]).await;
        let (number, head) = story.propose("no-lake", DEV, &small(2));
        story.planned(number, &head).await;
        let consent = "Beamline-Consent: destroy dev/storage_accounts/lake";
        let needed = format!(
            "failure: dev: Needs consent to delete (`release` keeps it). Add to a commit message: {consent}"
        );
        assert_eq!(story.status(&head, "beamline/plan"), needed, "{kind:?}");
        let comment = story.plan_comment(number);
        assert!(comment.contains("| dev | 0 | 0 | 0 | 1 | needs consent |"), "{comment}");
        assert_eq!(consent_of(&comment), consent, "{comment}");
        let head = push(&story, number, "no-lake", &format!("we moved out\n\n{}", consent_of(&comment)));
        story.planned(number, &head).await;
        let named = format!("consent: dev/storage_accounts/lake ({} by author)", head.short());
        let planned = format!("success: dev: Would be: 1 to delete; {named}");
        assert_eq!(story.status(&head, "beamline/plan"), planned, "{kind:?}");
        let comment = story.plan_comment(number);
        assert!(comment.contains("| dev | 0 | 0 | 0 | 1 | ready to merge |"), "{comment}");
        assert!(story.daemon.exists("rg-dev/providers/Microsoft.Storage/storageAccounts/lakedev001"));
        let merged = story.merge(number, "no-lake").await;
        let applied = format!("success: dev: Applied: 1 deleted; {named}");
        assert_eq!(story.status(&merged, "beamline/apply"), applied, "{kind:?}");
        assert!(!story.daemon.exists("rg-dev/providers/Microsoft.Storage/storageAccounts/lakedev001"));
        story.finish().await;
    }
}

/// A proposal that replaces, deletes, changes, makes and errs, in two environments.
async fn of_everything(kind: ForgeKind) -> (Proposals, String) {
    let story = Proposals::running(kind, &[(DEV, &with_lake()), (TEST, &small(2))]).await;
    story.branch("everything");
    let dev = small(4).replace("Standard_D4s_v3", "Standard_D8s_v3");
    story.daemon.repository.write(
        DEV,
        &format!("{dev}  night: {{ vm_size: Standard_D4s_v3, scale_settings: {{ max_node_count: 1 }} }}\n"),
    );
    let (number, head) = propose_two(&story, &small(3));
    story.planned(number, &head).await;
    let comment = story.plan_comment(number);
    (story, comment)
}

fn propose_two(story: &Proposals, test: &str) -> (u64, CommitId) {
    let head = story.push("everything", TEST, test, "some of everything");
    let what = PullRequest::new("ada", "everything", &head.to_string());
    let number = story.open(what.changing(&[DEV, TEST]), &head);
    (number, head)
}

/// Commits differ from run to run.
fn without_commits(comment: &str) -> String {
    let is_commit = |word: &str| word.len() == 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut text = String::new();
    for line in comment.lines() {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_start_matches('@').trim_end_matches('.');
            if is_commit(bare) { word.replace(bare, "COMMIT") } else { word.to_owned() }
        });
        let _ = writeln!(text, "{}", words.collect::<Vec<_>>().join(" "));
    }
    text
}

#[tokio::test(start_paused = true)]
async fn the_comment_as_a_reviewer_reads_it() {
    let (story, comment) = of_everything(ForgeKind::GitHub).await;
    insta::assert_snapshot!("the_comment_on_github", without_commits(&comment));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_comment_where_there_is_no_html() {
    let (story, comment) = of_everything(ForgeKind::Bitbucket).await;
    insta::assert_snapshot!("the_comment_on_bitbucket", without_commits(&comment));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named_by_its_path_and_is_no_row() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    story.branch("west");
    story.daemon.repository.write("environments/Prod West.yaml", &small(2));
    let head = story.push("west", DEV, &small(3), "a name that cannot be");
    let number = story.open(PullRequest::new("ada", "west", &head.to_string()), &head);
    story.planned(number, &head).await;
    let comment = story.plan_comment(number);
    assert!(comment.starts_with("### beamline: dev\n"), "{comment}");
    assert!(comment.contains("**Files that cannot be read**\n\n- environments/Prod West.yaml:"), "{comment}");
    assert!(comment.contains("| dev | 0 | 1 | 0 | 0 | ready to merge |"), "{comment}");
    assert!(!comment.contains("unreadable-") && !comment.contains("2 environments"), "{comment}");
    let status = story.status(&head, "beamline/plan");
    assert_eq!(status.matches("Prod West.yaml").count(), 1, "{status}");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_that_is_too_long_is_cut_in_the_middle() {
    let story = Proposals::running(ForgeKind::Bitbucket, &[(DEV, &small(2))]).await;
    story.branch("many");
    for at in 0..40 {
        story.daemon.repository.write(&format!("environments/e{at:02}.yaml"), &small(2));
    }
    let head = story.push("many", "README", "many", "many environments");
    let number = story.open(PullRequest::new("ada", "many", &head.to_string()), &head);
    story.planned(number, &head).await;
    let bodies = story.forge.comments(number);
    assert_eq!(bodies.len(), 1);
    let chars = bodies[0].2.chars().count();
    assert!((16_000..=32_768).contains(&chars), "{chars}");
    let comment = story.plan_comment(number);
    assert!(comment.contains("| **40 environments** | **280** | **0** | **0** | **0** | |"), "{comment}");
    assert!(comment.contains("lines left out …"), "{comment}");
    assert_eq!(comment.matches("```").count() % 2, 0, "every fence is closed");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn of_more_than_twenty_environments_twenty_have_a_context_and_all_a_row() {
    let names: Vec<String> = (0..25).map(|at| format!("e{at:02}")).collect();
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    story.branch("many");
    for name in &names {
        story.daemon.repository.write(&format!("environments/{name}.yaml"), &small(2));
    }
    let head = story.push("many", "README", "many", "many environments");
    let what = PullRequest::new("ada", "many", &head.to_string());
    let number = story.open(what, &head);
    story.planned(number, &head).await;
    let history = story.forge.history();
    let contexts: BTreeSet<&str> = history
        .sights()
        .iter()
        .filter_map(|sight| match &sight.seen {
            Seen::Status { commit, context, .. } if *commit == head.to_string() => Some(context.as_str()),
            Seen::Status { .. }
            | Seen::Comment { .. }
            | Seen::CommentDeleted { .. }
            | Seen::CheckRun { .. }
            | Seen::Reaction { .. } => None,
        })
        .filter(|context| context.contains(": "))
        .collect();
    assert_eq!(contexts.len(), 20);
    let status = story.status(&head, "beamline/plan");
    assert!(status.starts_with("success: 25 environments planned: e20, e21, e22, e23, e24, "), "{status}");
    let comment = story.plan_comment(number);
    for name in &names {
        assert!(comment.contains(&format!("| {name} | 7 | 0 | 0 | 0 | ready to merge |")), "{comment}");
    }
    assert!(comment.contains("| **25 environments** | **175** |"), "{comment}");
    story.finish().await;
}

/// What the page of the check showed, oldest first.
fn pages(story: &Proposals, head: &CommitId) -> Vec<(Shown, String, String, Vec<Annotation>)> {
    let history = story.forge.history();
    let pages = history.sights().iter().filter_map(|sight| match &sight.seen {
        Seen::CheckRun { commit, shown, title, summary, annotations, .. } if *commit == head.to_string() => {
            Some((*shown, title.clone(), summary.clone(), annotations.clone()))
        }
        Seen::CheckRun { .. }
        | Seen::Status { .. }
        | Seen::Comment { .. }
        | Seen::CommentDeleted { .. }
        | Seen::Reaction { .. } => None,
    });
    pages.collect()
}

async fn with_app() -> Proposals {
    let choices = Choices { app: Some((99, 7, KEY)), ..Choices::of(ForgeKind::GitHub) };
    Proposals::with(choices, &[(DEV, &small(2))]).await
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_check_names_what_nobody_acts_on_and_no_plan_that_is_none_any_more() {
    let story = with_app().await;
    let (number, head) = story.propose("leftover", "environments/old.yaml~", "");
    story.planned(number, &head).await;
    let (_, title, summary, _) = pages(&story, &head).pop().unwrap();
    assert_eq!(title, "No environments changed. Ignored by their names: environments/old.yaml~");
    assert!(summary.contains("Ignored by their names: "), "{summary}");

    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    story.main();
    story.daemon.repository.write(DEV, &small(3));
    story.push_to_main("the same").await;
    story.planned(number, &head).await;
    let (_, title, ..) = pages(&story, &head).pop().unwrap();
    assert_eq!(title, "No environments changed");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_points_at_the_line_that_is_wrong() {
    let story = with_app().await;
    let wrong = small(2).replace("max_node_count: 2", "max_nodes: 2");
    let line = wrong.lines().position(|line| line.contains("max_nodes")).unwrap() as u64 + 1;
    let (number, head) = story.propose("broken", DEV, &wrong);
    story.planned(number, &head).await;
    let (shown, title, summary, annotations) = pages(&story, &head).pop().unwrap();
    assert_eq!(shown, Shown::Failure);
    assert!(title.starts_with(&format!("dev: {DEV}:{line}:")), "{title}");
    assert!(summary.contains("| dev | 0 | 0 | 0 | 0 | the definition has"), "{summary}");
    assert!(
        annotations
            .iter()
            .any(|one| (one.path.as_str(), one.start_line, one.level.as_str()) == (DEV, line, "failure")
                && one.message.contains("max_nodes")),
        "{annotations:?}"
    );
    let mended = story.amend(number, "broken", DEV, &small(3));
    story.planned(number, &mended).await;
    let (shown, title, summary, annotations) = pages(&story, &mended).pop().unwrap();
    assert_eq!((shown, title.as_str(), annotations), (Shown::Success, "dev: Would be: 1 to change", vec![]));
    assert!(summary.contains("max_node_count: 2 → 3"), "{summary}");
    story.finish().await;
}

/// Once for each text, also where the review comes without a webhook and where it is read again.
#[tokio::test(start_paused = true)]
async fn a_command_in_a_review_is_answered_not_ignored() {
    for kind in [ForgeKind::GitHub, ForgeKind::Gitea, ForgeKind::Forgejo] {
        let story = Proposals::running(kind, &[(DEV, &small(2))]).await;
        let (number, head) = story.propose("nodes", DEV, &small(3));
        story.planned(number, &head).await;
        let (before, planned) = (story.said(number), story.statuses(&head, "beamline/plan"));
        story.forge.review(number, "ada", "/beamline plan\n\nFine by me.", Some("/beamline cancel")).unwrap();
        story.forge.review(number, "ada", "No command here.", Some("Why three?")).unwrap();
        deliver(&story).await;
        story.at_rest().await;
        let answers: Vec<String> =
            story.said(number).into_iter().filter(|said| !before.contains(said)).collect();
        assert_eq!(answers.len(), 2, "{kind:?}: {answers:#?}");
        for answer in &answers {
            assert!(answer.contains("not from reviews: write it as a comment"), "{kind:?}: {answer}");
        }
        story.daemon.sweep().await;
        story.at_rest().await;
        assert_eq!(story.statuses(&head, "beamline/plan"), planned, "{kind:?}: not planned again");
        assert_eq!(story.said(number).len(), before.len() + 2, "{kind:?}: once");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn re_run_plans_again_and_ends_although_nothing_differs() {
    let story = with_app().await;
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    let before = pages(&story, &head);
    assert!(story.forge.rerun_check("beamline plan"));
    deliver(&story).await;
    story.at_rest().await;
    let statuses = story.statuses(&head, "beamline/plan");
    assert_eq!(statuses.iter().filter(|text| text.contains("queued again at")).count(), 1, "{statuses:#?}");
    let after = pages(&story, &head);
    assert!(after.len() > before.len(), "a check that is re-run ends");
    assert_eq!(after.last(), before.last());
    story.at_rest().await;
    assert_eq!(pages(&story, &head).len(), after.len(), "once");
    story.finish().await;
}
