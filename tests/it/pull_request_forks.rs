//! What somebody without the right to push proposes is planned when somebody who has it asks for it, or
//! always, as the operator chose; and never with more than reads.

use std::time::Duration;

use beamline::daemon::{Forks, Happening};
use beamline::git::CommitId;
use beamline_simulator::forge::{ForgeKind, PullRequest};

use crate::support::proposals::{Choices, Proposals};
use crate::support::small;

const DEV: &str = "environments/dev.yaml";
const WAITS: &str = "From a fork: somebody who may push must comment /beamline plan";

/// The forges that keep a ref of what a fork proposes.
const WITH_REFS: [ForgeKind; 4] =
    [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea, ForgeKind::Forgejo];

async fn story(kind: ForgeKind, forks: Forks) -> Proposals {
    Proposals::with(Choices { forks, ..Choices::of(kind) }, &[(DEV, &small(2))]).await
}

/// `eve` proposes from a fork what `path` is to become.
fn propose(story: &Proposals, path: &str, text: &str) -> (u64, CommitId) {
    story.branch("fork");
    story.daemon.repository.write(path, text);
    let head = story.daemon.repository.commit("from a fork");
    let what = PullRequest::new("eve", "fork", &head.to_string()).from_fork("eve/infra").changing(&[path]);
    (story.open(what, &head), head)
}

/// `eve` pushes to her fork.
fn push(story: &Proposals, number: u64, path: &str, text: &str) -> CommitId {
    story.daemon.repository.write(path, text);
    let head = story.daemon.repository.commit("more from a fork");
    story.forge.push(number, &head.to_string());
    story.keep_ref(number, &head);
    head
}

