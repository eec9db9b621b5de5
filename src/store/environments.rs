//! What is remembered of each environment: a shortcut, never the truth, which is in Git and in Azure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::{Columns, micros, word};
use super::{EnvironmentChange, Store, StoreError};
use crate::definitions::InputDigest;
use crate::git::CommitId;
use crate::reconcile::apply::RunEnd;
use crate::reconcile::plan::Remedy;
use crate::resources::EnvironmentName;

/// What is remembered of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentRecord {
    /// The name, by which everything about it is found.
    pub environment: EnvironmentName,
    /// The file that defines it.
    pub path: String,
    /// The alias of its subscription.
    pub subscription: String,
    /// The name of its resource group.
    pub resource_group: String,
    /// The last apply that left everything as the definition says; `None` when there was none.
    pub last_complete: Option<Applied>,
    /// The last apply that was tried.
    pub last_attempt: Option<Attempt>,
    /// What no other environment may claim: names, groups, resources.
    pub claims: Vec<Claim>,
    /// When this was written.
    pub updated_at: Timestamp,
}

/// An apply that left everything as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The commit that this is about.
    pub commit: CommitId,
    /// The definition at that commit.
    pub input_digest: InputDigest,
}

/// An apply that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The commit that this is about.
    pub commit: CommitId,
    /// The definition at that commit; `None` when it was gone or could not be read.
    pub input_digest: Option<InputDigest>,
    /// How it ended, as the journal keeps it.
    pub end: RunEnd,
    /// What lifts what was in its way; `None` where nothing was, or an older version did not say.
    pub remedy: Option<Remedy>,
}

/// Something that only one environment may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// What kind of thing: `resource`, `global_name` …
    pub kind: String,
    /// Which one, in the spelling under which equal ones meet.
    pub key: String,
}

impl EnvironmentRecord {
    /// What is known of an environment before anything was tried.
    #[must_use]
    pub fn new(environment: &EnvironmentName, path: &str, now: Timestamp) -> Self {
        Self {
            environment: environment.clone(),
            path: path.to_owned(),
            subscription: String::new(),
            resource_group: String::new(),
            last_complete: None,
            last_attempt: None,
            claims: Vec::new(),
            updated_at: now,
        }
    }

    /// The files that were seen to define the environment, where that was more than one.
    pub fn rival_files(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().filter(|claim| claim.kind == FILE).map(|claim| claim.key.as_str())
    }
}

/// The kind of a claim of a file on an environment.
const FILE: &str = "file";

impl Claim {
    /// The claim of the file at `path` that it defines the environment.
    #[must_use]
    pub fn file(path: &str) -> Self {
        Self { kind: FILE.to_owned(), key: path.to_owned() }
    }
}

/// Who has a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimHolder {
    /// The environment that this is about.
    pub environment: EnvironmentName,
    /// The file that defines it.
    pub path: String,
    /// What is claimed, in the spelling under which equal ones meet.
    pub claim: Claim,
}

