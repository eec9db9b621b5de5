//! How many cores a VM family may use in a region (`facts.md` 17).

use std::collections::BTreeMap;

use super::providers::normal_location;

/// The limit of a family that nobody changed.
const DEFAULT_CORES: u64 = 10_000;

/// Limits by (normalised location, family in lower case).
#[derive(Clone, Debug, Default)]
pub(super) struct Quota {
    pub(super) limits: BTreeMap<(String, String), u64>,
}

impl Quota {
    pub(super) fn set(&mut self, location: &str, family: &str, cores: u64) {
        self.limits.insert((normal_location(location), family.to_ascii_lowercase()), cores);
    }

    pub(super) fn limit(&self, location: &str, family: &str) -> u64 {
        let key = (normal_location(location), family.to_ascii_lowercase());
        self.limits.get(&key).copied().unwrap_or(DEFAULT_CORES)
    }
}
