//! Entra (`facts.md` 19, `clients.md` 3.2 and 10.1): what gives clients tokens, and what it refuses in its
//! own words. The tokens look like JWTs; nobody outside checks a signature.

mod discovery;
mod instance_metadata;
mod vault_probe;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::arm::Query;
use super::faults::{FaultEffect, Faults};
use super::http::{Incoming, Reply};
use super::options::Access;
use super::request_log::RequestClass;
use super::state::{State, default_tenant, parse_uuid};
use beamline_base::id::TenantId;

/// How long tokens live.
const TOKEN_SECS: i64 = 3599;

/// What a request is for, by its path.
pub(super) fn class(path: &str) -> RequestClass {
    let path = path.to_ascii_lowercase();
    let flows = ["/oauth2/v2.0/", "/oauth2/"];
    let asked = ["token", "devicecode", "authorize"];
    let is_flow = |flow: &str| {
        asked.iter().any(|word| path.strip_suffix(word).is_some_and(|rest| rest.ends_with(flow)))
    };
    if flows.into_iter().any(is_flow) {
        RequestClass::Token
    } else if path.trim_start_matches('/').starts_with("metadata/")
        || path.ends_with("/.well-known/openid-configuration")
        || path.ends_with("/discovery/instance")
        || path.ends_with("/discovery/v2.0/keys")
        || path.ends_with("/discovery/keys")
        || path.contains("/userrealm/")
        || path.trim_start_matches('/').starts_with("kv/")
    {
        RequestClass::Metadata
    } else {
        RequestClass::Arm
    }
}

pub(super) fn handle(state: &mut State, faults: &Faults, incoming: &Incoming) -> Reply {
    let path = incoming.uri.path().to_ascii_lowercase();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let query = Query::of(&incoming.uri);
    let get = incoming.method == Method::GET;
    match segments.as_slice() {
        ["metadata", "identity", "oauth2", "token"] => {
            instance_metadata::token(state, faults, incoming, &query)
        }
        [tenant, "oauth2", "v2.0", "token"] if !get => {
            token(state, faults, incoming, (tenant, Version::Second))
        }
        [tenant, "oauth2", "token"] if !get => token(state, faults, incoming, (tenant, Version::First)),
        [_, "oauth2", .., "devicecode" | "authorize"] => needs_a_person(state),
        ["metadata", "endpoints"] if get => Reply::json(200, discovery::endpoints(state, &query)),
        [tenant, rest @ .., ".well-known", "openid-configuration"] if get => {
            if let Some(refused) = unknown_tenant(state, tenant, "invalid_tenant") {
                return refused;
            }
            let first = rest.is_empty();
            let describe = if first { discovery::first_openid } else { discovery::openid };
            Reply::json(200, describe(&state.base_url, tenant))
        }
        [.., "discovery", "instance"] if get => discovery::instance(state, &query),
        [.., "userrealm", _] if get => discovery::user_realm(state),
        [.., "discovery", "keys"] | [.., "discovery", "v2.0", "keys"] if get => {
            Reply::json(200, json!({ "keys": [] }))
        }
        ["kv", name, ..] if get => vault_probe::answer(state, incoming, name),
        _ => Reply::json(404, json!({ "error": { "code": "NotFound", "message": "No such document." } })),
    }
}

/// The two versions of the token endpoint: the first one, and AD FS, name a resource instead of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    First,
    Second,
}

/// Device codes and sign-in pages are for people.
fn needs_a_person(state: &State) -> Reply {
    let message = "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or \
                   'client_secret'. There are no people in this directory who could sign in: use a client secret or \
                   a client assertion.";
    refusal(state, 401, "invalid_client", 7_000_218, message)
}

/// Under enforced access only the tenants of the world's subscriptions exist, by their id.
fn unknown_tenant(state: &State, tenant: &str, error: &str) -> Option<Reply> {
    let id = parse_uuid(tenant).filter(|_| state.settings.access == Access::Enforced)?;
    let known = id == default_tenant().0 || state.subscriptions.values().any(|own| own.tenant.0 == id);
    let message = format!(
        "AADSTS90002: Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing \
         into the correct cloud. Check with your subscription administrator, this may happen if there are no active \
         subscriptions for the tenant."
    );
    (!known).then(|| refusal(state, 400, error, 90_002, &message))
}

fn token(
    state: &mut State,
    faults: &Faults,
    incoming: &Incoming,
    (tenant, version): (&str, Version),
) -> Reply {
    let form = form(&incoming.body);
    let field = |name: &str| {
        let own = form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        own.filter(|value| !value.is_empty())
    };
    let missing = |name: &str| {
        let message =
            format!("AADSTS900144: The request body must contain the following parameter: '{name}'.");
        refusal(state, 400, "invalid_request", 900_144, &message)
    };
    if let Some(refused) = unknown_tenant(state, tenant, "invalid_request") {
        return refused;
    }
    match field("grant_type") {
        Some("client_credentials") => {}
        Some(other) => return other_grant(state, tenant, other),
        None => return missing("grant_type"),
    }
    let Some(client) = field("client_id") else { return missing("client_id") };
    let Some(scope) = field("scope").or_else(|| field("resource")) else { return missing("scope") };
    if field("client_secret").or_else(|| field("client_assertion")).is_none() {
        let message = "AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required for the \
                       'client_credentials' grant type.";
        return refusal(state, 401, "invalid_client", 7_000_216, message);
    }
    if let Some(refused) = refused_application(state, client, tenant, field("client_secret")) {
        return refused;
    }
    let asked = scope.split(' ').next().unwrap_or_default();
    let audience = match (asked.strip_suffix("/.default"), version) {
        (Some(audience), _) => audience,
        (None, Version::First) => asked,
        (None, Version::Second) => return without_default(state, scope),
    };
    let access_token = jwt(state, client, tenant, audience, clock_skew(faults, incoming));
    let body = json!({
        "token_type": "Bearer", "expires_in": TOKEN_SECS, "ext_expires_in": TOKEN_SECS, "access_token": access_token,
    });
    Reply::json(200, body).with("cache-control", "no-store, no-cache")
}

