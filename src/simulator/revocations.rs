//! Role assignments that were deleted and are still in force elsewhere: Azure takes up to ten minutes to
//! forget one (Azure RBAC troubleshooting, `facts.md` 8).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most deleted assignments that are remembered; the oldest take effect early.
const MAX_REMEMBERED: usize = 10_000;

/// A deleted assignment, and until when it still counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revocation {
    /// The folded scope.
    pub(super) scope: String,
    pub(super) principal: Uuid,
    /// The GUID of the role.
    pub(super) role: String,
    pub(super) until: Timestamp,
}

/// All of them, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Revocations(Vec<Revocation>);

impl Revocations {
    pub(super) fn add(&mut self, revocation: Revocation) {
        if self.0.len() >= MAX_REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(revocation);
    }

    /// Forgets those that count no more.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.0.retain(|revocation| revocation.until > now);
    }

    /// Those at exactly this folded scope.
    pub(super) fn at<'a>(&'a self, scope: &'a str) -> impl Iterator<Item = &'a Revocation> {
        self.0.iter().filter(move |revocation| revocation.scope == scope)
    }
}
