//! PUT, PATCH and DELETE as every resource type has them; what differs per type is its [`Kind`].

use serde_json::Value;

use super::read::{missing_group, missing_parent};
use super::{ArmError, Call, Start, start};
use crate::body;
use crate::faults::FaultEffect;
use crate::http::Reply;
use crate::operation::{Afterlife, Effect};
use crate::providers::{
    self, Answer, Etags, Kind, Placement, Provisioning, Removal, resources::subscriptions,
};
use crate::state::{Caller, State};
use crate::times::Deed;
use beamline_base::id::ResourceId;

/// The version that placed resources are filled by.
const PLACED_WITH: &str = "2026-02-01";

/// A write, as a resource type sees it.
pub(crate) struct Write<'a> {
    pub(crate) id: &'a ResourceId,
    /// What the client sent (a PATCH: what the resource would become).
    pub(crate) body: &'a Value,
    /// What is stored now.
    pub(crate) existing: Option<Value>,
    pub(crate) api_version: &'a str,
    pub(crate) caller: &'a Caller,
}

impl Write<'_> {
    pub(crate) fn name(&self) -> &str {
        self.id.name()
    }

    /// The text at a pointer of what was sent.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        body::text(self.body, pointer)
    }

    /// What is stored at a pointer now.
    pub(crate) fn old(&self, pointer: &str) -> Option<&Value> {
        body::at(self.existing.as_ref()?, pointer)
    }

    pub(crate) fn old_text(&self, pointer: &str) -> Option<&str> {
        self.old(pointer).and_then(Value::as_str)
    }
}

pub(super) fn put(
    state: &mut State,
    call: &Call<'_>,
    id: &ResourceId,
    kind: &'static dyn Kind,
) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let id = canonical(state, id, kind);
    check_shape(&sent)?;
    check_group(state, &id)?;
    check_parent(state, &id, kind)?;
    providers::check_values(kind.style().arm_type, &sent)?;
    check_location(state, &id, &sent, kind)?;
    check_idle(state, &id, kind)?;
    check_etag(state, call, &id, kind)?;
    let existing = state.get(&id).map(|stored| stored.body.clone());
    let write =
        Write { id: &id, body: &sent, existing, api_version: &call.api_version, caller: &call.caller };
    exhaust_quota(call, &sent)?;
    kind.check(state, &write)?;
    let style = kind.style();
    let (answer, seconds) = match write.existing {
        Some(_) => (kind.update_answer(&write), style.update_secs),
        None => (style.create, kind.create_secs(&write)),
    };
    commit(state, call, kind, &write, (answer, seconds))
}

pub(super) fn patch(
    state: &mut State,
    call: &Call<'_>,
    id: &ResourceId,
    kind: &'static dyn Kind,
) -> Result<Reply, ArmError> {
    let Some(stored) = state.get(id).cloned() else { return Err(super::read::missing(state, id)) };
    let sent = call.body()?;
    check_shape(&sent)?;
    check_group(state, id)?;
    providers::check_values(kind.style().arm_type, &sent)?;
    check_idle(state, id, kind)?;
    check_etag(state, call, id, kind)?;
    let mut shown = state.render(&stored);
    // The connections that answers show belong to the private endpoints, not to the resource.
    if body::at(&shown, "/properties/privateEndpointConnections").is_some() {
        body::copy(&mut shown, &stored.body, "/properties/privateEndpointConnections");
    }
    let wanted = kind.patched(&shown, &sent)?;
    let write = Write {
        id: &stored.id,
        body: &wanted,
        existing: Some(stored.body.clone()),
        api_version: &call.api_version,
        caller: &call.caller,
    };
    kind.check(state, &write)?;
    commit(state, call, kind, &write, (kind.style().patch, kind.style().update_secs))
}

