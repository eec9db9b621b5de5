//! What a person would have seen on the forge, in order, and what was wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::check_runs::Annotation;

/// What a status or a check run means to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// Not finished: pending, queued, running.
    Unfinished,
    /// Green: it may be merged.
    Success,
    /// Red: required checks keep it from being merged.
    Failure,
    /// Finished, neither green nor red.
    Neutral,
}

/// Something that a person could see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A status was accepted.
    Status {
        /// The commit that this is about.
        commit: String,
        /// The context (Bitbucket: the name; Azure DevOps: `genre/name`).
        context: String,
        /// The forge's own word for how it stands.
        state: String,
        /// What that means to people: green, red, or yellow.
        shown: Shown,
        /// The text that people see beside it.
        description: String,
        /// Where the status leads; `None` without a link.
        target: Option<String>,
        /// Azure DevOps: the pull request, when the status is on it and not on the commit.
        pull_request: Option<u64>,
    },
    /// A comment was written, or written anew.
    Comment {
        /// The pull request on which it stands.
        pull_request: u64,
        /// The comment, by the forge's id.
        id: u64,
        /// Who wrote it, by the forge's account.
        author: String,
        /// The whole text, in the forge's markup.
        body: String,
    },
    /// A comment was deleted.
    CommentDeleted {
        /// The pull request on which it stands.
        pull_request: u64,
        /// The comment, by the forge's id.
        id: u64,
    },
    /// A check run was made or changed.
    CheckRun {
        /// The commit that this is about.
        commit: String,
        /// The name by which branch protection requires it.
        name: String,
        /// What that means to people: green, red, or yellow.
        shown: Shown,
        /// The heading of the run's page.
        title: String,
        /// The text that people see beside it.
        summary: String,
        /// All annotations so far.
        annotations: Vec<Annotation>,
    },
    /// Somebody reacted to a comment.
    Reaction {
        /// The comment, by the forge's id.
        comment: u64,
        /// The login of the account.
        author: String,
        /// The forge's word for the emoji.
        content: String,
    },
}

/// Something that could be seen from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// When people could see it, by the clock of the world.
    pub at: Timestamp,
    /// What people saw from then on.
    pub seen: Seen,
}

/// What no history may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The last that was said of a commit in a context is that it is not finished.
    EndsUnfinished {
        /// The commit that this is about.
        commit: String,
        /// The context, or the name of the check run.
        context: String,
    },
    /// After a final status came an unfinished one that is older: its text and link were seen before the
    /// final one, or its link is the final one's.
    FinalOvertaken {
        /// The commit that this is about.
        commit: String,
        /// The context under which the status stands.
        context: String,
        /// The text of the older one.
        description: String,
    },
    /// More contexts of environments than a commit should have.
    TooManyContexts {
        /// The commit that this is about.
        commit: String,
        /// How many statuses stand on the commit.
        count: usize,
    },
    /// More was written in one hour than should be.
    TooManyWrites {
        /// The moment of the first one too many.
        at: Timestamp,
        /// How many there were in the hour before it, with it.
        count: usize,
    },
}

/// Everything that could be seen, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    sights: Vec<Sight>,
}

/// The contexts of a commit; a status on a pull request is a context of its own.
type Line<'a> = (&'a str, &'a str, Option<u64>);

impl History {
    /// How many contexts of environments a commit may have.
    pub const MAX_ENVIRONMENTS: usize = 20;

    pub(super) fn push(&mut self, at: Timestamp, seen: Seen) {
        self.sights.push(Sight { at, seen });
    }

    /// Everything that was ever seen, oldest first.
    #[must_use]
    pub fn sights(&self) -> &[Sight] {
        &self.sights
    }

    /// The statuses of a commit in a context, oldest first: their words and texts.
    #[must_use]
    pub fn statuses(&self, commit: &str, context: &str) -> Vec<(Shown, &str)> {
        let of_context = self.sights.iter().filter_map(|sight| match &sight.seen {
            Seen::Status { commit: on, context: under, shown, description, .. }
                if on == commit && under == context =>
            {
                Some((*shown, description.as_str()))
            }
            Seen::Status { .. }
            | Seen::Comment { .. }
            | Seen::CommentDeleted { .. }
            | Seen::CheckRun { .. }
            | Seen::Reaction { .. } => None,
        });
        of_context.collect()
    }

