//! The mark `<owner>/<environment>` by which beamline recognises what it made or adopted, and the
//! names under which the different carriers hold it.
//!
//! The mark stands on the resources themselves so that neither a state file nor the journal is needed
//! to know what is ours (design.md, promise 1).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::EnvironmentName;
use super::contract::Carrier;

/// The tag, metadata key or property that holds the mark.
pub const MARK_KEY: &str = "beamline";

/// The tag, metadata key or property that holds the address without its environment, so that an
/// orphan is called by the short name its definition gave it.
pub const ADDRESS_KEY: &str = "beamline-address";

/// The same for blob containers, whose metadata keys must be C# identifiers.
pub const METADATA_ADDRESS_KEY: &str = "beamline_address";

/// Prefix of the tags by which a network carries the marks of its subnets; the subnet's name in Azure
/// follows, the value is its short name.
pub const SUBNET_KEY_PREFIX: &str = "beamline-subnet.";

/// Who owns a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String")]
pub struct Mark {
    /// The configured name of this installation's estate.
    pub owner: String,
    /// The environment.
    pub environment: EnvironmentName,
}

impl Mark {
    /// Reads a mark; `None` when the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, environment) = text.rsplit_once('/')?;
        let environment = environment.parse().ok()?;
        (!owner.is_empty()).then(|| Self { owner: owner.to_owned(), environment })
    }
}

/// The mark on an observed body and the local address beside it, where `carrier` is a place that can be read alike for
/// every type.
#[must_use]
pub fn carried(carrier: Carrier, observed: &Value) -> Option<(Mark, Option<String>)> {
    let (within, address_key) = match carrier {
        Carrier::Tags => ("/tags", ADDRESS_KEY),
        Carrier::PropertyTags => ("/properties/tags", ADDRESS_KEY),
        Carrier::Metadata => ("/properties/metadata", METADATA_ADDRESS_KEY),
        Carrier::Description | Carrier::Network => return None,
    };
    let text = |key: &str| observed.pointer(within)?.get(key)?.as_str();
    Some((Mark::parse(text(MARK_KEY)?)?, text(address_key).map(str::to_owned)))
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.environment)
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        mark.to_string()
    }
}
