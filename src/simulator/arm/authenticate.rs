//! Who calls: the claims of the bearer token, and ARM's refusals of it (401 with a challenge).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::ArmError;
use crate::body;
use crate::entra;
use crate::http::Incoming;
use crate::options::Access;
use crate::state::{Caller, State, default_tenant, parse_uuid};

/// Reads the caller out of the bearer token. A token that is no JWT is taken as it is; one that is must
/// not be expired and must be meant for ARM.
pub(super) fn authenticate(state: &State, incoming: &Incoming) -> Result<Caller, ArmError> {
    let token = incoming.header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        return Err(unauthorized(state, "AuthenticationFailed", message));
    };
    let enforced = state.settings.access == Access::Enforced;
    if enforced && !is_signed(state, token) {
        let message = "The access token is invalid.";
        return Err(unauthorized(state, "InvalidAuthenticationToken", message));
    }
    let Some(claims) = claims(token) else {
        let object_id = state.uuid("caller without claims");
        return Ok(Caller { object_id, app_id: object_id.to_string(), tenant: default_tenant() });
    };
    check_claims(state, &claims)?;
    let id = |claim: &str| body::text(&claims, claim).and_then(parse_uuid);
    let object_id = id("/oid").unwrap_or_else(|| state.uuid("caller without object id"));
    let app_id = body::text(&claims, "/appid").map_or_else(|| object_id.to_string(), str::to_owned);
    let tenant = id("/tid").map_or_else(default_tenant, beamline_base::id::TenantId);
    Ok(Caller { object_id, app_id, tenant })
}

fn check_claims(state: &State, claims: &Value) -> Result<(), ArmError> {
    let expires = body::at(claims, "/exp").and_then(Value::as_i64).unwrap_or(i64::MAX);
    if Timestamp::from_second(expires).is_ok_and(|moment| moment <= state.now()) {
        let message = "The access token expiry UTC time is earlier than the current UTC time.";
        return Err(unauthorized(state, "ExpiredAuthenticationToken", message));
    }
    let audience = body::text(claims, "/aud").unwrap_or_default().trim_end_matches('/');
    let accepted =
        ["https://management.azure.com", "https://management.core.windows.net", state.base_url.as_str()];
    if accepted.contains(&audience) {
        return Ok(());
    }
    let message = format!(
        "The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match \
         with one of the allowed audiences '{}'.",
        accepted.join("','")
    );
    Err(unauthorized(state, "InvalidAuthenticationTokenAudience", &message))
}

/// Whether this world's own Entra gave out the token.
fn is_signed(state: &State, token: &str) -> bool {
    let mut parts = token.split('.').skip(1);
    let (Some(payload), Some(signature)) = (parts.next(), parts.next()) else { return false };
    signature == entra::signature(state, payload)
}

fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

fn unauthorized(state: &State, code: &str, message: &str) -> ArmError {
    let challenge = format!(
        "Bearer authorization_uri=\"{}/{}\", error=\"invalid_token\", error_description=\"{message}\"",
        state.base_url,
        default_tenant()
    );
    ArmError::new(401, code, message).challenge(challenge)
}
