//! The bodies of webhooks while they arrive: few bytes of each in memory, the rest in a file without a name.
//!
//! Why a file: anybody may send 25 MB, and a hundred of them at once must cost neither 2.4 GB of memory
//! nor what an allocator keeps of it afterwards. Bounds: [`IN_MEMORY`] bytes of each body in memory,
//! [`SPOOLED`] bytes of all bodies together in files. A body that would pass the second is refused so that
//! its sender comes again; small ones, which is what forges send, never meet that bound. A file goes with
//! its body, also when this process is killed.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::forge::{Checker, Payload};

/// What is kept of one body in memory: each of 187 recorded payloads is smaller.
const IN_MEMORY: usize = 32 * 1024;

/// What is kept of all bodies in files: two of the largest and some.
const SPOOLED: usize = 64 * 1024 * 1024;

/// Files that are written to at the same time: each takes a thread, and a thread takes memory.
const WRITERS: usize = 2;

/// Where bodies go.
#[derive(Clone)]
pub(super) struct Bodies {
    folder: Arc<PathBuf>,
    /// One permit for each piece of [`IN_MEMORY`] bytes that is in a file.
    room: Arc<Semaphore>,
    writers: Arc<Semaphore>,
}

/// Why a body is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It has more bytes than are taken.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// Too much arrives at the same time.
    #[error("the bodies that arrive at this moment are larger than {SPOOLED} bytes together")]
    NoRoom,
    /// Its sender hung up, or wrote something that is no HTTP.
    #[error("the body did not arrive as a whole: {0}")]
    Broken(axum::Error),
    /// It cannot be kept.
    #[error("the body cannot be kept in the state folder")]
    Unkept(#[from] io::Error),
}

/// A body that has arrived.
pub(super) struct Held {
    memory: Vec<u8>,
    spooled: Option<Spooled>,
}

struct Spooled {
    file: File,
    /// The room that it takes, given back with it.
    room: OwnedSemaphorePermit,
}

impl Bodies {
    /// Files are made in `folder`, which should be on a disk: a file in memory is memory.
    pub(super) fn new(folder: PathBuf) -> Self {
        let (room, writers) = (Semaphore::new(SPOOLED / IN_MEMORY), Semaphore::new(WRITERS));
        Self { folder: Arc::new(folder), room: Arc::new(room), writers: Arc::new(writers) }
    }

    /// Reads `body` to its end, `checker` looking on.
    pub(super) async fn take(
        &self,
        body: Body,
        most: usize,
        checker: &mut Checker,
    ) -> Result<Held, BodyError> {
        let mut stream = body.into_data_stream();
        let (mut held, mut length) = (Held { memory: Vec::new(), spooled: None }, 0_usize);
        while let Some(piece) = stream.next().await {
            let piece: Bytes = piece.map_err(BodyError::Broken)?;
            length = length.saturating_add(piece.len());
            if length > most {
                return Err(BodyError::TooLarge(most));
            }
            checker.update(&piece);
            held = self.keep(held, &piece).await?;
        }
        if held.spooled.is_some() {
            held = self.spool(held).await?;
        }
        Ok(held)
    }

    /// Adds `piece`, and moves what is in memory into the file as often as there is a whole piece of it.
    async fn keep(&self, mut held: Held, mut piece: &[u8]) -> Result<Held, BodyError> {
        while held.memory.len() + piece.len() > IN_MEMORY {
            let (fits, rest) = piece.split_at(IN_MEMORY - held.memory.len());
            held.add(fits);
            piece = rest;
            held = self.spool(held).await?;
        }
        held.add(piece);
        Ok(held)
    }

    async fn spool(&self, held: Held) -> Result<Held, BodyError> {
        let one = self.room.clone().try_acquire_owned().map_err(|_| BodyError::NoRoom)?;
        let folder = self.folder.clone();
        let writer = self.writers.clone().acquire_owned().await.map_err(io::Error::other)?;
        let written = tokio::task::spawn_blocking(move || {
            let Held { mut memory, spooled } = held;
            let mut spooled = match spooled {
                None => Spooled { file: tempfile::tempfile_in(folder.as_path())?, room: one },
                Some(mut spooled) => {
                    spooled.room.merge(one);
                    spooled
                }
            };
            spooled.file.write_all(&memory)?;
            memory.clear();
            drop(writer);
            Ok::<_, io::Error>(Held { memory, spooled: Some(spooled) })
        });
        Ok(written.await.map_err(io::Error::other)??)
    }
}

