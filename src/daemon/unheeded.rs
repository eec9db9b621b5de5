//! What a head brings and nobody acts on: files that are ignored by their names, and consent lines where no
//! environment is touched.
//!
//! Guarantee: nothing that somebody wrote for beamline is passed over in silence.

use crate::git::{CommitId, Reader};
use crate::reconcile::plan::{ConsentLine, Consents, Globs, Reach};

/// Most files that a status names.
const MAX_NAMED: usize = 3;

/// What nobody acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unheeded {
    /// Files that could be meant as definitions.
    pub files: Vec<String>,
    /// Consent lines of a head that touches no environment.
    pub consents: Vec<ConsentLine>,
}

impl Unheeded {
    /// What a head brings that touches no environment: `files`, and what the messages between `from` and `to`
    /// consent to. Blocking.
    pub(super) fn read(reader: &Reader, from: Option<&CommitId>, to: &CommitId, files: Vec<String>) -> Self {
        let commits = reader.commits_between(from, to).unwrap_or_else(|error| {
            tracing::warn!(%error, "consent lines are looked for in the message of the head alone");
            reader.commit(to).into_iter().collect()
        });
        let mut consents = Consents::new(Globs::default());
        for commit in commits {
            consents.read_message(&commit.id.to_string(), &commit.author, &commit.message, &Reach::Named);
        }
        Self { files, consents: consents.lines().cloned().collect() }
    }

    /// Says it to the operator. The status says it to its author.
    pub(super) fn log(&self, place: &str, commit: &CommitId) {
        let commit = commit.short();
        for path in &self.files {
            tracing::warn!(place, commit, path, "a file is ignored that could be meant");
        }
        for line in &self.consents {
            let (target, origin) = (&line.target, line.origin());
            tracing::warn!(
                place,
                commit,
                target,
                origin,
                "a consent line does nothing: no environment is touched"
            );
        }
    }

    /// As one sentence after another, without the last full stop; `None` when there is nothing. Where both kinds
    /// are to be named, both fit a status.
    #[must_use]
    pub fn sentences(&self) -> Option<String> {
        let consents = match self.consents.as_slice() {
            [] => None,
            [one] if self.files.is_empty() => {
                Some(format!("Consent line {} ({}) matches nothing", one.target, one.origin()))
            }
            [one] => Some(format!("Consent line of {} matches nothing", one.origin())),
            [one, more @ ..] => {
                Some(format!("{} consent lines match nothing: that of {} …", more.len() + 1, one.origin()))
            }
        };
        let named = self.files.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let files = match self.files.len().saturating_sub(MAX_NAMED) {
            0 if named.is_empty() => None,
            0 => Some(format!("Ignored by their names: {named}")),
            more => Some(format!("Ignored by their names: {named} and {more} more")),
        };
        let said: Vec<String> = consents.into_iter().chain(files).collect();
        (!said.is_empty()).then(|| said.join(". "))
    }
}
