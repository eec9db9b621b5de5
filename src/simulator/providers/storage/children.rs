//! What the control plane keeps below a storage account besides blob containers: file shares, encryption
//! scopes, and the one lifecycle and the one inventory policy (Microsoft.Storage 2023-05-01).

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::names::{alphanumeric_or_hyphen, fits};
use crate::providers::{Answer, Kind, Style};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// A file share, through the control plane.
pub(in crate::providers) struct Share;

/// A key of its own for some of the containers.
pub(in crate::providers) struct EncryptionScope;

/// A policy of the account: there is one, called `default`.
pub(in crate::providers) struct Policy {
    style: &'static Style,
    /// The name that answers have, which is not the one of the path.
    shown: &'static str,
}

static SHARE: Style = Style {
    arm_type: "Microsoft.Storage/storageAccounts/fileServices/shares",
    first_version: "2019-04-01",
    ..Style::SYNC
};

static SCOPE: Style = Style {
    arm_type: "Microsoft.Storage/storageAccounts/encryptionScopes",
    first_version: "2019-06-01",
    ..Style::SYNC
};

const fn policy(arm_type: &'static str) -> Style {
    Style { arm_type, first_version: "2018-03-01-preview", create: Answer::Sync(200), ..Style::SYNC }
}

/// What becomes of blobs as they age.
pub(in crate::providers) const LIFECYCLE: Policy = Policy {
    style: &policy("Microsoft.Storage/storageAccounts/managementPolicies"),
    shown: "DefaultManagementPolicy",
};

/// Which lists of blobs are written.
pub(in crate::providers) const INVENTORY: Policy = Policy {
    style: &policy("Microsoft.Storage/storageAccounts/inventoryPolicies"),
    shown: "DefaultInventoryPolicy",
};

/// The quota of a share in GiB: the default, and the most that a large share may have.
const SHARE_QUOTA: (i64, i64) = (5120, 102_400);

fn check_lower_name(name: &str) -> Result<(), ArmError> {
    let shape = fits(name, 3, 63, |c| alphanumeric_or_hyphen(c) && !c.is_ascii_uppercase());
    if shape && !name.starts_with('-') && !name.ends_with('-') && !name.contains("--") {
        return Ok(());
    }
    let message = "The specified resource name contains invalid characters or has an invalid length.";
    Err(ArmError::bad_request("InvalidResourceName", message))
}

fn etag(state: &State) -> String {
    format!("\"0x{:X}\"", state.now().as_nanosecond())
}

impl Kind for Share {
    fn style(&self) -> &'static Style {
        &SHARE
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_lower_name(write.name())?;
        let quota = body::at(write.body, "/properties/shareQuota");
        if quota.is_none_or(|quota| quota.as_i64().is_some_and(|own| (1..=SHARE_QUOTA.1).contains(&own))) {
            return Ok(());
        }
        let message = "The value for one of the properties is out of range: shareQuota.";
        Err(ArmError::bad_request("InvalidRequestPropertyValue", message).at("shareQuota"))
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled =
            json!({ "properties": write.old("/properties").cloned().unwrap_or_else(|| json!({})) });
        for name in
            ["shareQuota", "metadata", "accessTier", "enabledProtocols", "rootSquash", "signedIdentifiers"]
        {
            let pointer = format!("/properties/{name}");
            if let Some(value) = body::at(write.body, &pointer) {
                body::set(&mut filled, &pointer, value.clone());
            }
        }
        for (name, value) in [
            ("shareQuota", json!(SHARE_QUOTA.0)),
            ("accessTier", json!("TransactionOptimized")),
            ("enabledProtocols", json!("SMB")),
            ("leaseStatus", json!("Unlocked")),
            ("leaseState", json!("Available")),
        ] {
            body::fill(&mut filled, &format!("/properties/{name}"), value);
        }
        body::set(&mut filled, "/properties/lastModifiedTime", state.now().to_string());
        body::set(&mut filled, "/etag", etag(state));
        filled
    }

    /// Every account has its file service `default`, which is stored only once it was changed.
    fn has_container(&self, state: &State, container: &ResourceId) -> bool {
        container.name().eq_ignore_ascii_case("default")
            && container.parent().is_some_and(|account| state.get(&account).is_some())
    }
}

impl Kind for EncryptionScope {
    fn style(&self) -> &'static Style {
        &SCOPE
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_lower_name(write.name())?;
        let source = write.text("/properties/source").unwrap_or("Microsoft.Storage");
        let key = write.text("/properties/keyVaultProperties/keyUri");
        if !["Microsoft.Storage", "Microsoft.KeyVault"].contains(&source)
            || (source == "Microsoft.KeyVault" && key.is_none())
        {
            let message =
                format!("The source '{source}' of the encryption scope is not valid or lacks its key.");
            return Err(ArmError::bad_request("InvalidRequestPropertyValue", message).at("source"));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let now = state.now().to_string();
        let mut filled =
            json!({ "properties": write.old("/properties").cloned().unwrap_or_else(|| json!({})) });
        for name in ["source", "state", "keyVaultProperties", "requireInfrastructureEncryption"] {
            let pointer = format!("/properties/{name}");
            if let Some(value) = body::at(write.body, &pointer) {
                body::set(&mut filled, &pointer, value.clone());
            }
        }
        body::fill(&mut filled, "/properties/source", "Microsoft.Storage");
        body::fill(&mut filled, "/properties/state", "Enabled");
        body::fill(&mut filled, "/properties/creationTime", now.as_str());
        body::set(&mut filled, "/properties/lastModifiedTime", now);
        filled
    }

    /// A scope is disabled, never deleted (azure-docs storage/encryption-scope-manage).
    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Err(ArmError::new(405, "HttpMethodNotAllowed", "An encryption scope cannot be deleted: disable it."))
    }
}

impl Kind for Policy {
    fn style(&self) -> &'static Style {
        self.style
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !write.name().eq_ignore_ascii_case("default") {
            let message = format!("The policy name '{}' is not valid: it must be 'default'.", write.name());
            return Err(ArmError::bad_request("InvalidResourceName", message));
        }
        if body::items(write.body, "/properties/policy/rules").is_empty() {
            let message = "The policy must have at least one rule.";
            return Err(ArmError::bad_request("InvalidRequestPropertyValue", message).at("policy"));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let policy = write.body["properties"]["policy"].clone();
        json!({ "properties": { "policy": policy, "lastModifiedTime": state.now().to_string() } })
    }

    fn render(&self, _: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        body::set(&mut body, "/name", self.shown);
        body
    }
}
