//! What a store withstands: callers that are dropped or not polled, full disks, files that go away. Only
//! compiled for tests.

use std::fs::File;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt as _;
use tempfile::TempDir;

use super::fixture::{branch, commit, delivery, folder, name, new_work, now, run_record, silent};
use super::{
    Acceptance, Arrival, Delivery, FolderLock, Line, Store, StoreError, Writability, environment_lease,
};
use crate::plight::Plight;
use crate::reconcile::apply::fixture::drop_after;
use crate::reconcile::apply::{Event, Journal as _, JournalError, RunEnd, RunKind};

const TTL: Duration = Duration::from_secs(60);

/// More polls than any method of the store needs.
const POLLS: usize = 40;

async fn opened() -> (TempDir, Store) {
    let folder = folder();
    let store = Store::open(&folder.path().join("journal.db")).await.unwrap();
    (folder, store)
}

fn large(id: &str) -> Delivery {
    Delivery { event: "x".repeat(100_000), ..delivery(id) }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_polled_keeps_nobody_waiting() {
    let (_folder, store) = opened().await;
    let deliveries: Vec<_> = (0..9).map(|id| [delivery(&format!("held-{id}"))]).collect();
    let mut writes: Vec<_> = deliveries.iter().map(|one| Box::pin(store.store_deliveries(one))).collect();
    let mut reads: Vec<_> = (0..9).map(|_| Box::pin(store.seen_heads())).collect();
    for write in &mut writes {
        assert!(write.as_mut().now_or_never().is_none());
    }
    for read in &mut reads {
        assert!(read.as_mut().now_or_never().is_none());
    }
    let others = async {
        for id in 0..9 {
            store.store_deliveries(&[delivery(&id.to_string())]).await.unwrap();
            store.seen_heads().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), others).await.expect("the store hangs");
    assert_eq!(store.pending_deliveries().await.unwrap().len(), 18);
    for write in writes {
        write.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_asked_for_happens_whole_or_not_at_all_wherever_its_caller_is_dropped() {
    for polls in 0..POLLS {
        let (_folder, store) = opened().await;
        let head = Acceptance {
            arrival: Arrival::Head(branch("main")),
            commit: commit('a'),
            reads: commit('a'),
            now: now(),
            work: vec![new_work("dev", RunKind::Apply), new_work("production", RunKind::Apply)],
            statuses: Vec::new(),
        };
        let done = drop_after(polls, store.accept_head(head, &silent)).await;
        // Changes are made in the order in which they were asked for: this one comes after that one.
        store.store_deliveries(&[delivery("after")]).await.unwrap();
        let (heads, work) = (store.seen_heads().await.unwrap(), store.open_work().await.unwrap());
        let expected = if polls == 0 { (0, 0) } else { (1, 2) };
        assert_eq!((heads.len(), work.len()), expected, "dropped after {polls} polls");
        if done.is_some() {
            return;
        }
    }
    panic!("never done");
}

#[tokio::test]
async fn a_journal_whose_writer_is_dropped_anywhere_is_whole() {
    for polls in 0..POLLS {
        let (_folder, store) = opened().await;
        let record = run_record(1, "production");
        let key = environment_lease(&record.environment);
        let mut ended = false;
        let story = async {
            let fence = store.acquire_lease(&key, "one", now(), TTL).await.unwrap().unwrap();
            store.begin(&record, fence).await.unwrap();
            store.append(record.id, fence, now(), &Event::Answered { step: 0, request: 0 }).await.unwrap();
            store.append(record.id, fence, now(), &Event::Done { step: 0 }).await.unwrap();
            store.finish(record.id, fence, now(), RunEnd::Complete).await.unwrap();
            store.release_lease(&key, fence).await.unwrap();
        };
        if drop_after(polls, story).await.is_some() {
            ended = true;
        }
        // Somebody else takes it up.
        let fence = store.acquire_lease(&key, "one", now(), TTL).await.unwrap().unwrap();
        if let Some(open) = store.unfinished_run_of(&name("production")).await.unwrap() {
            assert!(!ended && open == record);
            assert!(store.replay(record.id).await.unwrap().len() <= 2);
            store.finish(record.id, fence, now(), RunEnd::Interrupted).await.unwrap();
        }
        store.release_lease(&key, fence).await.unwrap();
        if ended {
            assert_eq!(store.replay(record.id).await.unwrap().len(), 2);
            return;
        }
    }
    panic!("never done");
}

#[tokio::test]
async fn a_change_that_panics_costs_nobody_else_anything() {
    let (_folder, store) = opened().await;
    let panics = store.write::<()>(|_| Box::pin(async { panic!("a bug") }));
    assert!(std::panic::AssertUnwindSafe(panics).catch_unwind().await.is_err());
    let panics = store.read::<()>(|_| Box::pin(async { panic!("a bug") }));
    assert!(std::panic::AssertUnwindSafe(panics).catch_unwind().await.is_err());
    store.store_deliveries(&[delivery("1")]).await.unwrap();
    assert_eq!(store.pending_deliveries().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_failure_that_the_disk_does_not_explain_is_told_with_its_code() {
    let (_folder, store) = opened().await;
    let nowhere = store
        .read(|db| Box::pin(async { Ok(sqlx::query("SELECT 1 FROM nowhere").fetch_all(db).await?.len()) }));
    let error = nowhere.await.unwrap_err().to_string();
    assert!(
        error.contains("failed with SQLite's code 1, which") && error.contains("report the code"),
        "{error}"
    );
    assert!(!error.contains("permissions"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_a_state_that_ends_when_there_is_room() {
    let (folder, store) = opened().await;
    let path = folder.path().join("journal.db").display().to_string();
    assert_eq!(store.writability(), Writability::Writable);
    store.store_deliveries(&[delivery("before")]).await.unwrap();
    store.limit_room(NonZeroU32::new(1));
    for attempt in 0..5 {
        let error = store.store_deliveries(&[large(&attempt.to_string())]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unwritable { plight: Plight::Full, .. }), "{error:?}");
        assert!(error.to_string().contains(&path) && error.to_string().contains("make room"), "{error}");
        let Writability::Unwritable { why, .. } = store.writability() else { panic!("it says it is well") };
        assert!(why.contains(&path) && why.contains("full"), "{why}");
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 1, "reading goes on");
        // What is small finds room in the pages that are there; that does not make it well.
        let fence = store.acquire_lease("dev", "one", now(), TTL).await.unwrap().unwrap();
        store.release_lease("dev", fence).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(matches!(store.writability(), Writability::Unwritable { .. }), "it flaps");
    }
    store.limit_room(None);
    // Nobody writes; it finds out by itself.
    tokio::time::timeout(Duration::from_secs(10), store.until_writable()).await.expect("it stays ill");
    assert_eq!(store.writability(), Writability::Writable);
    store.store_deliveries(&[large("after")]).await.unwrap();
    assert_eq!(store.pending_deliveries().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_deleted_while_in_use_is_noticed_and_made_anew() {
    let (folder, store) = opened().await;
    let path = folder.path().join("journal.db");
    let line = Line::Branch(branch("main"));
    let queue = async |environment: &str| {
        let work = vec![new_work(environment, RunKind::Apply)];
        store.enqueue_sweep(&line, &commit('a'), now(), work).await.unwrap()[0].id
    };
    let old = queue("dev").await;
    let record = run_record(1, "production");
    let key = environment_lease(&record.environment);
    let fence = store.acquire_lease(&key, "one", now(), TTL).await.unwrap().unwrap();
    store.begin(&record, fence).await.unwrap();
    remove(&folder, &path);

    let late = store.append(record.id, fence, now(), &Event::Done { step: 0 }).await;
    assert!(matches!(late, Err(JournalError::Store { .. } | JournalError::LeaseLost { .. })), "{late:?}");
    assert!(store.open_work().await.unwrap().is_empty(), "it reads what is gone");
    let new = queue("production").await;
    assert!(new.0 > old.0 + 1_000_000, "{new:?} may be taken for something older");
    assert_eq!(store.begin_work(old, now()).await.unwrap(), None);
    assert_eq!(store.writability(), Writability::Writable);
    store.close().await;
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.open_work().await.unwrap().len(), 1, "it was written somewhere else");
}

#[tokio::test(start_paused = true)]
async fn a_journal_goes_on_when_what_sqlite_keeps_beside_it_is_removed() {
    for removed in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let (folder, store) = opened().await;
        store.store_deliveries(&[delivery("before")]).await.unwrap();
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 1);
        for end in removed {
            std::fs::remove_file(folder.path().join(format!("journal.db{end}"))).unwrap();
        }
        for id in ["first", "second"] {
            store.store_deliveries(&[delivery(id)]).await.unwrap();
            store.pending_deliveries().await.unwrap();
        }
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 3, "{removed:?}");
        assert_eq!(store.writability(), Writability::Writable);
        let path = folder.path().join("journal.db");
        let looking = Store::open_for_reading(&path).await.unwrap().unwrap();
        assert_eq!(
            looking.pending_deliveries().await.unwrap().len(),
            3,
            "{removed:?}: it is written elsewhere"
        );
        looking.close().await;
        store.close().await;
        let store = Store::open(&path).await.unwrap();
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 3, "{removed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_is_not_called_well_until_it_is_moved_away() {
    let damages: [fn(&Path); 2] = [
        |path| File::options().write(true).open(path).unwrap().set_len(8192).unwrap(),
        |path| File::options().write(true).open(path).unwrap().write_all_at(&[0xa5; 200_000], 4096).unwrap(),
    ];
    for damage in damages {
        let (folder, store) = opened().await;
        let path = folder.path().join("journal.db");
        store.store_deliveries(&[large("before")]).await.unwrap();
        damage(&path);
        // It is written beside the file.
        store.store_deliveries(&[large("after")]).await.ok();
        assert!(store.environments().await.is_err());
        for _ in 0..5 {
            store.store_deliveries(&[delivery("meanwhile")]).await.expect_err("it is written to");
            let Writability::Unwritable { why, .. } = store.writability() else {
                panic!("it says it is well")
            };
            assert!(why.contains("is damaged") && why.contains("move it away"), "{why}");
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        std::fs::rename(&path, folder.path().join("damaged.db")).unwrap();
        tokio::time::timeout(Duration::from_secs(10), store.until_writable()).await.expect("it stays ill");
        store.store_deliveries(&[delivery("anew")]).await.unwrap();
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 1);
        assert!(store.environments().await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_was_emptied_is_begun_anew_as_one_that_was_deleted() {
    let (folder, store) = opened().await;
    let path = folder.path().join("journal.db");
    assert!(store.environments().await.unwrap().is_empty());
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    std::fs::remove_file(folder.path().join("journal.db-wal")).unwrap();
    store.pending_deliveries().await.ok();
    store.store_deliveries(&[delivery("after")]).await.ok();
    tokio::time::timeout(Duration::from_secs(10), store.until_writable()).await.expect("it stays ill");
    store.store_deliveries(&[delivery("later")]).await.unwrap();
    assert!(!store.pending_deliveries().await.unwrap().is_empty());
    assert!(store.environments().await.unwrap().is_empty());
    assert_eq!(store.writability(), Writability::Writable);
}

#[tokio::test(start_paused = true)]
async fn a_state_folder_that_goes_away_and_comes_back_has_lost_nothing() {
    let (folder, _) = opened().await;
    let (state, away) = (folder.path().join("state"), folder.path().join("away"));
    let path = state.join("journal.db");
    let store = Store::open(&path).await.unwrap();
    store.store_deliveries(&[delivery("before")]).await.unwrap();
    std::fs::rename(&state, &away).unwrap();
    for _ in 0..3 {
        let error = store.store_deliveries(&[delivery("meanwhile")]).await.unwrap_err();
        assert!(matches!(error, StoreError::Gone { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(store.pending_deliveries().await.is_err());
        assert!(matches!(store.writability(), Writability::Unwritable { .. }));
    }
    std::fs::rename(&away, &state).unwrap();
    tokio::time::timeout(Duration::from_secs(10), store.until_writable()).await.expect("it stays ill");
    store.store_deliveries(&[delivery("after")]).await.unwrap();
    let found = store.pending_deliveries().await.unwrap();
    let ids: Vec<String> = found.iter().map(|one| one.delivery.delivery_id.to_string()).collect();
    assert_eq!(ids, ["before", "after"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_on_a_folder_that_was_removed_meanwhile_only_one_writes() {
    let folder = folder();
    let (state, path) = (folder.path().join("state"), folder.path().join("state/journal.db"));
    let open = async || {
        let lock = FolderLock::take(&state, "beamline daemon", now()).unwrap();
        let store = Store::open(&path).await.unwrap();
        store.void_leases(&lock).await.unwrap();
        (store, lock)
    };
    let (first, _lock) = open().await;
    first.store_deliveries(&[delivery("first")]).await.unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    let (second, lock) = open().await;
    for _ in 0..3 {
        let refused = first.store_deliveries(&[delivery("late")]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Occupied { .. }), "{refused:?}");
        assert!(first.pending_deliveries().await.is_err());
        second.store_deliveries(&[delivery("second")]).await.unwrap();
    }
    let Writability::Unwritable { why, .. } = first.writability() else { panic!("it says it is well") };
    assert!(why.contains("lock of its folder was removed") && why.contains("is in use by"), "{why}");
    assert_eq!(second.pending_deliveries().await.unwrap().len(), 1);
    // Once the second one is gone, the first goes on with what is there.
    second.close().await;
    drop((second, lock));
    tokio::time::timeout(Duration::from_secs(10), first.until_writable()).await.expect("it stays ill");
    assert_eq!(first.store_deliveries(&[delivery("again")]).await.unwrap().len(), 1);
    assert!(FolderLock::take(&state, "a third", now()).is_err(), "it works without a lock");
}

#[tokio::test]
async fn a_lock_that_is_removed_alone_is_taken_again() {
    let (folder, store) = opened().await;
    let lock = FolderLock::take(folder.path(), "beamline daemon", now()).unwrap();
    store.void_leases(&lock).await.unwrap();
    std::fs::remove_file(folder.path().join("beamline.lock")).unwrap();
    store.store_deliveries(&[delivery("after")]).await.unwrap();
    assert!(FolderLock::take(folder.path(), "beamline apply", now()).is_err(), "two would work");
}

/// Deletes a journal as `rm journal.db*` does.
fn remove(folder: &TempDir, path: &Path) {
    let stem = path.file_name().unwrap().to_str().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().starts_with(stem) {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
}
