//! What a head brings and nobody acts on: files that are ignored by their names, and consent lines where no
//! environment is touched.
//!
//! Guarantee: nothing that somebody wrote for beamline is passed over in silence.

use crate::attempt::source::Miscased;
use crate::git::{CommitId, Reader};
use crate::reconcile::plan::{ConsentLine, Consents, Globs, Reach, probably};
use crate::store::NewWork;

/// Most files that a status names.
const MAX_NAMED: usize = 3;

/// Most lines, and most files, that the log has one by one.
const MAX_LOGGED: usize = 20;

/// Files that are ignored, although they could be meant as definitions. A repository may hold very many (data in
/// JSON): of them the first ones are kept, the others counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    named: Vec<String>,
    more: usize,
    /// What is called as their folder is, but for casing.
    folders: Vec<Miscased>,
}

impl Ignored {
    /// Notes one more.
    pub(in crate::daemon) fn push(&mut self, path: String) {
        if self.named.len() < MAX_LOGGED { self.named.push(path) } else { self.more += 1 }
    }

    /// Notes what is called as the folder of the definitions is, but for casing.
    pub(in crate::daemon) fn push_folder(&mut self, folder: Miscased) {
        self.folders.push(folder);
    }

    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.folders.is_empty()
    }

    /// By their paths, wherever they were found.
    pub(in crate::daemon) fn in_order(mut self) -> Self {
        self.named.sort();
        self
    }

    /// The folder with what to do about it: one, because its command has to fit.
    fn of_folder(&self) -> Option<String> {
        let first = self.folders.first()?;
        let more = match self.folders.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("Not read for its casing: {}{more}: {}", first.path, first.remedy))
    }

    fn of_files(&self) -> Option<String> {
        let named = self.named.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.named.len().saturating_sub(MAX_NAMED) + self.more {
            0 if named.is_empty() => None,
            0 => Some(format!("Ignored by their names: {named}")),
            more => Some(format!("Ignored by their names: {named} and {more} more")),
        }
    }
}

/// What nobody acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unheeded {
    /// Files that could be meant as definitions.
    pub files: Ignored,
    /// Consent lines of a head that touches no environment.
    pub consents: Vec<ConsentLine>,
    /// How many lines more there are, which are not read because there are too many.
    pub unread: usize,
}

impl Unheeded {
    /// What a head brings that touches no environment: `files`, and what the messages between `from` and `to`
    /// consent to. Blocking.
    pub(in crate::daemon) fn read(
        reader: &Reader,
        from: Option<&CommitId>,
        to: &CommitId,
        files: Ignored,
    ) -> Self {
        let commits = reader.commits_between(from, to).unwrap_or_else(|error| {
            tracing::warn!(%error, "consent lines are looked for in the message of the head alone");
            reader.commit(to).into_iter().collect()
        });
        let mut consents = Consents::new(Globs::default());
        for commit in commits {
            consents.read_message(&commit.id.to_string(), &commit.author, &commit.message, &Reach::Named);
        }
        Self { files, consents: consents.lines().cloned().collect(), unread: consents.unread() }
    }

    /// Leaves the lines that speak of what is worked on to the plans of that.
    pub(in crate::daemon) fn leave_to(&mut self, work: &[NewWork]) {
        let speaks_of = |name: &str| work.iter().any(|one| one.environment.as_str() == name);
        let is_told = |name: &str| name.contains('*') || speaks_of(name);
        self.unread = if work.is_empty() { self.unread } else { 0 };
        self.consents.retain(|line| work.is_empty() || line.environment().is_some_and(|name| !is_told(name)));
    }

