//! Entra and the metadata documents (`facts.md` 19, `clients.md` 3.1, 3.2 and 10.1): what tells a client
//! where the cloud is, and what gives it tokens. The tokens look like JWTs; nobody checks a signature.

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
use crate::resources::id::TenantId;

/// How long tokens live.
const TOKEN_SECS: i64 = 3599;

/// What a request is for, by its path.
pub(super) fn class(path: &str) -> RequestClass {
    let path = path.to_ascii_lowercase();
    let flows = ["/oauth2/v2.0/token", "/oauth2/token", "/oauth2/v2.0/devicecode", "/oauth2/v2.0/authorize"];
    if flows.iter().any(|flow| path.ends_with(flow)) {
        RequestClass::Token
    } else if path.trim_start_matches('/').starts_with("metadata/")
        || path.ends_with("/.well-known/openid-configuration")
        || path.ends_with("/discovery/instance")
        || path.ends_with("/discovery/v2.0/keys")
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
    match (&incoming.method, segments.as_slice()) {
        (&Method::GET, ["metadata", "identity", "oauth2", "token"]) => {
            instance_token(state, faults, incoming, &query)
        }
        (&Method::POST, [tenant, "oauth2", "v2.0", "token"]) => token(state, faults, incoming, tenant),
        (&Method::POST, [tenant, "oauth2", "token"]) => token(state, faults, incoming, tenant),
        (&Method::POST | &Method::GET, [_, "oauth2", "v2.0", "devicecode" | "authorize"]) => {
            let message =
                "AADSTS7000112: There are no people in this directory: use a client secret or assertion.";
            refusal(state, 400, "unauthorized_client", 7_000_112, message)
        }
        (&Method::GET, ["metadata", "endpoints"]) => Reply::json(200, endpoints(state, &query)),
        (&Method::GET, [tenant, .., ".well-known", "openid-configuration"]) => {
            Reply::json(200, openid(&state.base_url, tenant))
        }
        (&Method::GET, [.., "discovery", "instance"]) => {
            Reply::json(200, instance_discovery(&state.base_url))
        }
        (&Method::GET, [.., "discovery", "v2.0", "keys"]) => Reply::json(200, json!({ "keys": [] })),
        (&Method::GET, ["kv", name, ..]) => vault_probe(state, incoming, name),
        _ => Reply::json(404, json!({ "error": { "code": "NotFound", "message": "No such document." } })),
    }
}

fn host(base_url: &str) -> &str {
    base_url.split_once("://").map_or(base_url, |(_, host)| host)
}

/// The data plane of a vault as far as clients probe it: whether it can be reached, and which token it
/// wants (`clients.md` 5). There are no secrets, keys or certificates behind it.
fn vault_probe(state: &State, incoming: &Incoming, name: &str) -> Reply {
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

/// The cloud's description: one object; the version that lists clouds answers an array of one.
fn endpoints(state: &State, query: &Query) -> Value {
    let base = state.base_url.as_str();
    let version = query.get("api-version").unwrap_or_default();
    if version.starts_with("2015") || version.starts_with("2018") {
        return json!({
            "galleryEndpoint": base, "graphEndpoint": format!("{base}/graph"), "portalEndpoint": base,
            "authentication": { "loginEndpoint": base, "audiences": audiences(base) },
            "cloudEndpoint": {},
        });
    }
    let cloud = json!({
        "name": "BeamlineSimulator",
        "portal": base, "resourceManager": base, "graph": format!("{base}/graph"),
        "graphAudience": format!("{base}/graph"), "microsoftGraphResourceId": format!("{base}/msgraph"),
        "authentication": {
            "loginEndpoint": base, "audiences": audiences(base), "tenant": "common", "identityProvider": "AAD",
        },
        "suffixes": {
            "storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "acrLoginServer": "azurecr.io",
            "sqlServerHostname": "database.windows.net", "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
        },
        "batch": base, "media": base, "gallery": base,
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "ossrDbmsResourceId": "https://ossrdbms-aad.database.windows.net",
        "synapseAnalyticsResourceId": "https://dev.azuresynapse.net",
    });
    if version.starts_with("2019") { json!([cloud]) } else { cloud }
}

fn audiences(base: &str) -> Value {
    json!(["https://management.core.windows.net", "https://management.azure.com", base])
}

fn openid(base: &str, tenant: &str) -> Value {
    json!({
        "issuer": format!("{base}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code", "id_token"], "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"], "tenant_region_scope": null,
        "cloud_instance_name": host(base),
    })
}

