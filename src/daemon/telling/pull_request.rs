//! What is said about a pull request once its plans have ended: its comment, and its check run.
//!
//! Everything that is said is made from what is stored, so that saying it again after a crash changes
//! nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::nameless::path_of;
use super::wording;
use crate::daemon::shared::Shared;
use crate::daemon::shared::forks::Forks;
use crate::forge::{
    Annotation, CheckRun, Context, Description, Level, MAX_ANNOTATIONS, Marker, Origin, PullRequestNumber,
    State,
};
use crate::reconcile::apply::RunKind;
use crate::reconcile::review::{Heading, Older, Section, comment, escape, overview};
use crate::resources::brief;
use crate::store::{Line, Message, PullRequestRecord, SaidPlan, Shown, StoreError, Work, WorkState};

/// How many plans a comment keeps, the newest included.
const MAX_SAID: usize = 4;

/// The longest text that is kept of an older plan, in characters.
const MAX_OLDER_CHARS: usize = 4_000;

/// The longest summary of a check run: GitHub takes 65,535 characters ("Create a check run").
const MAX_SUMMARY_CHARS: usize = 65_000;

/// Most other pull requests whose comments are brought up to date because they touch the same.
const MAX_OTHERS: usize = 20;

/// The marker of the comment with the plan.
pub(in crate::daemon) fn plan_marker(owner: &str) -> Marker {
    Marker::new(owner, "plan")
}

/// Says what has come of a pull request, when all of its plans have ended. A second time changes
/// nothing.
pub(in crate::daemon) async fn say(shared: &Shared, number: PullRequestNumber) -> Result<(), StoreError> {
    let Some(record) = shared.store.pull_request(number).await? else { return Ok(()) };
    // Asked at the end of each plan: reading all of them each time would cost their square.
    if shared.store.is_line_open(&Line::PullRequest(number), &record.head, RunKind::Plan).await? {
        return Ok(());
    }
    let mut plans = shared.store.plans_of(number, &record.head).await?;
    // What the head touched on an older base and touches no more is not a plan of it now.
    plans.retain(|(work, _)| work.queued_at >= record.changed_at);
    if plans.iter().any(|(work, _)| !work.state.is_ended()) {
        return Ok(());
    }
    let work: Vec<Work> = plans.iter().map(|(work, _)| work.clone()).collect();
    let sections: Vec<Section> = plans.into_iter().map(section_of).collect();
    // What was said of a head without work names what nobody acts on.
    let told = match (&record.refusal, work.is_empty()) {
        (None, true) => shared.store.newest_status(&record.head, &Context::plan()).await?,
        (Some(_), _) | (None, false) => None,
    };
    let told = told.map(|(_, text)| text);
    let mut heading = heading(shared, &record, &sections).await?;
    heading.remarks.extend(told.iter().map(|text| format!("{}.", escape(text.as_str()))));
    let mut messages = Vec::new();
    let mut said = record.said.clone();
    let has_something_to_say = !sections.is_empty() || record.refusal.is_some() || !said.is_empty();
    if has_something_to_say {
        let is_of = |plan: &SaidPlan| plan.head == record.head && plan.base == record.base_commit;
        if said.first().is_some_and(is_of) {
            said.remove(0);
        }
        let titles: Vec<String> =
            said.iter().map(|plan| title(&plan.head.short(), &plan.base.short())).collect();
        let older: Vec<Older<'_>> = said
            .iter()
            .zip(&titles)
            .map(|(plan, title)| Older { title: title.as_str(), text: plan.text.as_str() })
            .collect();
        let room = shared.forge.max_comment_chars().saturating_sub(marker_chars(shared));
        let body = comment(&heading, &sections, &older, room);
        // What a message consents to may be consented to in a comment as well: a squash merge drops the message.
        let asked = sections.iter().flat_map(|section| {
            section.asked.iter().chain(section.brought.iter().map(|brought| &brought.asked)).cloned()
        });
        let asked = asked.collect();
        let shown = Some(Shown { head: record.head, asked });
        messages.push(Message::Plan { pull_request: number, body, shown });
        let text = brief::fitting(&overview(&heading, &sections), MAX_OLDER_CHARS).into_owned();
        said.insert(0, SaidPlan { head: record.head, base: record.base_commit, text });
        said.truncate(MAX_SAID);
    }
    if shared.forge.has_check_runs() {
        messages.push(Message::Check(check_run(shared, &record, &heading, &work, &sections, told)));
    }
    shared.store.say_plan(number, &said, &messages, shared.clock.now()).await?;
    shared.outbox.notify_one();
    Ok(())
}

/// Says on the page of the check that it is made once more: what comes of it is then said again even if it
/// is the same, which is what ends a Re-run.
pub(in crate::daemon) async fn say_again(
    shared: &Shared,
    head: &wording::Head,
    what: &Description,
) -> Result<(), StoreError> {
    if !shared.forge.has_check_runs() {
        return Ok(());
    }
    let check = CheckRun {
        commit: head.commit,
        state: State::Pending,
        title: what.clone(),
        summary: what.to_string(),
        annotations: Vec::new(),
        target_url: None,
    };
    shared.store.say(&[Message::Check(check)], shared.clock.now()).await?;
    shared.outbox.notify_one();
    Ok(())
}

/// Brings the comments of other open pull requests up to date that touch one of `number`'s environments,
/// or did.
pub(in crate::daemon) async fn say_of_neighbours(
    shared: &Shared,
    number: PullRequestNumber,
    before: &BTreeSet<PullRequestNumber>,
) -> Result<(), StoreError> {
    let mut others = neighbours(shared, number).await?;
    others.extend(before.iter().copied());
    for other in others.into_iter().filter(|other| *other != number).take(MAX_OTHERS) {
        say(shared, other).await?;
    }
    Ok(())
}

