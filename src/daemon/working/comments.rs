//! What consents in comments are worth once their pull request is merged.
//!
//! A comment counts as a consent line of its pull request's merge (rules.md 11): when that was merged into
//! the watched branch, its commit came since the last complete apply, the head that was merged is the one
//! that the author had been shown, the comment stands as it was read, and its author may still push. The
//! forge is asked only when a plan lacks consent, and only about pull requests that asked for it.
//!
//! A forge tells of a merge a little after Git does: until it does, work waits, up to a minute.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::consent::line_of;
use super::error::WorkError;
use crate::attempt::{arrival, expired};
use crate::daemon::hearing::error::LookError;
use crate::daemon::hearing::pull_requests::{Stands, hear, stands};
use crate::daemon::shared::Shared;
use crate::daemon::telling::delivery::complain;
use crate::forge::{Class, Comments, Ending, ForgeError, Merged, Permission, PullRequestNumber};
use crate::git::{CommitId, CommitInfo};
use crate::reconcile::plan::{Action, ConsentLine, ConsentVerb, Plan, Reach, trailer};
use crate::resources::Address;
use crate::store::{GivenConsent, Work};

/// For how long after its arrival the forge may not know yet which pull request a commit is of.
const FORGE_CATCHES_UP: Duration = Duration::from_secs(60);

/// Most pull requests that are asked about, the newest of them.
const MAX_ASKED: usize = 20;

/// A consent line, and how far it reaches.
type Line = (ConsentLine, Reach);

/// What comments may speak of.
struct Meant {
    /// What lacks consent.
    lacking: BTreeSet<Address>,
    /// What is deleted, with consent or without.
    deleted: BTreeSet<Address>,
}

impl Meant {
    fn is(&self, consent: &GivenConsent) -> bool {
        self.lacking.contains(&consent.target)
            || consent.verb == ConsentVerb::Release && self.deleted.contains(&consent.target)
    }
}

/// What the comments come to.
pub(in crate::daemon) enum Spoken {
    /// These lines, in force or void; maybe none.
    Lines(Vec<Line>),
    /// The forge cannot tell yet.
    NotYet {
        /// Why, as a clause.
        why: String,
        /// How long it is waited for that at most, where there is an end to it.
        at_most: Option<Duration>,
    },
}

/// What was consented to in comments of what `plan` lacks consent for. `since` is the commit of the last
/// complete apply.
pub(in crate::daemon) async fn spoken(
    shared: &Arc<Shared>,
    work: &Work,
    plan: &Plan,
    since: Option<CommitId>,
) -> Result<Spoken, WorkError> {
    let lacks = lacking(plan);
    let lacking: BTreeSet<Address> = lacks.iter().flatten().cloned().collect();
    let deleted = plan.steps.iter().filter(|step| step.action == Action::Delete);
    let deleted: BTreeSet<Address> = deleted.map(|step| step.address.clone()).collect();
    if lacking.is_empty() && deleted.is_empty() || !shared.forge.has_pull_requests() {
        return Ok(Spoken::Lines(Vec::new()));
    }
    let mut asked = shared.store.who_asked(&lacking).await?;
    // What goes without asking now was in use, and asked about, when somebody released it.
    asked.extend(shared.store.who_releases(&deleted).await?);
    asked.sort_unstable_by(|one, other| other.cmp(one));
    asked.dedup();
    asked.truncate(MAX_ASKED);
    let meant = Meant { lacking, deleted };
    if asked.is_empty() {
        return Ok(Spoken::Lines(Vec::new()));
    }
    let brought = {
        let (shared, to) = (shared.clone(), work.reads);
        let between = move || shared.mirror.reader()?.commits_between(since.as_ref(), &to);
        tokio::task::spawn_blocking(between).await??
    };
    let (mut lines, mut undecided) = (Vec::new(), Vec::new());
    for number in asked {
        match of_one(shared, number, &brought, &meant).await {
            Ok(Of::Nothing) => {}
            Ok(Of::Lines(found)) => lines.extend(found),
            Ok(Of::Undecided(given)) => undecided.extend(given),
            Err(LookError::Forge(error)) => match error.class {
                Class::Retry { .. } => {
                    let why = format!("what was consented to on #{number}: {error}");
                    return Ok(Spoken::NotYet { why, at_most: None });
                }
                Class::Refused | Class::NoCommit => {
                    complain(shared, &error, &format!("the consents on #{number}"), None);
                }
            },
            Err(LookError::Git(error)) => return Err(error.into()),
            Err(LookError::Store(error)) => return Err(error.into()),
            Err(LookError::Cut(error)) => return Err(error.into()),
            Err(LookError::Late { .. } | LookError::Panicked) => {}
        }
    }
    let left = FORGE_CATCHES_UP.saturating_sub(shared.clock.age(work.queued_at, FORGE_CATCHES_UP));
    let commit = work.commit.short();
    // What is released must not be deleted meanwhile.
    let is_releasing = undecided.iter().any(|given: &GivenConsent| given.verb == ConsentVerb::Release);
    match undecided.first() {
        Some(given) if !left.is_zero() && (is_releasing || !is_settled(&lacks, &lines)) => {
            let number = given.pull_request;
            let why = format!(
                "the forge does not say yet whether {commit} merges #{number}, where consent was given"
            );
            return Ok(Spoken::NotYet { why, at_most: Some(left) });
        }
        Some(_) | None => {}
    }
    lines.extend(undecided.iter().map(|given| {
        let (number, line) = (given.pull_request, trailer(given.verb, &given.target));
        let why = format!("the forge does not say that {commit} merges #{number}; write it into the message of a commit: {line}");
        (line_of(given), Reach::Void(why))
    }));
    Ok(Spoken::Lines(lines))
}