impl Held {
    /// A body that comes in one piece takes as much memory as it has bytes; any other takes its share.
    fn add(&mut self, piece: &[u8]) {
        let wanted = if self.memory.is_empty() { piece.len() } else { IN_MEMORY };
        self.memory.reserve_exact(wanted.saturating_sub(self.memory.len()));
        self.memory.extend_from_slice(piece);
    }

    /// The body. One that is spooled is read blockingly.
    pub(super) fn payload(&self) -> Payload<'_> {
        match &self.spooled {
            None => Payload::Whole(&self.memory),
            Some(spooled) => Payload::Spooled(&spooled.file),
        }
    }

    /// Whether reading it blocks.
    pub(super) fn is_spooled(&self) -> bool {
        self.spooled.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::{Source, expect};

    fn checker() -> Checker {
        let headers = [("x-gitlab-token", "s3cret"), ("x-gitlab-event", "Push Hook")];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let secrets = ["s3cret".into()];
        expect(Source::GitLab, &secrets, &headers.into_iter().collect()).unwrap().checker(&secrets)
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Body {
        let pieces: Vec<Result<Bytes, io::Error>> =
            bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    /// What is kept, read again.
    fn text(held: &Held) -> Vec<u8> {
        use std::io::{Read as _, Seek as _};
        match held.payload() {
            Payload::Whole(bytes) => bytes.to_vec(),
            Payload::Spooled(mut file) => {
                let mut bytes = Vec::new();
                file.rewind().unwrap();
                file.read_to_end(&mut bytes).unwrap();
                bytes
            }
        }
    }

    #[tokio::test]
    async fn a_body_of_any_size_and_in_any_pieces_is_kept_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::new(folder.path().to_owned());
        let mut rng = fastrand::Rng::with_seed(7);
        for size in [0, 1, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY, 1_000_003] {
            let bytes: Vec<u8> = (0..size).map(|_| rng.u8(..)).collect();
            for piece in [1000, IN_MEMORY, size.max(1)] {
                let held = bodies.take(in_pieces(&bytes, piece), size, &mut checker()).await.unwrap();
                assert!(text(&held) == bytes, "{size} in pieces of {piece}");
                assert_eq!(held.is_spooled(), size > IN_MEMORY);
                assert!(held.memory.capacity() <= IN_MEMORY);
            }
            assert_eq!(bodies.room.available_permits(), SPOOLED / IN_MEMORY, "room is given back");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files have no names");
    }

    #[tokio::test]
    async fn the_sum_is_bounded_and_small_bodies_pass_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::new(folder.path().to_owned());
        let large = vec![b' '; 20 * 1024 * 1024];
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(bodies.take(in_pieces(&large, 65_536), large.len(), &mut checker()).await.unwrap());
        }
        let refused = bodies.take(in_pieces(&large, 65_536), large.len(), &mut checker()).await;
        assert!(matches!(refused, Err(BodyError::NoRoom)));
        assert!(bodies.take(in_pieces(b"{}", 1), 2, &mut checker()).await.is_ok());
        held.pop();
        assert!(bodies.take(in_pieces(&large, 65_536), large.len(), &mut checker()).await.is_ok());
    }

    #[tokio::test]
    async fn more_than_is_taken_is_refused_as_it_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::new(folder.path().to_owned());
        let refused = bodies.take(in_pieces(&[b' '; 1000], 10), 999, &mut checker()).await;
        assert!(matches!(refused, Err(BodyError::TooLarge(999))));
        let nowhere = Bodies::new(folder.path().join("gone"));
        let large = vec![b' '; IN_MEMORY + 1];
        let unkept = nowhere.take(in_pieces(&large, 65_536), large.len(), &mut checker()).await;
        assert!(matches!(unkept, Err(BodyError::Unkept(_))));
    }
}
