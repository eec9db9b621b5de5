//! Reasons and values as people read them.

use serde_json::Value;

use super::action::Reason;
use crate::resources::id::ResourceId;
use crate::resources::{Difference, Effect, Resource};

/// A reason as a sentence for people.
pub(super) fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::Missing => "it does not exist yet".to_owned(),
        Reason::Differs { fields } => format!("{} differ", fields.join(", ")),
        Reason::Immutable { field, why } => format!("{field} cannot change: {why}"),
        Reason::Undeclared => "the definition does not declare it any more".to_owned(),
        Reason::Follows { address } => format!("{address} is replaced"),
        Reason::Renamed { from, to } => renamed(from, to.as_ref()),
        Reason::Inner { address } => format!("{address} is written through it"),
        Reason::AdoptionRequested => "adopt: true".to_owned(),
        Reason::SoftDeleted { .. } => "a soft-deleted one holds its name and is recovered".to_owned(),
        Reason::ProvisioningFailed { state } => format!("its last write ended {state}"),
        Reason::HandedOver { from } => format!("{from} hands it over"),
        Reason::Released => "it is released: it stays, and beamline leaves it alone".to_owned(),
    }
}

/// What became another: the name; else the nearest thing around it that did.
fn renamed(from: &ResourceId, to: Option<&ResourceId>) -> String {
    let Some(to) = to else { return format!("in place of {}", from.name()) };
    if from.arm_type().eq_ignore_ascii_case("Microsoft.Authorization/roleAssignments") {
        return "its scope, role or principal is another".to_owned();
    }
    if from.name() != to.name() {
        return format!("renamed: {} → {}", from.name(), to.name());
    }
    let outer = |id: &ResourceId| std::iter::successors(id.parent(), ResourceId::parent).collect::<Vec<_>>();
    let (was, is) = (outer(from), outer(to));
    let moved = was.iter().zip(&is).find(|(was, is)| !was.name().eq_ignore_ascii_case(is.name()));
    match moved {
        Some((was, is)) => format!("moved: {} → {}", was.name(), is.name()),
        None => format!("moved: {from} → {to}"),
    }
}

/// What a resource is made with, for people.
pub(super) fn creation_differences(resource: &Resource) -> Vec<Difference> {
    let mut differences = Vec::new();
    if resource.name != resource.address.name() || resource.address.kind().is_single() {
        differences.push(made_with("name".to_owned(), Value::from(resource.name.clone())));
    }
    flatten("", &Value::Object(resource.fields.clone()), &mut differences);
    differences
}

fn flatten(prefix: &str, value: &Value, into: &mut Vec<Difference>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&path, value, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            into.push(made_with(prefix.to_owned(), value.clone()));
        }
    }
}

fn made_with(field: String, after: Value) -> Difference {
    Difference { field, before: Value::Null, after, effect: Effect::InPlace }
}
