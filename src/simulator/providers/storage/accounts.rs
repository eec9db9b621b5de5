//! `Microsoft.Storage` accounts (`facts.md` 2): created by 202 and `Location`, everything else at once.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Write};
use crate::body;
use crate::http::Reply;
use crate::operation::Afterlife;
use crate::providers::identity::{self, Spelling};
use crate::providers::names::{fits, lower_or_digit};
use crate::providers::storage::defaults::{fill_read_only, fill_service_defaults, merged};
use crate::providers::{Answer, Kind, Style};
use crate::state::{Grave, State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Account;

/// How long a deleted account is listed (documented as best effort within 14 days).
const LISTED_FOR_DAYS: i64 = 14;

/// The type of accounts.
pub(in crate::providers) const TYPE: &str = "Microsoft.Storage/storageAccounts";

static STYLE: Style = Style {
    arm_type: TYPE,
    first_version: "2015-05-01-preview",
    create: Answer::Location,
    update: Answer::Sync(200),
    create_secs: 21.0,
    retry_after_secs: 17,
    result_segment: "asyncoperations",
    ..Style::TRACKED
};

const KINDS: [&str; 5] = ["Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage"];

const SKUS: [&str; 14] = [
    "Standard_LRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_ZRS",
    "Standard_GZRS",
    "Standard_RAGZRS",
    "Premium_LRS",
    "Premium_ZRS",
    "StandardV2_LRS",
    "StandardV2_GRS",
    "StandardV2_ZRS",
    "StandardV2_GZRS",
    "PremiumV2_LRS",
    "PremiumV2_ZRS",
];

impl Kind for Account {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let name = write.name();
        if !fits(name, 3, 24, lower_or_digit) {
            return Err(ArmError::bad_request("AccountNameInvalid", invalid_name(name)));
        }
        if write.existing.is_none() && state.named(STYLE.arm_type, name).is_some() {
            let message = format!("The storage account named {name} is already taken.");
            return Err(ArmError::conflict("StorageAccountAlreadyTaken", message));
        }
        check_values(write)?;
        check_unchanged(write)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = merged(write);
        identity::assign(state, write, &mut filled, Spelling::Tight);
        fill_service_defaults(&mut filled);
        fill_read_only(state, write, &mut filled);
        filled
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        let message = format!("The storage account {} is still being created ({phase}).", id.name());
        ArmError::conflict("StorageAccountOperationInProgress", message)
    }

    fn removed(&self, state: &mut State, stored: &Stored, _afterlife: Afterlife) {
        let key = ("storageaccounts".to_owned(), stored.id.name().to_ascii_lowercase());
        let deleted = state.now();
        let purged =
            deleted.checked_add(jiff::SignedDuration::from_hours(24 * LISTED_FOR_DAYS)).unwrap_or(deleted);
        let grave = Grave {
            id: stored.id.clone(),
            body: stored.body.clone(),
            created: stored.created,
            deleted,
            purged,
        };
        state.graves.insert(key, grave);
    }

    fn action(
        &self,
        state: &mut State,
        call: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        match action {
            "listkeys" => Some(Ok(Reply::json(200, keys(state, stored)))),
            "regeneratekey" => Some(regenerate_key(state, call, stored)),
            "listaccountsas" => Some(signature(state, call, stored, "accountSasToken")),
            "listservicesas" => Some(signature(state, call, stored, "serviceSasToken")),
            _ => None,
        }
    }
}

pub(in crate::providers) fn invalid_name(name: &str) -> String {
    format!(
        "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in \
         length and use numbers and lower-case letters only."
    )
}

fn invalid_value(property: &str, value: &str) -> ArmError {
    let message = format!("The value '{value}' is not allowed for property {property}.");
    ArmError::bad_request("InvalidRequestPropertyValue", message).at(property)
}

