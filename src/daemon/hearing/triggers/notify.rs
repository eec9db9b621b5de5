//! File notification for local repositories: a push is seen the moment its references move.
//!
//! A push makes dozens of file events of which one matters, and packing references looks like deleting
//! branches; so every event means only "look again", and a burst of them means it once. Reading is no
//! change: our own look opens these files, and would otherwise wake the next one for ever.

use std::path::PathBuf;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::daemon::shared::event::{Because, Event};
use crate::git::Recursion;

/// A burst is over when nothing has moved for this long.
const QUIET: Duration = Duration::from_millis(30);

/// A burst that does not end is looked at after this long all the same.
const LONGEST_BURST: Duration = Duration::from_secs(2);

/// Keeps the watch alive; dropping it ends it.
pub(in crate::daemon) struct Watching {
    _watcher: RecommendedWatcher,
}

/// Watches `paths` and sends one look per burst of changes.
///
/// # Errors
/// What the operating system says when it cannot watch (out of watches, a path that is gone). The poll
/// goes on without.
pub(in crate::daemon) fn watch_files(
    paths: &[(PathBuf, Recursion)],
    clock: Clock,
    events: Sender<Event>,
    stop: CancellationToken,
) -> Result<Watching, notify::Error> {
    // One place is enough: a full channel means that a look is due already.
    let (moved, moves) = channel(1);
    let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
        // What was missed (an error) may have been a change.
        if event.map_or(true, |event| is_change(event.kind)) {
            let _ = moved.try_send(());
        }
    })?;
    for (path, recursion) in paths {
        let mode = match recursion {
            Recursion::Yes => RecursiveMode::Recursive,
            Recursion::No => RecursiveMode::NonRecursive,
        };
        watcher.watch(path, mode)?;
    }
    tokio::spawn(settle(moves, clock, events, stop));
    Ok(Watching { _watcher: watcher })
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

async fn settle(mut moves: Receiver<()>, clock: Clock, events: Sender<Event>, stop: CancellationToken) {
    loop {
        tokio::select! {
            moved = moves.recv() => if moved.is_none() { return },
            () = stop.cancelled() => return,
        }
        let latest = clock.after(LONGEST_BURST);
        while clock.monotonic() < latest {
            tokio::select! {
                moved = moves.recv() => if moved.is_none() { return },
                () = clock.sleep(QUIET) => break,
            }
        }
        if events.send(Event::Look(Because::Notified)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Longer than a burst; what comes at all comes within milliseconds.
    const LONG: Duration = Duration::from_millis(300);

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_look_and_one_without_an_end_is_looked_at_too() {
        let (clock, stop) =
            (Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 1), CancellationToken::new());
        let (moved, moves) = channel(1);
        let (events, mut looks) = channel(8);
        tokio::spawn(settle(moves, clock.clone(), events, stop));
        let burst = async |length: Duration| {
            let began = clock.monotonic();
            while began.elapsed() < length {
                // A full channel means that a look is due already.
                let _ = moved.try_send(());
                clock.sleep(QUIET / 3).await;
            }
            clock.sleep(QUIET * 2).await;
        };
        for (length, expected) in [(QUIET * 10, 1), (QUIET, 1), (LONGEST_BURST * 2, 2)] {
            burst(length).await;
            let mut heard = 0;
            while let Ok(look) = looks.try_recv() {
                assert_eq!(look, Event::Look(Because::Notified));
                heard += 1;
            }
            assert_eq!(heard, expected, "after {length:?}");
        }
    }

    #[tokio::test]
    async fn a_write_is_heard_and_a_read_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main");
        fs::write(&file, "a").unwrap();
        let (events, mut looks) = channel(8);
        let paths = [(folder.path().to_owned(), Recursion::Yes)];
        let stop = CancellationToken::new();
        let _watching = watch_files(&paths, Clock::system(), events, stop.clone()).unwrap();
        // A program that another test starts holds the file open for writing until it runs, and closes it then.
        if let Ok(late) = tokio::time::timeout(LONG, looks.recv()).await {
            assert_eq!(late, Some(Event::Look(Because::Notified)));
        }
        fs::read(&file).unwrap();
        fs::read_dir(folder.path()).unwrap().count();
        assert!(tokio::time::timeout(LONG, looks.recv()).await.is_err(), "a read was heard");
        fs::write(&file, "b").unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(120), looks.recv()).await;
        assert_eq!(heard, Ok(Some(Event::Look(Because::Notified))));
    }
}
