//! `Microsoft.ContainerRegistry` registries (`facts.md` 5): 201 with `Azure-AsyncOperation`, no soft
//! delete, some features for the Premium SKU only.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed, Write};
use crate::body;
use crate::http::Reply;
use crate::providers::identity::{self, Spelling};
use crate::providers::names::{self, alphanumeric, fits};
use crate::providers::{Answer, Kind, Removal, Style};
use crate::state::{State, Stored};

pub(super) struct Registry;

static STYLE: Style = Style {
    arm_type: "Microsoft.ContainerRegistry/registries",
    first_version: "2017-03-01",
    create: Answer::AsyncOperation(201),
    delete: Removal::Location,
    create_secs: 20.0,
    delete_secs: 10.0,
    status_segment: "registryOperationStatuses",
    result_segment: "registryOperationResults",
    ..Style::TRACKED
};

impl Kind for Registry {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let name = write.name();
        if !fits(name, 5, 50, alphanumeric) {
            return Err(ArmError::bad_request("InvalidResourceName", invalid_name(name)));
        }
        if write.existing.is_none() && state.named(STYLE.arm_type, name).is_some() {
            return Err(ArmError::conflict("AlreadyInUse", taken(name)));
        }
        check_sku(write)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        if let Some(rounds) = write.old(ROUNDS) {
            body::set(&mut filled, ROUNDS, rounds.clone());
        }
        identity::assign(state, write, &mut filled, Spelling::Spaced);
        let sku = body::text(&filled, "/sku/name").unwrap_or("Basic").to_owned();
        body::set(&mut filled, "/sku/tier", sku.as_str());
        let created = state.get(write.id).map_or_else(|| state.now(), |stored| stored.created).to_string();
        let server = format!("{}.azurecr.io", write.name().to_ascii_lowercase());
        body::set(&mut filled, "/properties/loginServer", server);
        body::set(&mut filled, "/properties/creationDate", created.as_str());
        fill_defaults(&mut filled, &created);
        if sku == "Premium" {
            body::fill(&mut filled, "/properties/networkRuleSet/defaultAction", "Allow");
            body::fill(&mut filled, "/properties/networkRuleSet/ipRules", json!([]));
        }
        let system_data = state.system_data(write.caller, write.existing.as_ref());
        body::set(&mut filled, "/systemData", system_data);
        filled
    }

    fn render(&self, _state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        body::remove(&mut body, ROUNDS);
        body
    }

    fn action(
        &self,
        state: &mut State,
        call: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        if !["listcredentials", "regeneratecredential"].contains(&action) {
            return None;
        }
        if body::truth(&stored.body, "/properties/adminUserEnabled") != Some(true) {
            let message = format!(
                "Run 'az acr update -n {} --admin-enabled true' to enable admin first.",
                stored.id.name()
            );
            return Some(Err(ArmError::bad_request("UnAuthorizedForCredentialOperations", message)));
        }
        if action == "regeneratecredential"
            && let Err(error) = regenerate(state, call, stored)
        {
            return Some(Err(error));
        }
        let credentials = state.get(&stored.id).map(|stored| credentials(state, stored));
        Some(Ok(Reply::json(200, credentials.unwrap_or_default())))
    }
}

/// Where it is kept how often each password was made anew; no answer shows it.
const ROUNDS: &str = "/passwordRounds";

fn rounds(body: &Value, name: &str) -> u64 {
    body::at(body, &format!("{ROUNDS}/{name}")).and_then(Value::as_u64).unwrap_or(0)
}

/// The admin user's name and its two passwords.
pub(super) fn credentials(state: &State, stored: &Stored) -> Value {
    let password = |name: &str| {
        let round = rounds(&stored.body, name);
        let value = state.uuid_of(&format!("{name} {round}"), &stored.id).simple().to_string();
        json!({ "name": name, "value": value })
    };
    json!({ "username": stored.id.name(), "passwords": [password("password"), password("password2")] })
}

fn regenerate(state: &mut State, call: &Call<'_>, stored: &Stored) -> Result<(), ArmError> {
    let sent = call.body()?;
    match body::text(&sent, "/name") {
        Some(name @ ("password" | "password2")) => {
            if let Some(stored) = state.get_mut(&stored.id) {
                let next = rounds(&stored.body, name) + 1;
                body::set(&mut stored.body, &format!("{ROUNDS}/{name}"), next);
            }
            Ok(())
        }
        other => {
            let message = format!("The password name '{}' is invalid.", other.unwrap_or_default());
            Err(ArmError::bad_request("InvalidPasswordName", message).at("name"))
        }
    }
}