/// Stores what the type makes of the write, and answers in the type's style.
fn commit(
    state: &mut State,
    call: &Call<'_>,
    kind: &'static dyn Kind,
    write: &Write<'_>,
    (answer, seconds): (Answer, f64),
) -> Result<Reply, ArmError> {
    let mut filled = fill(state, kind, write);
    ignore_properties(call, write, &mut filled);
    let transient = match answer {
        Answer::Sync(_) => "Succeeded",
        Answer::Resource { state, .. } => state,
        Answer::Location | Answer::AsyncOperation(_) if write.existing.is_some() => "Updating",
        Answer::Location | Answer::AsyncOperation(_) => "Creating",
    };
    if kind.style().provisioning == Provisioning::Shown {
        body::set(&mut filled, "/properties/provisioningState", transient);
    }
    kind.absorb(state, write.id, filled);
    if let Answer::Sync(status) = answer {
        state.provisioned(write.id);
        return Ok(Reply::json(status, rendered(state, write.id)));
    }
    let deed = if write.existing.is_some() { Deed::Update } else { Deed::Create };
    let begin = Start { id: write.id, style: kind.style(), effect: Effect::Provision, deed, seconds };
    let begun = start(state, call, begin);
    let body = rendered(state, write.id);
    Ok(match answer {
        Answer::Sync(status) | Answer::Resource { status, .. } => Reply::json(status, body),
        Answer::Location => {
            Reply::empty(202).with("location", begun.result_url).with("retry-after", begun.retry_after_secs)
        }
        Answer::AsyncOperation(202) => Reply::empty(202)
            .with("location", begun.result_url)
            .with("azure-asyncoperation", begun.status_url)
            .with("retry-after", begun.retry_after_secs),
        Answer::AsyncOperation(status) => Reply::json(status, body)
            .with("azure-asyncoperation", begun.status_url)
            .with("retry-after", begun.retry_after_secs),
    })
}

/// The body to store: what the type fills in, under the envelope that ARM itself keeps.
fn fill(state: &mut State, kind: &'static dyn Kind, write: &Write<'_>) -> Value {
    let mut filled = kind.fill(state, write);
    let style = kind.style();
    body::set(&mut filled, "/id", write.id.as_str());
    body::set(&mut filled, "/name", write.name());
    body::set(&mut filled, "/type", style.arm_type);
    if let (Placement::Regional, Some(location)) = (style.placement, body::text(&filled, "/location")) {
        let location = subscriptions::normal_location(location);
        body::set(&mut filled, "/location", location);
    }
    filled
}

/// A scripted fault lets the quota of a compute be used up.
fn exhaust_quota(call: &Call<'_>, sent: &Value) -> Result<(), ArmError> {
    let wanted = |effect: &FaultEffect| *effect == FaultEffect::ExhaustQuota;
    match call.faults.take(call.method.as_str(), call.path, wanted) {
        Some(_) => Err(providers::quota_exhausted(sent)),
        None => Ok(()),
    }
}

fn ignore_properties(call: &Call<'_>, write: &Write<'_>, filled: &mut Value) {
    let wanted = |effect: &FaultEffect| matches!(effect, FaultEffect::IgnoreProperty { .. });
    while let Some(FaultEffect::IgnoreProperty { pointer }) =
        call.faults.take(call.method.as_str(), call.path, wanted)
    {
        match write.old(&pointer) {
            Some(old) => body::set(filled, &pointer, old.clone()),
            None => {
                body::remove(filled, &pointer);
            }
        }
    }
}

fn rendered(state: &State, id: &ResourceId) -> Value {
    state.get(id).map(|stored| state.render(stored)).unwrap_or_default()
}

pub(super) fn delete(
    state: &mut State,
    call: &Call<'_>,
    id: &ResourceId,
    kind: &'static dyn Kind,
) -> Result<Reply, ArmError> {
    if let Some(group) = id.resource_group_id().filter(|group| state.get(group).is_none()) {
        return Err(missing_group(group.name()));
    }
    let Some(stored) = state.get(id).cloned() else {
        return if kind.when_gone() == 404 {
            Err(super::missing_resource(id))
        } else {
            Ok(Reply::empty(204))
        };
    };
    check_idle(state, id, kind)?;
    check_etag(state, call, id, kind)?;
    let is_ignored = call
        .faults
        .take(call.method.as_str(), call.path, |effect| *effect == FaultEffect::IgnoreDeletion)
        .is_some();
    let afterlife = kind.before_delete(state, &stored, &call.query)?;
    let body = state.render(&stored);
    let style = kind.style();
    if matches!(style.delete, Removal::Sync | Removal::SyncWithBody) {
        if !is_ignored {
            state.remove_tree(&stored.id, afterlife);
        }
        let with_body = style.delete == Removal::SyncWithBody;
        return Ok(if with_body { Reply::json(200, body) } else { Reply::empty(200) });
    }
    if let Some(stored) = state.get_mut(id) {
        body::set(&mut stored.body, "/properties/provisioningState", "Deleting");
    }
    let effect = if is_ignored { Effect::Provision } else { Effect::Remove(afterlife) };
    let deed = Deed::Delete;
    let begun = start(state, call, Start { id: &stored.id, style, effect, deed, seconds: style.delete_secs });
    let reply =
        Reply::empty(202).with("location", begun.result_url).with("retry-after", begun.retry_after_secs);
    Ok(match style.delete {
        Removal::LocationAndStatus => reply.with("azure-asyncoperation", begun.status_url),
        Removal::Location | Removal::Sync | Removal::SyncWithBody => reply,
    })
}

