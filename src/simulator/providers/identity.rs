//! Managed identities on resources. A system-assigned identity's principal belongs to one life of its
//! resource: a replaced resource gets another one (`facts.md` 6 to 8).

use serde_json::{Value, json};

use crate::arm::Write;
use crate::body;
use crate::state::State;

/// How a provider writes the combination of both kinds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spelling {
    /// `SystemAssigned,UserAssigned` (storage, machine learning).
    Tight,
    /// `SystemAssigned, UserAssigned` (container registry).
    Spaced,
}

/// Which kinds a body asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds {
    pub(super) system: bool,
    pub(super) user: bool,
}

/// The kinds that a body asks for; `None` when it says nothing about an identity.
pub(super) fn kinds(body: &Value) -> Option<Kinds> {
    let kind = body::text(body, "/identity/type")?.to_ascii_lowercase();
    Some(Kinds { system: kind.contains("systemassigned"), user: kind.contains("userassigned") })
}

/// Writes the identity that the resource has after this write into `filled`.
pub(super) fn assign(state: &mut State, write: &Write<'_>, filled: &mut Value, spelling: Spelling) {
    let Some(kinds) = kinds(write.body) else {
        match write.old("/identity") {
            Some(old) => body::set(filled, "/identity", old.clone()),
            None => {
                body::remove(filled, "/identity");
            }
        }
        return;
    };
    let name = match (kinds.system, kinds.user, spelling) {
        (true, true, Spelling::Tight) => "SystemAssigned,UserAssigned",
        (true, true, Spelling::Spaced) => "SystemAssigned, UserAssigned",
        (true, false, _) => "SystemAssigned",
        (false, true, _) => "UserAssigned",
        (false, false, _) => {
            body::remove(filled, "/identity");
            return;
        }
    };
    let mut identity = json!({ "type": name });
    if kinds.system {
        let principal = state.uuid_of("principal", write.id);
        state.principals.insert(principal);
        identity["principalId"] = json!(principal);
        identity["tenantId"] = json!(state.tenant_of(write.id));
    }
    if kinds.user {
        identity["userAssignedIdentities"] = user_assigned(state, write.body);
    }
    body::set(filled, "/identity", identity);
}

fn user_assigned(state: &State, sent: &Value) -> Value {
    let named = body::at(sent, "/identity/userAssignedIdentities").and_then(Value::as_object);
    let entries = named.into_iter().flatten().map(|(key, _)| {
        let own = key.parse().ok().and_then(|id| state.get(&id));
        let part = |name: &str| own.and_then(|stored| body::at(&stored.body, &format!("/properties/{name}")).cloned());
        let value = json!({
            "principalId": part("principalId").unwrap_or_else(|| json!(state.uuid(&format!("principal of {key}")))),
            "clientId": part("clientId").unwrap_or_else(|| json!(state.uuid(&format!("client of {key}")))),
        });
        (key.clone(), value)
    });
    Value::Object(entries.collect())
}
