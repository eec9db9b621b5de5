//! Answers in tidy casing: what `--tidy` makes of the spellings that Azure's providers really use.

use serde_json::Value;

use crate::body;
use crate::providers::resources::subscriptions::normal_location;
use crate::providers::{Kind, Placement, machine_learning::vm_sizes};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// Where one resource names another one in a spelling of its own.
const REFERENCES: [&str; 4] = [
    "/properties/storageAccount",
    "/properties/keyVault",
    "/properties/applicationInsights",
    "/properties/containerRegistry",
];

/// The body with canonical ids and types, normalised locations and documented enum values.
pub(crate) fn tidied(state: &State, stored: &Stored, kind: &dyn Kind, mut body: Value) -> Value {
    let style = kind.style();
    body::set(&mut body, "/id", stored.id.as_str());
    body::set(&mut body, "/name", stored.id.name());
    let arm_type = style.arm_type.replacen("microsoft.insights", "Microsoft.Insights", 1);
    body::set(&mut body, "/type", arm_type);
    if style.placement == Placement::Display
        && let Some(location) = body::text(&body, "/location").map(normal_location)
    {
        body::set(&mut body, "/location", location);
    }
    for pointer in REFERENCES {
        let id: Option<ResourceId> = body::text(&body, pointer).and_then(|text| text.parse().ok());
        if let Some(target) = id.as_ref().and_then(|id| state.get(id)) {
            body::set(&mut body, pointer, target.id.as_str());
        }
    }
    tidy_values(&mut body);
    body
}

/// The enum values that come back in another casing than they are documented in.
fn tidy_values(body: &mut Value) {
    let size = "/properties/properties/vmSize";
    if let Some(name) = body::text(body, size).and_then(vm_sizes::spelled) {
        body::set(body, size, name);
    }
    for (pointer, known) in [
        ("/properties/publicNetworkAccess", ["Enabled", "Disabled", "SecuredByPerimeter"]),
        ("/properties/systemDatastoresAuthMode", ["AccessKey", "Identity", "UserDelegationSAS"]),
    ] {
        let sent = body::text(body, pointer).unwrap_or_default();
        if let Some(spelled) = known.into_iter().find(|known| known.eq_ignore_ascii_case(sent)) {
            body::set(body, pointer, spelled);
        }
    }
}
