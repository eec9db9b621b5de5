//! Results on standard output, remarks on standard error, and whether they have colours.

use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice};
use owo_colors::OwoColorize as _;
use serde_json::{Map, Value};

use super::error::CliError;
use crate::config;
use crate::definitions::Colour;
use crate::reconcile::plan::Style;

/// The version of every JSON document that a command prints.
pub(super) const FORMAT: u32 = 1;

/// Whether text for people has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    On,
    Off,
}

impl Colours {
    /// Of standard output.
    pub(super) fn of_stdout() -> Self {
        Self::of(AutoStream::choice(&io::stdout()))
    }

    /// Of standard error.
    pub(super) fn of_stderr() -> Self {
        Self::of(AutoStream::choice(&io::stderr()))
    }

    fn of(choice: ColorChoice) -> Self {
        match choice {
            _ if config::no_color() => Self::Off,
            ColorChoice::Never => Self::Off,
            ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => Self::On,
        }
    }

    /// For plans.
    pub(super) fn style(self) -> Style {
        match self {
            Self::On => Style::Coloured,
            Self::Off => Style::Plain,
        }
    }
}

impl From<Colours> for Colour {
    fn from(colours: Colours) -> Self {
        match colours {
            Colours::On => Self::On,
            Colours::Off => Self::Off,
        }
    }
}

/// Prints text to standard output.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    self::written(written)
}

/// What came of writing to standard output: a result that nobody got is a failure.
pub(super) fn written(result: io::Result<()>) -> Result<(), CliError> {
    result.map_err(|source| CliError::io("write to standard output", source))
}

/// Prints a line to standard output.
pub(super) fn print_line(text: &str) -> Result<(), CliError> {
    print(&format!("{text}\n"))
}

/// Prints one versioned document to standard output.
pub(super) fn print_json(fields: Value) -> Result<(), CliError> {
    print(&document(fields))
}

/// One versioned document, as text.
pub(super) fn document(fields: Value) -> String {
    let mut document = Map::new();
    document.insert("format".to_owned(), Value::from(FORMAT));
    if let Value::Object(fields) = fields {
        document.extend(fields);
    }
    format!("{:#}\n", Value::Object(document))
}

/// Says something beside the result.
pub(super) fn remark(text: &str) {
    // Nobody has to listen.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// What a piece of text means to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Working,
    Bad,
    Quiet,
    Strong,
}

/// `text` in the colour of `tone`.
pub(super) fn paint(text: &str, tone: Tone, colours: Colours) -> String {
    match (colours, tone) {
        (Colours::Off, _) => text.to_owned(),
        (Colours::On, Tone::Good) => text.green().to_string(),
        (Colours::On, Tone::Working) => text.yellow().to_string(),
        (Colours::On, Tone::Bad) => text.red().to_string(),
        (Colours::On, Tone::Quiet) => text.dimmed().to_string(),
        (Colours::On, Tone::Strong) => text.bold().to_string(),
    }
}
