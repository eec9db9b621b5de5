//! The file that a world is kept in.
//!
//! Guarantee: at every moment, also after a kill or a power cut, the file is the whole old world or the
//! whole new one. A world that nobody has looked at since it was saved is not written again.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::world::World;

/// How much is written at once, in bytes.
const WRITE_BYTES: usize = 1024 * 1024;

/// A file that holds a world.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
    /// The moment of the world that the file holds.
    saved: Option<u64>,
}

/// Whether a save had anything to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The file holds the world of now.
    Written,
    /// It said the same already; nothing was written.
    Unchanged,
}

impl StateFile {
    /// The file at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, saved: None }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the world beside its file and moves it there. Blocks on the disk; requests to the world go
    /// on meanwhile.
    ///
    /// # Errors
    /// When the folder cannot be written; the file is as it was, then.
    pub fn save(&mut self, world: &World) -> io::Result<Saved> {
        if self.saved == Some(world.moment()) {
            return Ok(Saved::Unchanged);
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut out = BufWriter::with_capacity(WRITE_BYTES, tempfile::NamedTempFile::new_in(folder)?);
        let moment = world.save_to(&mut out)?;
        out.flush()?;
        let fresh = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fresh.as_file().sync_all()?;
        fresh.persist(&self.path).map_err(|error| error.error)?;
        sync_folder(folder)?;
        self.saved = Some(moment);
        Ok(Saved::Written)
    }
}

/// Makes the new name last: until then a power cut may bring the old file back.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and moving a file is made to last by the system.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorldOptions;
    use beamline_base::clock::Clock;

    #[test]
    fn a_world_is_written_when_it_was_touched_and_leaves_nothing_beside_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new(WorldOptions::new(Clock::system()));
        let mut file = StateFile::new(folder.path().join("world.json"));
        assert_eq!(file.save(&world).unwrap(), Saved::Written);
        assert_eq!(file.save(&world).unwrap(), Saved::Unchanged);
        let before = std::fs::read_to_string(file.path()).unwrap();
        let group = "/subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01/resourceGroups/rg".parse().unwrap();
        world.put(&group, serde_json::json!({ "location": "eastus" }));
        assert_eq!(file.save(&world).unwrap(), Saved::Written);
        let after = std::fs::read_to_string(file.path()).unwrap();
        assert!(before != after && after == world.save());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new(WorldOptions::new(Clock::system()));
        let mut file = StateFile::new(folder.path().join("below/world.json"));
        assert!(file.save(&world).is_err());
        std::fs::create_dir(folder.path().join("below")).unwrap();
        assert_eq!(file.save(&world).unwrap(), Saved::Written);
    }
}