/// Places a resource without the front's checks, provisioned at once.
pub(crate) fn place(state: &mut State, id: &ResourceId, sent: &Value, caller: &Caller) {
    let Some(kind) = providers::kind(&id.arm_type()) else {
        return state.store(id, sent.clone());
    };
    let id = canonical(state, &kind.home(id.clone()), kind);
    let existing = state.get(&id).map(|stored| stored.body.clone());
    let write = Write { id: &id, body: sent, existing, api_version: PLACED_WITH, caller };
    let mut filled = fill(state, kind, &write);
    if kind.style().provisioning == Provisioning::Shown {
        body::set(&mut filled, "/properties/provisioningState", "Succeeded");
    }
    kind.absorb(state, &id, filled);
    state.provisioned(&id);
}

/// The id as Azure keeps it: of a known resource its own; of a new one the parent's casing, the type
/// as the provider spells it and the name as it was sent.
fn canonical(state: &State, id: &ResourceId, kind: &dyn Kind) -> ResourceId {
    if let Some(stored) = state.get(id) {
        return stored.id.clone();
    }
    let types = kind.style().arm_type;
    let Some(parent) = id.parent() else { return id.clone() };
    let above = state.get(&parent).map_or_else(|| parent.clone(), |stored| stored.id.clone());
    let extends = id.as_str().get(parent.as_str().len()..).unwrap_or_default().to_ascii_lowercase();
    let spelled = if extends.starts_with("/providers/") {
        above.provider(types, id.name())
    } else {
        above.child(types.rsplit('/').next().unwrap_or_default(), id.name())
    };
    if spelled == *id { spelled } else { id.clone() }
}

fn check_shape(sent: &Value) -> Result<(), ArmError> {
    let object = |pointer: &str| body::at(sent, pointer).is_none_or(Value::is_object);
    let wrong = ["/properties", "/tags", "/sku", "/identity"].into_iter().find(|pointer| !object(pointer));
    let texts = body::at(sent, "/tags")
        .and_then(Value::as_object)
        .is_none_or(|tags| tags.values().all(Value::is_string));
    let location = body::at(sent, "/location").is_none_or(Value::is_string);
    let wrong = wrong.or((!texts).then_some("/tags")).or((!location).then_some("/location"));
    match wrong.map(|pointer| &pointer[1..]) {
        Some(name) => {
            let message = format!(
                "The request content was invalid and could not be deserialized: the value of '{name}' has the wrong type."
            );
            Err(ArmError::bad_request("InvalidRequestContent", message).at(name))
        }
        None => check_tags(sent),
    }
}

/// At most 50 tags, names up to 512 and values up to 256 characters (ARM's documented limits).
fn check_tags(sent: &Value) -> Result<(), ArmError> {
    body::at(sent, "/tags").map_or(Ok(()), tags_fit)
}

/// Whether a resource may have these tags.
pub(crate) fn tags_fit(tags: &Value) -> Result<(), ArmError> {
    let Some(tags) = tags.as_object() else { return Ok(()) };
    let too_long = tags.iter().any(|(name, value)| {
        name.chars().count() > 512 || value.as_str().is_some_and(|text| text.chars().count() > 256)
    });
    if tags.len() > 50 || too_long {
        let message =
            "A resource may have at most 50 tags, with names up to 512 and values up to 256 characters.";
        return Err(ArmError::bad_request("InvalidTag", message).at("tags"));
    }
    Ok(())
}

