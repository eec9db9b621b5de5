//! Many small packs into one.
//!
//! Every fetch that brings something leaves a pack, and libgit2 looks through all packs for an object;
//! git itself would tidy up (`git gc`), libgit2 does not. Guarantees: every object stays, reachable or
//! not; an interruption leaves more packs, never fewer objects. May only run where nobody else has the
//! mirror open, because a reader may hold on to a pack that goes away.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::error::GitError;
use super::reader::wrap;

/// How many packs are left alone. Looking through this many is not yet measurable.
pub(super) const MAX_PACKS: usize = 100;

/// Puts everything into one pack when there are more than `most` of them.
pub(super) fn compact(repository: &git2::Repository, most: usize) -> Result<(), GitError> {
    let folder = repository.path().join("objects/pack");
    let io_failed = |source| GitError::Create { dir: folder.clone(), source };
    let before = packs(&folder).map_err(io_failed)?;
    if before.len() <= most {
        return Ok(());
    }
    tracing::info!(packs = before.len(), mirror = %repository.path().display(), "tidying the mirror");
    pack_all(repository).map_err(|error| wrap(repository.path(), error))?;
    let after = packs(&folder).map_err(io_failed)?;
    if after.difference(&before).next().is_some() {
        for pack in before {
            // The index first: a pack without one is not looked at.
            for extension in ["idx", "rev", "pack"] {
                remove(&pack.with_extension(extension)).map_err(io_failed)?;
            }
        }
    }
    Ok(())
}

fn packs(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            found.insert(path);
        }
    }
    Ok(found)
}

fn pack_all(repository: &git2::Repository) -> Result<(), git2::Error> {
    let odb = repository.odb()?;
    let mut builder = repository.packbuilder()?;
    let mut ids = Vec::new();
    odb.foreach(|id| {
        ids.push(*id);
        true
    })?;
    for id in ids {
        builder.insert_object(id, None)?;
    }
    let mut writer = odb.packwriter()?;
    builder.foreach(|bytes| writer.write_all(bytes).is_ok())?;
    writer.commit()?;
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fetch::NO_PULLS;
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn every_object_survives_in_one_pack() {
        let world = Fixture::new();
        let mirror = world.mirror();
        let mut commits = Vec::new();
        for content in ["1", "2", "3"] {
            commits.push(world.push("a/b.yaml", content));
            mirror.fetch(&NO_PULLS).unwrap();
        }
        let first = commits[0];
        world.git(&["push", "-q", "--force", "origin", &format!("{first}:main")]);
        let heads = mirror.fetch(&NO_PULLS).unwrap();
        let repository = mirror.repository().unwrap();
        let folder = repository.path().join("objects/pack");
        compact(&repository, 3).unwrap();
        assert_eq!(packs(&folder).unwrap().len(), 3);
        compact(&repository, 2).unwrap();
        assert_eq!(packs(&folder).unwrap().len(), 1);
        assert_eq!(mirror.heads().unwrap(), heads);
        let reader = mirror.reader().unwrap();
        assert!(commits.iter().all(|commit| reader.commit(commit).is_ok()), "unreachable ones too");
        let dir = repository.path().display().to_string();
        assert_eq!(world.git(&["-C", &dir, "fsck", "--full", "--strict", "--no-dangling"]), "");
    }
}
