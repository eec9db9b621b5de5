//! Names that Azure Resource Manager gives to things, as types: parsed once at the edge, compared as
//! Azure compares them.
//!
//! Resource ids, resource groups and provider names are case-insensitive (`facts.md` 15, after the
//! Resource Provider Contract): two [`ResourceId`]s that differ only in casing are equal, hash alike
//! and sort together, while the text that was given is kept for requests and for people.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest id that is accepted, in bytes. ARM's own documented limit for a resource id's URL is 2048.
const MAX_ID_BYTES: usize = 2048;

/// The id of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub Uuid);

/// The id of a directory (tenant) of Entra.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of a resource provider's contract that a request is written against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ApiVersion(pub &'static str);

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The full id of a resource, a resource group or a subscription, for example
/// `/subscriptions/…/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(String);

/// Why a text is not a resource id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not begin with a slash, or has empty segments.
    #[error(
        "a resource id looks like /subscriptions/<id>/resourceGroups/<name>/providers/<namespace>/<type>/<name>"
    )]
    Shape,
    /// The text is longer than Azure accepts.
    #[error("a resource id has at most {MAX_ID_BYTES} bytes")]
    TooLong,
    /// A segment has a character that no Azure name may have.
    #[error("the segment `{0}` has a character that Azure does not allow in an id")]
    Character(String),
}

impl ResourceId {
    /// The id of a subscription.
    #[must_use]
    pub fn subscription(subscription: SubscriptionId) -> Self {
        Self(format!("/subscriptions/{subscription}"))
    }

    /// The id of a resource group.
    #[must_use]
    pub fn resource_group(subscription: SubscriptionId, name: &str) -> Self {
        Self(format!("/subscriptions/{subscription}/resourceGroups/{name}"))
    }

    /// The id of an extension or top-level resource below `self`: `{self}/providers/{arm_type}/{name}`.
    #[must_use]
    pub fn provider(&self, arm_type: &str, name: &str) -> Self {
        Self(format!("{}/providers/{arm_type}/{name}", self.0))
    }

    /// The id of a child resource: `{self}/{segment}/{name}`. `segment` may hold several levels, such
    /// as `blobServices/default/containers`.
    #[must_use]
    pub fn child(&self, segment: &str, name: &str) -> Self {
        Self(format!("{}/{segment}/{name}", self.0))
    }

    /// The id as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment: the name of the resource itself.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The subscription this id lies in.
    #[must_use]
    pub fn subscription_id(&self) -> Option<SubscriptionId> {
        self.after("subscriptions").and_then(|id| id.parse().ok()).map(SubscriptionId)
    }

    /// The name of the resource group this id lies in (or is).
    #[must_use]
    pub fn resource_group_name(&self) -> Option<&str> {
        self.after("resourceGroups")
    }

    /// The id of the resource group this id lies in (or is).
    #[must_use]
    pub fn resource_group_id(&self) -> Option<Self> {
        Some(Self::resource_group(self.subscription_id()?, self.resource_group_name()?))
    }

    /// The ARM type, for example `Microsoft.MachineLearningServices/workspaces/computes`, in the
    /// casing of the id. Extension resources answer with their own type, not their target's.
    #[must_use]
    pub fn arm_type(&self) -> String {
        let segments: Vec<&str> = self.segments().collect();
        let provider = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"));
        match provider {
            Some(at) => {
                let namespace = segments.get(at + 1).copied().unwrap_or_default();
                let types = segments.iter().skip(at + 2).step_by(2);
                std::iter::once(&namespace).chain(types).copied().collect::<Vec<_>>().join("/")
            }
            None if self.resource_group_name().is_some() => "Microsoft.Resources/resourceGroups".to_owned(),
            None => "Microsoft.Resources/subscriptions".to_owned(),
        }
    }

    /// The id that contains this one: the parent resource, for a top-level resource its group, for an
    /// extension its target. `None` for a subscription.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let segments: Vec<&str> = self.segments().collect();
        let keep = segments.len().checked_sub(2).filter(|&n| n > 0)?;
        let at_provider = keep >= 2 && segments[keep - 2].eq_ignore_ascii_case("providers");
        let keep = if at_provider { keep - 2 } else { keep };
        (keep > 0).then(|| Self(format!("/{}", segments[..keep].join("/"))))
    }

    /// Whether `self` lies below `other` (or is it).
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let (inner, outer) = (self.folded(), other.folded());
        inner == outer || inner.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The id in lower case: the key under which equal ids meet.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    fn after(&self, keyword: &str) -> Option<&str> {
        let mut segments = self.segments();
        segments.by_ref().find(|segment| segment.eq_ignore_ascii_case(keyword))?;
        segments.next()
    }
}

impl FromStr for ResourceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > MAX_ID_BYTES {
            return Err(IdError::TooLong);
        }
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let body = trimmed.strip_prefix('/').ok_or(IdError::Shape)?;
        let segments: Vec<&str> = body.split('/').collect();
        if segments.len() < 2 || segments.iter().any(|segment| segment.is_empty()) {
            return Err(IdError::Shape);
        }
        // Spaces are allowed: "Failure Anomalies - ai-name" is a name that Azure itself gives (`facts.md` 4).
        let forbidden = |c: char| c.is_control() || "<>%&?#\\\"".contains(c);
        match segments.iter().find(|segment| segment.contains(forbidden) || **segment == "..") {
            Some(segment) => Err(IdError::Character((*segment).to_owned())),
            None => Ok(Self(trimmed.to_owned())),
        }
    }
}

impl TryFrom<String> for ResourceId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.0
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "/subscriptions/11111111-2222-3333-4444-555555555555";

    fn id(tail: &str) -> ResourceId {
        format!("{SUBSCRIPTION}{tail}").parse().unwrap()
    }

    #[test]
    fn ids_that_differ_in_casing_are_equal() {
        let one = id("/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv");
        let other = id("/resourcegroups/RG/providers/microsoft.keyvault/vaults/KV");
        assert_eq!(one, other);
        assert_eq!(one.cmp(&other), Ordering::Equal);
    }

    #[test]
    fn the_type_of_a_child_names_every_level() {
        let compute =
            id("/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/w/computes/c");
        assert_eq!(compute.arm_type(), "Microsoft.MachineLearningServices/workspaces/computes");
        assert_eq!(compute.name(), "c");
        assert_eq!(compute.parent().unwrap().name(), "w");
        assert_eq!(id("/resourceGroups/rg").arm_type(), "Microsoft.Resources/resourceGroups");
    }

    #[test]
    fn an_extension_has_its_own_type_and_its_target_as_parent() {
        let vault = id("/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv");
        let role = vault.provider("Microsoft.Authorization/roleAssignments", "g");
        assert_eq!(role.arm_type(), "Microsoft.Authorization/roleAssignments");
        assert_eq!(role.parent(), Some(vault.clone()));
        assert!(role.is_within(&vault));
        assert_eq!(vault.parent(), Some(id("/resourceGroups/rg")));
    }

    #[test]
    fn a_neighbour_with_a_longer_name_is_not_within() {
        assert!(!id("/resourceGroups/rg-two").is_within(&id("/resourceGroups/rg")));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in ["", "subscriptions/x", "/", "/a", "/subscriptions//x", "/a/b?c=d", "/a/..", "/a/b\nc"] {
            assert!(text.parse::<ResourceId>().is_err(), "{text} was accepted");
        }
        assert_eq!(format!("/a/{}", "x".repeat(3000)).parse::<ResourceId>(), Err(IdError::TooLong));
    }
}
