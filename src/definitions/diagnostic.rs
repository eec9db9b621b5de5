//! A problem as people and programs see it: code, place, what is wrong, the rule, and what to do.
//!
//! One shape for everything that is wrong with a definition, whether found in the syntax, in a field,
//! in the catalog or across files. Texts from a definition are quoted with control characters
//! replaced, so that nobody's terminal or log can be steered by a pull request.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::code::Code;
use super::source::Location;
use crate::resources::Severity;

/// One problem of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of problem.
    pub code: Code,
    /// Whether it stops the environment.
    pub severity: Severity,
    /// What is wrong, with the value that is.
    pub message: String,
    /// Where.
    pub location: Location,
    /// The rule that is broken.
    pub rule: String,
    /// What to do.
    pub remedy: String,
    /// Other places that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

/// A further place of a problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub location: Location,
    /// What is there.
    pub message: String,
}

/// Whether rendered text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// ANSI escapes.
    On,
    /// Plain text.
    Off,
}

impl Diagnostic {
    /// Whether it stops the environment.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The problem with the lines it is about, the rule and the remedy: several lines.
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(self.message.as_str()).id(self.code.as_str()).element(place(
            &self.location,
            AnnotationKind::Primary,
            "",
        ));
        for related in &self.related {
            group = group.element(place(&related.location, AnnotationKind::Context, &related.message));
        }
        let group = note(note(group, Level::NOTE, &self.rule), Level::HELP, &self.remedy);
        let renderer = match colour {
            Colour::On => Renderer::styled(),
            Colour::Off => Renderer::plain(),
        };
        renderer.render(&[group])
    }
}

fn note<'a>(group: Group<'a>, level: Level<'a>, text: &'a str) -> Group<'a> {
    if text.is_empty() { group } else { group.element(level.message(text)) }
}

/// The source lines, or only `file:line:column` where the text is not at hand.
fn place<'a>(location: &'a Location, kind: AnnotationKind, label: &'a str) -> Element<'a> {
    let Some((text, range)) = location.excerpt().filter(|(text, _)| !text.is_empty()) else {
        return Origin::path(location.file.as_str()).line(location.line).char_column(location.column).into();
    };
    let annotation = kind.span(range);
    let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
    Snippet::source(text).path(location.file.as_str()).line_start(1).annotation(annotation).into()
}

/// One line, for a status: `file:line:column: message`.
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}
