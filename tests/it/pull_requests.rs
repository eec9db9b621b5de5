//! A proposal is planned as what merging it would give, and says so on its commit and in one comment.

use std::time::Duration;

use beamline_simulator::forge::{ForgeKind, PullRequest};
use beamline_simulator::{Fault, FaultEffect};

use crate::support::proposals::{Choices, Proposals};
use crate::support::small;

const DEV: &str = "environments/dev.yaml";
const TEST: &str = "environments/test.yaml";

#[tokio::test(start_paused = true)]
async fn on_every_forge_a_proposal_is_planned_merged_and_applied() {
    for kind in ForgeKind::ALL {
        let story = Proposals::running(kind, &[(DEV, &small(2))]).await;
        drop(story.daemon.take_writes());
        let (number, head) = story.propose("more-nodes", DEV, &small(3));
        story.planned(number, &head).await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        assert_eq!(story.status(&head, "beamline/plan: dev"), "success: Would be: 1 to change", "{kind:?}");
        let comment = story.plan_comment(number);
        assert!(comment.contains("| dev | 0 | 1 | 0 | 0 | ready to merge |"), "{kind:?}: {comment}");
        assert!(comment.contains("max_node_count: 2 → 3"), "{kind:?}: {comment}");
        assert_eq!(story.daemon.take_writes(), [], "{kind:?}: planning only reads");
        let merged = story.merge(number, "more-nodes").await;
        assert_eq!(story.status(&merged, "beamline/apply"), "success: dev: Applied: 1 changed", "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_proposal_that_touches_nothing_is_a_success_without_a_comment() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    let (number, head) = story.propose("docs", "README", "words");
    story.planned(number, &head).await;
    assert_eq!(story.statuses(&head, "beamline/plan"), ["success: No environments changed"]);
    assert!(story.said(number).is_empty());
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_push_is_planned_again_and_the_comment_is_edited_in_place() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    let (number, first) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &first).await;
    let second = story.amend(number, "nodes", DEV, &small(4));
    story.planned(number, &second).await;
    let comment = story.plan_comment(number);
    assert!(comment.contains("max_node_count: 2 → 4"), "{comment}");
    assert!(comment.contains(&format!("Earlier: {} into", first.short())), "{comment}");
    assert_eq!(story.edits(number), 2);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_is_the_merge_result() {
    let files = [(DEV, small(2)), (TEST, small(2).replace("dev", "test"))];
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &files[0].1), (TEST, &files[1].1)]).await;
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    let before = story.edits(number);
    // What another environment becomes on the main branch changes nothing about this plan.
    story.main();
    story.daemon.repository.write(TEST, &files[1].1.replace("max_node_count: 2", "max_node_count: 5"));
    story.push_to_main("more for test").await;
    assert_eq!(story.edits(number), before);
    // What the same environment becomes does.
    story.daemon.repository.write(DEV, &format!("{}\n# a remark\n", small(2)));
    let moved = story.push_to_main("a remark").await;
    story.planned(number, &head).await;
    let comment = story.plan_comment(number);
    assert!(comment.contains(&format!("`main` at {}", moved.short())), "{comment}");
    assert!(comment.contains("`main` has moved since the last plan"), "{comment}");
    assert!(comment.contains("| dev | 0 | 1 | 0 | 0 | ready to merge |"), "{comment}");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn conflicts_and_mistakes_fail_the_check_and_say_where() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    let (conflicting, head) = story.propose("conflict", DEV, &small(3));
    story.planned(conflicting, &head).await;
    let (invalid, broken) =
        story.propose("broken", DEV, &small(2).replace("max_node_count: 2", "max_nodes: 2"));
    story.planned(invalid, &broken).await;
    let status = story.status(&broken, "beamline/plan");
    assert!(status.starts_with("failure: dev: environments/dev.yaml:"), "{status}");
    assert!(
        story.plan_comment(invalid).contains("environments/dev.yaml:"),
        "{}",
        story.plan_comment(invalid)
    );
    story.main();
    story.daemon.repository.write(DEV, &small(7));
    story.push_to_main("the other way").await;
    assert_eq!(
        story.status(&head, "beamline/plan"),
        "failure: Conflicts with its base in environments/dev.yaml: merge or rebase"
    );
    assert!(story.plan_comment(conflicting).contains("not planned"), "{}", story.plan_comment(conflicting));
    story.finish().await;
}

