//! Every reason to look again, as one enum. Events wake; truth is re-read.

use crate::store::{Work, WorkId};

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The service has started, a file changed, a webhook arrived, or the poll interval passed.
    Look(Because),
    /// What failed is tried again.
    Sweep,
    /// A piece of work may be tried again now.
    Again(WorkId),
    /// Work was stored that nobody has queued yet: somebody asked for it by hand.
    Asked(Box<Work>),
}

/// What woke us. For logs only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The service has started.
    Started,
    /// A file of a local repository changed.
    Notified,
    /// A webhook was stored.
    Webhook,
    /// The poll interval passed.
    Polled,
    /// The last look failed, or found a head that is not there yet.
    Failed,
    /// The journal can be written again.
    JournalBack,
    /// A credential was replaced.
    Renewed,
    /// Much happens: looks were put off for a while.
    Rested,
}
