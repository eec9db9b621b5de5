//! What stood on a pull request when, and what people consented to there in comments.
//!
//! Guarantees: a consent is noted once and names what its author was shown; one that was withdrawn does not
//! come back, however often its comment is read again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::column::{Columns, json, micros};
use super::{Store, StoreError};
use crate::forge::{Author, CommentId, PullRequestNumber};
use crate::git::CommitId;
use crate::reconcile::plan::ConsentVerb;
use crate::reconcile::review::Asked;
use crate::resources::Address;
use crate::resources::id::ResourceId;

/// Most showings of one pull request that are read, the newest of them.
const MAX_SHOWINGS: i64 = 1_000;

/// Most consents of one pull request that are read.
const MAX_CONSENTS: i64 = 1_000;

/// What the comment with a plan shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The proposed commit that it speaks of.
    pub head: CommitId,
    /// What needs consent, each with the ARM id that it had.
    pub asked: Vec<Asked>,
}

/// A comment that was there for people to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Showing {
    /// What the plan's comment showed when it was last written.
    pub shown: Shown,
    /// Since when, by the forge's clock.
    pub at: Timestamp,
    /// The forge's id of our own account, where it told.
    pub account: Option<String>,
}

/// A consent that stands in a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenConsent {
    /// The pull request on which it stands.
    pub pull_request: PullRequestNumber,
    /// The comment, by the forge's id.
    pub comment: CommentId,
    /// What it consents to.
    pub verb: ConsentVerb,
    /// The address that it is about.
    pub target: Address,
    /// The proposed commit that its author was shown.
    pub head: CommitId,
    /// What the address was in Azure then.
    pub id: ResourceId,
    /// Who wrote it, by the forge's account.
    pub author: Author,
    /// Digest of the comment as it was read.
    pub body_digest: String,
    /// When it was written, by the forge's clock.
    pub written_at: Timestamp,
}

impl Store {
    /// Notes what stands on a pull request now.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn note_shown(&self, number: PullRequestNumber, showing: &Showing) -> Result<(), StoreError> {
        let showing = showing.clone();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO shown (pull_request, head, shown_at, account, asked)
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(key_of(number))
                .bind(showing.shown.head.to_string())
                .bind(micros(showing.at))
                .bind(showing.account)
                .bind(json(&showing.shown.asked))
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// What stood on a pull request, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn showings(&self, number: PullRequestNumber) -> Result<Vec<Showing>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT * FROM shown WHERE pull_request = $1
                     ORDER BY shown_at DESC, shown_id DESC LIMIT $2",
                )
                .bind(key_of(number))
                .bind(MAX_SHOWINGS)
                .fetch_all(db)
                .await?;
                rows.iter().rev().map(showing_of).collect()
            })
        })
        .await
    }

    /// The pull requests on which consent was asked for that concerns one of `addresses`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn who_asked(
        &self,
        addresses: &BTreeSet<Address>,
    ) -> Result<Vec<PullRequestNumber>, StoreError> {
        let addresses = addresses.clone();
        self.read(move |db| {
            Box::pin(async move {
                let asked = "SELECT DISTINCT pull_request, asked FROM shown WHERE asked <> '[]'";
                let rows = sqlx::query(asked).fetch_all(db).await?;
                let mut numbers = BTreeSet::new();
                for row in &rows {
                    let columns = Columns::of("showing", row);
                    let asked: Vec<Asked> = columns.json("asked")?;
                    if asked.iter().any(|asked| addresses.contains(&asked.address)) {
                        numbers.insert(number_of(&columns)?);
                    }
                }
                Ok(numbers.into_iter().rev().collect())
            })
        })
        .await
    }

    /// The pull requests on which somebody has consented to the release of one of `addresses`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn who_releases(
        &self,
        addresses: &BTreeSet<Address>,
    ) -> Result<Vec<PullRequestNumber>, StoreError> {
        let addresses = addresses.clone();
        self.read(move |db| {
            Box::pin(async move {
                let given = "SELECT pull_request, target FROM consents
                             WHERE verb = 'release' AND withdrawn_at IS NULL";
                let rows = sqlx::query(given).fetch_all(db).await?;
                let mut numbers = BTreeSet::new();
                for row in &rows {
                    let columns = Columns::of("consent", row);
                    if addresses.contains(&columns.parsed::<Address>("target")?) {
                        numbers.insert(number_of(&columns)?);
                    }
                }
                Ok(numbers.into_iter().rev().collect())
            })
        })
        .await
    }

    /// Notes a consent. One that is known already is left as it is, withdrawn or not; where one comment names a resource
    /// with both verbs, it is released.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn note_consent(&self, consent: &GivenConsent) -> Result<(), StoreError> {
        let consent = consent.clone();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO consents (pull_request, comment_id, target, head, arm_id, author, body_digest,
                     written_at, verb) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                     ON CONFLICT (pull_request, comment_id, target) DO UPDATE SET verb = excluded.verb
                     WHERE excluded.verb = 'release'",
                )
                .bind(key_of(consent.pull_request))
                .bind(consent.comment.to_string())
                .bind(consent.target.to_string())
                .bind(consent.head.to_string())
                .bind(consent.id.to_string())
                .bind(json(&consent.author))
                .bind(consent.body_digest)
                .bind(micros(consent.written_at))
                .bind(consent.verb.word())
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The consents on a pull request that were not withdrawn, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn consents_of(&self, number: PullRequestNumber) -> Result<Vec<GivenConsent>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT * FROM consents WHERE pull_request = $1 AND withdrawn_at IS NULL
                     ORDER BY written_at, comment_id, target LIMIT $2",
                )
                .bind(key_of(number))
                .bind(MAX_CONSENTS)
                .fetch_all(db)
                .await?;
                rows.iter().map(consent_of).collect()
            })
        })
        .await
    }

    /// Withdraws one consent.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn withdraw_consent(&self, consent: &GivenConsent, now: Timestamp) -> Result<(), StoreError> {
        let consent = consent.clone();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE consents SET withdrawn_at = $1
                     WHERE pull_request = $2 AND comment_id = $3 AND target = $4 AND withdrawn_at IS NULL",
                )
                .bind(micros(now))
                .bind(key_of(consent.pull_request))
                .bind(consent.comment.to_string())
                .bind(consent.target.to_string())
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }
}

