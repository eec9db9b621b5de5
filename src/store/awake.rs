//! Keeps simulated time still while SQLite works.
//!
//! SQLite has threads of its own, so a paused tokio timer takes a wait for it for idleness and would jump to
//! the next deadline; a blocking task is what tokio takes for work ("tokio::time::pause", auto-advance). In
//! production it costs a few microseconds.

use std::sync::mpsc;

/// Time stands still until it is dropped.
pub(super) struct Awake {
    _done_when_dropped: mpsc::Sender<()>,
}

impl Awake {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || {
            // Returns with an error as soon as the sender is gone, which is what is waited for.
            let _ = receiver.recv();
        });
        Self { _done_when_dropped: sender }
    }
}
