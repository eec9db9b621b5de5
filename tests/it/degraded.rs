//! What outside cannot be reached for long is said, in `/readyz` and in the log, and is left without a restart.

use std::cell::RefCell;
use std::time::Duration;

use beamline::daemon::event::{Because, Event};
use beamline::daemon::{Part, Wellness};
use beamline_simulator::forge::ForgeKind;

use crate::support::proposals::{Choices, Proposals};
use crate::support::{DaemonWorld, Kept, Setup, small};

const MINUTE: Duration = Duration::from_secs(60);

thread_local! {
    /// How the daemon was at its last beat: it runs on the story's own thread.
    static LAST: RefCell<Wellness> = const { RefCell::new(Wellness::Ready) };
}

fn watched() -> Setup {
    let supervisor: fn(&Wellness) = |found| LAST.with(|last| *last.borrow_mut() = found.clone());
    Setup { supervisor: Some(supervisor), ..Setup::new() }
}

/// What is not well, with its reason.
fn reasons() -> Vec<(Part, String)> {
    let found = LAST.with(|last| last.borrow().clone());
    assert!(!matches!(found, Wellness::NotReady(_)), "{found:?}");
    found.reasons().iter().map(|reason| (reason.part, reason.reason.clone())).collect()
}

/// Sees that the log says once when it begins, thrice within an hour that it goes on, and when it ends.
fn told(log: &Kept, part: &str) {
    let part = format!("part={part}");
    assert_eq!(log.having(&[" degraded ", &part]).len(), 1, "{:#?}", log.having(&["degraded"]));
    let again = log.having(&["still degraded, after ", &part]).len();
    assert!((3..=5).contains(&again), "{:#?}", log.having(&["degraded"]));
    assert_eq!(log.having(&["well again, after ", &part]).len(), 1, "{:#?}", log.having(&["well"]));
}