    /// What is wrong, with at most `writes_per_hour` writes of `account` (that is: sights, of which
    /// comments and reactions are only counted when they are that account's).
    #[must_use]
    pub fn problems(&self, account: &str, writes_per_hour: usize) -> Vec<Problem> {
        let mut problems = self.overtaken();
        problems.extend(self.unfinished());
        problems.extend(self.crowded());
        problems.extend(self.hurried(account, writes_per_hour));
        problems
    }

    fn overtaken(&self) -> Vec<Problem> {
        let mut pending: BTreeMap<Line<'_>, Vec<(&str, Option<&str>)>> = BTreeMap::new();
        let mut last_final: BTreeMap<Line<'_>, (usize, Option<&str>)> = BTreeMap::new();
        let mut problems = Vec::new();
        for sight in &self.sights {
            let Seen::Status { commit, context, shown, description, target, pull_request, .. } = &sight.seen
            else {
                continue;
            };
            let line = (commit.as_str(), context.as_str(), *pull_request);
            let before = pending.entry(line).or_default();
            if *shown != Shown::Unfinished {
                last_final.insert(line, (before.len(), target.as_deref()));
                continue;
            }
            let this = (description.as_str(), target.as_deref());
            if let Some((known, ended)) = last_final.get(&line) {
                let is_repeated = before[..*known].contains(&this);
                if is_repeated || (target.is_some() && target.as_deref() == *ended) {
                    problems.push(Problem::FinalOvertaken {
                        commit: commit.clone(),
                        context: context.clone(),
                        description: description.clone(),
                    });
                }
            }
            before.push(this);
        }
        problems
    }

    fn unfinished(&self) -> Vec<Problem> {
        let mut last: BTreeMap<(&str, &str, Option<u64>, bool), Shown> = BTreeMap::new();
        for sight in &self.sights {
            match &sight.seen {
                Seen::Status { commit, context, shown, pull_request, .. } => {
                    last.insert((commit, context, *pull_request, false), *shown);
                }
                Seen::CheckRun { commit, name, shown, .. } => {
                    last.insert((commit, name, None, true), *shown);
                }
                Seen::Comment { .. } | Seen::CommentDeleted { .. } | Seen::Reaction { .. } => {}
            }
        }
        let open = last.into_iter().filter(|(_, shown)| *shown == Shown::Unfinished);
        open.map(|((commit, context, ..), _)| Problem::EndsUnfinished {
            commit: commit.to_owned(),
            context: context.to_owned(),
        })
        .collect()
    }

    /// A context of an environment names it after a colon.
    fn crowded(&self) -> Vec<Problem> {
        let mut contexts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sight in &self.sights {
            if let Seen::Status { commit, context, .. } = &sight.seen
                && context.contains(':')
            {
                contexts.entry(commit).or_default().insert(context);
            }
        }
        let crowded = contexts.into_iter().filter(|(_, names)| names.len() > Self::MAX_ENVIRONMENTS);
        crowded
            .map(|(commit, names)| Problem::TooManyContexts { commit: commit.to_owned(), count: names.len() })
            .collect()
    }

    fn hurried(&self, account: &str, limit: usize) -> Option<Problem> {
        let written = self.sights.iter().filter(|sight| match &sight.seen {
            Seen::Status { .. } | Seen::CheckRun { .. } => true,
            Seen::Comment { author, .. } | Seen::Reaction { author, .. } => author == account,
            Seen::CommentDeleted { .. } => false,
        });
        let at: Vec<Timestamp> = written.map(|sight| sight.at).collect();
        let hour = SignedDuration::from_hours(1);
        (0..at.len()).find_map(|last| {
            let first = at[..=last].partition_point(|earlier| at[last].duration_since(*earlier) >= hour);
            let count = last + 1 - first;
            (count > limit).then_some(Problem::TooManyWrites { at: at[last], count })
        })
    }
}
