//! Blob containers, through the control plane (`facts.md` 2).

use serde_json::{Value, json};

use crate::arm::{ArmError, Write};
use crate::body;
use crate::providers::names::{alphanumeric_or_hyphen, fits};
use crate::providers::{Kind, Style};
use crate::state::State;
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Container;

static STYLE: Style = Style {
    arm_type: "Microsoft.Storage/storageAccounts/blobServices/containers",
    first_version: "2018-02-01",
    ..Style::SYNC
};

const METADATA: &str = "/properties/metadata";

impl Kind for Container {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let name = write.name();
        let shape = fits(name, 3, 63, |c| alphanumeric_or_hyphen(c) && !c.is_ascii_uppercase());
        if !shape || name.starts_with('-') || name.ends_with('-') || name.contains("--") {
            let message = "The specified resource name contains invalid characters or has an invalid length.";
            return Err(ArmError::bad_request("InvalidResourceName", message));
        }
        let account = write.id.parent().and_then(|service| service.parent());
        let account = account.and_then(|id| state.get(&id));
        let public =
            account.and_then(|account| body::truth(&account.body, "/properties/allowBlobPublicAccess"));
        if write.text("/properties/publicAccess").unwrap_or("None") != "None" && public != Some(true) {
            let message = "Public access is not permitted on this storage account.";
            return Err(ArmError::conflict("PublicAccessNotPermitted", message));
        }
        Ok(())
    }

    /// Metadata that is sent replaces all that was there ("Set Container Metadata", learn.microsoft.com).
    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        let mut wanted = existing.clone();
        if body::at(sent, METADATA).is_some() {
            body::remove(&mut wanted, METADATA);
        }
        body::merge(&mut wanted, sent);
        Ok(wanted)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": {} });
        for name in ["publicAccess", "metadata", "defaultEncryptionScope", "denyEncryptionScopeOverride"] {
            body::copy(&mut filled, write.body, &format!("/properties/{name}"));
        }
        for (pointer, value) in [
            ("/properties/publicAccess", json!("None")),
            ("/properties/defaultEncryptionScope", json!("$account-encryption-key")),
            ("/properties/denyEncryptionScopeOverride", json!(false)),
            ("/properties/leaseStatus", json!("Unlocked")),
            ("/properties/leaseState", json!("Available")),
            ("/properties/deleted", json!(false)),
            ("/properties/hasImmutabilityPolicy", json!(false)),
            ("/properties/hasLegalHold", json!(false)),
            ("/properties/remainingRetentionDays", json!(0)),
        ] {
            body::fill(&mut filled, pointer, value);
        }
        let now = state.now();
        body::set(&mut filled, "/properties/lastModifiedTime", now.to_string());
        body::set(&mut filled, "/etag", format!("\"0x{:X}\"", now.as_nanosecond()));
        filled
    }

    /// Every account has its blob service `default`, which is not stored.
    fn has_container(&self, state: &State, container: &ResourceId) -> bool {
        container.name().eq_ignore_ascii_case("default")
            && container.parent().is_some_and(|account| state.get(&account).is_some())
    }
}
