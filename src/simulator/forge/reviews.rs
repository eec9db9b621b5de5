//! Reviews of pull requests (GitHub, Gitea, Forgejo): a verdict, a text of their own, and comments on lines.
//!
//! A review's own text has the review's id; so that nothing else has it, comments on lines take theirs from the
//! same numbers as everything else.

use jiff::Timestamp;

use super::change::Change;
use super::state::State;

/// What a review comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Begun, and seen by nobody else.
    Pending,
    Comment,
    Approved,
    ChangesRequested,
}

#[derive(Clone, Debug)]
pub(super) struct Review {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) author: String,
    pub(super) body: String,
    pub(super) verdict: Verdict,
    /// The head that was looked at.
    pub(super) commit: String,
    pub(super) submitted: Timestamp,
    pub(super) on_lines: Vec<OnLine>,
}

/// A comment on a line of a file.
#[derive(Clone, Debug)]
pub(super) struct OnLine {
    pub(super) id: u64,
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) body: String,
}

/// A review as it is written.
pub(super) struct Writing<'a> {
    pub(super) author: &'a str,
    pub(super) body: &'a str,
    pub(super) verdict: Verdict,
    /// Comments on lines: path, line counted from 1, and text.
    pub(super) on_lines: Vec<(String, u64, String)>,
}

impl State {
    /// Oldest first; what is only begun is seen by its author alone.
    pub(super) fn reviews_of(&self, number: u64, reader: &str) -> Vec<&Review> {
        let seen = |review: &&Review| review.verdict != Verdict::Pending || review.author == reader;
        self.reviews.iter().filter(|review| review.number == number).filter(seen).collect()
    }

    /// `None`: there is no such pull request.
    pub(super) fn write_review(&mut self, number: u64, written: Writing<'_>) -> Option<Review> {
        let (id, now) = (self.next_id(), self.now());
        let on_lines = written.on_lines.into_iter().map(|(path, line, body)| {
            let id = self.next_id();
            OnLine { id, path, line, body }
        });
        let on_lines = on_lines.collect();
        let proposal = self.proposals.get_mut(&number)?;
        proposal.updated = now;
        let review = Review {
            id,
            number,
            author: written.author.to_owned(),
            body: written.body.to_owned(),
            verdict: written.verdict,
            commit: proposal.what.head.clone(),
            submitted: now,
            on_lines,
        };
        self.reviews.push(review.clone());
        if review.verdict != Verdict::Pending {
            self.announce(&Change::Review { id });
        }
        Some(review)
    }
}