/// Other open pull requests that touch one of `number`'s environments.
pub(in crate::daemon) async fn neighbours(
    shared: &Shared,
    number: PullRequestNumber,
) -> Result<BTreeSet<PullRequestNumber>, StoreError> {
    let proposed = shared.store.proposed_environments().await?;
    let shared_ones = proposed.into_values().filter(|numbers| numbers.contains(&number));
    Ok(shared_ones.flatten().filter(|other| *other != number).collect())
}

/// After a start: says what an earlier process may have died before saying.
pub(in crate::daemon) async fn say_what_was_not_said(shared: &Arc<Shared>) -> Result<(), StoreError> {
    if shared.pull_requests_told.load(Ordering::Acquire) {
        return Ok(());
    }
    for number in shared.store.open_pull_requests().await?.into_keys() {
        say(shared, number).await?;
    }
    shared.pull_requests_told.store(true, Ordering::Release);
    Ok(())
}

fn section_of((work, section): (Work, Option<Section>)) -> Section {
    let unreadable = path_of(&work).map(str::to_owned);
    let section = section.unwrap_or_else(|| {
        let why = match &work.state {
            WorkState::Ended { summary, .. } => summary.as_str(),
            WorkState::Queued | WorkState::Running { .. } => "",
        };
        Section::failed(&work.environment, why)
    });
    Section { unreadable, ..section }
}

async fn heading(
    shared: &Shared,
    record: &PullRequestRecord,
    sections: &[Section],
) -> Result<Heading, StoreError> {
    let (head, base) = (record.head.short(), record.base_commit.short());
    let environments: Vec<&Section> =
        sections.iter().filter(|section| section.unreadable.is_none()).collect();
    let title = match (&record.refusal, environments.as_slice()) {
        (Some(_), _) => "beamline: not planned".to_owned(),
        (None, []) if !sections.is_empty() => "beamline: files that cannot be read".to_owned(),
        (None, []) => "beamline: no environments touched".to_owned(),
        (None, [only]) => format!("beamline: {}", only.environment),
        (None, several) => format!("beamline: {} environments", several.len()),
    };
    let mut remarks = vec![format!("Plan of {head} merged into `{}` at {base}.", record.base_branch)];
    if let Some(why) = &record.refusal {
        remarks = vec![format!("{}.", escape(why))];
        // So that everybody sees which commit a comment is about, and the next one is shown as well.
        remarks.push(match (record.origin, shared.forks) {
            // Where the forge keeps no heads of forks, no command brings a plan.
            (Origin::Fork, Forks::Ask) if shared.forge.head_refs().is_some() => {
                format!("This is about {head}: `/beamline plan @{head}`.")
            }
            (Origin::Fork | Origin::SameRepository, _) => format!("This is about {head}."),
        });
    }
    let earlier = record.said.iter().find(|plan| plan.head != record.head || plan.base != record.base_commit);
    if let Some(earlier) = earlier.filter(|plan| plan.head == record.head) {
        let was = earlier.base.short();
        remarks.push(format!(
            "`{}` has moved since the last plan (from {was}): this one is new.",
            record.base_branch
        ));
    }
    if record.base_branch != shared.branch {
        remarks.push(format!("Merging this applies nothing: only `{}` is applied.", shared.branch));
    }
    let proposed = shared.store.proposed_environments().await?;
    for section in environments {
        let others: Vec<String> = proposed
            .get(&section.environment)
            .into_iter()
            .flatten()
            .filter(|other| **other != record.number)
            .map(|other| format!("#{other}"))
            .collect();
        if !others.is_empty() {
            let (environment, others) = (&section.environment, others.join(", "));
            remarks.push(format!(
                "**{environment}** is also touched by {others}: whichever is merged second is planned again."
            ));
        }
    }
    let consent_at = (record.base_branch == shared.branch).then_some(head);
    Ok(Heading { title, remarks, consent_at })
}

fn title(head: &str, base: &str) -> String {
    format!("{head} into {base}")
}

fn check_run(
    shared: &Shared,
    record: &PullRequestRecord,
    heading: &Heading,
    work: &[Work],
    sections: &[Section],
    told: Option<Description>,
) -> CheckRun {
    let head = wording::Head {
        commit: record.head,
        kind: RunKind::Plan,
        pull_request: Some(record.number),
        ahead: Vec::new(),
        again: None,
    };
    let status = match &record.refusal {
        Some(why) => wording::refused(&head, why),
        None => wording::aggregate(&head, work),
    };
    let places = sections.iter().flat_map(|section| &section.places).take(MAX_ANNOTATIONS);
    let annotations = places.map(|place| Annotation {
        path: place.path.clone(),
        line: u32::try_from(place.line).unwrap_or(u32::MAX),
        column: u32::try_from(place.column).ok(),
        level: if place.is_error { Level::Failure } else { Level::Warning },
        title: place.code.clone(),
        message: place.message.clone(),
    });
    CheckRun {
        commit: record.head,
        state: status.state,
        title: told.unwrap_or_else(|| status.description.clone()),
        summary: comment(heading, sections, &[], MAX_SUMMARY_CHARS),
        annotations: annotations.collect(),
        target_url: shared.target_of(&status),
    }
}

fn marker_chars(shared: &Shared) -> usize {
    plan_marker(&shared.estate.owner).as_str().chars().count() + 1
}
