//! Comments on pull requests, and reactions to them.

use jiff::Timestamp;

use super::change::{Change, Deed};
use super::history::Seen;
use super::state::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    Deleted,
}

#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) number: u64,
    /// Azure DevOps: the thread it is in, and its place there. Elsewhere its own id and 1.
    pub(super) thread: (u64, u64),
    pub(super) author: String,
    pub(super) body: String,
    pub(super) presence: Presence,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Reaction {
    pub(super) id: u64,
    pub(super) comment: u64,
    pub(super) content: String,
    pub(super) author: String,
    pub(super) created: Timestamp,
}

impl State {
    /// The comments of a pull request that are still there, oldest first.
    pub(super) fn comments_of(&self, number: u64) -> Vec<&Comment> {
        let there = self
            .comments
            .iter()
            .filter(|comment| comment.number == number && comment.presence == Presence::There);
        there.collect()
    }

    pub(super) fn comment(&self, id: u64) -> Option<&Comment> {
        self.comments.iter().find(|comment| comment.id == id && comment.presence == Presence::There)
    }

    /// Writes a comment in a thread of its own, or in `thread`.
    pub(super) fn write_comment(
        &mut self,
        number: u64,
        author: &str,
        body: &str,
        thread: Option<u64>,
    ) -> Comment {
        let (id, now) = (self.next_id(), self.now());
        let place = match thread {
            None => (id, 1),
            Some(thread) => {
                let last = self.comments.iter().filter(|other| other.thread.0 == thread);
                (thread, last.map(|other| other.thread.1).max().unwrap_or(0) + 1)
            }
        };
        let comment = Comment {
            id,
            number,
            thread: place,
            author: author.to_owned(),
            body: body.to_owned(),
            presence: Presence::There,
            created: now,
            updated: now,
        };
        self.comments.push(comment.clone());
        if let Some(proposal) = self.proposals.get_mut(&number) {
            proposal.updated = now;
        }
        self.see_comment(&comment);
        self.announce(&Change::Comment { id, deed: Deed::Made });
        comment
    }

    pub(super) fn edit_comment(&mut self, id: u64, body: &str) -> Option<Comment> {
        let now = self.now();
        let there = |comment: &&mut Comment| comment.id == id && comment.presence == Presence::There;
        let comment = self.comments.iter_mut().find(there)?;
        body.clone_into(&mut comment.body);
        comment.updated = now;
        let comment = comment.clone();
        if let Some(proposal) = self.proposals.get_mut(&comment.number) {
            proposal.updated = now;
        }
        self.see_comment(&comment);
        self.announce(&Change::Comment { id, deed: Deed::Changed });
        Some(comment)
    }

    pub(super) fn delete_comment(&mut self, id: u64) -> Option<()> {
        let now = self.now();
        let there = |comment: &&mut Comment| comment.id == id && comment.presence == Presence::There;
        let comment = self.comments.iter_mut().find(there)?;
        comment.presence = Presence::Deleted;
        comment.updated = now;
        let number = comment.number;
        self.history.push(now, Seen::CommentDeleted { pull_request: number, id });
        self.announce(&Change::Comment { id, deed: Deed::Removed });
        Some(())
    }

    /// A pull request has changed when something was said about it.
    fn see_comment(&mut self, comment: &Comment) {
        if let Some(proposal) = self.proposals.get_mut(&comment.number) {
            proposal.updated = comment.updated;
        }
        let seen = Seen::Comment {
            pull_request: comment.number,
            id: comment.id,
            author: comment.author.clone(),
            body: comment.body.clone(),
        };
        self.history.push(comment.updated, seen);
    }

    /// Adds a reaction; the one that was there already, when there was one.
    pub(super) fn react(&mut self, comment: u64, author: &str, content: &str) -> Result<Reaction, Reaction> {
        let same = |known: &&Reaction| {
            known.comment == comment && known.author == author && known.content == content
        };
        if let Some(known) = self.reactions.iter().find(same) {
            return Err(known.clone());
        }
        let (id, created) = (self.next_id(), self.now());
        let reaction =
            Reaction { id, comment, content: content.to_owned(), author: author.to_owned(), created };
        self.reactions.push(reaction.clone());
        let seen = Seen::Reaction { comment, author: author.to_owned(), content: content.to_owned() };
        self.history.push(created, seen);
        Ok(reaction)
    }
}