/// The comment with the plan, without what it keeps of earlier ones.
fn now_said(story: &Proposals, number: u64) -> String {
    let comment = story.plan_comment(number);
    comment.split_once("Earlier: ").map_or(comment.clone(), |(now, _)| now.to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_was_planned_and_conflicts_since_is_said_to_be_unplanned_everywhere() {
    for kind in ForgeKind::ALL {
        let choices = Choices { has_pages: true, ..Choices::of(kind) };
        let files = [(DEV, small(2)), (TEST, small(2).replace("dev", "test"))];
        let story = Proposals::with(choices, &[(DEV, &files[0].1), (TEST, &files[1].1)]).await;
        story.branch("both");
        story.daemon.repository.write(TEST, &files[1].1.replace("max_node_count: 2", "max_node_count: 6"));
        let head = story.push("both", DEV, &small(3), "more nodes for both");
        let what = PullRequest::new("ada", "both", &head.to_string()).changing(&[DEV, TEST]);
        let number = story.open(what, &head);
        story.planned(number, &head).await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: 2 environments planned: dev, test");
        assert!(story.page(&head).await.contains("max_node_count: 2 → 3"), "{kind:?}");

        // The base becomes what the head wants for one environment: that one is no longer touched.
        story.main();
        story.daemon.repository.write(TEST, &files[1].1.replace("max_node_count: 2", "max_node_count: 6"));
        story.push_to_main("the same for test").await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        assert_eq!(story.status(&head, "beamline/plan: test"), "success: No longer changed", "{kind:?}");
        let page = story.page(&head).await;
        assert!(page.contains("plan of dev") && !page.contains("plan of test"), "{kind:?}: {page}");
        let comment = now_said(&story, number);
        assert!(comment.contains("| dev |") && !comment.contains("| test |"), "{kind:?}: {comment}");

        // And something else for the other one.
        story.main();
        story.daemon.repository.write(DEV, &small(7));
        story.push_to_main("the other way").await;
        let why = "Conflicts with its base in environments/dev.yaml: merge or rebase";
        assert_eq!(story.status(&head, "beamline/plan"), format!("failure: {why}"), "{kind:?}");
        for own in ["beamline/plan: dev", "beamline/plan: test"] {
            assert_eq!(
                story.status(&head, own),
                format!("failure: Not planned: {why}"),
                "{kind:?}: {own} {:?}",
                story.statuses(&head, own)
            );
        }
        let comment = now_said(&story, number);
        assert!(
            comment.contains("### beamline: not planned") && comment.contains(why),
            "{kind:?}: {comment}"
        );
        assert!(!comment.contains("ready to merge"), "{kind:?}: {comment}");
        let page = story.page(&head).await;
        assert!(page.contains(why) && !page.contains("max_node_count"), "{kind:?}: {page}");

        // It merges again, as it stands.
        story.main();
        story.daemon.repository.write(DEV, &small(2));
        story.push_to_main("back").await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        assert_eq!(story.status(&head, "beamline/plan: dev"), "success: Would be: 1 to change", "{kind:?}");
        assert_eq!(story.status(&head, "beamline/plan: test"), "success: No longer changed", "{kind:?}");
        let page = story.page(&head).await;
        assert!(page.contains("max_node_count") && !page.contains("Conflicts"), "{kind:?}: {page}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_its_head_no_longer_touches_is_not_counted_although_it_was_under_way() {
    let files = [(DEV, small(2)), (TEST, small(2).replace("dev", "test"))];
    let more = files[1].1.replace("max_node_count: 2", "max_node_count: 6");
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &files[0].1), (TEST, &files[1].1)]).await;
    story.daemon.azure.faults().add(Fault {
        method: Some("GET".to_owned()),
        path_contains: "rg-test".to_owned(),
        times: 1,
        effect: FaultEffect::Status {
            code: 429,
            retry_after_secs: Some(300),
            error_code: "TooManyRequests".to_owned(),
            message: "Too many.".to_owned(),
        },
    });
    story.branch("both");
    story.daemon.repository.write(TEST, &more);
    let head = story.push("both", DEV, &small(3), "more nodes for both");
    let what = PullRequest::new("ada", "both", &head.to_string()).changing(&[DEV, TEST]);
    let number = story.open(what, &head);
    let own = |name: &str| story.status(&head, &format!("beamline/plan: {name}"));
    let is_waiting = async || own("test").contains("waits since");
    story.daemon.until("the plan of test waits", is_waiting).await;
    story.main();
    story.daemon.repository.write(TEST, &more);
    story.commit_to_main("the same for test");
    let is_gone = async || own("test") == "success: No longer changed";
    story.daemon.until("test is no longer changed", is_gone).await;
    story.planned(number, &head).await;
    assert_eq!(own("test"), "success: No longer changed");
    assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change");
    assert!(now_said(&story, number).contains("| dev |"), "{}", now_said(&story, number));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_proposal_is_left_alone_and_a_reopened_one_is_planned() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    story.forge.close(number);
    story.at_rest().await;
    assert!(story.daemon.store().open_pull_requests().await.unwrap().is_empty());
    let edits = story.edits(number);
    story.main();
    story.daemon.repository.write(DEV, &small(5));
    story.push_to_main("meanwhile").await;
    assert_eq!(story.edits(number), edits);
    story.forge.reopen(number);
    story.planned(number, &head).await;
    assert!(story.status(&head, "beamline/plan").starts_with("failure: Conflicts"));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_retargeted_proposal_is_planned_against_its_new_base() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    story.branch("release");
    let release = story.push("release", "README", "a release", "a release");
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    story.forge.retarget(number, "release");
    story.at_rest().await;
    let comment = story.plan_comment(number);
    assert!(comment.contains(&format!("`release` at {}", release.short())), "{comment}");
    assert!(comment.contains("Merging this applies nothing"), "{comment}");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn two_proposals_that_touch_the_same_environment_both_say_so() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    let (first, head) = story.propose("one", DEV, &small(3));
    story.planned(first, &head).await;
    let (second, other) = story.propose("two", DEV, &small(4));
    story.planned(second, &other).await;
    story.at_rest().await;
    assert!(story.plan_comment(first).contains(&format!("**dev** is also touched by #{second}")));
    assert!(story.plan_comment(second).contains(&format!("**dev** is also touched by #{first}")));
    story.forge.close(second);
    story.at_rest().await;
    assert!(!story.plan_comment(first).contains("also touched"));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_merge_queue_would_merge_is_planned() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    let branch = format!("gh-readonly-queue/main/pr-{number}-{}", "0".repeat(40));
    story.branch("queued");
    story.daemon.repository.write(DEV, &small(3));
    let group = story.daemon.repository.push_to(&branch, "merge group");
    story.forge.add_commit(&group.to_string());
    story.daemon.settled(&branch, &group).await;
    assert_eq!(story.status(&group, "beamline/plan"), "success: dev: Would be: 1 to change");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_draft_is_planned_like_any_other() {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    story.branch("draft");
    let head = story.push("draft", DEV, &small(3), "a draft");
    let draft = PullRequest::new("ada", "draft", &head.to_string()).changing(&[DEV]).as_draft();
    let number = story.open(draft, &head);
    story.planned(number, &head).await;
    story.forge.mark_ready(number);
    story.at_rest().await;
    assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change");
    assert_eq!(story.edits(number), 1);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_forge_has_lost_is_planned_when_it_is_back() {
    for kind in [ForgeKind::GitHub, ForgeKind::Bitbucket] {
        let story = Proposals::running(kind, &[(DEV, &small(2))]).await;
        let (number, head) = story.propose("nodes", DEV, &small(3));
        let blob = story.daemon.repository.git(&["rev-parse", "HEAD:environments/dev.yaml"]);
        let file = story.daemon.repository.origin().join("objects").join(&blob[..2]).join(&blob[2..]);
        let content = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        story.planned(number, &head).await;
        let status = story.status(&head, "beamline/plan");
        assert!(status.starts_with("failure: ") && status.contains("is damaged"), "{kind:?}: {status}");
        std::fs::write(&file, content).unwrap();
        story.daemon.clock.sleep(Duration::from_secs(30 * 60)).await;
        story.at_rest().await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        story.finish().await;
    }
}
