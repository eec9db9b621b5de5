//! `Microsoft.KeyVault` vaults with their soft-deleted life (`facts.md` 3). No asynchronous header: the
//! client looks at the vault until `RegisteringDns` has become `Succeeded`.

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::names::{alphanumeric, alphanumeric_or_hyphen, fits};
use crate::providers::{Answer, Kind, Style, resources::subscriptions};
use crate::state::{Grave, State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Vault;

/// From this version on, a vault that says nothing gets RBAC (Key Vault access-control-default).
const RBAC_BY_DEFAULT_SINCE: &str = "2026-02-01";

/// The type of vaults.
pub(in crate::providers) const TYPE: &str = "Microsoft.KeyVault/vaults";

static STYLE: Style = Style {
    arm_type: TYPE,
    first_version: "2015-06-01",
    create: Answer::Resource { status: 201, state: "RegisteringDns" },
    update: Answer::Sync(200),
    create_secs: 18.0,
    result_segment: "vaultOperationResults",
    ..Style::TRACKED
};

impl Kind for Vault {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name_shape(write.name())?;
        match &write.existing {
            Some(old) => check_change(old, write),
            None => check_name_free(state, write),
        }?;
        if recovers(write) { Ok(()) } else { check_values(write) }
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = match (recovers(write), state.graves.remove(&grave_key(write.name()))) {
            (true, Some(grave)) => grave.body,
            (true | false, _) => write.body.clone(),
        };
        body::remove(&mut filled, "/properties/createMode");
        fill_defaults(write, &mut filled);
        body::set(&mut filled, "/properties/vaultUri", format!("https://{}.vault.azure.net/", write.name()));
        let system_data = state.system_data(write.caller, write.existing.as_ref());
        body::set(&mut filled, "/systemData", system_data);
        filled
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        let message = format!("A conflict occurred: the vault '{}' is in state '{phase}'.", id.name());
        ArmError::conflict("ConflictError", message)
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::SoftDelete)
    }

    fn removed(&self, state: &mut State, stored: &Stored, afterlife: Afterlife) {
        if afterlife == Afterlife::Purge {
            return;
        }
        let days = body::at(&stored.body, "/properties/softDeleteRetentionInDays").and_then(Value::as_i64);
        let deleted = state.now();
        let span = jiff::SignedDuration::from_hours(24 * days.unwrap_or(90).clamp(7, 90));
        let purged = deleted.checked_add(span).unwrap_or(deleted);
        let mut body = stored.body.clone();
        body::set(&mut body, "/properties/provisioningState", "Succeeded");
        let grave = Grave { id: stored.id.clone(), body, created: stored.created, deleted, purged };
        state.graves.insert(grave_key(stored.id.name()), grave);
    }
}

pub(in crate::providers) fn grave_key(name: &str) -> (String, String) {
    ("vaults".to_owned(), name.to_ascii_lowercase())
}

fn recovers(write: &Write<'_>) -> bool {
    let mode = write.text("/properties/createMode").unwrap_or("default");
    write.existing.is_none() && mode.eq_ignore_ascii_case("recover")
}

pub(in crate::providers) fn bad(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("BadRequest", message)
}

pub(in crate::providers) fn is_name(name: &str) -> bool {
    fits(name, 3, 24, alphanumeric_or_hyphen)
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(alphanumeric)
        && !name.contains("--")
}

pub(in crate::providers) fn invalid_name(name: &str) -> String {
    format!(
        "The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name \
         must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link \
         for more information: https://go.microsoft.com/fwlink/?linkid=2147742"
    )
}

fn check_name_shape(name: &str) -> Result<(), ArmError> {
    if is_name(name) { Ok(()) } else { Err(ArmError::bad_request("VaultNameNotValid", invalid_name(name))) }
}

pub(in crate::providers) fn taken(name: &str) -> String {
    format!(
        "The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is \
         already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same \
         name was recently deleted but not purged after being placed in a recoverable state."
    )
}

fn check_name_free(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let name = write.name();
    if state.named(STYLE.arm_type, name).is_some() {
        return Err(ArmError::conflict("VaultAlreadyExists", taken(name)));
    }
    let grave = state.graves.get(&grave_key(name));
    match (recovers(write), grave) {
        (false, None) => Ok(()),
        (false, Some(_)) => Err(ArmError::conflict(
            "ConflictError",
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing \
             key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft \
             delete.",
        )),
        (true, None) => Err(ArmError::not_found(
            "SoftDeletedVaultDoesNotExist",
            "A soft deleted vault with the given name does not exist. Ensure that the name for the vault that is being \
             attempted to recover is in a recoverable state.",
        )),
        (true, Some(grave)) => check_recovery(grave, write),
    }
}

