//! Check runs: a check with a page of its own, where a forge has them (GitHub, for an App).

use serde::{Deserialize, Serialize};

use crate::git::CommitId;

use super::status::{Description, State};

/// Most annotations of one check run; GitHub takes 50 in one request, and people read fewer.
pub const MAX_ANNOTATIONS: usize = 50;

/// What is said on the page of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRun {
    /// The commit that this is about.
    pub commit: CommitId,
    /// How it stands, as statuses say it.
    pub state: State,
    /// One line, which lists of checks show.
    pub title: Description,
    /// Markdown, cut to what the forge takes.
    pub summary: String,
    /// What is wrong, where; at most [`MAX_ANNOTATIONS`].
    pub annotations: Vec<Annotation>,
    /// Where there is more to see.
    pub target_url: Option<String>,
}

/// A sentence about a line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The file, from the repository's root.
    pub path: String,
    /// Counted from 1.
    pub line: u32,
    /// From 1, where it is known.
    pub column: Option<u32>,
    /// How bad it is.
    pub level: Level,
    /// The stable code of the finding, by which documents explain it.
    pub title: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It must be mended.
    Failure,
    /// It is worth knowing.
    Warning,
}
