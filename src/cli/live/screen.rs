//! Lines and a block on a stream: redrawn in place on a terminal, appended elsewhere.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::board::{Board, Weight};
use super::wording::{between, span};
use crate::cli::error::CliError;
use crate::cli::output::{self, Colours, Tone, paint};
use crate::clock::Clock;
use crate::reconcile::plan::Plan;
use crate::reconcile::report::Progress;
use crate::resources::EnvironmentName;

/// How often the block is redrawn, so that its times run.
const REDRAW: Duration = Duration::from_millis(200);

/// Lines that are longer than the terminal is wide are cut, not wrapped: a wrapped line would be two,
/// and the block be drawn over the wrong place (DECAWM).
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Where to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error, because standard output is for the result.
    Stderr,
}

/// The live view. Clones show the same.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Live {
    inner: Arc<Mutex<Screen>>,
    clock: Clock,
}

#[derive(Debug)]
struct Screen {
    board: Board,
    stream: Stream,
    colours: Colours,
    redraws: bool,
    /// Lines of the block that stand there now.
    drawn: usize,
    began: Timestamp,
    /// Why the last text could not be written, until somebody has asked.
    unwritten: Option<io::Error>,
}

impl Live {
    pub(in crate::cli) fn new(stream: Stream, clock: &Clock) -> Self {
        let (redraws, colours) = match stream {
            Stream::Stdout => (io::stdout().is_terminal(), Colours::of_stdout()),
            Stream::Stderr => (io::stderr().is_terminal(), Colours::of_stderr()),
        };
        let board = Board::new(colours);
        let screen =
            Screen { board, stream, colours, redraws, drawn: 0, began: clock.steady(), unwritten: None };
        Self { inner: Arc::new(Mutex::new(screen)), clock: clock.clone() }
    }

    /// Whether text for it has colours.
    pub(in crate::cli) fn colours(&self) -> Colours {
        self.with(|screen, _| screen.colours)
    }

    /// Fails when something was said that nobody got. Nobody has to listen to standard error.
    pub(in crate::cli) fn written(&self) -> Result<(), CliError> {
        self.with(|screen, _| match (screen.stream, screen.unwritten.take()) {
            (Stream::Stdout, Some(error)) => output::written(Err(error)),
            (Stream::Stdout, None) | (Stream::Stderr, _) => Ok(()),
        })
    }

    /// Prints text that stays, as it is.
    pub(in crate::cli) fn say(&self, text: &str) {
        self.with(|screen, now| screen.draw(text, now));
    }

    /// Prints a line that stays, with the time since the beginning before it.
    pub(in crate::cli) fn event(&self, text: &str) {
        self.with(|screen, now| {
            let line = screen.timed(text, now);
            screen.draw(&line, now);
        });
    }

    /// The steps of `plan` are about to be carried out.
    pub(in crate::cli) fn begin(&self, plan: &Plan) {
        self.with(|screen, now| {
            screen.board.begin(plan, now);
            screen.draw("", now);
        });
    }

    /// A run moved.
    pub(in crate::cli) fn progress(&self, environment: &EnvironmentName, progress: &Progress) {
        self.with(|screen, now| {
            let line = screen.board.progress(environment, progress, now);
            let line = line.filter(|line| !screen.redraws || line.weight == Weight::Always);
            let text = line.map_or_else(String::new, |line| screen.timed(&line.text, now));
            screen.draw(&text, now);
        });
    }

    /// Nothing more is done in `environment`.
    pub(in crate::cli) fn end(&self, environment: &EnvironmentName) {
        self.with(|screen, now| {
            screen.board.end(environment);
            screen.draw("", now);
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Screen, Timestamp) -> T) -> T {
        // Only differences are shown: a clock that is set must not show.
        let now = self.clock.steady();
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

/// Keeps the times in the block running until it is dropped.
pub(in crate::cli) async fn tick(live: &Live) -> std::convert::Infallible {
    loop {
        live.clock.sleep(REDRAW).await;
        live.with(|screen, now| screen.draw("", now));
    }
}

impl Screen {
    fn timed(&self, text: &str, now: Timestamp) -> String {
        let time = format!("{:>12}", span(between(self.began, now)));
        format!("{}  {text}\n", paint(&time, Tone::Quiet, self.colours))
    }

    /// Takes the block away, prints `text`, and draws the block again below it.
    fn draw(&mut self, text: &str, now: Timestamp) {
        let mut all = String::new();
        if self.drawn > 0 {
            let _ = write!(all, "\x1b[{}A\r\x1b[J", self.drawn);
        }
        all.push_str(text);
        self.drawn = 0;
        if self.redraws {
            let block = self.board.block(now);
            self.drawn = block.len();
            if !block.is_empty() {
                let _ = write!(all, "{NO_WRAP}{}\n{WRAP}", block.join("\n"));
            }
        }
        if all.is_empty() {
            return;
        }
        // A run goes on whether or not somebody watches.
        let written = match self.stream {
            Stream::Stdout => put(&mut io::stdout().lock(), &all),
            Stream::Stderr => put(&mut io::stderr().lock(), &all),
        };
        self.unwritten = written.err().or(self.unwritten.take());
    }
}

fn put(stream: &mut impl io::Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
