//! Check runs: what a GitHub App says of a commit at length.

use jiff::Timestamp;

use super::change::{Change, Deed};
use super::history::{Seen, Shown};
use super::state::State;

/// A remark on lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The file, relative to the repository.
    pub path: String,
    /// The first line, from 1.
    pub start_line: u64,
    /// The last line that is meant, counted from 1.
    pub end_line: u64,
    /// `notice`, `warning` or `failure`.
    pub level: String,
    /// What is said about these lines, in plain text.
    pub message: String,
}

#[derive(Clone, Debug)]
pub(super) struct CheckRun {
    pub(super) id: u64,
    pub(super) commit: String,
    pub(super) name: String,
    /// `queued`, `in_progress` or `completed`.
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    pub(super) details_url: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) title: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) text: Option<String>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) started: Timestamp,
    pub(super) completed: Option<Timestamp>,
}

impl CheckRun {
    fn shown(&self) -> Shown {
        match self.conclusion.as_deref() {
            None => Shown::Unfinished,
            Some("success") => Shown::Success,
            Some("neutral" | "skipped") => Shown::Neutral,
            Some(_) => Shown::Failure,
        }
    }
}

impl State {
    /// Stores a check run, new or changed, and remembers that it was seen.
    pub(super) fn store_check_run(&mut self, run: CheckRun) {
        let seen = Seen::CheckRun {
            commit: run.commit.clone(),
            name: run.name.clone(),
            shown: run.shown(),
            title: run.title.clone().unwrap_or_default(),
            summary: run.summary.clone().unwrap_or_default(),
            annotations: run.annotations.clone(),
        };
        let now = self.now();
        self.history.push(now, seen);
        let (id, known) = (run.id, self.check_runs.iter().position(|known| known.id == run.id));
        let deed = match (known, &run.conclusion) {
            (None, None) => Deed::Made,
            (_, Some(_)) => Deed::Finished,
            (Some(_), None) => Deed::Changed,
        };
        match known {
            Some(at) => self.check_runs[at] = run,
            None => self.check_runs.push(run),
        }
        self.announce(&Change::CheckRun { id, deed });
    }
}
