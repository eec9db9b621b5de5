//! Reading one resource, and the three ways in which it can be missing.

use super::ArmError;
use crate::http::Reply;
use crate::state::State;
use beamline_base::id::ResourceId;

pub(super) fn get(state: &State, id: &ResourceId) -> Result<Reply, ArmError> {
    match state.get(id) {
        Some(stored) => Ok(Reply::json(200, state.render(stored))),
        None => Err(missing(state, id)),
    }
}

/// What ARM says of an id that names nothing: its group, its parent, or itself is missing.
pub(super) fn missing(state: &State, id: &ResourceId) -> ArmError {
    let group = id.resource_group_id();
    if let Some(group) = group.as_ref().filter(|group| state.get(group).is_none()) {
        return missing_group(group.name());
    }
    let parent = id.parent().filter(|parent| Some(parent) != group.as_ref());
    match parent.filter(|parent| parent.arm_type().contains("/workspaces") && state.get(parent).is_none()) {
        Some(parent) => missing_parent(id, &parent, "read"),
        None => missing_resource(id),
    }
}

pub(super) fn missing_group(name: &str) -> ArmError {
    ArmError::not_found("ResourceGroupNotFound", format!("Resource group '{name}' could not be found."))
}

pub(super) fn missing_parent(id: &ResourceId, parent: &ResourceId, verb: &str) -> ArmError {
    let arm_type = id.arm_type();
    let short = arm_type.split_once('/').map_or(arm_type.as_str(), |(_, short)| short);
    let message = format!(
        "Failed to perform '{verb}' on resource(s) of type '{short}', because the parent resource '{parent}' could \
         not be found."
    );
    ArmError::not_found("ParentResourceNotFound", message)
}

/// `ResourceNotFound` for this id.
pub(crate) fn missing_resource(id: &ResourceId) -> ArmError {
    let message = format!(
        "The Resource '{}/{}' under resource group '{}' was not found. For more details please go to \
         https://aka.ms/ARMResourceNotFoundFix",
        id.arm_type(),
        id.name(),
        id.resource_group_name().unwrap_or("<null>"),
    );
    ArmError::not_found("ResourceNotFound", message)
}