#[tokio::test(start_paused = true)]
async fn a_fork_waits_for_somebody_who_may_push_at_every_push() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Ask).await;
        drop(story.daemon.take_writes());
        let (number, head) = propose(&story, DEV, &small(3));
        story.planned(number, &head).await;
        assert_eq!(story.status(&head, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        assert!(story.plan_comment(number).contains("must comment /beamline plan"), "{kind:?}");
        story.forge.comment(number, "eve", "/beamline plan");
        story.at_rest().await;
        assert_eq!(story.status(&head, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        story.forge.comment(number, "ada", "/beamline plan -e dev");
        story.at_rest().await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        assert!(story.plan_comment(number).contains("max_node_count: 2 → 3"), "{kind:?}");
        let next = push(&story, number, DEV, &small(9));
        story.planned(number, &next).await;
        assert_eq!(story.status(&next, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        assert_eq!(story.daemon.take_writes(), [], "{kind:?}");
        story.finish().await;
    }
}

/// Seen on Gitea 1.22: the API and the webhook know the pull request, Git has its head three seconds later.
#[tokio::test(start_paused = true)]
async fn a_head_that_is_late_is_planned_within_seconds_of_its_coming() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Plan).await;
        story.branch("fork");
        story.daemon.repository.write(DEV, &small(3));
        let head = story.daemon.repository.commit("from a fork");
        let what = PullRequest::new("eve", "fork", &head.to_string()).from_fork("eve/infra").changing(&[DEV]);
        let number = story.forge.open(what);
        story.bring_webhooks().await;
        story.daemon.clock.sleep(Duration::from_secs(3)).await;
        let came = story.daemon.clock.now();
        story.keep_ref(number, &head);
        story.planned(number, &head).await;
        let took = story.daemon.clock.now().duration_since(came);
        assert!(took.as_secs() < 15, "{kind:?}: planned {took:#} after it came");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fork_that_touches_nothing_need_not_ask() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Ask).await;
        let (number, head) = propose(&story, "README", "words");
        story.planned(number, &head).await;
        assert_eq!(story.statuses(&head, "beamline/plan"), ["success: No environments changed"], "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fork_is_planned_unasked_where_the_operator_says_so() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Plan).await;
        drop(story.daemon.take_writes());
        let (number, head) = propose(&story, DEV, &small(3));
        story.planned(number, &head).await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        assert_eq!(story.daemon.take_writes(), [], "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_forks_have_no_refs_the_changed_files_decide() {
    for kind in [ForgeKind::AzureDevOps, ForgeKind::Bitbucket] {
        let story = story(kind, Forks::Plan).await;
        let (ours, head) = propose(&story, DEV, &small(3));
        let (other, elsewhere) = propose(&story, "README", "words");
        // Somebody else's proposal is not held up.
        let (number, own) = story.propose("nodes", DEV, &small(4));
        for (number, head) in [(ours, &head), (other, &elsewhere), (number, &own)] {
            story.planned(number, head).await;
        }
        assert_eq!(story.status(&own, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        let advice = "Its commit cannot be fetched from its fork: push it to a branch of this repository";
        assert!(story.plan_comment(ours).contains(advice), "{kind:?}: {}", story.plan_comment(ours));
        assert!(story.said(other).is_empty(), "{kind:?}");
        let (refused, fine) = match kind {
            // It has no statuses for commits of forks.
            ForgeKind::Bitbucket => (String::new(), String::new()),
            ForgeKind::AzureDevOps
            | ForgeKind::GitHub
            | ForgeKind::GitLab
            | ForgeKind::Gitea
            | ForgeKind::Forgejo => {
                (format!("failure: {advice}"), "success: No environments changed".to_owned())
            }
        };
        assert_eq!(story.status(&head, "beamline/plan"), refused, "{kind:?}");
        assert_eq!(story.status(&elsewhere, "beamline/plan"), fine, "{kind:?}");
        let troubled = story.daemon.has_happened(|happening| matches!(happening, Happening::Trouble(_)));
        assert!(!troubled, "{kind:?}: nothing is wrong that an operator could mend");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_forks_have_no_refs_no_command_is_shown_and_one_is_answered() {
    for kind in [ForgeKind::AzureDevOps, ForgeKind::Bitbucket] {
        let story = story(kind, Forks::Ask).await;
        let (number, head) = propose(&story, DEV, &small(3));
        story.planned(number, &head).await;
        let shown = story.plan_comment(number);
        assert!(!shown.contains("/beamline plan") && shown.contains(&head.short()), "{kind:?}: {shown}");
        for asked in ["/beamline plan".to_owned(), format!("/beamline plan @{}", head.short())] {
            story.forge.comment(number, "ada", &asked);
            story.at_rest().await;
            let advice = "Not done: Its commit cannot be fetched from its fork: push it to a branch of this repository.";
            let answer = story.said(number).pop().unwrap();
            assert_eq!(answer.trim(), advice, "{kind:?}: {asked}");
        }
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_holds_for_the_head_that_its_author_had_seen_and_for_no_later_one() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Ask).await;
        drop(story.daemon.take_writes());
        let (number, seen) = propose(&story, DEV, &small(3));
        story.planned(number, &seen).await;
        assert!(
            story.plan_comment(number).contains(&format!("`/beamline plan @{}`", seen.short())),
            "{kind:?}"
        );
        story.daemon.clock.sleep(Duration::from_secs(5)).await;
        story.forge.comment(number, "ada", "/beamline plan -e dev");
        // Before the daemon looks again, another commit is there.
        story.daemon.clock.sleep(Duration::from_secs(5)).await;
        let unseen = push(&story, number, DEV, &small(9));
        story.planned(number, &unseen).await;
        assert_eq!(story.status(&unseen, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        assert!(!story.status(&seen, "beamline/plan").contains("success"), "{kind:?}");
        let line = format!("/beamline plan -e dev @{}", unseen.short());
        let said = story.said(number);
        let answer = said.iter().find(|body| body.contains("Not done: this holds for")).unwrap();
        assert!(answer.contains(&seen.short()), "{kind:?}: {answer}");
        assert!(answer.lines().any(|one| one.trim() == line), "{kind:?}: {answer}");
        // The line of the answer does it, and for this commit only.
        story.forge.comment(number, "ada", &line);
        story.at_rest().await;
        assert_eq!(story.status(&unseen, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        assert_eq!(story.daemon.take_writes(), [], "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_or_an_edited_comment_approves_no_unseen_head_either() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Ask).await;
        let (number, seen) = propose(&story, DEV, &small(3));
        story.planned(number, &seen).await;
        story.daemon.clock.sleep(Duration::from_secs(5)).await;
        let talk = story.forge.comment(number, "ada", "looks fine");
        story.at_rest().await;
        let unseen = push(&story, number, DEV, &small(9));
        story.planned(number, &unseen).await;
        story.daemon.clock.sleep(Duration::from_secs(5)).await;
        // Written when the first commit was there, whatever it says now.
        story.forge.edit_comment(talk, "/beamline plan");
        story.bring_webhooks().await;
        story.at_rest().await;
        assert_eq!(story.status(&unseen, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        // By webhook, right after another push that nobody has been shown.
        story.forge.comment(number, "ada", "/beamline plan");
        let third = push(&story, number, DEV, &small(12));
        story.bring_webhooks().await;
        story.planned(number, &third).await;
        assert_eq!(story.status(&third, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        // What it shows now may be approved.
        story.daemon.clock.sleep(Duration::from_secs(5)).await;
        story.forge.comment(number, "ada", "/beamline plan");
        story.bring_webhooks().await;
        story.at_rest().await;
        assert_eq!(story.status(&third, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_named_is_the_one_that_is_planned() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Ask).await;
        let (number, seen) = propose(&story, DEV, &small(3));
        story.planned(number, &seen).await;
        // At once, before anybody can have read what was shown: who names a commit knows which.
        story.forge.comment(number, "ada", &format!("/beamline plan @{}", "a".repeat(7)));
        story.at_rest().await;
        assert_eq!(story.status(&seen, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        story.forge.comment(number, "ada", &format!("/beamline plan @{}", seen.short()));
        story.at_rest().await;
        assert_eq!(story.status(&seen, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fork_that_waits_is_not_spoken_of_again_at_each_push_to_its_base() {
    for kind in WITH_REFS {
        let story = story(kind, Forks::Ask).await;
        let (number, head) = propose(&story, DEV, &small(3));
        story.planned(number, &head).await;
        story.at_rest().await;
        let before = (story.plan_comment(number), story.edits(number));
        for text in ["one", "two"] {
            story.main();
            story.daemon.repository.write("README", text);
            story.push_to_main(text).await;
            story.at_rest().await;
        }
        assert_eq!((story.plan_comment(number), story.edits(number)), before, "{kind:?}");
        assert_eq!(story.status(&head, "beamline/plan"), format!("failure: {WAITS}"), "{kind:?}");
        story.finish().await;
    }
}
