//! Forges that are down, refuse, limit, repeat and forget; a daemon that dies; pushes and pull requests
//! that cross: in the end every commit has its last word, and no history shows what must not be shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beamline::forge::{Context, Description, State, Status};
use beamline::git::CommitId;
use beamline::wire::{Renewable, Renewal};
use beamline_simulator::Latency;
use beamline_simulator::forge::{Disorder, ForgeKind, Permission, PullRequest};

use crate::support::proposals::{BOT, Choices, Proposals};
use crate::support::{DeathAt, Kept, small};

const DEV: &str = "environments/dev.yaml";
const TEST: &str = "environments/test.yaml";
const HOUR: Duration = Duration::from_secs(60 * 60);
const PLANNED: &str = "success: dev: Would be: 1 to change";
const APPLIED: &str = "success: dev: Applied: 1 changed";
const KEY: &str = include_str!("../../src/simulator/forge/stories/test_app_key.pem");

/// As [`small`], for another file.
fn files() -> [(&'static str, String); 2] {
    [(DEV, small(2)), (TEST, small(2))]
}

async fn told_on(choices: Choices) -> Proposals {
    let files = files();
    Proposals::with(choices, &files.each_ref().map(|(path, text)| (*path, text.as_str()))).await
}

/// Writes `text` to the main branch while nobody may be listening.
async fn push_unheard(story: &Proposals, path: &str, text: &str) -> CommitId {
    story.main();
    story.daemon.repository.write(path, text);
    let commit = story.commit_to_main("meanwhile");
    story.worked("main", &commit).await;
    commit
}

#[tokio::test(start_paused = true)]
async fn a_forge_that_was_down_for_a_day_is_caught_up() {
    for kind in [ForgeKind::GitHub, ForgeKind::Bitbucket] {
        let poll = Duration::from_secs(300);
        let story = told_on(Choices { poll, ..Choices::of(kind) }).await;
        drop((story.daemon.take_writes(), story.daemon.happenings()));
        let before = story.requests();
        story.forge.go_down();
        let mut pushed = Vec::new();
        for nodes in 3..9 {
            pushed.push(push_unheard(&story, DEV, &small(nodes)).await);
            assert!(!story.daemon.take_writes().is_empty(), "Azure hears of it all the same");
            story.daemon.clock.sleep(4 * HOUR).await;
        }
        let (number, head) = story.propose("meanwhile", DEV, &small(9));
        story.daemon.clock.sleep(HOUR).await;
        let asked = story.requests() - before;
        let troubles = story.daemon.troubles();
        assert!(asked < 25 * 60, "{kind:?}: {asked} requests in 25 hours");
        assert!(troubles.len() <= 2 * 26, "{kind:?}: {troubles:#?}");
        story.forge.come_back();
        story.at_rest().await;
        story.planned(number, &head).await;
        for commit in &pushed {
            assert_eq!(story.status(commit, "beamline/apply"), APPLIED, "{kind:?}");
        }
        assert_eq!(story.status(&head, "beamline/plan"), PLANNED, "{kind:?}");
        assert!(story.plan_comment(number).contains("max_node_count: 8 → 9"), "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_gone_is_an_operators_error_once_an_hour_and_nothing_is_lost() {
    for kind in ForgeKind::ALL {
        let story = told_on(Choices::of(kind)).await;
        story.forge.delete_repository();
        let (before, _) = (story.requests(), story.daemon.happenings());
        let commits =
            [push_unheard(&story, DEV, &small(3)).await, push_unheard(&story, DEV, &small(4)).await];
        story.daemon.clock.sleep(6 * HOUR).await;
        let (asked, troubles) = (story.requests() - before, story.daemon.troubles());
        assert!((1..=3 * 7).contains(&troubles.len()), "{kind:?}: {troubles:#?}");
        assert!(asked < 6 * 100, "{kind:?}: {asked} requests in 6 hours");
        story.forge.restore_repository();
        story.at_rest().await;
        for commit in commits {
            assert_eq!(story.status(&commit, "beamline/apply"), APPLIED, "{kind:?}");
        }
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_an_operators_error_until_there_is_a_new_one() {
    let log = Kept::default();
    let _kept = log.keep();
    let mut story = told_on(Choices::of(ForgeKind::GitHub)).await;
    story.daemon.happenings();
    story.forge.revoke_tokens();
    let commit = push_unheard(&story, DEV, &small(3)).await;
    let (number, head) = story.propose("nodes", DEV, &small(4));
    story.daemon.clock.sleep(3 * HOUR).await;
    let troubles = story.daemon.troubles();
    assert!((1..=2 * 4).contains(&troubles.len()), "{troubles:#?}");
    assert!(troubles.iter().any(|text| text.contains("Give a valid token")), "{troubles:#?}");
    // Of statuses, and of the list of pull requests.
    let refused = |part: &str| log.having(&[part, "Give a valid token"]);
    for part in ["part=Forge", "part=PullRequests"] {
        let lines = refused(part);
        let again = lines.iter().filter(|line| line.contains("still degraded")).count();
        assert_eq!(lines.len() - again, 1, "{part}: {lines:#?}");
    }
    assert!(
        refused("part=Forge")[0].contains(&format!("of {} (beamline/apply", commit.short())),
        "{:?}",
        refused("part=Forge")
    );
    assert_eq!(refused("").len(), refused("part=").len(), "{:#?}", refused(""));
    let token = story.forge.renew_token(BOT).unwrap();
    story.daemon.stop().await;
    let client = story.client(&token);
    story.daemon.forge(client);
    story.daemon.start().await;
    story.planned(number, &head).await;
    story.at_rest().await;
    assert_eq!(story.status(&commit, "beamline/apply"), APPLIED);
    assert_eq!(story.status(&head, "beamline/plan"), PLANNED);
    story.finish().await;
}

/// A token in a file that can be written anew.
fn in_a_file(token: &str) -> (Renewable, Arc<Mutex<String>>) {
    let file = Arc::new(Mutex::new(token.to_owned()));
    let read = file.clone();
    let read = move || Some(read.lock().unwrap().clone().into());
    (Renewable::new(token.into(), Renewal::WhenRefused("/etc/beamline/token".to_owned()), read), file)
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_is_taken_without_a_restart_and_what_was_refused_goes_at_once() {
    for kind in ForgeKind::ALL {
        let mut story = told_on(Choices::of(kind)).await;
        story.daemon.stop().await;
        let (token, file) = in_a_file(&story.forge.renew_token(BOT).unwrap());
        let client = story.client_with(token);
        story.daemon.forge(client);
        story.daemon.start().await;
        story.at_rest().await;
        story.forge.revoke_tokens();
        let commit = push_unheard(&story, DEV, &small(3)).await;
        let (number, head) = story.propose("nodes", DEV, &small(4));
        story.daemon.clock.sleep(3 * HOUR).await;
        assert_eq!(story.status(&commit, "beamline/apply"), "", "{kind:?}");
        let troubles = story.daemon.troubles();
        assert!(
            troubles.iter().any(|text| text.contains("A new one in /etc/beamline/token is taken at once")),
            "{kind:?}: {troubles:#?}"
        );
        *file.lock().unwrap() = story.forge.renew_token(BOT).unwrap();
        story.daemon.clock.sleep(Duration::from_secs(30)).await;
        assert_eq!(story.status(&commit, "beamline/apply"), APPLIED, "{kind:?}: thirty seconds later");
        story.planned(number, &head).await;
        story.at_rest().await;
        assert_eq!(story.status(&head, "beamline/plan"), PLANNED, "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_forge_does_not_have_is_not_tried_for_ever_and_keeps_nothing_waiting() {
    for kind in ForgeKind::ALL {
        let log = Kept::default();
        let _kept = log.keep();
        let story = told_on(Choices::of(kind)).await;
        story.daemon.happenings();
        story.main();
        story.daemon.repository.write(DEV, &small(3));
        // The repository that is watched is ahead of the one on the forge.
        let ahead = story.daemon.repository.push("only here");
        story.worked("main", &ahead).await;
        let (number, head) = story.propose("nodes", TEST, &small(4));
        story.forge.pushed("main", &head.to_string());
        let writes = |story: &Proposals| story.forge.requests().values().sum::<u64>();
        story.daemon.clock.sleep(HOUR).await;
        assert_eq!(story.status(&head, "beamline/plan"), PLANNED.replace("dev", "test"), "{kind:?}");
        assert_eq!(story.status(&ahead, "beamline/apply"), "", "{kind:?}");
        let troubles: Vec<String> = story.daemon.troubles();
        let said = troubles.iter().filter(|text| text.contains("does not have the commit")).count();
        assert!((1..=2).contains(&said), "{kind:?}: {troubles:#?}");
        let of_ahead = ahead.short();
        let logged = log.having(&["does not have the commit", &of_ahead]);
        assert_eq!(logged.len(), 1, "{kind:?}: {logged:#?}");
        let waiting = story.daemon.store().unaccepted(&ahead).await.unwrap();
        assert!(!waiting.is_empty() && waiting.iter().all(|one| one.attempts <= 8), "{kind:?}: {waiting:#?}");
        let before = writes(&story);
        story.forge.pushed("main", &ahead.to_string());
        story
            .daemon
            .until("its status arrives", async || story.status(&ahead, "beamline/apply") == APPLIED)
            .await;
        assert!(writes(&story) > before);
        story.planned(number, &head).await;
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_the_forge_lists_and_has_lost_is_asked_for_ever_more_rarely_until_something_moves() {
    let story = told_on(Choices::of(ForgeKind::GitHub)).await;
    story.daemon.happenings();
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.forge.lose_commit(&head.to_string());
    let attempts = async || {
        let waiting = story.daemon.store().unaccepted(&head).await.unwrap();
        waiting.iter().map(|one| one.attempts).max().unwrap_or(0)
    };
    story.daemon.clock.sleep(6 * HOUR).await;
    let asked = attempts().await;
    assert!((5..=14).contains(&asked), "{asked} times in six hours");
    story.forge.comment(number, "ada", "Is anybody there?");
    story.daemon.clock.sleep(HOUR / 20).await;
    assert_eq!(attempts().await, asked + 1, "what moves is asked for at once");
    story.forge.add_commit(&head.to_string());
    story.forge.comment(number, "ada", "I have pushed it once more.");
    story.daemon.clock.sleep(HOUR / 20).await;
    assert_eq!(story.status(&head, "beamline/plan"), PLANNED);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn when_the_budget_runs_low_the_last_word_on_every_commit_comes_all_the_same() {
    let choices = Choices { write_limit: Some(24), ..Choices::of(ForgeKind::Gitea) };
    let story = told_on(choices).await;
    let mut heads = Vec::new();
    for round in 0..12 {
        let (number, head) = story.propose(&format!("change{round}"), DEV, &small(3 + round));
        heads.push((number, head));
        story.daemon.clock.sleep(Duration::from_secs(70)).await;
    }
    for (number, head) in &heads {
        assert!(story.status(head, "beamline/plan").starts_with("success: "), "#{number}");
    }
    let merged = story.merge_now(heads[11].0, "change11");
    story.daemon.clock.sleep(Duration::from_secs(300)).await;
    assert!(story.status(&merged, "beamline/apply").starts_with("success: "), "what is merged");
    let waits = story.daemon.store().pending_messages().await.unwrap();
    assert!(waits > 0, "comments wait");
    story.daemon.until("all is said", async || story.daemon.is_at_rest().await).await;
    for (number, _) in &heads[..11] {
        story.plan_comment(*number);
    }
    story.daemon.stop_quietly().await;
}

#[tokio::test(start_paused = true)]
async fn a_self_hosted_forge_is_not_bound_by_what_github_takes() {
    let story = told_on(Choices { write_limit: None, ..Choices::of(ForgeKind::Gitea) }).await;
    let began = story.daemon.clock.now();
    let heads: Vec<(u64, CommitId)> =
        (0..90).map(|number| story.propose(&format!("change{number}"), DEV, &small(3 + number))).collect();
    for (number, head) in &heads {
        story.planned(*number, head).await;
    }
    let took = story.daemon.clock.now().duration_since(began).as_secs();
    assert!(took < 30 * 60, "{took} s");
    story.daemon.stop_quietly().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_may_only_read_for_a_while_costs_nothing_but_time() {
    let story = told_on(Choices::of(ForgeKind::GitHub)).await;
    story.forge.add_account(BOT, Permission::Read);
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.daemon.clock.sleep(2 * HOUR).await;
    story.forge.add_account(BOT, Permission::Admin);
    story.planned(number, &head).await;
    story.at_rest().await;
    assert_eq!(story.status(&head, "beamline/plan"), PLANNED);
    story.plan_comment(number);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_whose_tokens_are_revoked_gets_new_ones_by_itself() {
    let app = Some((7, 11, KEY));
    let story = told_on(Choices { app, ..Choices::of(ForgeKind::GitHub) }).await;
    story.forge.revoke_tokens();
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    story.at_rest().await;
    assert_eq!(story.status(&head, "beamline/plan"), PLANNED);
    story.finish().await;
}

/// Pull requests that are opened at once, over six environments.
async fn opened_at_once(count: u32, limit: Option<u64>) {
    let path = |number: u32| format!("environments/env{}.yaml", number % 6);
    let paths: Vec<(String, String)> = (0..6).map(|number| (path(number), small(2))).collect();
    let files: Vec<(&str, &str)> = paths.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let story = Proposals::running(ForgeKind::GitHub, &files).await;
    story.forge.limit_writes(limit);
    let all: Vec<(u64, CommitId)> = (0..count)
        .map(|number| story.propose(&format!("change{number}"), &path(number), &small(3 + number)))
        .collect();
    for (number, head) in &all {
        story.planned(*number, head).await;
    }
    story.at_rest().await;
    for (number, head) in &all {
        assert!(story.status(head, "beamline/plan").ends_with("Would be: 1 to change"));
        let comment = story.plan_comment(*number);
        assert!(comment.contains("is also touched by"), "{comment}");
    }
    // More than 400 writes in an hour, and a pending after a final, are found there.
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn sixty_pull_requests_at_once_stay_below_our_own_limit() {
    opened_at_once(60, None).await;
}

#[tokio::test(start_paused = true)]
async fn pull_requests_get_through_a_narrower_limit_of_the_forge() {
    opened_at_once(18, Some(60)).await;
}

#[tokio::test(start_paused = true)]
async fn gitlab_refuses_to_move_a_job_to_where_it_is_and_nobody_is_bothered() {
    let latency = Latency::Realistic { factor: 1.0 };
    let story = told_on(Choices { latency, ..Choices::of(ForgeKind::GitLab) }).await;
    story.daemon.happenings();
    story.main();
    story.daemon.repository.write("environments/new.yaml", &small(2));
    let commit = story.push_to_main("a new one").await;
    let seen = story.statuses(&commit, "beamline/apply: new");
    assert!(seen.len() <= 3, "two unfinished ones and the last word: {seen:?}");
    assert!(seen.last().unwrap().starts_with("success: Applied: "), "{seen:?}");
    assert_eq!(story.daemon.troubles(), [""; 0]);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_context_that_is_full_on_github_holds_nothing_else_up() {
    let story = told_on(Choices::of(ForgeKind::GitHub)).await;
    let (_, full) = story.propose("full", "README", "words");
    let token = story.forge.add_account("ada", Permission::Write);
    let status = Status {
        commit: full,
        context: Context::plan(),
        state: State::Pending,
        description: Description::new("one of a thousand"),
        target_url: None,
        pull_request: None,
    };
    let answers = story.client(&token).post(&vec![status; 1000]).await;
    assert!(answers.iter().all(Result::is_ok));
    story.daemon.happenings();
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.daemon.clock.sleep(4 * HOUR).await;
    assert_eq!(story.status(&head, "beamline/plan"), PLANNED);
    story.plan_comment(number);
    let troubles = story.daemon.troubles();
    assert!((1..=4).contains(&troubles.len()), "{troubles:#?}");
    assert_eq!(story.daemon.store().pending_count().await.unwrap(), 1);
    story.daemon.stop_quietly().await;
}

/// What a story comes to on the forge: the last words, and the tables of the plans.
type Outcome = BTreeMap<String, String>;

/// A day's work, with webhooks that travel as `disorder` has it; `None` for none.
async fn a_days_work(seed: u64, disorder: Option<Disorder>) -> Outcome {
    let choices = Choices { seed, disorder: disorder.unwrap_or_default(), ..Choices::of(ForgeKind::GitHub) };
    let story = told_on(choices).await;
    let pass = async |seconds: u64| {
        for _ in 0..seconds / 5 {
            if disorder.is_some() {
                story.bring_webhooks().await;
            }
            story.daemon.clock.sleep(Duration::from_secs(5)).await;
        }
    };
    let mut commits = BTreeMap::new();
    let (first, head) = story.propose("first", DEV, &small(3));
    commits.insert("first", head);
    pass(5 + seed % 60).await;
    commits.insert("amended", story.amend(first, "first", DEV, &small(4)));
    let (second, head) = story.propose("second", TEST, &small(5));
    commits.insert("second", head);
    pass(90).await;
    story.main();
    story.daemon.repository.write(TEST, &format!("{}\n# a remark\n", small(2)));
    commits.insert("remark", story.commit_to_main("a remark"));
    pass(120).await;
    commits.insert("merged", story.merge_now(first, "first"));
    pass(seed % 30).await;
    story.forge.close(second);
    pass(400).await;
    story.at_rest().await;
    let mut outcome = Outcome::new();
    for (label, commit) in commits {
        for context in ["beamline/plan", "beamline/apply", "beamline/plan: dev", "beamline/plan: test"] {
            outcome.insert(format!("{label} {context}"), story.status(&commit, context));
        }
    }
    for number in [first, second] {
        let comment = story.plan_comment(number);
        let newest = comment.split("Earlier:").next().unwrap_or_default();
        let table: Vec<&str> = newest.lines().filter(|line| line.starts_with("| ")).collect();
        outcome.insert(format!("comment {number}"), table.join("\n"));
    }
    story.finish().await;
    outcome
}

#[tokio::test(start_paused = true)]
async fn webhooks_in_disorder_lead_to_the_same_truth_as_none() {
    let mut polled = a_days_work(0, None).await;
    // Whether the first head was seen before it was amended is a matter of luck.
    polled.retain(|key, _| !key.starts_with("first "));
    assert_eq!(polled["merged beamline/apply"], APPLIED.to_owned());
    for seed in 1..=8 {
        let mut told = a_days_work(seed, Some(Disorder::rough())).await;
        told.retain(|key, _| !key.starts_with("first "));
        assert_eq!(told, polled, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_webhook_costs_at_most_one_poll_interval() {
    let poll = Duration::from_secs(600);
    let lost = Disorder { drop: 1.0, ..Disorder::none() };
    for (disorder, most) in [(lost, 600), (Disorder::none(), 5)] {
        let story = told_on(Choices { poll, disorder, ..Choices::of(ForgeKind::GitHub) }).await;
        let began = story.daemon.clock.now();
        let (number, head) = story.propose("nodes", DEV, &small(3));
        story.bring_webhooks().await;
        let is_planned = async || story.status(&head, "beamline/plan") == PLANNED;
        story.daemon.until("it is planned", is_planned).await;
        let took = story.daemon.clock.now().duration_since(began).as_secs();
        assert!(took <= most + 30, "{took} s");
        story.planned(number, &head).await;
        story.finish().await;
    }
}

/// Which gate the daemon dies at.
#[derive(Clone, Copy, Debug)]
enum Gatekeeper {
    Forge,
    Azure,
}

/// Waits until the daemon has said which commands there are.
async fn answered(story: &Proposals, number: u64) {
    let is_help = |body: &String| body.contains("/beamline retry");
    let is_answered = async || story.said(number).iter().any(is_help) && story.daemon.is_at_rest().await;
    story.daemon.until("it is answered", is_answered).await;
}

/// A pull request is planned and merged, with a command in between; the daemon dies once and is started
/// again. Whether it died.
async fn killed(kind: ForgeKind, gatekeeper: Gatekeeper, death: DeathAt) -> bool {
    let mut story = Proposals::running(kind, &[(DEV, &small(2))]).await;
    let gate = match gatekeeper {
        Gatekeeper::Forge => story.forge_gate.clone(),
        Gatekeeper::Azure => story.daemon.gate.clone(),
    };
    gate.arm(death);
    let (number, head) = story.propose("nodes", DEV, &small(3));
    let mut is_dead = tokio::select! {
        () = story.planned(number, &head) => false,
        () = gate.death() => true,
    };
    if is_dead {
        story.daemon.kill().await;
        story.daemon.start().await;
        story.planned(number, &head).await;
    }
    let asked = story.forge.comment(number, "ada", "/beamline help");
    let died = tokio::select! {
        () = answered(&story, number) => false,
        () = gate.death() => true,
    };
    if died {
        story.daemon.kill().await;
        story.daemon.start().await;
        answered(&story, number).await;
        is_dead = true;
    }
    let merged = story.merge_now(number, "nodes");
    let died = tokio::select! {
        () = story.daemon.settled("main", &merged) => false,
        () = gate.death() => true,
    };
    if died {
        story.daemon.kill().await;
        story.daemon.start().await;
        is_dead = true;
    }
    gate.disarm();
    story.daemon.settled("main", &merged).await;
    story.at_rest().await;
    let place = format!("{kind:?} {gatekeeper:?} {death:?}, comment {asked}");
    assert_eq!(story.status(&head, "beamline/plan"), PLANNED, "{place}");
    assert_eq!(story.status(&head, "beamline/plan: dev"), "success: Would be: 1 to change", "{place}");
    // Whoever dies after the last step finds nothing left to change.
    assert!(story.status(&merged, "beamline/apply").starts_with("success: dev: "), "{place}");
    assert!(story.plan_comment(number).contains("max_node_count: 2 → 3"), "{place}");
    let said = story.said(number);
    assert_eq!(said.iter().filter(|body| body.contains("/beamline retry")).count(), 1, "{place}: {said:#?}");
    story.finish().await;
    is_dead
}

async fn every_death_is_survived(kind: ForgeKind, deaths: Vec<(Gatekeeper, DeathAt)>) {
    let count = deaths.len();
    let mut died = 0;
    for (gatekeeper, death) in deaths {
        died += usize::from(killed(kind, gatekeeper, death).await);
    }
    assert!(died * 2 >= count, "only {died} of {count} deaths were reached");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_before_the_forge_hears_of_it_tells_it_after_the_next_start() {
    let deaths = (0..12).map(|number| (Gatekeeper::Forge, DeathAt::Request(1 + number * 2))).collect();
    every_death_is_survived(ForgeKind::GitHub, deaths).await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_before_the_forges_answer_finds_what_it_said() {
    let deaths = (0..14).map(|number| (Gatekeeper::Forge, DeathAt::Answer(1 + number * 2))).collect();
    every_death_is_survived(ForgeKind::GitHub, deaths).await;
    let deaths = (0..10).map(|number| (Gatekeeper::Forge, DeathAt::Answer(2 + number * 3))).collect();
    every_death_is_survived(ForgeKind::Bitbucket, deaths).await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_anywhere_else_goes_on_as_well() {
    let mut deaths: Vec<_> =
        (0..6).map(|number| (Gatekeeper::Azure, DeathAt::Answer(2 + number * 7))).collect();
    deaths.extend((0..8).map(|number| (Gatekeeper::Azure, DeathAt::Happening(1 + number * 2))));
    every_death_is_survived(ForgeKind::GitHub, deaths).await;
}

/// The main branch has moved on in a way that makes a branch's own plan differ from the pull request's.
async fn diverged() -> (Proposals, CommitId) {
    let story = Proposals::running(ForgeKind::GitHub, &[(DEV, &small(2))]).await;
    story.branch("nodes");
    story.main();
    story.daemon.repository.write(DEV, &small(2).replace("LRS", "GRS"));
    story.push_to_main("more copies").await;
    story.daemon.repository.git(&["checkout", "-q", "nodes"]);
    story.daemon.repository.write(DEV, &small(3));
    story.daemon.repository.git(&["add", "-A"]);
    story.daemon.repository.git(&["commit", "-q", "-m", "more nodes"]);
    let head = story.daemon.repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
    (story, head)
}

fn push_branch(story: &Proposals, head: &CommitId) {
    story.daemon.repository.git(&["push", "-q", "origin", "nodes:nodes"]);
    story.forge.pushed("nodes", &head.to_string());
}

fn open(story: &Proposals, head: &CommitId) -> u64 {
    story.forge.open(PullRequest::new("ada", "nodes", &head.to_string()).changing(&[DEV]))
}

#[tokio::test(start_paused = true)]
async fn a_branch_and_its_pull_request_end_with_the_pull_requests_plan_in_every_order() {
    for order in ["branch first", "branch running", "pull request first", "at once"] {
        let (story, head) = diverged().await;
        let number = match order {
            "branch first" => {
                push_branch(&story, &head);
                story.daemon.settled("nodes", &head).await;
                assert!(story.status(&head, "beamline/plan").ends_with("Would be: 2 to change"));
                open(&story, &head)
            }
            "branch running" => {
                story.daemon.gate.shut();
                push_branch(&story, &head);
                story.daemon.clock.sleep(Duration::from_secs(75)).await;
                let number = open(&story, &head);
                story.daemon.clock.sleep(Duration::from_secs(75)).await;
                story.daemon.gate.open();
                number
            }
            "pull request first" => {
                story.forge.add_commit(&head.to_string());
                let number = open(&story, &head);
                story.daemon.clock.sleep(Duration::from_secs(150)).await;
                push_branch(&story, &head);
                number
            }
            _ => {
                push_branch(&story, &head);
                open(&story, &head)
            }
        };
        story.keep_ref(number, &head);
        story.planned(number, &head).await;
        story.at_rest().await;
        assert_eq!(story.status(&head, "beamline/plan"), PLANNED, "{order}");
        let seen = story.statuses(&head, "beamline/plan: dev");
        assert_eq!(seen.last().map(String::as_str), Some("success: Would be: 1 to change"), "{order}");
        let is_early = seen.iter().any(|text| text.contains("2 to change"));
        assert_eq!(is_early, order == "branch first", "{order}: {seen:?}");
        assert!(story.plan_comment(number).contains("max_node_count: 2 → 3"), "{order}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_forge_that_fails_at_random_is_told_in_order() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let story = told_on(Choices { seed, ..Choices::of(ForgeKind::GitHub) }).await;
        let mut told = Vec::new();
        for nodes in 3..6 {
            let (path, branch) = (if random.bool() { DEV } else { TEST }, format!("change{nodes}"));
            told.push(story.propose(&branch, path, &small(nodes)));
            for _ in 0..10 {
                if random.bool() {
                    story.forge.go_down();
                } else {
                    story.forge.come_back();
                }
                story.daemon.clock.sleep(Duration::from_millis(random.u64(50..20_000))).await;
            }
            story.forge.come_back();
            push_unheard(&story, "README", &format!("{nodes}")).await;
        }
        for (number, head) in told {
            story.planned(number, &head).await;
            story.at_rest().await;
            assert!(story.status(&head, "beamline/plan").starts_with("success: "), "seed {seed}");
            story.plan_comment(number);
        }
        story.finish().await;
    }
}
