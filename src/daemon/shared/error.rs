//! Why the daemon stops by itself.

use std::net::SocketAddr;

use crate::store::StoreError;

/// Why the daemon stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: another process may be using it; change http.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A part of the daemon without which it would only look alive.
    #[error(
        "{part} ended unexpectedly. This is a bug; the log has its place. Start the daemon again: nothing is lost"
    )]
    Broken {
        /// Which one.
        part: &'static str,
    },
    /// The sweep's cron expression is not one.
    #[error(
        "runs.sweep is `{expression}`, which is not a six-field cron expression such as `0 */15 * * * *`"
    )]
    Sweep {
        /// The expression.
        expression: String,
    },
}
