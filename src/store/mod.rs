//! Everything that survives a restart: journal, leases, queue, environments, inbox, outbox.
//!
//! [`Store`]'s methods are named after use cases, not tables, and each is one short transaction: when it
//! returns, what it says has happened is on the disk, and when the process is killed inside it, nothing
//! of it has. No transaction is ever open while a request is on its way to anybody.
//!
//! Guarantees: an event of a run is refused once another holder has its environment's lease; work and
//! the statuses that speak of it change together; of one commit and context the forge is told in order,
//! and a last word is never followed by an older "pending"; everything that grows is pruned
//! ([`Store::prune`]). Losing the file loses history only: the next run plans from Azure and Git.
//!
//! A journal that cannot be written is a state ([`Store::writability`]), not an end: a full or read-only disk, a
//! folder that goes away and comes back, a deleted file. It is left without a restart.
//!
//! SQLite today. The statements are portable (numbered placeholders; text and whole numbers only), so
//! that PostgreSQL is a second folder of migrations and a second way to take the write right. May
//! import the journal and report types of `reconcile`, the status types of `forge`, the ids of `git`.

mod arrivals;
mod awake;
mod column;
mod commands;
mod connection;
mod consents;
mod environments;
mod error;
mod file;
mod file_system;
mod heads;
mod inbox;
mod journal;
mod leases;
mod line;
mod lock;
mod messages;
mod outbox;
mod pull_requests;
mod queue;
mod readers;
mod retention;
mod runs;
mod schema;
mod work;
mod writability;
mod writer;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod interrupted_tests;
#[cfg(test)]
mod tests;

pub use crate::plight::Plight;
pub use arrivals::Arrivals;
pub use commands::{Command, Wish};
pub use connection::Store;
pub use consents::{GivenConsent, Showing, Shown};
pub use environments::{Applied, Attempt, Claim, ClaimHolder, EnvironmentRecord};
pub use error::StoreError;
pub use heads::{Acceptance, Accepted, Arrival};
pub use inbox::{About, AboutError, Delivery, DeliveryNumber, Inbox, PendingDelivery, Stored};
pub use leases::{Holding, environment_lease, this_process};
pub use line::{Line, LineError};
pub use lock::{FolderLock, LockError, Occupant};
pub use messages::{Message, OutgoingMessage};
pub use outbox::{Outgoing, OutgoingId, Share};
pub use pull_requests::{PullRequestRecord, SaidPlan};
pub use runs::StoredRun;
pub use work::{Aggregate, Ending, EnvironmentChange, NewWork, Work, WorkId, WorkState};
pub use writability::Writability;