impl Store {
    /// What is remembered of one environment.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn environment(&self, name: &EnvironmentName) -> Result<Option<EnvironmentRecord>, StoreError> {
        let name = name.clone();
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT * FROM environments WHERE environment = $1")
                    .bind(name.to_string())
                    .fetch_optional(&mut *db)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                let claims = sqlx::query(
                    "SELECT * FROM claims WHERE environment = $1 ORDER BY environment, kind, claim_key",
                )
                .bind(name.to_string())
                .fetch_all(db)
                .await?;
                Ok(with_claims(vec![row], &claims)?.pop())
            })
        })
        .await
    }

    /// What is remembered of all environments, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn environments(&self) -> Result<Vec<EnvironmentRecord>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query("SELECT * FROM environments ORDER BY environment")
                    .fetch_all(&mut *db)
                    .await?;
                let claims = sqlx::query("SELECT * FROM claims ORDER BY environment, kind, claim_key")
                    .fetch_all(db)
                    .await?;
                with_claims(rows, &claims)
            })
        })
        .await
    }

    /// The names of all environments.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn environment_names(&self) -> Result<Vec<String>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query("SELECT environment FROM environments").fetch_all(db).await?;
                rows.iter().map(|row| Columns::of("environment", row).text("environment")).collect()
            })
        })
        .await
    }

    /// The names of all environments that are remembered, and of those that are no more and had a run that the
    /// journal still has.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn names_ever(&self) -> Result<Vec<String>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let all = "SELECT environment FROM environments UNION SELECT DISTINCT environment FROM runs";
                let rows = sqlx::query(all).fetch_all(db).await?;
                rows.iter().map(|row| Columns::of("environment", row).text("environment")).collect()
            })
        })
        .await
    }

    /// Environments whose last attempt did not end completely: they stay touched, whatever a push
    /// changes.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn touched_environments(&self) -> Result<Vec<EnvironmentRecord>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows =
                    sqlx::query("SELECT * FROM environments WHERE attempt_end <> $1 ORDER BY environment")
                        .bind(word(RunEnd::Complete))
                        .fetch_all(&mut *db)
                        .await?;
                let claims = sqlx::query(
                    "SELECT * FROM claims WHERE environment IN
             (SELECT environment FROM environments WHERE attempt_end <> $1)
             ORDER BY environment, kind, claim_key",
                )
                .bind(word(RunEnd::Complete))
                .fetch_all(db)
                .await?;
                with_claims(rows, &claims)
            })
        })
        .await
    }

    /// Remembers an environment, in place of what was remembered.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn save_environment(&self, record: &EnvironmentRecord) -> Result<(), StoreError> {
        let record = record.clone();
        self.write(move |db| Box::pin(async move { upsert_environment(db, &record).await })).await
    }

    /// Forgets an environment.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn remove_environment(&self, name: &EnvironmentName) -> Result<(), StoreError> {
        let name = name.clone();
        self.write(move |db| Box::pin(async move { delete_environment(db, &name).await })).await
    }

    /// Makes of the memory of an environment what an attempt has left of it.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn change_environment(&self, change: EnvironmentChange) -> Result<(), StoreError> {
        self.write(move |db| Box::pin(change_environment(db, change))).await
    }

    /// Who has which of `claims`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn claims_matching(&self, claims: &[Claim]) -> Result<Vec<ClaimHolder>, StoreError> {
        let claims = claims.to_vec();
        self.read(move |db| { Box::pin(async move {
        let mut holders = Vec::new();
        for claim in claims {
            let rows = sqlx::query(
                "SELECT e.environment, e.path FROM claims c JOIN environments e ON e.environment = c.environment
                 WHERE c.kind = $1 AND c.claim_key = $2 ORDER BY e.environment",
            )
            .bind(claim.kind.as_str())
            .bind(claim.key.as_str())
            .fetch_all(&mut *db)
            .await?;
            for row in &rows {
                let columns = Columns::of("claim", row);
                holders.push(ClaimHolder {
                    environment: columns.parsed("environment")?,
                    path: columns.text("path")?,
                    claim: claim.clone(),
                });
            }
        }
        Ok(holders)
        }) }).await
    }
}

pub(super) async fn change_environment(
    db: &mut AnyConnection,
    change: EnvironmentChange,
) -> Result<(), StoreError> {
    match change {
        EnvironmentChange::None => Ok(()),
        EnvironmentChange::Save(record) => upsert_environment(db, &record).await,
        EnvironmentChange::Rename { from, record } => {
            delete_environment(db, &from).await?;
            upsert_environment(db, &record).await
        }
        EnvironmentChange::Remove(name) => delete_environment(db, &name).await,
    }
}