/// A vault goes back to where it was (`facts.md` 3).
fn check_recovery(grave: &Grave, write: &Write<'_>) -> Result<(), ArmError> {
    let location = |body: &Value| body::text(body, "/location").map(subscriptions::normal_location);
    if grave.id == *write.id && location(&grave.body) == location(write.body) {
        return Ok(());
    }
    let message =
        format!("The soft deleted vault can be recovered only as '{}' in its original location.", grave.id);
    Err(ArmError::conflict("ConflictError", message))
}

fn check_values(write: &Write<'_>) -> Result<(), ArmError> {
    let tenant =
        write.text("/properties/tenantId").ok_or_else(|| bad("The parameter tenantId is not specified."))?;
    if crate::state::parse_uuid(tenant).is_none() {
        return Err(bad("An invalid value was provided for 'tenantId'."));
    }
    let sku = write.text("/properties/sku/name").ok_or_else(|| bad("The parameter sku is not specified."))?;
    if !["standard", "premium"].iter().any(|known| known.eq_ignore_ascii_case(sku)) {
        return Err(bad(format!("An invalid value was provided for 'sku': '{sku}'.")));
    }
    let days = body::at(write.body, "/properties/softDeleteRetentionInDays");
    if days.is_some_and(|days| !days.as_i64().is_some_and(|days| (7..=90).contains(&days))) {
        return Err(bad("The property \"softDeleteRetentionInDays\" must be between 7 and 90."));
    }
    let policies = body::at(write.body, "/properties/accessPolicies").is_some();
    if !policies && !rbac(write) {
        return Err(bad("The parameter accessPolicies is not specified."));
    }
    if body::truth(write.body, "/properties/enableSoftDelete") == Some(false) {
        return Err(bad(
            "The property \"enableSoftDelete\" can not be set to false. Enabling the 'soft delete' functionality is an \
             irreversible action.",
        ));
    }
    Ok(())
}

fn rbac(write: &Write<'_>) -> bool {
    let sent = body::truth(write.body, "/properties/enableRbacAuthorization");
    let old = write.old("/properties/enableRbacAuthorization").and_then(Value::as_bool);
    let by_default = match &write.existing {
        Some(_) => old.unwrap_or(false),
        None => write.api_version >= RBAC_BY_DEFAULT_SINCE,
    };
    sent.unwrap_or(by_default)
}

fn check_change(old: &Value, write: &Write<'_>) -> Result<(), ArmError> {
    let protected = body::truth(old, "/properties/enablePurgeProtection") == Some(true);
    if protected && body::truth(write.body, "/properties/enablePurgeProtection") == Some(false) {
        return Err(bad(
            "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is \
             an irreversible action.",
        ));
    }
    let days = body::at(write.body, "/properties/softDeleteRetentionInDays");
    if days.is_some_and(|days| Some(days) != body::at(old, "/properties/softDeleteRetentionInDays")) {
        return Err(bad(
            "The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.",
        ));
    }
    Ok(())
}

fn fill_defaults(write: &Write<'_>, filled: &mut Value) {
    for name in ["softDeleteRetentionInDays", "enablePurgeProtection"] {
        let pointer = format!("/properties/{name}");
        if let Some(old) = write.old(&pointer) {
            body::fill(filled, &pointer, old.clone());
        }
    }
    if body::truth(filled, "/properties/enablePurgeProtection") != Some(true) {
        body::remove(filled, "/properties/enablePurgeProtection");
    }
    for (pointer, value) in [
        ("/properties/sku/family", json!("A")),
        ("/properties/accessPolicies", json!([])),
        ("/properties/enabledForDeployment", json!(false)),
        ("/properties/enabledForDiskEncryption", json!(false)),
        ("/properties/enabledForTemplateDeployment", json!(false)),
        ("/properties/enableSoftDelete", json!(true)),
        ("/properties/softDeleteRetentionInDays", json!(90)),
        ("/properties/enableRbacAuthorization", json!(rbac(write))),
        // The type's own default, in its own casing.
        ("/properties/publicNetworkAccess", json!("enabled")),
        ("/tags", json!({})),
    ] {
        body::fill(filled, pointer, value);
    }
}
