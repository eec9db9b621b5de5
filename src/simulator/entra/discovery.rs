//! The documents that tell a client where the cloud and its Entra are (`facts.md` 19, `clients.md` 3.1 and
//! 10.1). They need no token.

use serde_json::{Value, json};

use super::refusal;
use crate::arm::Query;
use crate::http::Reply;
use crate::state::State;

fn host(base_url: &str) -> &str {
    base_url.split_once("://").map_or(base_url, |(_, host)| host)
}

/// The cloud's description: one object; the version that lists clouds answers an array of one.
pub(super) fn endpoints(state: &State, query: &Query) -> Value {
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

/// What the second version of Entra's endpoints says about itself.
pub(super) fn openid(base: &str, tenant: &str) -> Value {
    let mut document = common(base, &format!("{base}/{tenant}/discovery/v2.0/keys"));
    for (name, path) in [
        ("authorization_endpoint", "oauth2/v2.0/authorize"),
        ("token_endpoint", "oauth2/v2.0/token"),
        ("device_authorization_endpoint", "oauth2/v2.0/devicecode"),
        ("end_session_endpoint", "oauth2/v2.0/logout"),
    ] {
        document[name] = json!(format!("{base}/{tenant}/{path}"));
    }
    document["issuer"] = json!(format!("{base}/{}/v2.0", issuing(tenant)));
    document
}

/// What the first version says: other paths, and the issuer that the tokens of both versions carry.
pub(super) fn first_openid(base: &str, tenant: &str) -> Value {
    let mut document = common(base, &format!("{base}/{tenant}/discovery/keys"));
    for (name, path) in [
        ("authorization_endpoint", "oauth2/authorize"),
        ("token_endpoint", "oauth2/token"),
        ("device_authorization_endpoint", "oauth2/devicecode"),
        ("end_session_endpoint", "oauth2/logout"),
    ] {
        document[name] = json!(format!("{base}/{tenant}/{path}"));
    }
    document["issuer"] = json!(format!("https://sts.windows.net/{}/", issuing(tenant)));
    document
}

/// Entra leaves the tenant open in the issuer of the endpoints that serve any tenant.
fn issuing(tenant: &str) -> &str {
    match tenant {
        "common" | "organizations" => "{tenantid}",
        own => own,
    }
}

fn common(base: &str, keys: &str) -> Value {
    json!({
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "jwks_uri": keys, "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "request_uri_parameter_supported": false, "http_logout_supported": true,
        "frontchannel_logout_supported": true, "tenant_region_scope": null,
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver"],
        "cloud_instance_name": host(base), "cloud_graph_host_name": host(base), "msgraph_host": host(base),
    })
}

/// Tells a client that the authority it was given is one (MSAL's instance discovery). Another host than
/// this one is refused as Entra refuses what it does not know.
pub(super) fn instance(state: &State, query: &Query) -> Reply {
    let base = state.base_url.as_str();
    let authority = query.get("authorization_endpoint").unwrap_or_default();
    if authority.is_empty() {
        let message =
            "AADSTS900144: The request body must contain the following parameter: 'authorization_endpoint'.";
        return refusal(state, 400, "invalid_request", 900_144, message);
    }
    let place = authority.strip_prefix("https://").unwrap_or_default();
    let (named, path) = place.split_once('/').unwrap_or((place, ""));
    if !named.eq_ignore_ascii_case(host(base)) {
        let message = "AADSTS50049: Unknown or invalid instance.";
        return refusal(state, 400, "invalid_instance", 50_049, message);
    }
    let tenant = path.split('/').next().filter(|tenant| !tenant.is_empty()).unwrap_or("common");
    let entry = json!({
        "preferred_network": host(base), "preferred_cache": host(base), "aliases": [host(base)],
    });
    Reply::json(
        200,
        json!({
            "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1", "metadata": [entry],
        }),
    )
}

/// What MSAL asks before it sends a password: whether the user's home is elsewhere. It is not.
pub(super) fn user_realm(state: &State) -> Reply {
    let body = json!({
        "ver": "1.0", "account_type": "Unknown", "cloud_instance_name": host(&state.base_url),
    });
    Reply::json(200, body)
}
