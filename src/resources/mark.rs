//! The mark `<owner>/<environment>` by which beamline recognises what it made or adopted, and the
//! names under which the different carriers hold it.
//!
//! The mark stands on the resources themselves so that neither a state file nor the journal is needed
//! to know what is ours (design.md, promise 1).
//!
//! Tags are copied, by policies, clones and exports of templates. So a seal stands beside the mark: a digest of the
//! owner and of the id that it was written for. On another resource it is wrong, and orders nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::address::EnvironmentName;
use super::contract::Carrier;
use super::id::ResourceId;

/// The tag, metadata key or property that holds the mark.
pub const MARK_KEY: &str = "beamline";

/// The tag, metadata key or property that holds the address without its environment, so that an
/// orphan is called by the short name its definition gave it.
pub const ADDRESS_KEY: &str = "beamline-address";

/// The same for blob containers, whose metadata keys must be C# identifiers.
pub const METADATA_ADDRESS_KEY: &str = "beamline_address";

/// The tag, metadata key or property that holds the seal.
pub const SEAL_KEY: &str = "beamline-id";

/// The same for blob containers, whose metadata keys must be C# identifiers.
pub const METADATA_SEAL_KEY: &str = "beamline_id";

/// The tag, metadata key or property that says that somebody else made the resource, and beamline took it over.
pub const ADOPTED_KEY: &str = "beamline-adopted";

/// The same for blob containers, whose metadata keys must be C# identifiers.
pub const METADATA_ADOPTED_KEY: &str = "beamline_adopted";

/// Hexadecimal digits of a seal. It guards against copies, not against people who may write tags anyway.
const SEAL_DIGITS: usize = 16;

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

/// A mark as it stands on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The mark.
    pub mark: Mark,
    /// The local address beside it.
    pub address: Option<String>,
    /// Whether it was written for this resource.
    pub seal: Seal,
}

/// Whether a mark was written for the resource that it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It was.
    Right,
    /// Nobody can tell: earlier versions wrote none.
    Missing,
    /// It was written for another one, and copied.
    Wrong,
}

/// The seal of `owner` for the resource with this id: the first digits of the SHA-256 of both.
#[must_use]
pub fn seal_of(owner: &str, id: &ResourceId) -> String {
    let text = format!("{owner}\n{}", id.as_str().to_ascii_lowercase());
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(SEAL_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// The mark on an observed body and what stands beside it, where `carrier` is a place that can be read alike for
/// every type.
#[must_use]
pub fn carried(carrier: Carrier, observed: &Value) -> Option<Marked> {
    let (within, address_key, seal_key) = match carrier {
        Carrier::Tags => ("/tags", ADDRESS_KEY, SEAL_KEY),
        Carrier::PropertyTags => ("/properties/tags", ADDRESS_KEY, SEAL_KEY),
        Carrier::Metadata => ("/properties/metadata", METADATA_ADDRESS_KEY, METADATA_SEAL_KEY),
        Carrier::Description | Carrier::Network => return None,
    };
    let text = |key: &str| observed.pointer(within)?.get(key)?.as_str();
    let mark = Mark::parse(text(MARK_KEY)?)?;
    let id = observed.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let seal = match (text(seal_key), id) {
        (Some(seal), Some(id)) if seal == seal_of(&mark.owner, &id) => Seal::Right,
        (Some(_), _) => Seal::Wrong,
        (None, _) => Seal::Missing,
    };
    Some(Marked { mark, address: text(address_key).map(str::to_owned), seal })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vault(name: &str) -> String {
        format!(
            "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/RG/providers/Microsoft.KeyVault/vaults/{name}"
        )
    }

    fn seal(name: &str, seal: Option<&str>) -> Seal {
        let mut tags = json!({ "beamline": "ops/dev" });
        if let Some(seal) = seal {
            tags["beamline-id"] = json!(seal);
        }
        carried(Carrier::Tags, &json!({ "id": vault(name), "tags": tags })).unwrap().seal
    }

    #[test]
    fn a_seal_holds_for_one_owner_and_one_id_in_whatever_casing() {
        let right = seal_of("ops", &vault("kv-a").parse().unwrap());
        assert_eq!(right, "af9611580b044359");
        assert_eq!(seal("kv-a", Some(&right)), Seal::Right);
        assert_eq!(seal("KV-A", Some(&right)), Seal::Right, "Azure answers in its own casing");
        assert_eq!(seal("kv-b", Some(&right)), Seal::Wrong);
        assert_eq!(seal("kv-a", Some("")), Seal::Wrong);
        assert_eq!(seal("kv-a", None), Seal::Missing);
        assert_ne!(seal_of("other", &vault("kv-a").parse().unwrap()), right);
    }
}
