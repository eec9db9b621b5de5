//! Comments on pull requests: what is read of them, and how our own are found again.
//!
//! Guarantees: bodies that are read are bounded; a body that is written fits the forge, is marked with a
//! hidden [`Marker`], and mentions nobody.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most of a comment that is read, in bytes: a command stands at its beginning, a marker too.
pub const MAX_READ_BYTES: usize = 8 * 1024;

/// Most comments of one pull request that are read: the newest ones, and as far as the forge allows the
/// oldest, among which ours is.
pub(super) const MAX_COMMENTS: usize = 1000;

/// The longest id of a comment or name of an account.
const MAX_ID_CHARS: usize = 200;

/// A forge's id of a comment: a number, or (Azure DevOps) thread and comment as `12/1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommentId(String);

/// The text is not the id of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a comment has digits and at most one `/`")]
pub struct CommentIdError;

impl CommentId {
    /// The id as the forge writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A later comment has a larger id.
impl Ord for CommentId {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = |id: &Self| {
            let (thread, comment) = id.0.split_once('/').unwrap_or((id.0.as_str(), ""));
            let number =
                |part: &str| (part.trim_start_matches('0').len(), part.trim_start_matches('0').to_owned());
            (number(thread), number(comment))
        };
        parts(self).cmp(&parts(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for CommentId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<u64> for CommentId {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl FromStr for CommentId {
    type Err = CommentIdError;

    fn from_str(text: &str) -> Result<Self, CommentIdError> {
        let is_number =
            |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let fits = match text.split_once('/') {
            None => is_number(text),
            Some((thread, comment)) => is_number(thread) && is_number(comment),
        };
        if fits { Ok(Self(text.to_owned())) } else { Err(CommentIdError) }
    }
}

impl fmt::Display for CommentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who wrote a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The forge's own id, by which permissions are asked for.
    pub id: String,
    /// The name that people know, without `@`.
    pub name: String,
}

impl Author {
    /// An author; both texts are cut to 200 characters and lose what is invisible.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_ID_CHARS).collect();
        Self { id: clean(id), name: clean(name) }
    }
}

impl Author {
    /// Whether the name is one that the forge gives to accounts of programs: GitHub's `name[bot]`, GitLab's
    /// `project_7_bot_…` and `group_7_bot_…` ("Project access tokens", "Group access tokens").
    #[must_use]
    pub fn is_machine(&self) -> bool {
        let is_token_of = |kind: &str| {
            let rest = self.name.strip_prefix(kind).and_then(|rest| rest.split_once('_'));
            rest.is_some_and(|(number, rest)| {
                !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with("bot")
            })
        };
        self.name.ends_with("[bot]") || is_token_of("project_") || is_token_of("group_")
    }
}

/// A comment that stands on a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The id that the forge gave it.
    pub id: CommentId,
    /// Who wrote it, by the forge's account.
    pub author: Author,
    /// When it was written.
    pub created_at: Timestamp,
    /// Its beginning, at most [`MAX_READ_BYTES`].
    pub body: String,
}

/// A comment of ours that the forge has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The id that the forge gave it.
    pub id: CommentId,
    /// When it came to say what it says, by the forge's clock; `None` where the forge does not tell.
    pub at: Option<Timestamp>,
    /// Our own account; `None` where the forge does not tell.
    pub by: Option<Author>,
}

/// The beginning of `body`, at most [`MAX_READ_BYTES`], cut between characters.
#[must_use]
pub(super) fn beginning(body: &str) -> String {
    let end = (0..=MAX_READ_BYTES.min(body.len())).rev().find(|at| body.is_char_boundary(*at));
    body[..end.unwrap_or(0)].to_owned()
}

/// The comments of a pull request, as far as they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    /// Oldest first, at most 1,000.
    pub read: Vec<Comment>,
    /// Whether these are all: else one that is missing may stand there all the same.
    pub is_whole: bool,
}

/// The oldest this many comments are read when not all are: ours is written soon after the opening.
const OLDEST_COMMENTS: usize = 100;

