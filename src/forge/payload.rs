//! The body of a webhook, wherever it is kept.
//!
//! Why: most bodies have a few KB and stay in memory; one of 25 MB is kept in a file, and read from there,
//! so that many of them at once cost no memory.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};

use serde::de::DeserializeOwned;

use super::webhook::DecodeError;

/// What is read of a file at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// The SHA-256 of a body.
pub type PayloadDigest = [u8; 32];

/// The body of a webhook, wherever it was put.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// In memory: it is small.
    Whole(&'a [u8]),
    /// In a file, from its beginning to its end.
    Spooled(&'a File),
}

impl Payload<'_> {
    /// What the body of `event` says, as JSON. Reads blockingly what is spooled.
    pub(super) fn json<T: DeserializeOwned>(self, event: &str) -> Result<T, DecodeError> {
        let read = match self {
            Self::Whole(bytes) => serde_json::from_slice(bytes),
            Self::Spooled(mut file) => match file.rewind() {
                Ok(()) => serde_json::from_reader(BufReader::new(file)),
                Err(error) => Err(serde_json::Error::io(error)),
            },
        };
        read.map_err(|source| DecodeError::Json { event: event.to_owned(), source })
    }

    /// Hands over the bytes, piece by piece. Reads blockingly what is spooled.
    ///
    /// # Errors
    /// What the system says about the file.
    pub fn each_piece(self, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut file = match self {
            Self::Whole(bytes) => {
                take(bytes);
                return Ok(());
            }
            Self::Spooled(file) => file,
        };
        file.rewind()?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(()),
                length => take(&piece[..length]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_spooled_is_read_from_its_beginning_as_often_as_asked() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"[1, 2]").unwrap();
        for _ in 0..2 {
            assert_eq!(Payload::Spooled(&file).json::<Vec<u8>>("push").unwrap(), [1, 2]);
        }
        assert!(Payload::Spooled(&file).json::<Vec<bool>>("push").is_err());
    }
}
