//! File text and the way from a byte range to a file, a line and a column.
//!
//! Columns count characters, not bytes, and begin at 1 like lines. A file that cannot be read as text
//! is still a [`SourceFile`]: it must take part in loading, because an environment whose inherited
//! defaults are unreadable must not be loaded without them.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The largest definition file that is read, in bytes. The largest that people write is some hundred
/// kilobytes (20,000 resources); more is a mistake or an attack.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Why the content of a file is not text that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It has this many bytes, more than [`MAX_FILE_BYTES`].
    TooLarge(u64),
    /// It is not UTF-8 from this byte on.
    NotUtf8(usize),
    /// It is a symbolic link.
    SymbolicLink,
    /// It is another repository.
    Submodule,
    /// It is a file where a folder should be.
    NoFolder,
    /// The content is elsewhere: the repository has only a Git LFS pointer.
    LfsPointer,
}

/// The first line of a Git LFS pointer file, and the size it stays below (the LFS specification).
const LFS_FIRST_LINE: &[u8] = b"version https://git-lfs.github.com/spec/";
const LFS_POINTER_MAX_BYTES: usize = 1024;

/// One file of the repository.
#[derive(Clone, Debug)]
pub struct SourceFile {
    path: String,
    text: Arc<str>,
    unreadable: Option<Unreadable>,
}

impl SourceFile {
    /// A file with these bytes. `path` is relative to the repository's root, with `/`.
    #[must_use]
    pub fn from_bytes(path: impl Into<String>, bytes: &[u8]) -> Self {
        if bytes.len() > MAX_FILE_BYTES {
            return Self::too_large(path, bytes.len() as u64);
        }
        if bytes.len() < LFS_POINTER_MAX_BYTES && bytes.starts_with(LFS_FIRST_LINE) {
            return Self::refused(path, Unreadable::LfsPointer);
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { path: path.into(), text: text.into(), unreadable: None },
            Err(error) => Self::refused(path, Unreadable::NotUtf8(error.valid_up_to())),
        }
    }

    /// A file that was not read because it has `bytes` bytes, more than [`MAX_FILE_BYTES`].
    #[must_use]
    pub fn too_large(path: impl Into<String>, bytes: u64) -> Self {
        Self::refused(path, Unreadable::TooLarge(bytes))
    }

    /// A file, or what stands in the place of one or of a folder of them, that is not read.
    #[must_use]
    pub fn refused(path: impl Into<String>, why: Unreadable) -> Self {
        Self { path: path.into(), text: "".into(), unreadable: Some(why) }
    }

    /// Where it is in the repository.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its text; empty when it is not readable.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why it has no text.
    #[must_use]
    pub fn unreadable(&self) -> Option<Unreadable> {
        self.unreadable
    }

    /// Line and column of a byte offset, both from 1. An offset past the end is the end.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The byte offset of a line and column, as far as the text has them.
    pub(super) fn offset(&self, line: usize, column: usize) -> usize {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = &self.text[start.min(self.text.len())..];
        let within = rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
        start + within
    }

    /// The text of a byte range, as far as it is there.
    pub(super) fn slice(&self, range: Range<usize>) -> &str {
        let (start, end) = (self.boundary(range.start), self.boundary(range.end));
        &self.text[start..end.max(start)]
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// The files that are loaded together; a [`Span`] names one by its index.
#[derive(Clone, Debug)]
pub(super) struct Sources(Arc<[SourceFile]>);

/// The index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId(pub(super) u32);

/// A byte range of a file. Offsets fit because files are at most [`MAX_FILE_BYTES`] long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    file: FileId,
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(file: FileId, range: Range<usize>) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: narrow(range.start), end: narrow(range.end.max(range.start)) }
    }

    /// The very beginning of a file: for what is missing as a whole.
    pub(super) fn start_of(file: FileId) -> Self {
        Self { file, start: 0, end: 0 }
    }

    pub(super) fn file(self) -> FileId {
        self.file
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Sources {
    pub(super) fn new(files: Vec<SourceFile>) -> Self {
        Self(files.into())
    }

    pub(super) fn file(&self, id: FileId) -> &SourceFile {
        &self.0[id.0 as usize]
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..u32::try_from(self.0.len()).unwrap_or(u32::MAX)).map(FileId)
    }

    pub(super) fn locate(&self, span: Span) -> Location {
        let file = self.file(span.file);
        let (line, column) = file.position(span.start as usize);
        let (end_line, end_column) = file.position(span.end as usize);
        Location {
            file: file.path.clone(),
            line,
            column,
            end_line,
            end_column,
            excerpt: Excerpt(Some((file.clone(), span.range()))),
        }
    }
}

/// A place in a file of the repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// The file, relative to the repository's root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line in which the marked text ends.
    pub end_line: usize,
    /// The column after the last marked character.
    pub end_column: usize,
    #[serde(skip)]
    excerpt: Excerpt,
}

impl Location {
    /// A file that is not read.
    pub(super) fn of_file(path: &str) -> Self {
        let file = path.to_owned();
        Self { file, line: 1, column: 1, end_line: 1, end_column: 1, excerpt: Excerpt::default() }
    }

    /// The text around this place and the marked bytes of it; `None` for a location that was stored.
    pub(super) fn excerpt(&self) -> Option<(&str, Range<usize>)> {
        self.excerpt.0.as_ref().map(|(file, range)| {
            let (start, end) = (file.boundary(range.start), file.boundary(range.end));
            (file.text(), start..end.max(start))
        })
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The marked text, for rendering only: two locations are equal when they name the same place.
#[derive(Clone, Debug, Default)]
struct Excerpt(Option<(SourceFile, Range<usize>)>);

impl PartialEq for Excerpt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Excerpt {}

impl PartialOrd for Excerpt {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Excerpt {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let file = SourceFile::from_bytes("a.yaml", "ä: b\nçö: ü\n".as_bytes());
        let offset = file.text().find('ü').unwrap();
        assert_eq!(file.position(offset), (2, 5));
        assert_eq!(file.offset(2, 5), offset);
        assert_eq!(file.position(10_000), (3, 1));
    }

    #[test]
    fn an_offset_within_a_character_is_its_beginning() {
        let file = SourceFile::from_bytes("a.yaml", "ä".as_bytes());
        assert_eq!(file.position(1), (1, 1));
    }

    #[test]
    fn what_is_not_text_is_still_a_file() {
        let latin = SourceFile::from_bytes("a.yaml", b"name: \xe4");
        assert_eq!(latin.unreadable(), Some(Unreadable::NotUtf8(6)));
        let large = SourceFile::from_bytes("a.yaml", &vec![b' '; MAX_FILE_BYTES + 1]);
        assert_eq!(large.unreadable(), Some(Unreadable::TooLarge(MAX_FILE_BYTES as u64 + 1)));
        assert_eq!(large.text(), "");
    }

    #[test]
    fn a_byte_order_mark_is_not_text() {
        assert_eq!(SourceFile::from_bytes("a.yaml", b"\xef\xbb\xbfa: 1").text(), "a: 1");
    }
}