fn key_of(number: PullRequestNumber) -> i64 {
    i64::try_from(number.get()).unwrap_or(i64::MAX)
}

fn number_of(columns: &Columns<'_>) -> Result<PullRequestNumber, StoreError> {
    let number = columns.number("pull_request")?;
    let known = u64::try_from(number).ok().and_then(PullRequestNumber::new);
    known.ok_or_else(|| columns.unreadable("pull_request", format!("{number} is no pull request")))
}

fn showing_of(row: &AnyRow) -> Result<Showing, StoreError> {
    let columns = Columns::of("showing", row);
    Ok(Showing {
        shown: Shown { head: columns.parsed("head")?, asked: columns.json("asked")? },
        at: columns.time("shown_at")?,
        account: columns.optional_text("account")?,
    })
}

fn consent_of(row: &AnyRow) -> Result<GivenConsent, StoreError> {
    let columns = Columns::of("consent", row);
    Ok(GivenConsent {
        pull_request: number_of(&columns)?,
        comment: columns.parsed("comment_id")?,
        verb: columns.text("verb")?.parse().map_err(|why: String| columns.unreadable("verb", why))?,
        target: columns.parsed("target")?,
        head: columns.parsed("head")?,
        id: columns.parsed("arm_id")?,
        author: columns.json("author")?,
        body_digest: columns.text("body_digest")?,
        written_at: columns.time("written_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{commit, later, now};
    use super::*;

    fn seven() -> PullRequestNumber {
        PullRequestNumber::new(7).unwrap()
    }

    fn id() -> ResourceId {
        let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg";
        format!("{group}/providers/Microsoft.KeyVault/vaults/kv").parse().unwrap()
    }

    fn vault() -> Address {
        "dev/key_vaults/main".parse().unwrap()
    }

    #[tokio::test]
    async fn what_was_shown_is_found_by_pull_request_and_by_what_it_asked_for() {
        let store = Store::in_memory().await.unwrap();
        let showing = |digit, at, asked: &[Asked]| Showing {
            shown: Shown { head: commit(digit), asked: asked.to_vec() },
            at,
            account: Some("1".to_owned()),
        };
        let asked = [Asked { address: vault(), id: id(), releasable: true }];
        let (first, second) = (showing('a', now(), &[]), showing('b', later(5), &asked));
        store.note_shown(seven(), &second).await.unwrap();
        store.note_shown(seven(), &first).await.unwrap();
        assert_eq!(store.showings(seven()).await.unwrap(), [first, second]);
        assert_eq!(store.who_asked(&[vault()].into()).await.unwrap(), [seven()]);
        let other = "dev/key_vaults/other".parse().unwrap();
        assert_eq!(store.who_asked(&[other].into()).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_was_withdrawn_does_not_come_back() {
        let store = Store::in_memory().await.unwrap();
        let consent = GivenConsent {
            pull_request: seven(),
            comment: 9.into(),
            verb: ConsentVerb::Destroy,
            target: vault(),
            head: commit('a'),
            id: id(),
            author: Author::new("1", "ada"),
            body_digest: "d".to_owned(),
            written_at: now(),
        };
        store.note_consent(&consent).await.unwrap();
        store.note_consent(&consent).await.unwrap();
        assert_eq!(store.consents_of(seven()).await.unwrap(), std::slice::from_ref(&consent));
        let release = GivenConsent { verb: ConsentVerb::Release, ..consent.clone() };
        store.note_consent(&release).await.unwrap();
        store.note_consent(&consent).await.unwrap();
        assert_eq!(store.consents_of(seven()).await.unwrap(), std::slice::from_ref(&release));
        assert_eq!(store.who_releases(&[vault()].into()).await.unwrap(), [seven()]);
        store.withdraw_consent(&consent, later(1)).await.unwrap();
        assert_eq!(store.who_releases(&[vault()].into()).await.unwrap(), []);
        store.note_consent(&release).await.unwrap();
        assert_eq!(store.consents_of(seven()).await.unwrap(), []);
    }
}