/// The grants that need a person, and those that do not exist.
fn other_grant(state: &State, tenant: &str, grant: &str) -> Reply {
    match grant {
        "password" => {
            let message = format!(
                "AADSTS50034: The user account {{EUII Hidden}} does not exist in the {tenant} directory. To sign into \
                 this application, the account must be added to the directory. There are no people in this directory: \
                 use a client secret or a client assertion."
            );
            refusal(state, 400, "invalid_grant", 50_034, &message)
        }
        "device_code" | "urn:ietf:params:oauth:grant-type:device_code" => needs_a_person(state),
        _ => {
            let message = format!("AADSTS70003: The app requested an unsupported grant type '{grant}'.");
            refusal(state, 400, "unsupported_grant_type", 70_003, &message)
        }
    }
}

/// The second version takes whole resources only when it gives tokens to applications.
fn without_default(state: &State, scope: &str) -> Reply {
    let message = format!(
        "AADSTS1002012: The provided value for scope {scope} is not valid. Client credential flows must have a scope \
         value with /.default suffixed to the resource identifier (application ID URI)."
    );
    refusal(state, 400, "invalid_scope", 1_002_012, &message)
}

/// An application that is registered opens with its own secret; under enforced access no other one
/// opens at all.
fn refused_application(state: &State, client: &str, tenant: &str, secret: Option<&str>) -> Option<Reply> {
    match (state.principals.application(client), secret) {
        (Some(registered), Some(secret)) if !registered.opens_with(secret) => {
            let message = format!(
                "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client \
                 secret value, not the client secret ID, for a secret added to app '{client}'."
            );
            Some(refusal(state, 401, "invalid_client", 7_000_215, &message))
        }
        (None, _) if state.settings.access == Access::Enforced => {
            let message = format!(
                "AADSTS700016: Application with identifier '{client}' was not found in the directory '{tenant}'. This can \
                 happen if the application has not been installed by the administrator of the tenant or consented to by \
                 any user in the tenant."
            );
            Some(refusal(state, 400, "unauthorized_client", 700_016, &message))
        }
        (Some(_) | None, _) => None,
    }
}

/// How far a scripted fault moves the clock that tokens are stamped with.
fn clock_skew(faults: &Faults, incoming: &Incoming) -> i64 {
    let wanted = |effect: &FaultEffect| matches!(effect, FaultEffect::ClockSkew { .. });
    match faults.take(incoming.method.as_str(), incoming.uri.path(), wanted) {
        Some(FaultEffect::ClockSkew { secs }) => secs,
        Some(_) | None => 0,
    }
}

/// A token with the claims that clients read. Its principal is known to the world from now on.
fn jwt(state: &mut State, client: &str, tenant: &str, audience: &str, skew_secs: i64) -> String {
    let tenant = parse_uuid(tenant).map_or_else(default_tenant, TenantId);
    let object_id = state.object_id_of(client);
    state.principals.establish(object_id);
    let now = state.now().checked_add(SignedDuration::from_secs(skew_secs)).unwrap_or_else(|_| state.now());
    let expires = now.checked_add(SignedDuration::from_secs(TOKEN_SECS)).unwrap_or(now);
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "beamline-simulator" });
    let claims = json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{tenant}/"), "iat": now.as_second(),
        "nbf": now.as_second(), "exp": expires.as_second(), "appid": client, "appidacr": "1", "idtyp": "app",
        "oid": object_id, "sub": object_id, "tid": tenant.to_string(), "ver": "1.0",
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let payload = part(&claims);
    format!("{}.{payload}.{}", part(&header), signature(state, &payload))
}

/// What a token of this world is signed with: it tells our tokens from invented ones, no more.
pub(super) fn signature(state: &State, payload: &str) -> String {
    URL_SAFE_NO_PAD.encode(state.digest(&format!("signature {payload}")))
}

/// A refusal in Entra's shape (Entra documentation, "error and error_description").
fn refusal(state: &State, status: u16, error: &str, code: u32, message: &str) -> Reply {
    let trace = state.uuid(&format!("trace {} {code}", state.requests_seen));
    let correlation = state.uuid(&format!("correlation {} {code}", state.requests_seen));
    let moment = state.now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    Reply::json(
        status,
        json!({
            "error": error,
            "error_description":
                format!("{message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"),
            "error_codes": [code], "timestamp": moment, "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("{}/error?code={code}", state.base_url),
        }),
    )
}

/// What Entra answers when it is down, as a scripted fault says.
pub(super) fn down(state: &State, status: u16) -> Reply {
    let message = "AADSTS90033: A transient error has occurred. Please try again.";
    refusal(state, status, "temporarily_unavailable", 90_033, message)
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    let Ok(uri) = http::Uri::try_from(format!("/?{}", text.trim())) else { return Vec::new() };
    Query::of(&uri).pairs().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
