//! Nothing that somebody wrote for beamline is passed over in silence: what nobody acts on is in the status.

use beamline_simulator::forge::{ForgeKind, PullRequest};

use crate::support::proposals::Proposals;
use crate::support::{DaemonWorld, small};

const DEV: &str = "environments/dev.yaml";
const LINE: &str = "Beamline-Consent: destroy dev/storage_accounts/default";

#[tokio::test(start_paused = true)]
async fn a_consent_line_where_no_environment_is_touched_is_said_on_every_kind_of_head() {
    let world = DaemonWorld::running(&[(DEV, &small(1))]).await;
    world.repository.write("README", "on main");
    let note = world.push(&format!("words\n\n{LINE}")).await;
    let said = "success: No environments changed. Consent line dev/storage_accounts/default (";
    assert!(note.contains(&format!("beamline/apply: {said}")) && note.contains("matches nothing"), "{note}");
    world.repository.write("README", "on a branch");
    let note = world.push_branch("words", &format!("more words\n\n{LINE}")).await;
    assert!(note.contains(&format!("beamline/plan: {said}")), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_touches_no_environment_says_its_consent_lines_and_its_ignored_files() {
    for kind in ForgeKind::ALL {
        let story = Proposals::running(kind, &[(DEV, &small(1))]).await;
        story.branch("words");
        story.push("words", "environments/old.yaml~", "", &format!("first\n\n{LINE}"));
        let head = story.push("words", "README", "words", "second");
        let pull_request = PullRequest::new("ada", "words", &head.to_string());
        let number = story.open(pull_request.changing(&["README", "environments/old.yaml~"]), &head);
        story.planned(number, &head).await;
        let status = story.status(&head, "beamline/plan");
        assert!(
            status.starts_with("success: No environments changed. Consent line of "),
            "{kind:?}: {status}"
        );
        let end = " by author matches nothing. Ignored by their names: environments/old.yaml~";
        assert!(status.ends_with(end), "{kind:?}: {status}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_for_an_environment_that_the_pull_request_does_not_touch_is_in_the_status_too() {
    for kind in ForgeKind::ALL {
        let files = [(DEV, small(1)), ("environments/other.yaml", small(1))];
        let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
        let story = Proposals::running(kind, &files).await;
        story.branch("more");
        let head = story.push("more", "environments/other.yaml", &small(2), &format!("more\n\n{LINE}"));
        let pull_request = PullRequest::new("ada", "more", &head.to_string());
        let number = story.open(pull_request.changing(&["environments/other.yaml"]), &head);
        story.planned(number, &head).await;
        let status = story.status(&head, "beamline/plan");
        let said = "success: other: Would be: 1 to change; consent line dev/storage_accounts/default (";
        assert!(status.starts_with(said) && status.ends_with(") matches nothing"), "{kind:?}: {status}");
        assert!(story.plan_comment(number).contains("its environment is not touched"), "{kind:?}");
        story.finish().await;
    }
}
