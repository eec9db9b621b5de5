//! What is remembered of an environment after an attempt at it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Subject;
use crate::definitions::{self, Environment, claims};
use crate::git::CommitId;
use crate::reconcile::apply::RunEnd;
use crate::reconcile::observe::Observed;
use crate::reconcile::plan::Remedy;
use crate::resources::{EnvironmentName, Mark};
use crate::store::{Applied, Attempt, Claim, EnvironmentChange, EnvironmentRecord, Store, StoreError};

/// What an attempt has found out about its environment.
#[derive(Clone, Copy)]
pub enum About<'a> {
    /// Nothing: what was known stays.
    Unread,
    /// What its definition claims, although that has errors.
    Claims(&'a [Claim]),
    /// Everything: definition, claims and place in Azure.
    Subject(&'a Subject),
}

/// An attempt to apply, and how it stands.
#[derive(Clone, Copy)]
pub struct Tried<'a> {
    /// The environment that this is about.
    pub environment: &'a EnvironmentName,
    /// The file that defines it, or did.
    pub path: &'a str,
    /// The commit that was attempted.
    pub commit: &'a CommitId,
    /// What it was about.
    pub about: About<'a>,
    /// What lifts what was in its way; `None` where nothing was.
    pub remedy: Option<Remedy>,
}

/// What is remembered of an environment when an attempt stands at `end`: [`RunEnd::Interrupted`] before its first
/// effect.
///
/// Where the environment lived before stays known until an apply is complete. One that has a new name goes on
/// under it; the memory of the old name goes with the end of a complete apply.
///
/// # Errors
/// [`StoreError`] when the store fails.
pub async fn remembered(
    store: &Store,
    tried: Tried<'_>,
    end: RunEnd,
    now: Timestamp,
) -> Result<EnvironmentChange, StoreError> {
    let name = tried.environment;
    let mut record = store.environment(name).await?;
    let former = match &tried.about {
        About::Subject(subject) => subject.environment.renamed_from.clone(),
        About::Unread | About::Claims(_) => None,
    };
    if let Some(former) = &former
        && let Some(mut parked) = store.environment(former).await?
    {
        // It goes on under its new name; under the old one nothing is to be done any more.
        record.get_or_insert_with(|| EnvironmentRecord { environment: name.clone(), ..parked.clone() });
        parked.last_attempt = None;
        store.save_environment(&parked).await?;
    }
    let mut record = record.unwrap_or_else(|| EnvironmentRecord::new(name, tried.path, now));
    let mut input_digest = None;
    match tried.about {
        About::Unread => {}
        About::Claims(claims) => {
            if !claims.is_empty() {
                record.claims = claims.to_vec();
            }
        }
        About::Subject(subject) if subject.is_removed() => {
            if end == RunEnd::Complete {
                return Ok(EnvironmentChange::Remove(name.clone()));
            }
        }
        About::Subject(subject) => {
            input_digest.clone_from(&subject.digest);
            note_subject(&mut record, subject, end, tried.commit);
        }
    }
    record.last_attempt = Some(Attempt { commit: *tried.commit, input_digest, end, remedy: tried.remedy });
    record.updated_at = now;
    let record = Box::new(record);
    Ok(match former {
        Some(from) if end == RunEnd::Complete => EnvironmentChange::Rename { from, record },
        Some(_) | None => EnvironmentChange::Save(record),
    })
}

fn note_subject(record: &mut EnvironmentRecord, subject: &Subject, end: RunEnd, commit: &CommitId) {
    let environment = &subject.environment;
    record.path.clone_from(&environment.path);
    // Where it lived before stays known until everything there is gone.
    if end == RunEnd::Complete || record.resource_group.is_empty() {
        record.subscription.clone_from(&environment.subscription);
        record.resource_group.clone_from(&environment.resource_group);
    }
    record.claims = stored_claims(environment);
    if let (RunEnd::Complete, Some(digest)) = (end, &subject.digest) {
        record.last_complete = Some(Applied { commit: *commit, input_digest: digest.clone() });
    }
}

/// An environment without a file stays remembered until what it hands over was taken: the memory is what proves that
/// this repository had it.
#[must_use]
pub fn kept_while_given(change: EnvironmentChange, observed: &Observed) -> EnvironmentChange {
    let is_kept = matches!(change, EnvironmentChange::Remove(_)) && !observed.given.is_empty();
    if is_kept { EnvironmentChange::None } else { change }
}

/// Forgets the environments without a file from which everything was taken that they had: those whose removal found
/// nothing else to do.
///
/// # Errors
/// [`StoreError`] when the store fails.
pub async fn forget_givers(store: &Store, observed: &Observed) -> Result<(), StoreError> {
    let givers: BTreeSet<&EnvironmentName> =
        observed.taken.values().filter(|taken| taken.is_gone).map(|taken| &taken.from).collect();
    for giver in givers {
        let Some(record) = store.environment(giver).await? else { continue };
        // Something else of it waits to be deleted: that is for its own removal to say.
        let is_of_it = |mark: &Mark| mark.environment == *giver;
        let is_left = observed
            .foreign
            .iter()
            .filter(|one| !one.is_copy)
            .any(|one| one.mark.as_ref().is_some_and(is_of_it));
        let is_blocked = is_left || record.last_attempt.is_some_and(|last| last.input_digest.is_none());
        let is_open = store.open_work().await?.iter().any(|work| work.environment == *giver);
        if !is_blocked && !is_open {
            store.change_environment(EnvironmentChange::Remove(giver.clone())).await?;
        }
    }
    Ok(())
}

/// What a definition claims, as it is stored.
#[must_use]
pub fn stored_claims(environment: &Environment) -> Vec<Claim> {
    claims(environment).iter().map(stored_claim).collect()
}

fn stored_claim(claim: &definitions::Claim) -> Claim {
    Claim { kind: claim.kind.word(), key: claim.key.clone() }
}