pub(super) async fn upsert_environment(
    db: &mut AnyConnection,
    record: &EnvironmentRecord,
) -> Result<(), StoreError> {
    let complete = record.last_complete.as_ref();
    let attempt = record.last_attempt.as_ref();
    delete_environment(db, &record.environment).await?;
    sqlx::query(
        "INSERT INTO environments (environment, path, subscription, resource_group, complete_commit,
         complete_digest, attempt_commit, attempt_digest, attempt_end, attempt_remedy, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(record.environment.to_string())
    .bind(record.path.as_str())
    .bind(record.subscription.as_str())
    .bind(record.resource_group.as_str())
    .bind(complete.map(|applied| applied.commit.to_string()))
    .bind(complete.map(|applied| applied.input_digest.to_string()))
    .bind(attempt.map(|attempt| attempt.commit.to_string()))
    .bind(attempt.and_then(|attempt| attempt.input_digest.as_ref()).map(ToString::to_string))
    .bind(attempt.map(|attempt| word(attempt.end)))
    .bind(attempt.and_then(|attempt| attempt.remedy).map(word))
    .bind(micros(record.updated_at))
    .execute(&mut *db)
    .await?;
    for claim in &record.claims {
        sqlx::query(
            "INSERT INTO claims (environment, kind, claim_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(record.environment.to_string())
        .bind(claim.kind.as_str())
        .bind(claim.key.as_str())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The claims go with it (foreign key).
pub(super) async fn delete_environment(
    db: &mut AnyConnection,
    name: &EnvironmentName,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM environments WHERE environment = $1").bind(name.to_string()).execute(db).await?;
    Ok(())
}

fn with_claims(rows: Vec<AnyRow>, claims: &[AnyRow]) -> Result<Vec<EnvironmentRecord>, StoreError> {
    let mut by_environment: BTreeMap<EnvironmentName, Vec<Claim>> = BTreeMap::new();
    for row in claims {
        let columns = Columns::of("claim", row);
        let claim = Claim { kind: columns.text("kind")?, key: columns.text("claim_key")? };
        by_environment.entry(columns.parsed("environment")?).or_default().push(claim);
    }
    rows.iter()
        .map(|row| {
            let mut record = record_of(row)?;
            record.claims = by_environment.remove(&record.environment).unwrap_or_default();
            Ok(record)
        })
        .collect()
}

fn record_of(row: &AnyRow) -> Result<EnvironmentRecord, StoreError> {
    let columns = Columns::of("environment", row);
    let complete =
        columns.optional_parsed("complete_commit")?.zip(columns.optional_parsed("complete_digest")?);
    let attempt = columns.optional_parsed("attempt_commit")?.zip(columns.optional_word("attempt_end")?);
    let input_digest = columns.optional_parsed("attempt_digest")?;
    let remedy = columns.optional_word("attempt_remedy")?;
    Ok(EnvironmentRecord {
        environment: columns.parsed("environment")?,
        path: columns.text("path")?,
        subscription: columns.text("subscription")?,
        resource_group: columns.text("resource_group")?,
        last_complete: complete.map(|(commit, input_digest)| Applied { commit, input_digest }),
        last_attempt: attempt.map(|(commit, end)| Attempt { commit, input_digest, end, remedy }),
        claims: Vec::new(),
        updated_at: columns.time("updated_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{commit, environment_record, name};
    use super::*;

    #[tokio::test]
    async fn an_environment_is_remembered_as_it_was_saved_last() {
        let store = Store::in_memory().await.unwrap();
        let mut record = environment_record("production");
        store.save_environment(&record).await.unwrap();
        record.claims.pop();
        record.last_complete = None;
        let (end, remedy) = (RunEnd::Blocked, Some(Remedy::Azure));
        record.last_attempt = Some(Attempt { commit: commit('c'), input_digest: None, end, remedy });
        store.save_environment(&record).await.unwrap();
        assert_eq!(store.environment(&name("production")).await.unwrap(), Some(record.clone()));
        record.last_attempt = None;
        store.save_environment(&record).await.unwrap();
        store.save_environment(&environment_record("dev")).await.unwrap();
        assert_eq!(store.environments().await.unwrap(), vec![environment_record("dev"), record]);
        store.remove_environment(&name("dev")).await.unwrap();
        assert_eq!(store.environment(&name("dev")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_environment_stays_touched_until_an_apply_is_complete() {
        let store = Store::in_memory().await.unwrap();
        for (environment, end) in [
            ("a", Some(RunEnd::Complete)),
            ("b", Some(RunEnd::Failed)),
            ("c", Some(RunEnd::Blocked)),
            ("d", None),
        ] {
            let mut record = environment_record(environment);
            record.last_attempt =
                end.map(|end| Attempt { commit: commit('b'), input_digest: None, end, remedy: None });
            store.save_environment(&record).await.unwrap();
        }
        let touched = store.touched_environments().await.unwrap();
        let names: Vec<&str> = touched.iter().map(|record| record.environment.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(touched[0].claims.len(), 2);
    }

    #[tokio::test]
    async fn a_claim_leads_to_all_who_have_it() {
        let store = Store::in_memory().await.unwrap();
        let shared = Claim { kind: "resource".to_owned(), key: "/rg/shared".to_owned() };
        for environment in ["dev", "production"] {
            let mut record = environment_record(environment);
            record.claims.push(shared.clone());
            store.save_environment(&record).await.unwrap();
        }
        let other = Claim { kind: "global_name".to_owned(), key: "/rg/shared".to_owned() };
        let holders = store.claims_matching(&[other, shared.clone()]).await.unwrap();
        let found: Vec<_> = holders.iter().map(|it| (it.environment.as_str(), it.path.as_str())).collect();
        assert_eq!(found, [("dev", "environments/dev.yaml"), ("production", "environments/production.yaml")]);
        assert!(holders.iter().all(|holder| holder.claim == shared));
        store.remove_environment(&name("dev")).await.unwrap();
        assert_eq!(store.claims_matching(&[shared]).await.unwrap().len(), 1);
    }
}
