//! Secrets of a vault as the control plane has them (Microsoft.KeyVault/vaults/secrets): they are put, and
//! their properties are read; the value goes in and is kept nowhere. Deleting is the data plane's.

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::names::{alphanumeric_or_hyphen, fits};
use crate::providers::{Kind, Style};
use crate::state::{State, Stored};

pub(in crate::providers) struct Secret;

static STYLE: Style =
    Style { arm_type: "Microsoft.KeyVault/vaults/secrets", first_version: "2016-10-01", ..Style::SYNC };

/// The longest value of a secret, in bytes (Key Vault documentation, about-secrets).
const MAX_VALUE_BYTES: usize = 25 * 1024;

impl Kind for Secret {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !fits(write.name(), 1, 127, alphanumeric_or_hyphen) {
            let message = format!("The secret name '{}' is not valid.", write.name());
            return Err(ArmError::bad_request("BadRequest", message));
        }
        if write.text("/properties/value").is_some_and(|value| value.len() > MAX_VALUE_BYTES) {
            let message = format!("The value of the secret has more than {MAX_VALUE_BYTES} bytes.");
            return Err(ArmError::bad_request("BadRequest", message));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let vault = write.id.parent();
        let vault = vault.and_then(|id| state.get(&id));
        let uri = vault.and_then(|vault| body::text(&vault.body, "/properties/vaultUri")).unwrap_or_default();
        let uri = format!("{}/secrets/{}", uri.trim_end_matches('/'), write.name());
        let location = vault.map(|vault| vault.body["location"].clone()).unwrap_or_default();
        let version = state.uuid(&format!("version {} {}", state.requests_seen, write.id.folded()));
        let now = state.now().as_second();
        let created = write.old("/properties/attributes/created").cloned().unwrap_or_else(|| json!(now));
        let mut filled = json!({ "location": location, "properties": { "attributes": { "enabled": true } } });
        for pointer in [
            "/tags",
            "/properties/contentType",
            "/properties/attributes/enabled",
            "/properties/attributes/nbf",
            "/properties/attributes/exp",
        ] {
            if let Some(value) = body::at(write.body, pointer) {
                body::set(&mut filled, pointer, value.clone());
            }
        }
        for (name, value) in [
            ("attributes/created", created),
            ("attributes/updated", json!(now)),
            ("secretUri", json!(uri)),
            ("secretUriWithVersion", json!(format!("{uri}/{}", version.simple()))),
        ] {
            body::set(&mut filled, &format!("/properties/{name}"), value);
        }
        filled
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        let message = "The HTTP method 'DELETE' is not supported here: use the vault's data plane.";
        Err(ArmError::new(405, "HttpMethodNotAllowed", message))
    }
}