/// Whether everything that is lacking has a line in force.
fn is_settled(lacks: &[Vec<Address>], lines: &[Line]) -> bool {
    let is_in_force = |reach: &Reach| match reach {
        Reach::Only(_) | Reach::Named | Reach::Brought => true,
        Reach::Void(_) => false,
    };
    let has_line = |address: &Address| {
        let target = address.to_string();
        lines.iter().any(|(line, reach)| line.target == target && is_in_force(reach))
    };
    lacks.iter().all(|names| names.iter().any(has_line))
}

/// What a plan lacks consent for, each under the addresses that it may have been consented to.
fn lacking(plan: &Plan) -> Vec<Vec<Address>> {
    let was = |address: &Address| {
        let mut steps = plan.steps.iter().filter(|step| step.address == *address);
        steps.find_map(|step| step.was.clone())
    };
    let all = |address: &Address| was(address).into_iter().chain([address.clone()]).collect();
    plan.lacking().map(|lacking| all(lacking.address)).collect()
}

/// What one pull request comes to.
enum Of {
    /// It has nothing to do with this.
    Nothing,
    /// It was merged, and this was consented to on it.
    Lines(Vec<Line>),
    /// These consents may be meant, and the forge does not say whether it was merged.
    Undecided(Vec<GivenConsent>),
}

async fn of_one(
    shared: &Arc<Shared>,
    number: PullRequestNumber,
    brought: &[CommitInfo],
    meant: &Meant,
) -> Result<Of, LookError> {
    let (merged, prefix) = match shared.forge.ending(number).await? {
        Ending::Closed => return Ok(Of::Nothing),
        Ending::Merged(merged) => match merged.commit.clone() {
            Some(prefix) => (merged, prefix),
            None => return undecided(shared, number, meant).await,
        },
        Ending::Open => return undecided(shared, number, meant).await,
    };
    let Some(commit) = brought.iter().find(|commit| prefix.is_of(&commit.id)) else { return Ok(Of::Nothing) };
    if merged.base.as_ref().is_some_and(|base| *base != shared.branch) {
        return Ok(Of::Nothing);
    }
    let (comments, given) = given(shared, number, meant).await?;
    let age = age_of(shared, commit).await?;
    let mut lines = Vec::new();
    for consent in &given {
        let reach = match void(shared, consent, &merged, &comments).await? {
            // No comment helps after the merge.
            Some(why) => Reach::Void(format!(
                "{why}; write it into the message of a commit: {}",
                trailer(consent.verb, &consent.target)
            )),
            None => match &age {
                Reach::Void(why) => Reach::Void(why.clone()),
                Reach::Named | Reach::Brought | Reach::Only(_) => Reach::Only(consent.id.clone()),
            },
        };
        lines.push((line_of(consent), reach));
    }
    Ok(Of::Lines(lines))
}

async fn undecided(shared: &Arc<Shared>, number: PullRequestNumber, meant: &Meant) -> Result<Of, LookError> {
    let (_, given) = given(shared, number, meant).await?;
    Ok(if given.is_empty() { Of::Nothing } else { Of::Undecided(given) })
}

/// The comments of a pull request as they are now, where the forge shows them, and the consents in them that may be
/// meant.
async fn given(
    shared: &Arc<Shared>,
    number: PullRequestNumber,
    meant: &Meant,
) -> Result<(Result<Comments, ForgeError>, Vec<GivenConsent>), LookError> {
    let comments = hear(shared, number).await?;
    let mut given = shared.store.consents_of(number).await?;
    given.retain(|consent| meant.is(consent));
    Ok((comments, given))
}

/// How far a line of this merge reaches, by its age.
async fn age_of(shared: &Arc<Shared>, commit: &CommitInfo) -> Result<Reach, LookError> {
    let now = shared.clock.now();
    let heads = shared.store.arrivals(&shared.branch, expired(now)).await?;
    let (shared, commit) = (shared.clone(), commit.clone());
    let arrived = move || arrival(&shared.mirror.reader()?, &heads, &commit, now);
    Ok(Reach::since(tokio::task::spawn_blocking(arrived).await??, now))
}

/// Why a consent does not count for this merge.
async fn void(
    shared: &Shared,
    consent: &GivenConsent,
    merged: &Merged,
    comments: &Result<Comments, ForgeError>,
) -> Result<Option<String>, LookError> {
    match &merged.head {
        Some(head) if head.is_of(&consent.head) => {}
        Some(head) => {
            let head: String = head.to_string().chars().take(7).collect();
            return Ok(Some(format!("it was given for {}, and {head} was merged", consent.head.short())));
        }
        None => return Ok(Some("the forge does not say which head was merged".to_owned())),
    }
    let Ok(comments) = comments else {
        let why = "the forge does not show its comment now, so that nobody can tell whether it stands";
        return Ok(Some(why.to_owned()));
    };
    match stands(consent, comments) {
        Stands::AsRead => {}
        Stands::Unread => {
            return Ok(Some(
                "its comment is not among those that are read, of which there are too many".to_owned(),
            ));
        }
        Stands::Changed => return Ok(Some("its comment was edited".to_owned())),
        Stands::Gone => return Ok(Some("its comment was deleted".to_owned())),
    }
    Ok(match shared.forge.permission(&consent.author).await? {
        Permission::Write | Permission::Admin => None,
        Permission::None | Permission::Read => Some("its author may not push any more".to_owned()),
    })
}
