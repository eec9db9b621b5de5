//! The data plane of a vault as far as clients probe it: whether it can be reached, and which token it
//! wants (`clients.md` 5). There are no secrets, keys or certificates behind it.

use serde_json::json;

use crate::http::{Incoming, Reply};
use crate::state::{State, default_tenant};

pub(super) fn answer(state: &State, incoming: &Incoming, name: &str) -> Reply {
    let error = |status, code: &str, message: &str| {
        Reply::json(status, json!({ "error": { "code": code, "message": message } }))
    };
    if state.named("Microsoft.KeyVault/vaults", name).is_none() {
        return error(404, "VaultNotFound", "There is no such vault.");
    }
    if incoming.header("authorization").is_some() {
        return error(404, "NotFound", "The simulated vault holds nothing.");
    }
    let challenge = format!(
        "Bearer authorization=\"{}/{}\", resource=\"https://vault.azure.net\"",
        state.base_url,
        default_tenant()
    );
    error(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        .with("www-authenticate", challenge)
}