/// Oldest first, at most [`MAX_COMMENTS`]: of more the oldest hundred, and as many of the newest as fit.
#[must_use]
pub(super) fn oldest_and_newest(mut comments: Vec<Comment>) -> Comments {
    comments.sort_by(|one, other| one.created_at.cmp(&other.created_at).then(one.id.cmp(&other.id)));
    comments.dedup_by(|one, other| one.id == other.id);
    let excess = comments.len().saturating_sub(MAX_COMMENTS);
    if excess > 0 {
        comments.drain(OLDEST_COMMENTS..OLDEST_COMMENTS + excess);
    }
    Comments { read: comments, is_whole: excess == 0 }
}

/// What an account may do in the watched repository, as its forge says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing that the public may not.
    None,
    /// It may read the repository, and not change it.
    Read,
    /// It may push to the repository, or more.
    Write,
    /// It may push and manage.
    Admin,
}

/// What makes a comment one of ours: an HTML comment that forges keep and do not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// The marker of what `purpose` names (`plan`, or `reply 123`) of the installation `owner`.
    #[must_use]
    pub fn new(owner: &str, purpose: &str) -> Self {
        let clean = |text: &str| text.replace("--", "-");
        Self(format!("<!-- beamline {} {} -->", clean(owner), clean(purpose)))
    }

    /// The text that stands at the beginning of the comment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `body` has it.
    #[must_use]
    pub fn is_in(&self, body: &str) -> bool {
        body.trim_start().starts_with(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_known_by_the_names_that_forges_give_them() {
        for (name, is_machine) in [
            ("dependabot[bot]", true),
            ("project_42_bot_4ffca233d8298ea1", true),
            ("group_7_bot", true),
            ("ada", false),
            ("project_x_bot", false),
            ("project_42_robin", false),
        ] {
            assert_eq!(Author::new("1", name).is_machine(), is_machine, "{name}");
        }
    }

    #[test]
    fn ids_from_outside_are_bounded() {
        for good in ["1", "12/1", "18446744073709551615"] {
            assert_eq!(good.parse::<CommentId>().unwrap().as_str(), good);
        }
        for bad in ["", "/", "1/", "1/2/3", "a", "1?x", &"9".repeat(21)] {
            assert!(bad.parse::<CommentId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn later_comments_have_larger_ids() {
        let id = |text: &str| text.parse::<CommentId>().unwrap();
        let order = ["9", "10", "11/2", "11/10", "100/1"];
        assert!(order.windows(2).all(|two| id(two[0]) < id(two[1])));
    }

    #[test]
    fn a_marker_is_found_where_it_was_put_and_nowhere_else() {
        let marker = Marker::new("ops", "plan");
        assert!(marker.is_in(&format!("{}\n## Plan", marker.as_str())));
        assert!(!marker.is_in(&format!("> {}\nquoted", marker.as_str())));
        assert!(!Marker::new("other", "plan").is_in(marker.as_str()));
        assert_eq!(Marker::new("a-->b", "x").as_str().matches("-->").count(), 1);
    }

    #[test]
    fn of_too_many_comments_the_oldest_and_the_newest_are_kept() {
        let comment = |number: u64| Comment {
            id: number.into(),
            author: Author::new("1", "reviewer"),
            created_at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
            body: String::new(),
        };
        let few = oldest_and_newest(vec![comment(2), comment(1), comment(2)]);
        assert_eq!(few, Comments { read: vec![comment(1), comment(2)], is_whole: true });
        let Comments { read: many, is_whole } = oldest_and_newest((1..=1500).rev().map(comment).collect());
        assert!(!is_whole);
        assert_eq!(many.len(), MAX_COMMENTS);
        assert_eq!((&many[0], &many[99]), (&comment(1), &comment(100)));
        assert_eq!((&many[100], &many[999]), (&comment(601), &comment(1500)));
    }

    #[test]
    fn the_beginning_of_a_comment_ends_between_characters() {
        assert_eq!(beginning("short"), "short");
        assert_eq!(beginning(&"é".repeat(MAX_READ_BYTES)).len(), MAX_READ_BYTES);
        assert_eq!(beginning(&format!("x{}", "é".repeat(MAX_READ_BYTES))).len(), MAX_READ_BYTES - 1);
    }
}
