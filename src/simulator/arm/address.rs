//! What a path names. Paths match without regard to casing; empty segments are skipped, because
//! clients write double slashes (`clients.md` 3.1).

use uuid::Uuid;

use super::ArmError;
use crate::operation::{Face, POLL_SEGMENTS};
use crate::state::parse_uuid;
use beamline_base::id::{ResourceId, SubscriptionId};

/// Most segments a path may have: nobody nests resources deeper.
const MAX_SEGMENTS: usize = 64;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tenants,
    Subscriptions,
    Subscription(SubscriptionId),
    Locations(SubscriptionId),
    Groups(SubscriptionId),
    Group(ResourceId),
    /// The tracked resources at a subscription or in a group.
    Resources(ResourceId),
    Providers(SubscriptionId),
    Provider(SubscriptionId, String),
    TenantProvider(String),
    Register(SubscriptionId, String),
    Unregister(SubscriptionId, String),
    Poll(Face, Uuid),
    Typed(Typed),
}

/// A path with a resource provider: `{scope}/providers/{namespace}/{tail}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    /// The path before `/providers`, in the casing of the request; empty at the tenant.
    pub(crate) scope: String,
    pub(crate) namespace: String,
    /// Type, name, type, name… An odd number names a collection (GET) or an action (POST).
    pub(crate) tail: Vec<String>,
}

impl Typed {
    /// The ARM type that the path names: of the resource, or of the collection.
    pub(crate) fn arm_type(&self) -> String {
        let types = self.tail.iter().step_by(2).map(String::as_str);
        std::iter::once(self.namespace.as_str()).chain(types).collect::<Vec<_>>().join("/")
    }

    /// Whether the tail ends in a name.
    pub(crate) fn names_resource(&self) -> bool {
        self.tail.len().is_multiple_of(2)
    }

    /// The id of the first `length` segments of the tail.
    pub(crate) fn id_of(&self, length: usize) -> Result<ResourceId, ArmError> {
        let tail: String = self.tail.iter().take(length).map(|segment| format!("/{segment}")).collect();
        parse_id(&format!("{}/providers/{}{tail}", self.scope, self.namespace))
    }

    /// The subscription of the scope.
    pub(crate) fn subscription(&self) -> Option<SubscriptionId> {
        parse_id(&self.scope).ok()?.subscription_id()
    }

    /// The tail in lower case, for matching.
    pub(crate) fn folded(&self) -> Vec<String> {
        self.tail.iter().map(|segment| segment.to_ascii_lowercase()).collect()
    }
}

pub(super) fn parse(path: &str) -> Result<Address, ArmError> {
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    if segments.len() > MAX_SEGMENTS {
        return Err(unknown(path));
    }
    let folded: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
    if let Some(poll) = poll(&folded) {
        return Ok(poll);
    }
    match folded.as_slice() {
        ["tenants"] => Ok(Address::Tenants),
        ["providers", _] => Ok(Address::TenantProvider(segments[1].clone())),
        ["subscriptions"] => Ok(Address::Subscriptions),
        ["subscriptions", id] => Ok(Address::Subscription(subscription(id)?)),
        ["subscriptions", id, "locations"] => Ok(Address::Locations(subscription(id)?)),
        ["subscriptions", id, "resourcegroups"] => Ok(Address::Groups(subscription(id)?)),
        ["subscriptions", id, "resources"] => {
            Ok(Address::Resources(ResourceId::subscription(subscription(id)?)))
        }
        ["subscriptions", id, "providers"] => Ok(Address::Providers(subscription(id)?)),
        ["subscriptions", id, "providers", _] => {
            Ok(Address::Provider(subscription(id)?, segments[3].clone()))
        }
        ["subscriptions", id, "providers", _, "register"] => {
            Ok(Address::Register(subscription(id)?, segments[3].clone()))
        }
        ["subscriptions", id, "providers", _, "unregister"] => {
            Ok(Address::Unregister(subscription(id)?, segments[3].clone()))
        }
        ["subscriptions", id, "resourcegroups", _] => Ok(Address::Group(group(id, &segments[3])?)),
        ["subscriptions", id, "resourcegroups", _, "resources"] => {
            Ok(Address::Resources(group(id, &segments[3])?))
        }
        _ => typed(path, &segments, &folded).map(Address::Typed),
    }
}

fn typed(path: &str, segments: &[String], folded: &[&str]) -> Result<Typed, ArmError> {
    let at = folded.iter().rposition(|segment| *segment == "providers").ok_or_else(|| unknown(path))?;
    if at + 2 >= segments.len() {
        return Err(unknown(path));
    }
    if folded.first() == Some(&"subscriptions") {
        subscription(folded.get(1).copied().unwrap_or_default())?;
    }
    let scope: String = segments[..at].iter().map(|segment| format!("/{segment}")).collect();
    Ok(Typed { scope, namespace: segments[at + 1].clone(), tail: segments[at + 2..].to_vec() })
}

fn poll(folded: &[&str]) -> Option<Address> {
    let [.., segment, id] = folded else { return None };
    let (_, face) = POLL_SEGMENTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(segment))?;
    Some(Address::Poll(*face, parse_uuid(id)?))
}

fn group(subscription_id: &str, name: &str) -> Result<ResourceId, ArmError> {
    parse_id(&format!("/subscriptions/{}/resourceGroups/{name}", subscription(subscription_id)?))
}

fn subscription(text: &str) -> Result<SubscriptionId, ArmError> {
    parse_uuid(text).map(SubscriptionId).ok_or_else(|| {
        let message = format!("The provided subscription identifier '{text}' is malformed or invalid.");
        ArmError::bad_request("InvalidSubscriptionId", message)
    })
}

pub(super) fn parse_id(text: &str) -> Result<ResourceId, ArmError> {
    text.parse().map_err(|_| {
        let message = format!("The resource identifier '{text}' is malformed.");
        ArmError::bad_request("InvalidResourceIdentifier", message)
    })
}

fn unknown(path: &str) -> ArmError {
    ArmError::not_found("InvalidResourceNamespace", format!("No route was found for the path '{path}'."))
}

/// Percent-decodes a segment; what is not an escape stays as it is.
fn decode(segment: &str) -> String {
    let (bytes, mut out, mut at) = (segment.as_bytes(), Vec::with_capacity(segment.len()), 0);
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let decoded = escape
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(decoded.unwrap_or(bytes[at]));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_in_any_casing_and_with_double_slashes() {
        let path = "//SUBSCRIPTIONS/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01/ResourceGroups/rg%2Done";
        let Ok(Address::Group(id)) = parse(path) else { panic!("not a group") };
        assert_eq!(id.name(), "rg-one");
    }

    #[test]
    fn an_extension_is_typed_by_its_own_provider() {
        let scope = "/subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01/resourceGroups/rg";
        let path = format!(
            "{scope}/providers/Microsoft.KeyVault/vaults/kv/providers/Microsoft.Authorization/roleAssignments/g"
        );
        let Ok(Address::Typed(typed)) = parse(&path) else { panic!("not typed") };
        assert_eq!(typed.arm_type(), "Microsoft.Authorization/roleAssignments");
        assert!(typed.scope.ends_with("/vaults/kv"));
    }

    #[test]
    fn nonsense_is_refused() {
        for path in [
            "/",
            "/providers",
            "/subscriptions/x",
            "/%ff%",
            "/a/providers/b",
            "/subscriptions/x/providers/a/b/c",
        ] {
            assert!(parse(path).is_err(), "{path} was accepted");
        }
    }
}
