//! The instance metadata service, as far as it gives tokens to managed identities (`facts.md` 19; entra
//! documentation, "How to use managed identities on an Azure VM to acquire an access token"). Any peer may
//! ask: the simulator is the machine on which every identity of the world may be used.

use serde_json::json;

use super::{TOKEN_SECS, clock_skew, jwt};
use crate::arm::Query;
use crate::body;
use crate::faults::Faults;
use crate::http::{Incoming, Reply};
use crate::options::Access;
use crate::state::{State, Stored, default_tenant, parse_uuid};
use beamline_base::id::ResourceId;

/// The first version of the token endpoint.
const FIRST_VERSION: &str = "2018-02-01";

const IDENTITY_TYPE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

/// How a request names the identity that it wants a token for.
const SELECTORS: [&str; 4] = ["client_id", "object_id", "msi_res_id", "mi_res_id"];

fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, json!({ "error": error, "error_description": description }))
}

/// A token; numbers arrive as text.
pub(super) fn token(state: &mut State, faults: &Faults, incoming: &Incoming, query: &Query) -> Reply {
    let resource = match asked(incoming, query) {
        Ok(resource) => resource.to_owned(),
        Err(refusal) => return refusal,
    };
    let Some(client_id) = client(state, query) else {
        return refused(400, "invalid_request", "Identity not found");
    };
    let skew_secs = clock_skew(faults, incoming);
    let access_token = jwt(state, &client_id, &default_tenant().to_string(), &resource, skew_secs);
    let expires = state.now().as_second() + TOKEN_SECS;
    let body = json!({
        "access_token": access_token, "client_id": client_id, "expires_in": TOKEN_SECS.to_string(),
        "expires_on": expires.to_string(), "ext_expires_in": TOKEN_SECS.to_string(),
        "not_before": state.now().as_second().to_string(), "resource": resource, "token_type": "Bearer",
    });
    Reply::json(200, body)
}

/// The resource that a well-formed request asks for.
fn asked<'a>(incoming: &Incoming, query: &'a Query) -> Result<&'a str, Reply> {
    if incoming.method != http::Method::GET {
        return Err(refused(405, "method_not_allowed", "Only GET is supported here"));
    }
    if incoming.header("x-forwarded-for").is_some() {
        return Err(refused(400, "invalid_request", "The request was forwarded by a proxy"));
    }
    if !incoming.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(refused(400, "bad_request_102", "Required metadata header not specified"));
    }
    match query.get("api-version") {
        Some(version) if version >= FIRST_VERSION => {}
        Some(version) => {
            let description =
                format!("The api-version '{version}' is not supported: use {FIRST_VERSION} or later");
            return Err(refused(400, "invalid_request", &description));
        }
        None => {
            return Err(refused(400, "invalid_request", "Required query variable 'api-version' is missing"));
        }
    }
    if SELECTORS.iter().filter(|name| query.get(name).is_some()).count() > 1 {
        return Err(refused(400, "invalid_request", "More than one identity was named"));
    }
    let resource = query.get("resource").filter(|resource| !resource.is_empty());
    resource.ok_or_else(|| refused(400, "invalid_request", "Required query variable 'resource' is missing"))
}

/// The client id of the identity that is asked for. In an open world every client id is one; without a
/// name it is that of the machine itself.
fn client(state: &State, query: &Query) -> Option<String> {
    let of = |stored: &Stored| body::text(&stored.body, "/properties/clientId").map(str::to_owned);
    let by = |pointer: &'static str, wanted: &str| {
        let mut identities = state.of_type(IDENTITY_TYPE);
        let same = |stored: &&Stored| {
            body::text(&stored.body, pointer).is_some_and(|own| own.eq_ignore_ascii_case(wanted))
        };
        identities.find(same).and_then(of)
    };
    if let Some(id) = query.get("msi_res_id").or_else(|| query.get("mi_res_id")) {
        return id.parse::<ResourceId>().ok().and_then(|id| state.get(&id)).and_then(of);
    }
    if let Some(principal) = query.get("object_id") {
        return by("/properties/principalId", principal);
    }
    let machine = || state.uuid("application system-assigned").to_string();
    let Some(named) = query.get("client_id") else { return Some(machine()) };
    let known = by("/properties/clientId", named)
        .or_else(|| state.principals.application(named).map(|_| named.to_owned()));
    match (known, state.settings.access) {
        (Some(known), _) => Some(known),
        (None, Access::Enforced) => None,
        (None, Access::Open) => {
            let derived = || state.uuid(&format!("application {named}")).to_string();
            Some(parse_uuid(named).map_or_else(derived, |id| id.to_string()))
        }
    }
}
