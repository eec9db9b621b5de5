//! Journals that the version of 2026-11-23 has left behind, each killed right after another kind of event: today's
//! version opens them, finishes what they say is under way, and keeps a copy that the old one can still read.
//!
//! A fixture is what was there at that moment: the journal as SQL, Azure as the simulator saves it, the repository as
//! a bundle, and the time. The story behind all of them: two environments are applied; then one push changes the first,
//! removes the second with consent and adds a third, while a branch waits for its plan.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use beamline::clock::Clock;
use beamline::reconcile::plan::Globs;
use beamline_simulator::Latency;
use flate2::read::GzDecoder;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::support::{DaemonWorld, Repository, Setup};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/old_journals")
}

pub(crate) fn unpacked(file: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// A daemon's world as it was at the fixture's moment, in which no daemon runs.
async fn restored(fixture: &Path) -> DaemonWorld {
    let repository = Repository::new();
    let bundle = fixture.join("origin.bundle");
    repository.git_of_origin(&["fetch", "-q", &bundle.display().to_string(), "+refs/*:refs/*"]);
    let now = std::fs::read_to_string(fixture.join("now")).unwrap().trim().parse().unwrap();
    let latency = Latency::Realistic { factor: 4.0 };
    // The old version let a consent line with a `*` count, and the settings can.
    let setup = Setup { clock: Clock::simulated(now, 11), latency, globs: Globs::Count, ..Setup::new() };
    let world = DaemonWorld::over(repository, setup);
    world.azure.load(&unpacked(&fixture.join("azure.json.gz"))).unwrap();
    let journal = world.repository.folder().join("journal.db");
    let options = SqliteConnectOptions::new().filename(&journal).create_if_missing(true).foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let script = unpacked(&fixture.join("journal.sql.gz"));
    connection.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.unwrap();
    connection.close().await.unwrap();
    world
}

async fn last_event(journal: &Path) -> Option<String> {
    let options = SqliteConnectOptions::new().filename(journal).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let last = sqlx::query_scalar(
        "SELECT kind FROM events e JOIN runs r ON r.run_id = e.run_id WHERE r.ended_at IS NULL
         ORDER BY e.at DESC, e.seq DESC LIMIT 1",
    );
    let last = last.fetch_optional(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    last
}

async fn is_finished(kind: Option<&str>) {
    let fixture = fixtures().join(kind.unwrap_or("between_runs"));
    let mut world = restored(&fixture).await;
    let journal = world.repository.folder().join("journal.db");
    assert_eq!(last_event(&journal).await.as_deref(), kind, "the fixture is what it is called");

    let main = world.repository.git_of_origin(&["rev-parse", "main"]).parse().unwrap();
    world.start().await;
    world.settled("main", &main).await;

    let copy = world.repository.folder().join("journal.db.schema-2");
    assert_eq!(last_event(&copy).await.as_deref(), kind, "the copy is the journal as it was");
    let note = world.repository.note(&main);
    for context in ["dev", "third"] {
        assert!(note.contains(&format!("beamline/apply: {context}: success: Applied")), "{note}");
    }
    assert!(!note.contains("pending") && !note.contains("failure"), "{note}");
    assert!(!world.groups().iter().any(|group| group.contains("other")), "{:?}", world.groups());
    let made: Vec<_> = world.take_writes().into_iter().filter(|write| write.status == 201).collect();
    let paths: std::collections::BTreeSet<_> = made.iter().map(|write| write.path.to_lowercase()).collect();
    assert_eq!(made.len(), paths.len(), "something was made twice");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_between_two_runs_goes_on() {
    is_finished(None).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_whose_last_word_is_an_intent_goes_on() {
    is_finished(Some("intent")).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_whose_last_word_is_an_accepted_operation_goes_on() {
    is_finished(Some("accepted")).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_whose_last_word_is_an_answer_goes_on() {
    is_finished(Some("answered")).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_whose_last_word_is_a_reading_goes_on() {
    is_finished(Some("read_back")).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_whose_last_word_is_a_step_that_is_done_goes_on() {
    is_finished(Some("done")).await;
}