    /// Says it to the operator. The status says it to its author.
    pub(in crate::daemon) fn log(&self, place: &str, commit: &CommitId) {
        let commit = commit.short();
        for path in &self.files.named {
            tracing::warn!(place, commit, path, "a file is ignored that could be meant");
        }
        for Miscased { path, remedy, .. } in &self.files.folders {
            tracing::warn!(place, commit, path, remedy, "a folder is not read for the casing of its name");
        }
        let more = self.files.more;
        if more > 0 {
            tracing::warn!(place, commit, more, "more files are ignored that could be meant");
        }
        for line in self.consents.iter().take(MAX_LOGGED) {
            let (target, origin) = (&line.target, line.origin());
            if line.is_malformed() {
                let write = probably(line);
                tracing::warn!(place, commit, line = target, origin, write, "a line is no consent line");
                continue;
            }
            tracing::warn!(
                place,
                commit,
                target,
                origin,
                "a consent line changes nothing here: its environment is not touched; it counts for what is merged within 14 days"
            );
        }
        let more = self.consents.len().saturating_sub(MAX_LOGGED) + self.unread;
        if more > 0 {
            let unread = self.unread;
            tracing::warn!(place, commit, more, unread, "more consent lines change nothing here");
        }
    }

    /// As one sentence after another, without the last full stop; `None` when there is nothing. Where both kinds
    /// are to be named, both fit a status.
    #[must_use]
    pub fn sentences(&self) -> Option<String> {
        let consents = match self.consents.as_slice() {
            [] => None,
            [one] if one.is_malformed() => {
                Some(format!("No consent line, that of {}; one is: {}", one.origin(), probably(one)))
            }
            [one] if self.files.is_empty() => {
                Some(format!("Consent line {} ({}) matches nothing", one.target, one.origin()))
            }
            [one] => Some(format!("Consent line of {} matches nothing", one.origin())),
            [one, more @ ..] => {
                let number = more.len() + 1 + self.unread;
                Some(format!("{number} consent lines match nothing: that of {} …", one.origin()))
            }
        };
        let said: Vec<String> =
            consents.into_iter().chain(self.files.of_folder()).chain(self.files.of_files()).collect();
        (!said.is_empty()).then(|| said.join(". "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::apply::RunKind;

    fn unheeded(message: &str) -> Unheeded {
        let mut consents = Consents::new(Globs::default());
        consents.read_message(&"b4c0045".repeat(6)[..40], "Ada", message, &Reach::Named);
        let unread = consents.unread();
        Unheeded { files: Ignored::default(), consents: consents.lines().cloned().collect(), unread }
    }

    #[test]
    fn a_line_for_what_is_worked_on_although_no_commit_touches_it_is_left_to_that_ones_plan() {
        let lines = "Beamline-Consent: destroy dev/workspace\nBeamline-Consent: destroy other/workspace\n\
                     Beamline-Consent: destroy";
        let work = NewWork {
            kind: RunKind::Apply,
            environment: "dev".parse().unwrap(),
            path: "environments/dev.yaml".to_owned(),
            removed: true,
            input_digest: None,
            remark: None,
        };
        let mut left = unheeded(lines);
        left.leave_to(&[work]);
        assert_eq!(
            left.consents.iter().map(|line| line.target.as_str()).collect::<Vec<_>>(),
            ["other/workspace"]
        );
        let mut all = unheeded(lines);
        all.leave_to(&[]);
        assert_eq!(all.consents.len(), 3);
    }

    #[test]
    fn of_very_many_ignored_files_some_are_named_and_all_are_counted() {
        let mut files = Ignored::default();
        (0..1234).for_each(|number| files.push(format!("environments/{number}.json")));
        assert_eq!(files.named.len(), MAX_LOGGED);
        assert_eq!(
            Unheeded { files, ..Unheeded::default() }.sentences().unwrap(),
            "Ignored by their names: environments/0.json, environments/1.json, environments/2.json and 1231 more"
        );
    }

    #[test]
    fn of_too_many_lines_the_number_is_that_of_those_that_were_written() {
        let line = |number| format!("Beamline-Consent: destroy dev/key_vaults/v{number}\n");
        let message: String = (0..1234).map(line).collect();
        assert_eq!(
            unheeded(&message).sentences().unwrap(),
            "1234 consent lines match nothing: that of b4c0045 by Ada …"
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_with_the_one_that_can() {
        assert_eq!(
            unheeded("Beamline-Consent: dev/workspace").sentences().unwrap(),
            "No consent line, that of b4c0045 by Ada; one is: Beamline-Consent: destroy dev/workspace"
        );
    }
}
