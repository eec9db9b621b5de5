//! The managed identity of a workspace, a cluster or an instance: its two fields, and the rules that
//! bind them together.
//!
//! azurerm writes the combined kind `SystemAssigned, UserAssigned`, Machine Learning writes it without
//! the space (the `ManagedServiceIdentity` schema of 2025-12-01); the definition's spelling is
//! azurerm's and the translation is here.

use serde_json::{Map, Value, json};

use super::field::{Arm, Change, Field, Shape, WhenAbsent};
use super::finding::Finding;
use super::pointer;
use super::resource::Resource;

/// Only an identity of the resource itself.
pub(crate) const SYSTEM: &str = "SystemAssigned";
/// Only identities that somebody made.
pub(crate) const USER: &str = "UserAssigned";
/// Both.
pub(crate) const BOTH: &str = "SystemAssigned, UserAssigned";

const TYPE: &str = "/identity/type";
const IDS: &str = "/identity/userAssignedIdentities";

/// Most user-assigned identities of one resource that a definition may list.
const MAX_IDS: usize = 20;

/// The `type` of an `identity` group.
pub(crate) const fn type_field(words: &'static [&'static str], change: Change) -> Field {
    Field {
        name: "type",
        doc: "Whose identity the resource acts with.",
        shape: Shape::Choice(words),
        absent: WhenAbsent::Refused,
        arm: Arm::By { write: write_type, read: read_type },
        change,
    }
}

/// The `identity_ids` of an `identity` group.
pub(crate) const fn ids_field(change: Change) -> Field {
    Field {
        name: "identity_ids",
        doc: "The full ARM ids of the user-assigned identities; needed with `UserAssigned`.",
        shape: Shape::Set { max: MAX_IDS },
        absent: WhenAbsent::Nothing,
        arm: Arm::By { write: write_ids, read: read_ids },
        change,
    }
}

/// Whether the resource, as declared, has an identity of its own, whose principal comes and goes with
/// the resource.
pub(crate) fn has_system_identity(resource: &Resource) -> bool {
    resource.text("identity.type").is_some_and(|kind| kind == SYSTEM || kind == BOTH)
}

/// The identity kind of an observed body in the definition's spelling; `None` for no identity.
pub(crate) fn observed_type(body: &Value) -> Option<&'static str> {
    let text = pointer::get(body, TYPE)?.as_str()?;
    let folded: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    match folded.as_str() {
        "systemassigned" => Some(SYSTEM),
        "userassigned" => Some(USER),
        "systemassigned,userassigned" | "userassigned,systemassigned" => Some(BOTH),
        _ => None,
    }
}

/// `identity_ids` is there exactly when the kind needs it, and holds ids of identities.
pub(crate) fn check(resource: &Resource) -> Vec<Finding> {
    let Some(kind) = resource.text("identity.type") else { return Vec::new() };
    let ids = resource.field("identity.identity_ids").and_then(Value::as_array);
    let ids = ids.map(Vec::as_slice).unwrap_or_default();
    let rule = "`identity_ids` goes with the kinds that name `UserAssigned`, and only with those";
    let mut findings = Vec::new();
    match (kind == SYSTEM, ids.is_empty()) {
        (true, false) => findings.push(Finding::error(
            "identity-ids",
            "identity.identity_ids",
            "`identity_ids` is given for an identity of kind `SystemAssigned`",
            rule,
            "remove `identity_ids`, or choose a kind that names `UserAssigned`",
        )),
        (false, true) => findings.push(Finding::error(
            "identity-ids",
            "identity.identity_ids",
            &format!("an identity of kind `{kind}` needs `identity_ids`"),
            rule,
            "list the full ARM id of each user-assigned identity",
        )),
        (true, true) | (false, false) => {}
    }
    findings.extend(ids.iter().filter_map(Value::as_str).filter(|id| !is_identity_id(id)).map(|id| {
        Finding::error(
            "identity-ids",
            "identity.identity_ids",
            &format!("`{id}` is not the id of a user-assigned identity"),
            "an identity is named by its full ARM id",
            "write /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>",
        )
    }));
    findings
}

/// Whether `text` is the full id of a user-assigned identity.
pub(crate) fn is_identity_id(text: &str) -> bool {
    let id = text.parse::<super::id::ResourceId>();
    id.is_ok_and(|id| {
        id.arm_type().eq_ignore_ascii_case("Microsoft.ManagedIdentity/userAssignedIdentities")
            && id.resource_group_id().is_some()
    })
}

fn write_type(value: &Value, body: &mut Value) {
    let spelled = value.as_str().unwrap_or_default().replace(' ', "");
    pointer::put(body, TYPE, Value::from(spelled));
}

fn read_type(body: &Value) -> Option<Value> {
    observed_type(body).map(Value::from)
}

fn write_ids(value: &Value, body: &mut Value) {
    let ids = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let map: Map<_, _> = ids.iter().filter_map(Value::as_str).map(|id| (id.to_owned(), json!({}))).collect();
    if !map.is_empty() {
        pointer::put(body, IDS, Value::Object(map));
    }
}

fn read_ids(body: &Value) -> Option<Value> {
    let map = pointer::get(body, IDS)?.as_object()?;
    (!map.is_empty()).then(|| map.keys().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai";

    #[test]
    fn the_combined_kind_is_spelled_as_each_side_spells_it() {
        let mut body = json!({});
        write_type(&json!(BOTH), &mut body);
        write_ids(&json!([ID]), &mut body);
        assert_eq!(
            body,
            json!({ "identity": { "type": "SystemAssigned,UserAssigned", "userAssignedIdentities": { ID: {} } } })
        );
        assert_eq!(read_type(&body), Some(json!(BOTH)));
        assert_eq!(read_ids(&body), Some(json!([ID])));
    }

    #[test]
    fn azures_none_is_no_identity() {
        assert_eq!(read_type(&json!({ "identity": { "type": "None" } })), None);
        assert_eq!(read_ids(&json!({ "identity": { "userAssignedIdentities": null } })), None);
    }

    #[test]
    fn an_identity_is_named_by_its_full_id() {
        assert!(is_identity_id(ID));
        assert!(is_identity_id(&ID.to_ascii_lowercase()));
        assert!(!is_identity_id("uai"));
        assert!(!is_identity_id("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg"));
    }
}
