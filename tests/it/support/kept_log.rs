//! What the daemon logs, kept for a story that reads it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

/// A log that is kept.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Kept {
    /// Keeps what this thread logs until the guard is dropped.
    pub(crate) fn keep(&self) -> Keeping {
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_max_level(tracing::Level::INFO)
            .with_writer(self.clone())
            .finish();
        // As long as there is one subscriber only, tracing asks that of whichever thread comes first, and other
        // stories have none.
        let second = tracing::Dispatch::new(tracing_subscriber::registry());
        Keeping { _second: second, _kept: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines that have all of `parts`.
    pub(crate) fn having(&self, parts: &[&str]) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let is_wanted = |line: &&str| parts.iter().all(|part| line.contains(part));
        text.lines().filter(is_wanted).map(str::to_owned).collect()
    }

    /// The lines of an event that have all of `parts`.
    pub(crate) fn lines(&self, event: &str, parts: &[&str]) -> Vec<String> {
        let event = format!("event=\"{event}\"");
        let parts: Vec<&str> = parts.iter().copied().chain([event.as_str()]).collect();
        self.having(&parts)
    }

    pub(crate) fn says(&self, event: &str, parts: &[&str]) {
        let bytes = self.0.lock().unwrap().clone();
        let whole = String::from_utf8_lossy(&bytes);
        assert!(!self.lines(event, parts).is_empty(), "no {event} with {parts:?} in\n{whole}");
    }
}

/// As long as it lives, the log is kept.
pub(crate) struct Keeping {
    _second: tracing::Dispatch,
    _kept: tracing::subscriber::DefaultGuard,
}
