//! The machines that a resource is made of: what Azure has to offer before it can be made.

use serde_json::Value;

use super::normalise;
use super::pointer;

/// The default of Azure where a compute does not say its priority (facts.md 7).
const DEDICATED: &str = "Dedicated";

/// Machines of one size in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    /// The region, as `eastus`.
    pub location: String,
    /// The size, as somebody wrote it: `Standard_D4s_v3`.
    pub size: String,
    /// What Azure's list of sizes calls a resource of this type: `AmlCompute`.
    pub compute_type: &'static str,
    /// Whether Azure may take them back at any time; they have a quota of their own.
    pub low_priority: bool,
    /// How many there can be at most.
    pub most: u64,
}

impl Machines {
    /// The machines of a compute's ARM body; `None` when it does not say a size.
    pub(crate) fn of_body(body: &Value, compute_type: &'static str) -> Option<Self> {
        let text = |at: &str| pointer::get(body, at).and_then(Value::as_str);
        let location = text("/properties/computeLocation").or_else(|| text("/location"))?;
        let priority = text("/properties/properties/vmPriority").unwrap_or(DEDICATED);
        let most = pointer::get(body, "/properties/properties/scaleSettings/maxNodeCount");
        Some(Self {
            location: normalise::location(location),
            size: text("/properties/properties/vmSize")?.to_owned(),
            compute_type,
            low_priority: !priority.eq_ignore_ascii_case(DEDICATED),
            most: most.and_then(Value::as_u64).unwrap_or(1),
        })
    }
}