fn check_values(write: &Write<'_>) -> Result<(), ArmError> {
    let missing = |name: &str| {
        let message = format!("The required property '{name}' is missing.");
        ArmError::bad_request("InvalidRequestContent", message).at(name)
    };
    let sku =
        write.text("/sku/name").or_else(|| write.old_text("/sku/name")).ok_or_else(|| missing("sku.name"))?;
    if !SKUS.iter().any(|known| known.eq_ignore_ascii_case(sku)) {
        return Err(invalid_value("sku.name", sku));
    }
    let kind = write.text("/kind").or_else(|| write.old_text("/kind")).ok_or_else(|| missing("kind"))?;
    if !KINDS.contains(&kind) {
        return Err(invalid_value("kind", kind));
    }
    let hierarchical = body::truth(write.body, "/properties/isHnsEnabled").unwrap_or(false);
    if hierarchical && kind == "StorageV2" && sku.starts_with("Premium") {
        return Err(invalid_value("isHnsEnabled", "true"));
    }
    let tls = write.text("/properties/minimumTlsVersion").unwrap_or("TLS1_2");
    if !["TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"].contains(&tls) {
        return Err(invalid_value("minimumTlsVersion", tls));
    }
    let tier = write.text("/properties/accessTier").unwrap_or("Hot");
    if !["Hot", "Cool", "Cold", "Premium", "Smart"].contains(&tier) {
        return Err(invalid_value("accessTier", tier));
    }
    Ok(())
}

/// What an account keeps for life (`facts.md` 2, immutable).
fn check_unchanged(write: &Write<'_>) -> Result<(), ArmError> {
    let Some(old) = &write.existing else { return Ok(()) };
    let fixed = |name: &str| {
        let message = format!(
            "The property '{name}' was specified in the input, but it cannot be updated as it is read-only. For more \
             information, see - https://aka.ms/storageaccountupdate"
        );
        Err(ArmError::bad_request("AccountPropertyCannotBeUpdated", message).at(name))
    };
    for name in ["isHnsEnabled", "isNfsV3Enabled", "dnsEndpointType"] {
        let pointer = format!("/properties/{name}");
        let (wanted, old) = (body::at(write.body, &pointer), body::at(old, &pointer));
        let default = json!(false);
        if wanted.is_some_and(|wanted| wanted != old.unwrap_or(&default)) {
            return fixed(name);
        }
    }
    let upgrade = (write.old_text("/kind"), write.text("/kind")) == (Some("Storage"), Some("StorageV2"));
    if !upgrade && write.text("/kind").is_some_and(|kind| Some(kind) != write.old_text("/kind")) {
        return fixed("kind");
    }
    let tier = |sku: Option<&str>| sku.and_then(|sku| sku.split('_').next()).map(str::to_ascii_lowercase);
    let wanted = tier(write.text("/sku/name"));
    if wanted.is_some() && wanted != tier(write.old_text("/sku/name")) { fixed("sku.name") } else { Ok(()) }
}

fn keys(state: &State, stored: &Stored) -> Value {
    use base64::Engine as _;
    let key = |name: &str| {
        let since =
            body::text(&stored.body, &format!("/properties/keyCreationTime/{name}")).unwrap_or_default();
        let part = |half: u8| state.digest(&format!("{name} {half} of {} since {since}", stored.id.folded()));
        let value = base64::engine::general_purpose::STANDARD.encode([1, 2].map(part).concat());
        json!({ "keyName": name, "value": value, "permissions": "FULL", "creationTime": since })
    };
    json!({ "keys": [key("key1"), key("key2")] })
}

/// A key belongs to its moment of creation: a new moment makes a new key.
fn regenerate_key(state: &mut State, call: &Call<'_>, stored: &Stored) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let name = body::text(&sent, "/keyName").filter(|name| ["key1", "key2"].contains(name));
    let Some(name) = name else {
        return Err(invalid_value("keyName", body::text(&sent, "/keyName").unwrap_or_default()));
    };
    let now = state.now().to_string();
    if let Some(stored) = state.get_mut(&stored.id) {
        body::set(&mut stored.body, &format!("/properties/keyCreationTime/{name}"), now);
    }
    let keys = state.get(&stored.id).map(|stored| keys(state, stored)).unwrap_or_default();
    Ok(Reply::json(200, keys))
}

/// A shared access signature; nobody can use it, because there is no data plane.
fn signature(state: &State, call: &Call<'_>, stored: &Stored, name: &str) -> Result<Reply, ArmError> {
    use base64::Engine as _;
    let sent = call.body()?;
    let digest = state.digest(&format!("signature of {} for {sent}", stored.id.folded()));
    let signed = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    let mut answer = json!({});
    answer[name] = json!(format!("sv={}&sig={signed}", call.api_version));
    Ok(Reply::json(200, answer))
}
