//! The tables, and how a file of an earlier version gets them.
//!
//! Migrations only go forward; each is applied once, in order, all of them in one transaction. A file
//! that knows more than this program is refused and left untouched.

use std::path::Path;

use sqlx::AnyConnection;
use sqlx::Row as _;

use super::StoreError;

/// In order; never changed once released, only added to.
const MIGRATIONS: [&str; 10] = [
    include_str!("migrations/sqlite/0001_journal.sql"),
    include_str!("migrations/sqlite/0002_pull_requests.sql"),
    include_str!("migrations/sqlite/0003_arrivals.sql"),
    include_str!("migrations/sqlite/0004_refused_heads.sql"),
    include_str!("migrations/sqlite/0005_consents.sql"),
    include_str!("migrations/sqlite/0006_ends_of_a_commit.sql"),
    include_str!("migrations/sqlite/0007_holders.sql"),
    include_str!("migrations/sqlite/0008_remarks.sql"),
    include_str!("migrations/sqlite/0009_remedies.sql"),
    include_str!("migrations/sqlite/0010_consent_verbs.sql"),
];

/// Brings the tables to this program's version, inside the caller's transaction. `path` is for errors.
pub(super) async fn migrate(db: &mut AnyConnection, path: &Path) -> Result<(), StoreError> {
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT NOT NULL PRIMARY KEY)")
        .execute(&mut *db)
        .await?;
    let found = version(db, path).await?;
    for (script, version) in MIGRATIONS.into_iter().zip(1..).filter(|(_, version)| *version > found) {
        sqlx::raw_sql(script).execute(&mut *db).await?;
        sqlx::query("INSERT INTO schema_versions (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// The version of a file that an older program has written. `None`: the file is new, or has the tables of this one.
pub(super) async fn older_version(db: &mut AnyConnection, path: &Path) -> Result<Option<i64>, StoreError> {
    let table = "SELECT COUNT(*) AS found FROM sqlite_master WHERE name = 'schema_versions'";
    let found: i64 = sqlx::query(table).fetch_one(&mut *db).await?.try_get("found")?;
    if found == 0 {
        return Ok(None);
    }
    Ok(Some(version(db, path).await?).filter(|version| (1..known()).contains(version)))
}

/// Looks whether the tables are those of this program. `path` is for errors.
pub(super) async fn check(db: &mut AnyConnection, path: &Path) -> Result<(), StoreError> {
    let found = version(db, path).await?;
    if found < known() {
        return Err(StoreError::OlderSchema { path: path.to_owned() });
    }
    Ok(())
}

/// The version of the tables, which this program knows.
async fn version(db: &mut AnyConnection, path: &Path) -> Result<i64, StoreError> {
    let newest = sqlx::query("SELECT COALESCE(MAX(version), 0) AS newest FROM schema_versions");
    let found: i64 = newest.fetch_one(db).await?.try_get("newest")?;
    if found > known() {
        return Err(StoreError::NewerSchema { path: path.to_owned(), found, known: known() });
    }
    Ok(found)
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("a handful of migrations")
}
