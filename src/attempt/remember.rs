//! What is remembered of an environment after an attempt at it.

use jiff::Timestamp;

use super::Subject;
use crate::definitions::{self, Environment, claims};
use crate::git::CommitId;
use crate::reconcile::apply::RunEnd;
use crate::resources::EnvironmentName;
use crate::store::{Applied, Attempt, Claim, EnvironmentChange, EnvironmentRecord, Store, StoreError};

/// What an attempt has found out about its environment.
#[derive(Clone, Copy)]
pub enum About<'a> {
    /// Nothing: what was known stays.
    Unread,
    /// What its definition claims, although that has errors.
    Claims(&'a [Claim]),
    /// Everything.
    Subject(&'a Subject),
}

/// An attempt to apply, and how it stands.
#[derive(Clone, Copy)]
pub struct Tried<'a> {
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// Its file.
    pub path: &'a str,
    /// The commit that was attempted.
    pub commit: &'a CommitId,
    /// What it was about.
    pub about: About<'a>,
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
    record.last_attempt = Some(Attempt { commit: *tried.commit, input_digest, end });
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

/// What a definition claims, as it is stored.
#[must_use]
pub fn stored_claims(environment: &Environment) -> Vec<Claim> {
    claims(environment).iter().map(stored_claim).collect()
}

fn stored_claim(claim: &definitions::Claim) -> Claim {
    Claim { kind: claim.kind.word(), key: claim.key.clone() }
}
