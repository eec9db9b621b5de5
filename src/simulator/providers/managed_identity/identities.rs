//! `Microsoft.ManagedIdentity` (`facts.md` 10).

use serde_json::{Value, json};

use crate::arm::{ArmError, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::names::word;
use crate::providers::{Kind, Style};
use crate::state::{State, Stored, parse_uuid};

pub(in crate::providers) struct Identity;

static STYLE: Style = Style {
    arm_type: "Microsoft.ManagedIdentity/userAssignedIdentities",
    first_version: "2018-11-30",
    provisioning: crate::providers::Provisioning::Hidden,
    ..Style::TRACKED
};

impl Kind for Identity {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if word(write.name(), 3, 128) {
            return Ok(());
        }
        let message =
            format!("The resource name '{}' is invalid: 3 to 128 letters, digits, '-' or '_'.", write.name());
        Err(ArmError::bad_request("InvalidResourceName", message))
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        let principal = state.uuid_of("principal", write.id);
        state.principals.insert(principal);
        body::set(&mut filled, "/properties/principalId", json!(principal));
        body::set(&mut filled, "/properties/clientId", json!(state.uuid_of("client", write.id)));
        body::set(&mut filled, "/properties/tenantId", json!(state.tenant_of(write.id)));
        body::fill(&mut filled, "/properties/isolationScope", "None");
        body::fill(&mut filled, "/tags", json!({}));
        filled
    }

    /// The provider answers ids with `resourcegroups` in lower case.
    fn render(&self, _state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        body::set(&mut body, "/id", stored.id.as_str().replacen("/resourceGroups/", "/resourcegroups/", 1));
        body
    }

    fn removed(&self, state: &mut State, stored: &Stored, _afterlife: Afterlife) {
        if let Some(principal) = body::text(&stored.body, "/properties/principalId").and_then(parse_uuid) {
            state.principals.remove(&principal);
        }
    }
}