fn check_group(state: &State, id: &ResourceId) -> Result<(), ArmError> {
    let Some(group) = id.resource_group_id() else { return Ok(()) };
    match state.get(&group) {
        None if group == *id => Ok(()),
        None => Err(missing_group(group.name())),
        Some(stored) if body::text(&stored.body, "/properties/provisioningState") == Some("Deleting") => {
            let message = format!(
                "The resource group '{}' is in deprovisioning state and cannot perform this operation.",
                group.name()
            );
            Err(ArmError::conflict("ResourceGroupBeingDeleted", message))
        }
        Some(_) => Ok(()),
    }
}

fn check_parent(state: &State, id: &ResourceId, kind: &dyn Kind) -> Result<(), ArmError> {
    let Some(parent) = id.parent().filter(|parent| Some(parent) != id.resource_group_id().as_ref()) else {
        return Ok(());
    };
    if kind.has_container(state, &parent) { Ok(()) } else { Err(missing_parent(id, &parent, "write")) }
}

fn check_location(state: &State, id: &ResourceId, sent: &Value, kind: &dyn Kind) -> Result<(), ArmError> {
    let style = kind.style();
    if style.placement == Placement::Nowhere {
        return Ok(());
    }
    let Some(wanted) = body::text(sent, "/location") else {
        let message = "The location property is required for this definition.";
        return Err(ArmError::bad_request("LocationRequired", message).at("location"));
    };
    let wanted = subscriptions::normal_location(wanted);
    let existing = state.get(id).and_then(|stored| body::text(&stored.body, "/location"));
    if let Some(existing) = existing.filter(|existing| subscriptions::normal_location(existing) != wanted) {
        return Err(elsewhere(id, existing, &wanted));
    }
    if subscriptions::is_location(&wanted) {
        return Ok(());
    }
    let message =
        format!("The provided location '{wanted}' is not available for resource type '{}'.", style.arm_type);
    Err(ArmError::bad_request("LocationNotAvailableForResourceType", message).at("location"))
}

fn elsewhere(id: &ResourceId, existing: &str, wanted: &str) -> ArmError {
    if id.resource_group_id().as_ref() == Some(id) {
        let message = format!(
            "Invalid resource group location '{wanted}'. The Resource group already exists in location '{existing}'."
        );
        return ArmError::conflict("InvalidResourceGroupLocation", message);
    }
    let message = format!(
        "The resource '{}' already exists in location '{existing}' in resource group '{}'. A resource with the same \
         name cannot be created in location '{wanted}'. Please select a new resource name.",
        id.name(),
        id.resource_group_name().unwrap_or_default(),
    );
    ArmError::conflict("InvalidResourceLocation", message)
}

/// A resource that is being created, changed or deleted takes no further write (`facts.md` 14).
fn check_idle(state: &State, id: &ResourceId, kind: &dyn Kind) -> Result<(), ArmError> {
    match state.get(id).filter(|stored| stored.operation.is_some()) {
        Some(stored) => {
            let phase = body::text(&stored.body, "/properties/provisioningState").unwrap_or("Updating");
            Err(kind.busy(&stored.id, phase))
        }
        None => Ok(()),
    }
}

/// The preconditions of a write (RFC 9110), for the types that know them.
fn check_etag(state: &State, call: &Call<'_>, id: &ResourceId, kind: &dyn Kind) -> Result<(), ArmError> {
    if kind.etags() == Etags::Ignored {
        return Ok(());
    }
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let own = state.get(id).map(|stored| body::text(&stored.body, "/etag").unwrap_or_default());
    let names = |sent: &str, own: &str| sent == "*" || sent.trim_matches('"') == own;
    let fails = header("if-match").is_some_and(|sent| !own.is_some_and(|own| names(sent, own)))
        || header("if-none-match").is_some_and(|sent| own.is_some_and(|own| names(sent, own)));
    if !fails {
        return Ok(());
    }
    let message = format!("The resource '{}' does not fulfil the condition of the request.", id.name());
    Err(ArmError::new(412, "PreconditionFailed", message))
}

/// Whether the caller asked for a deletion for good, by a query parameter that says `true`.
pub(crate) fn afterlife(query: &super::Query, parameter: &str) -> Afterlife {
    match query.get(parameter) {
        Some(value) if value.eq_ignore_ascii_case("true") => Afterlife::Purge,
        Some(_) | None => Afterlife::SoftDelete,
    }
}
