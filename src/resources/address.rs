//! What a resource is called inside beamline: its environment, its type, its short name.
//!
//! An address is stable for as long as the definition calls the resource by that short name; the name
//! in Azure may differ. Text form: `production/compute_clusters/cpu-cluster`, `production/workspace`,
//! and for a resource inside another `production/virtual_networks/main/subnets/compute`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use super::catalog::Kind;

/// The longest name of an environment and of a resource inside it, in bytes.
pub const MAX_NAME_BYTES: usize = 80;

/// The name of an environment: lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvironmentName(String);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` or `.`, and begins with a letter or digit"
)]
pub struct NameError;

/// Whether `text` can be a short name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= MAX_NAME_BYTES
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl EnvironmentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvironmentName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(NameError) }
    }
}

impl TryFrom<String> for EnvironmentName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<EnvironmentName> for String {
    fn from(name: EnvironmentName) -> Self {
        name.0
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    environment: EnvironmentName,
    kind: Kind,
    names: Vec<String>,
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address: it looks like production/compute_clusters/cpu-cluster")]
pub struct AddressError(String);

impl Address {
    /// The address of the one resource of a single kind.
    #[must_use]
    pub fn single(environment: &EnvironmentName, kind: Kind) -> Self {
        debug_assert!(kind.is_single(), "{kind} needs a short name");
        Self { environment: environment.clone(), kind, names: Vec::new() }
    }

    /// The address of a resource with a short name of its own.
    #[must_use]
    pub fn named(environment: &EnvironmentName, kind: Kind, name: &str) -> Self {
        debug_assert_eq!(kind.depth(), 1, "{kind} has another number of short names");
        Self { environment: environment.clone(), kind, names: vec![name.to_owned()] }
    }

    /// The address of a resource that is written inside `self`.
    #[must_use]
    pub fn inside(&self, kind: Kind, name: &str) -> Self {
        debug_assert_eq!(
            kind.written_inside(),
            Some(self.kind),
            "{kind} is not written inside {}",
            self.kind
        );
        let names = self.names.iter().cloned().chain([name.to_owned()]).collect();
        Self { environment: self.environment.clone(), kind, names }
    }

    /// The environment.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// The resource type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The short name; for a single kind its key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.last().map_or(self.kind.key(), String::as_str)
    }

    /// The address of the resource that this one is written inside of.
    #[must_use]
    pub fn outer(&self) -> Option<Self> {
        let kind = self.kind.written_inside()?;
        let names = self.names[..self.names.len().saturating_sub(1)].to_vec();
        Some(Self { environment: self.environment.clone(), kind, names })
    }

    /// The address without its environment: `compute_clusters/cpu-cluster`.
    #[must_use]
    pub fn local(&self) -> String {
        match (self.kind.written_inside(), self.names.as_slice()) {
            (Some(outer), [first, second]) => format!("{outer}/{first}/{}/{second}", self.kind),
            (_, [name]) => format!("{}/{name}", self.kind),
            _ => self.kind.key().to_owned(),
        }
    }

    /// Reads an address that lacks its environment.
    ///
    /// # Errors
    /// [`AddressError`] when the text does not have that form.
    pub fn parse_local(environment: &EnvironmentName, text: &str) -> Result<Self, AddressError> {
        let fail = || AddressError(text.to_owned());
        let segments: Vec<&str> = text.split('/').collect();
        let (kind, names): (&str, Vec<&str>) = match segments.as_slice() {
            [kind] => (kind, vec![]),
            [kind, name] => (kind, vec![name]),
            [_, first, kind, second] => (kind, vec![first, second]),
            _ => return Err(fail()),
        };
        let kind = Kind::from_key(kind).ok_or_else(fail)?;
        let outer_fits =
            segments.len() < 4 || kind.written_inside().is_some_and(|outer| outer.key() == segments[0]);
        if kind.depth() != names.len() || !outer_fits || !names.iter().all(|name| is_name(name)) {
            return Err(fail());
        }
        let names = names.into_iter().map(str::to_owned).collect();
        Ok(Self { environment: environment.clone(), kind, names })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.environment, self.local())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fail = || AddressError(text.to_owned());
        let (environment, rest) = text.split_once('/').ok_or_else(fail)?;
        let environment = environment.parse().map_err(|_| fail())?;
        Self::parse_local(&environment, rest).map_err(|_| fail())
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_text() {
        for text in [
            "production/workspace",
            "production/resource_group",
            "production/compute_clusters/cpu-cluster",
            "production/storage_accounts/data_lake/containers/data",
            "production/virtual_networks/main/subnets/compute",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "production",
            "production/",
            "production/workspace/x",
            "production/compute_clusters",
            "production/subnets/x",
            "production/storage_accounts/a/subnets/b",
            "production/clusters/a",
            "-x/workspace",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_subnet_knows_its_network() {
        let subnet: Address = "p/virtual_networks/main/subnets/compute".parse().unwrap();
        assert_eq!(subnet.outer().unwrap().to_string(), "p/virtual_networks/main");
        assert_eq!(subnet.name(), "compute");
    }
}