fn instance_discovery(base: &str) -> Value {
    json!({
        "tenant_discovery_endpoint": format!("{base}/common/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host(base), "preferred_cache": host(base), "aliases": [host(base)] }],
    })
}

fn token(state: &mut State, faults: &Faults, incoming: &Incoming, tenant: &str) -> Reply {
    let form = form(&incoming.body);
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if field("grant_type") != Some("client_credentials") {
        let message = "AADSTS70003: The app requested an unsupported grant type.";
        return refusal(state, 400, "unsupported_grant_type", 70_003, message);
    }
    let Some(client) = field("client_id").filter(|client| !client.is_empty()) else {
        let message = "AADSTS900144: The request body must contain the following parameter: 'client_id'.";
        return refusal(state, 400, "invalid_request", 900_144, message);
    };
    // The first version of the endpoint, and AD FS, name a resource instead of a scope.
    let Some(scope) = field("scope").or_else(|| field("resource")).filter(|scope| !scope.is_empty()) else {
        let message = "AADSTS900144: The request body must contain the following parameter: 'scope'.";
        return refusal(state, 400, "invalid_request", 900_144, message);
    };
    let given = field("client_secret").or_else(|| field("client_assertion")).unwrap_or_default();
    if given.is_empty() {
        let message = "AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required.";
        return refusal(state, 401, "invalid_client", 7_000_216, message);
    }
    let secret = field("client_secret").filter(|secret| !secret.is_empty());
    if let Some(refused) = refused_application(state, client, tenant, secret) {
        return refused;
    }
    let audience = scope.split(' ').next().unwrap_or_default();
    let audience = audience.strip_suffix("/.default").unwrap_or(audience);
    let access_token = jwt(state, client, tenant, audience, clock_skew(faults, incoming));
    let body = json!({
        "token_type": "Bearer", "expires_in": TOKEN_SECS, "ext_expires_in": TOKEN_SECS, "access_token": access_token,
    });
    Reply::json(200, body).with("cache-control", "no-store, no-cache")
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

/// The instance metadata service: numbers arrive as text.
fn instance_token(state: &mut State, faults: &Faults, incoming: &Incoming, query: &Query) -> Reply {
    let marked = incoming.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let Some(resource) = query.get("resource").filter(|_| marked) else {
        let description = if marked {
            "Parameter 'resource' is missing."
        } else {
            "Required metadata header not specified"
        };
        return Reply::json(400, json!({ "error": "invalid_request", "error_description": description }));
    };
    let client = query.get("client_id").unwrap_or("system-assigned").to_owned();
    let app = state.uuid(&format!("application {client}"));
    let client_id = parse_uuid(&client).unwrap_or(app).to_string();
    let skew_secs = clock_skew(faults, incoming);
    let access_token = jwt(state, &client_id, &default_tenant().to_string(), resource, skew_secs);
    let expires = state.now().as_second() + TOKEN_SECS;
    let body = json!({
        "access_token": access_token, "client_id": client_id, "expires_in": TOKEN_SECS.to_string(),
        "expires_on": expires.to_string(), "ext_expires_in": TOKEN_SECS.to_string(),
        "not_before": state.now().as_second().to_string(), "resource": resource, "token_type": "Bearer",
    });
    Reply::json(200, body)
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

fn refusal(state: &State, status: u16, error: &str, code: u32, message: &str) -> Reply {
    let trace = state.uuid(&format!("trace {} {code}", state.requests_seen));
    Reply::json(
        status,
        json!({
            "error": error, "error_description": format!("{message} Trace ID: {trace}"), "error_codes": [code],
            "timestamp": state.now().strftime("%Y-%m-%d %H:%M:%SZ").to_string(), "trace_id": trace,
            "correlation_id": trace,
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
