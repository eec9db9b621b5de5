//! The identity of a resource, asked for by itself:
//! `{scope}/providers/Microsoft.ManagedIdentity/identities/default`.

use serde_json::json;

use crate::arm::{ArmError, Call, Typed, missing_resource};
use crate::body;
use crate::http::Reply;
use crate::state::State;
use beamline_base::id::ResourceId;

pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let ("GET", ["identities", "default"]) = (call.method.as_str(), tail) else { return None };
    let owner: Option<ResourceId> = typed.scope.parse().ok();
    let stored = owner.as_ref().and_then(|id| state.get(id));
    Some(match (&owner, stored) {
        (Some(id), None) => Err(missing_resource(id)),
        (None, _) => Err(ArmError::not_found("NotFound", "The scope names no resource.")),
        (Some(_), Some(stored)) => {
            let Some(principal) = body::text(&stored.body, "/identity/principalId") else {
                let message = format!("The resource '{}' has no system-assigned identity.", stored.id);
                return Some(Err(ArmError::not_found("IdentityNotFound", message)));
            };
            let (client, tenant) = (state.uuid_of("system client", &stored.id), state.tenant_of(&stored.id));
            let id = format!("{}/providers/Microsoft.ManagedIdentity/identities/default", stored.id);
            let secret = format!(
                "https://control-{}.identity.azure.net{}/credentials?tid={tenant}&oid={principal}&aid={client}",
                body::text(&stored.body, "/location").unwrap_or("global"),
                stored.id,
            );
            Ok(Reply::json(
                200,
                json!({
                    "id": id, "name": "default", "type": "Microsoft.ManagedIdentity/identities",
                    "location": stored.body["location"],
                    "properties": {
                        "tenantId": tenant, "principalId": principal, "clientId": client, "clientSecretUrl": secret,
                    },
                }),
            ))
        }
    })
}
