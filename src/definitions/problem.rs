//! Collects problems while a definition is read: nothing stops at the first one.
//!
//! A problem is born with byte spans and becomes a [`Diagnostic`] when it is collected. The number that
//! is kept is bounded; what is left out is counted and said.

use super::code::Code;
use super::diagnostic::{Diagnostic, Related};
use super::layout::Syntax;
use super::notation::advice;
use super::source::{FileId, Sources, Span};
use crate::resources::{Finding, Severity};
use crate::text::both_ends;

/// How many problems of one environment are reported. Nobody reads more, and each costs a scan of its
/// file for the line.
const MAX_PROBLEMS: usize = 200;

/// How many characters of a text from a definition a message repeats.
const MAX_QUOTED_CHARS: usize = 80;

/// A problem with spans.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    severity: Severity,
    span: Span,
    message: String,
    rule: Box<str>,
    remedy: Box<str>,
    related: Vec<(Span, String)>,
}

impl Problem {
    /// Something that stops the environment.
    pub(super) fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            rule: Box::default(),
            remedy: Box::default(),
            related: Vec::new(),
        }
    }

    /// Advice.
    pub(super) fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// What a rule of the catalog found, at its place.
    pub(super) fn finding(finding: Finding, span: Span) -> Self {
        let Finding { code, severity, field: _, message, rule, remedy } = finding;
        let error = Self::error(Code::Catalog(code), span, message);
        Self { severity, rule: rule.into(), remedy: sentence(&remedy).into(), ..error }
    }

    pub(super) fn code(&self) -> Code {
        self.code
    }

    pub(super) fn is_at(&self, span: Span) -> bool {
        self.span == span
    }

    pub(super) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The rule that is broken.
    pub(super) fn rule(mut self, rule: impl Into<Box<str>>) -> Self {
        self.rule = rule.into();
        self
    }

    /// What to do.
    pub(super) fn remedy(mut self, remedy: impl Into<Box<str>>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// What to do, after what is said already where that asks a question.
    pub(super) fn add_remedy(mut self, remedy: &str) -> Self {
        let asks = self.remedy.ends_with('?');
        self.remedy = if asks { format!("{} {remedy}", self.remedy).into() } else { remedy.into() };
        self
    }

    /// A line that shows the form, after what is said already, unless that shows a line too.
    pub(super) fn example(mut self, line: &str) -> Self {
        let says_enough = self.remedy.is_empty() || self.remedy.contains(": `");
        let told = if says_enough { String::new() } else { format!("{} ", self.remedy) };
        self.remedy = format!("{told}For example: {line}.").into();
        self
    }

    /// A further place.
    pub(super) fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push((span, message.into()));
        self
    }
}

/// The problems of one environment.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    sources: &'a Sources,
    found: Vec<Diagnostic>,
    omitted: usize,
}

impl<'a> Problems<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self { sources, found: Vec::new(), omitted: 0 }
    }

    pub(super) fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// The notation of a file, in which advice about it is.
    pub(super) fn syntax(&self, file: FileId) -> Syntax {
        Syntax::of(self.sources.file(file).path())
    }

    pub(super) fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.omitted += 1;
            return;
        }
        let Problem { code, severity, span, message, rule, remedy, related } = problem;
        let syntax = self.syntax(span.file());
        self.found.push(Diagnostic {
            code,
            severity,
            message: printable(&message),
            location: self.sources.locate(span),
            rule: printable(&advice(&rule, syntax)),
            remedy: printable(&advice(&remedy, syntax)),
            related: related
                .into_iter()
                .map(|(span, message)| Related {
                    location: self.sources.locate(span),
                    message: printable(&message),
                })
                .collect(),
        });
    }

    /// Everything that `other` has collected.
    pub(super) fn take(&mut self, other: Self) {
        self.found.extend(other.found);
        self.omitted += other.omitted;
    }

    /// Whether further problems are only counted, so that looking for suggestions is pointless.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }

    pub(super) fn has_errors(&self) -> bool {
        self.omitted > 0 || self.found.iter().any(Diagnostic::is_error)
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.found.len() + self.omitted
    }

    /// How many errors there are so far.
    pub(super) fn errors(&self) -> usize {
        self.found.iter().filter(|found| found.is_error()).count() + self.omitted
    }

    /// Everything found, in the order of the files and lines.
    pub(super) fn finish(mut self, file: FileId) -> Vec<Diagnostic> {
        if self.omitted > 0 {
            let message = format!("{} more problems are not shown", self.omitted);
            self.found.push(Diagnostic {
                code: Code::TooManyProblems,
                severity: Severity::Error,
                message,
                location: self.sources.locate(Span::start_of(file)),
                rule: format!("At most {MAX_PROBLEMS} problems of an environment are reported."),
                remedy: "Correct those that are shown first.".to_owned(),
                related: Vec::new(),
            });
        }
        self.found.sort_by(|a, b| (&a.location, a.code, &a.message).cmp(&(&b.location, b.code, &b.message)));
        self.found.dedup();
        self.found
    }
}

/// A text of a definition as a message repeats it: in backquotes, cut when long.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", both_ends(text, MAX_QUOTED_CHARS))
}

/// Words as an enumeration: `` `a`, `b` or `c` ``.
pub(super) fn one_of<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// A clause of the catalog as it begins a sentence.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect()
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_long_values_are_told_apart_by_their_ends() {
        let long = |end: &str| quoted(&format!("{}{end}", "prefix-".repeat(30)));
        assert_ne!(long("one"), long("two"));
        assert!(long("one").ends_with("-one`"));
    }
}
