//! How long everything takes: what was seen in Azure, scaled by the world's latency, unless the profile
//! says something else.

use std::sync::Arc;
use std::time::Duration;

use super::options::Latency;
use super::profile::LatencyProfile;

/// What an operation does to its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Update,
    Delete,
    /// Starts, stops or restarts it.
    Power,
}

/// What other parts of Azure learn only after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lag {
    /// That a principal exists: until then `PrincipalNotFound` (Azure RBAC troubleshooting).
    Principal,
    /// That a role was assigned. Azure documents up to ten minutes, and mostly it is one.
    RoleAssignment,
    /// That a role assignment is gone; documented like its beginning.
    RoleRemoval,
    /// That Resource Graph shows a new resource; no figure is documented.
    ResourceGraph,
    /// That a resource provider is registered, or not any more; no figure is documented.
    Registration,
    /// That a service notices a resource of ours and adds its own: "some minutes" (`facts.md` 4).
    ByProduct,
}

impl Lag {
    /// Shortest and longest, in seconds.
    fn realistic(self) -> (f64, f64) {
        match self {
            Self::Principal => (5.0, 45.0),
            Self::RoleAssignment | Self::RoleRemoval => (10.0, 90.0),
            Self::ResourceGraph => (20.0, 20.0),
            Self::Registration => (20.0, 90.0),
            Self::ByProduct => (120.0, 300.0),
        }
    }
}

/// The times of a world. A `spread` between 0 and 1, drawn by the caller, chooses inside each range.
#[derive(Clone, Debug)]
pub(super) struct Times {
    latency: Latency,
    profile: Arc<LatencyProfile>,
}

impl Times {
    pub(super) fn new(latency: Latency, profile: Arc<LatencyProfile>) -> Self {
        Self { latency, profile }
    }

    /// How long an operation takes that takes `seconds` in Azure: those varied by up to a fifth and
    /// scaled, or what the profile says of the type.
    pub(super) fn operation(&self, arm_type: &str, deed: Deed, seconds: f64, spread: f64) -> Duration {
        match self.profile.operation(arm_type, deed) {
            Some(time) => time.at(spread),
            None => self.latency.scaled(seconds * (0.8 + 0.4 * spread)),
        }
    }

    /// How long something stays unknown elsewhere.
    pub(super) fn lag(&self, lag: Lag, spread: f64) -> Duration {
        let (shortest, longest) = lag.realistic();
        match self.profile.lag(lag) {
            Some(time) => time.at(spread),
            None => self.latency.scaled(shortest + spread * (longest - shortest)),
        }
    }

    /// The `Retry-After` for a type whose realistic one is `seconds`: at least 1, because 0 counts as
    /// absent (`clients.md` 10.2).
    pub(super) fn retry_after_secs(&self, arm_type: &str, seconds: u64) -> u64 {
        let wait = match self.profile.retry_after(arm_type) {
            Some(time) => time.at(0.0),
            None => self.latency.scaled(Duration::from_secs(seconds).as_secs_f64()),
        };
        wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
    }
}