#[tokio::test(start_paused = true)]
async fn why_the_repository_has_not_been_read_since_the_start_is_said_at_once() {
    let mut world = DaemonWorld::with(watched());
    world.repository.write("README", "nothing");
    world.repository.push("first");
    let config = world.repository.origin().join("config");
    let sound = std::fs::read(&config).unwrap();
    std::fs::write(&config, "[core\n").unwrap();
    world.start().await;
    world.clock.sleep(MINUTE / 3).await;
    let found = reasons();
    let [(Part::Repository, why)] = &found[..] else { panic!("{found:?}") };
    assert!(why.starts_with("the repository has not been read since the start: "), "{why}");
    assert!(why.contains("origin"), "the cause is missing: {why}");
    std::fs::write(&config, sound).unwrap();
    world.clock.sleep(6 * MINUTE).await;
    assert_eq!(reasons(), []);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_cannot_be_read_for_long_is_said_until_it_can() {
    let log = Kept::default();
    let _kept = log.keep();
    let mut world = DaemonWorld::with(watched());
    world.repository.write("README", "nothing");
    world.repository.push("first");
    world.start().await;
    world.clock.sleep(MINUTE).await;
    assert_eq!(reasons(), []);
    // Unreadable, and yet no refusal.
    let config = world.repository.origin().join("config");
    let sound = std::fs::read(&config).unwrap();
    std::fs::write(&config, "[core\n").unwrap();
    world.ask(Event::Look(Because::Webhook)).await;
    world.clock.sleep(MINUTE / 2).await;
    assert_eq!(reasons(), [], "it may pass");
    world.clock.sleep(MINUTE).await;
    assert!(matches!(&reasons()[..], [(Part::Repository, why)] if why.contains("origin")), "{:?}", reasons());
    world.clock.sleep(60 * MINUTE).await;
    std::fs::write(&config, sound).unwrap();
    world.clock.sleep(6 * MINUTE).await;
    assert_eq!(reasons(), []);
    told(&log, "Repository");
    world.repository.write("environments/dev.yaml", &small(1));
    assert!(world.push("after it").await.contains("success"));
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_forge_that_is_down_for_long_is_said_until_it_is_back() {
    let log = Kept::default();
    let _kept = log.keep();
    let story =
        Proposals::with(Choices::of(ForgeKind::GitHub), &[("environments/dev.yaml", &small(1))]).await;
    story.forge.go_down();
    story.main();
    story.push("main", "environments/dev.yaml", &small(2), "unheard");
    story.daemon.clock.sleep(61 * MINUTE).await;
    story.forge.come_back();
    story.daemon.clock.sleep(6 * MINUTE).await;
    story.at_rest().await;
    for part in ["Forge", "PullRequests"] {
        told(&log, part);
    }
    let others =
        log.having(&["WARN"]).into_iter().filter(|line| !line.contains("degraded")).collect::<Vec<_>>();
    let (late, looks): (Vec<&String>, Vec<&String>) =
        others.iter().partition(|line| line.contains("it is delivered later"));
    assert!(
        late[0].contains("2 statuses, the first of ") && late[0].contains("wait_at_least_secs="),
        "{late:#?}"
    );
    assert!(
        late[1..].iter().all(|line| line.contains("a status of ")),
        "one at a time from then on: {late:#?}"
    );
    assert_eq!(looks.len(), 1, "the look says it once, and nobody beside it: {others:#?}");
    assert!(looks[0].contains("the forge could not be looked at"), "{looks:?}");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn one_next_try_is_announced_once_whatever_fails_before_it() {
    let log = Kept::default();
    let _kept = log.keep();
    let story =
        Proposals::with(Choices::of(ForgeKind::GitHub), &[("environments/dev.yaml", &small(1))]).await;
    story.at_rest().await;
    story.forge.go_down();
    story.daemon.ask(Event::Look(Because::Webhook)).await;
    let said = |parts: &[&str]| log.having(&[&["could not be looked at"], parts].concat()).len();
    story.daemon.until("the forge is missed", async || said(&["the forge"]) == 1).await;
    let config = story.daemon.repository.origin().join("config");
    let sound = std::fs::read(&config).unwrap();
    std::fs::write(&config, "[core\n").unwrap();
    story.daemon.ask(Event::Look(Because::Webhook)).await;
    story.daemon.until("the repository is missed", async || said(&["the repository"]) == 1).await;
    assert_eq!(said(&["tried again"]), 1, "{:#?}", log.having(&["could not be looked at"]));
    std::fs::write(&config, sound).unwrap();
    story.forge.come_back();
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_azure_that_cannot_be_reached_for_long_is_said_and_asked_until_it_is_back() {
    let log = Kept::default();
    let _kept = log.keep();
    let mut world = DaemonWorld::with(watched());
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    world.push("first").await;
    world.gate.shut();
    world.repository.write("environments/dev.yaml", &small(2));
    let commit = world.repository.push("second");
    world.clock.sleep(3 * MINUTE).await;
    let [(Part::Azure, why)] = &reasons()[..] else { panic!("{:?}", reasons()) };
    assert!(why.contains("HTTP 503") && why.ends_with("for the subscriptions ml"), "{why}");
    let pending = world.repository.note(&commit);
    assert!(pending.contains("waits since 00:0") && pending.contains("HTTP 503"), "{pending}");
    // Nobody works on it any more, and nobody sweeps.
    world.clock.sleep(58 * MINUTE).await;
    assert!(world.repository.note(&commit).contains("Not finished"), "{}", world.repository.note(&commit));
    world.gate.open();
    world.clock.sleep(5 * MINUTE).await;
    assert_eq!(reasons(), []);
    told(&log, "Azure");
    world.settled("main", &commit).await;
    assert!(world.repository.note(&commit).contains("success"), "{}", world.repository.note(&commit));
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_watched_branch_that_is_not_there_is_said_until_it_is() {
    let log = Kept::default();
    let _kept = log.keep();
    let mut world = DaemonWorld::with(watched());
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    world.clock.sleep(2 * MINUTE).await;
    assert!(
        matches!(&reasons()[..], [(Part::Repository, why)] if why.contains("no branch yet")),
        "{:?}",
        reasons()
    );
    // The settings watch main.
    let note = world.push_branch("mian", "first").await;
    assert!(note.contains("beamline/plan: dev: success: Would be: 7 to create"), "{note}");
    world.clock.sleep(2 * MINUTE).await;
    let why = match &reasons()[..] {
        [(Part::Repository, why)] => why.clone(),
        other => panic!("{other:?}"),
    };
    for part in ["the branch main (repository.branch) is not in", "did you mean mian?", "There are: mian"] {
        assert!(why.contains(part), "{why}");
    }
    assert!(world.take_writes().is_empty());
    let note = world.push("it is there").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    world.clock.sleep(2 * MINUTE).await;
    assert_eq!(reasons(), []);
    world.take_writes();
    world.repository.git_of_origin(&["update-ref", "-d", "refs/heads/main"]);
    world.clock.sleep(10 * MINUTE).await;
    assert!(
        matches!(&reasons()[..], [(Part::Repository, why)] if why.contains("was it deleted?") || why.contains("did you mean mian?")),
        "{:?}",
        reasons()
    );
    assert!(world.take_writes().is_empty(), "nothing is deleted with it");
    world.repository.write("environments/dev.yaml", &small(2));
    let note = world.push("it is back").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    world.clock.sleep(2 * MINUTE).await;
    assert_eq!(reasons(), []);
    assert_eq!(
        log.having(&[" degraded ", "part=Repository", "repository.branch"]).len(),
        1,
        "{:#?}",
        log.having(&["degraded"])
    );
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_archived_repository_is_called_that_and_told_everything_once_it_is_not() {
    for (kind, word) in [
        (ForgeKind::GitHub, "is archived, so nothing"),
        (ForgeKind::GitLab, "is archived, so nothing"),
        (ForgeKind::AzureDevOps, "is not disabled"),
    ] {
        let log = Kept::default();
        let _kept = log.keep();
        let story = Proposals::with(Choices::of(kind), &[("environments/dev.yaml", &small(1))]).await;
        story.forge.archive_repository();
        story.main();
        let commit = story.push("main", "environments/dev.yaml", &small(2), "unheard");
        story.daemon.clock.sleep(30 * MINUTE).await;
        let said = log.having(&[" degraded ", "part=Forge", word]);
        assert_eq!(said.len(), 1, "{kind:?}: {:#?}", log.having(&["degraded"]));
        assert!(log.having(&["permission for it"]).is_empty(), "{kind:?}");
        story.forge.restore_repository();
        story.at_rest().await;
        let status = story.status(&commit, "beamline/apply");
        assert!(status.starts_with("success: "), "{kind:?}: {status}");
        assert_eq!(log.having(&["well again, after ", "part=Forge"]).len(), 1, "{kind:?}");
        story.finish().await;
    }
}