fn invalid_name(name: &str) -> String {
    format!(
        "The registry name '{name}' is invalid. Resource names may contain alpha numeric characters only and must be between 5 and 50 characters."
    )
}

fn taken(name: &str) -> String {
    format!("The registry DNS name {}.azurecr.io is already in use.", name.to_ascii_lowercase())
}

fn check_sku(write: &Write<'_>) -> Result<(), ArmError> {
    let sku = write.text("/sku/name").unwrap_or_default();
    if !["Basic", "Standard", "Premium"].contains(&sku) {
        let message = format!("The SKU '{sku}' is invalid. It must be Basic, Standard or Premium.");
        return Err(ArmError::bad_request("InvalidSku", message).at("sku.name"));
    }
    let closed = write.text("/properties/publicNetworkAccess") == Some("Disabled");
    if closed && sku != "Premium" {
        let message =
            "The property publicNetworkAccess can be 'Disabled' only in a registry of the Premium SKU.";
        return Err(ArmError::bad_request("FeatureNotSupportedForSku", message).at("publicNetworkAccess"));
    }
    Ok(())
}

fn fill_defaults(filled: &mut Value, created: &str) {
    for (pointer, value) in [
        ("/properties/adminUserEnabled", json!(false)),
        ("/properties/policies/quarantinePolicy/status", json!("disabled")),
        ("/properties/policies/trustPolicy/type", json!("Notary")),
        ("/properties/policies/trustPolicy/status", json!("disabled")),
        ("/properties/policies/retentionPolicy/days", json!(7)),
        ("/properties/policies/retentionPolicy/lastUpdatedTime", json!(created)),
        ("/properties/policies/retentionPolicy/status", json!("disabled")),
        ("/properties/policies/exportPolicy/status", json!("enabled")),
        ("/properties/policies/azureADAuthenticationAsArmPolicy/status", json!("enabled")),
        ("/properties/encryption/status", json!("disabled")),
        ("/properties/dataEndpointEnabled", json!(false)),
        ("/properties/dataEndpointHostNames", json!([])),
        ("/properties/privateEndpointConnections", json!([])),
        ("/properties/publicNetworkAccess", json!("Enabled")),
        ("/properties/networkRuleBypassOptions", json!("AzureServices")),
        ("/properties/zoneRedundancy", json!("Disabled")),
        ("/properties/anonymousPullEnabled", json!(false)),
        ("/properties/roleAssignmentMode", json!("LegacyRegistryPermissions")),
        ("/tags", json!({})),
    ] {
        body::fill(filled, pointer, value);
    }
}

/// Name checks, and the (empty) list of replications.
pub(super) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    match (call.method.as_str(), tail) {
        ("POST", ["checknameavailability"]) => Some(check_name(state, call)),
        ("GET", ["registries", _, "listusages"]) => Some(usages(state, typed)),
        ("GET", ["registries", _, "replications"]) => {
            Some(typed.id_of(2).and_then(|id| match state.get(&id) {
                Some(_) => Ok(Reply::json(200, json!({ "value": [] }))),
                None => Err(crate::arm::missing_resource(&id)),
            }))
        }
        _ => None,
    }
}

/// Storage included in each SKU, and how many webhooks it may have (ACR container-registry-skus).
fn usages(state: &State, typed: &Typed) -> Result<Reply, ArmError> {
    let id = typed.id_of(2)?;
    let Some(stored) = state.get(&id) else { return Err(crate::arm::missing_resource(&id)) };
    let (size, webhooks): (u64, u64) = match body::text(&stored.body, "/sku/name") {
        Some("Premium") => (536_870_912_000, 500),
        Some("Standard") => (107_374_182_400, 10),
        Some(_) | None => (10_737_418_240, 2),
    };
    Ok(Reply::json(
        200,
        json!({ "value": [
            { "name": "Size", "limit": size, "currentValue": 0, "unit": "Bytes" },
            { "name": "Webhooks", "limit": webhooks, "currentValue": 0, "unit": "Count" },
        ] }),
    ))
}

fn check_name(state: &State, call: &Call<'_>) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let name = body::text(&sent, "/name").unwrap_or_default();
    let answer = if !fits(name, 5, 50, alphanumeric) {
        names::unavailable("Invalid", &invalid_name(name))
    } else if state.named(STYLE.arm_type, name).is_some() {
        names::unavailable("AlreadyExists", &taken(name))
    } else {
        names::available()
    };
    Ok(Reply::json(200, answer))
}
