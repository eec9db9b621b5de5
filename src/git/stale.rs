//! Lock files that nobody holds any more.
//!
//! Who writes a reference makes `<file>.lock` first (gitrepository-layout(5)); a process that is killed, or that
//! cannot delete on its disk, leaves it there, and every later write is refused. A mirror is ours alone, by the lock
//! of the state folder and by one exchange at a time: a lock that is found in it before something is written is
//! nobody's. In repositories of others locks are left alone, and named.

use std::io;
use std::path::Path;

use super::merges::FOLDER as MERGES;

/// How deep a mirror is looked through: names of branches have at most as many segments as fit a path.
const MAX_DEPTH: usize = 64;

/// What is not looked into: many files without locks, and the repository of the merges, which has its own turn.
const SKIPPED: [&str; 2] = ["objects", MERGES];

/// Removes the lock files in the repository at `dir`. The caller is the only one who writes there.
pub(super) fn remove_locks(dir: &Path) -> io::Result<()> {
    remove_below(dir, MAX_DEPTH)
}

fn remove_below(dir: &Path, depth: usize) -> io::Result<()> {
    for entry in dir.read_dir()? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() && depth > 0 && !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            remove_below(&path, depth - 1)?;
        }
        if kind.is_file() && path.extension().is_some_and(|extension| extension == "lock") {
            tracing::warn!(lock = %path.display(), "a lock that nobody holds any more is removed");
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fetch::NO_PULLS;
    use super::super::fixture::Fixture;
    use super::super::{GitError, Merge, Mirror};

    /// The locks of everything that is written in a mirror.
    const LOCKS: [&str; 5] = [
        "config.lock",
        "HEAD.lock",
        "packed-refs.lock",
        "refs/remotes/origin/main.lock",
        "refs/notes/beamline.lock",
    ];

    fn lock_all(mirror: &Mirror) {
        for lock in LOCKS {
            let file = mirror.dir.join(lock);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
    }

    #[test]
    fn locks_that_a_killed_process_left_are_removed_at_the_start() {
        let world = Fixture::new();
        world.push("a.yaml", "1");
        let mirror = world.mirror();
        mirror.fetch(&NO_PULLS).unwrap();
        lock_all(&mirror);
        drop(mirror);
        let head = world.push("a.yaml", "2");
        let mirror = world.mirror();
        assert!(LOCKS.iter().all(|lock| !mirror.dir.join(lock).exists()));
        assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [head]);
    }

    #[test]
    fn a_lock_that_a_full_disk_left_does_not_hold_up_the_next_fetch_and_notes() {
        let world = Fixture::new();
        world.push("a.yaml", "1");
        let mirror = world.mirror();
        mirror.fetch(&NO_PULLS).unwrap();
        lock_all(&mirror);
        let head = world.push("a.yaml", "2");
        assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [head]);
        lock_all(&mirror);
        let line = (head, "beamline/apply".to_owned(), "beamline/apply: success: done".to_owned());
        mirror.append_notes(&[line], "2026-01-02T03:04:05Z".parse().unwrap()).unwrap();
    }

    #[test]
    fn a_lock_among_the_merges_does_not_hold_up_the_next_one() {
        let world = Fixture::new();
        let base = world.push("a.yaml", "1");
        let head = world.propose(7, "b.yaml", "1");
        let mirror = world.mirror_with_pulls();
        mirror.fetch(&[7].into()).unwrap();
        let locks = ["refs/merges/7.lock", "HEAD.lock"].map(|lock| mirror.merges_dir().join(lock));
        std::fs::create_dir_all(locks[0].parent().unwrap()).unwrap();
        locks.iter().for_each(|lock| std::fs::write(lock, "").unwrap());
        mirror.fetch(&[7].into()).unwrap();
        assert!(locks[0].exists(), "a merge may be under way");
        assert!(matches!(mirror.merge(7, &base, &head).unwrap(), Merge::Result(_)));
        assert!(!locks.iter().any(|lock| lock.exists()));
    }

    #[test]
    fn a_lock_in_somebody_elses_repository_stays_and_is_named() {
        let world = Fixture::new();
        let head = world.push("a.yaml", "1");
        let lock = world.origin.join("refs/notes/beamline.lock");
        std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
        std::fs::write(&lock, "").unwrap();
        let line = (head, "beamline/apply".to_owned(), "beamline/apply: success: done".to_owned());
        let error =
            world.mirror().append_notes(&[line], "2026-01-02T03:04:05Z".parse().unwrap()).unwrap_err();
        assert!(matches!(error, GitError::Contended { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("refs/notes/beamline.lock") && text.contains("delete"), "{text}");
        assert!(lock.exists());
    }
}
