//! `Microsoft.Resources`: groups, and the listings of tracked resources (`facts.md` 1).

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Filter, Write, after, page, page_by};
use crate::body;
use crate::http::Reply;
use crate::providers::{Kind, Removal, Style, Tracking};
use crate::state::{State, Stored};
use beamline_base::id::{ResourceId, SubscriptionId};

pub(crate) struct Group;

static STYLE: Style = Style {
    arm_type: "Microsoft.Resources/resourceGroups",
    first_version: "2014-04-01",
    tracking: Tracking::Untracked,
    delete: Removal::Location,
    delete_secs: 120.0,
    result_segment: "operationresults",
    ..Style::TRACKED
};

impl Kind for Group {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let name = write.name();
        let allowed = |c: char| c.is_alphanumeric() || "_-.()".contains(c);
        if name.chars().count() <= 90 && name.chars().all(allowed) && !name.ends_with('.') {
            return Ok(());
        }
        let message = format!(
            "The provided resource group name '{name}' has these invalid characters or length: 1 to 90 letters, \
             digits, '_', '-', '.' or '(' and ')', not ending in '.'."
        );
        Err(ArmError::bad_request("InvalidResourceGroup", message))
    }

    fn fill(&self, _state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": {} });
        for pointer in ["/location", "/tags", "/managedBy"] {
            body::copy(&mut filled, write.body, pointer);
        }
        filled
    }

    fn busy(&self, id: &ResourceId, _phase: &str) -> ArmError {
        let message = format!(
            "The resource group '{}' is in deprovisioning state and cannot perform this operation.",
            id.name()
        );
        ArmError::conflict("ResourceGroupBeingDeleted", message)
    }

    fn has_container(&self, _state: &State, _container: &ResourceId) -> bool {
        true
    }
}

/// The groups of a subscription, with a filter on one tag.
pub(crate) fn groups(
    state: &State,
    call: &Call<'_>,
    subscription: SubscriptionId,
) -> Result<Reply, ArmError> {
    let filter = Filter::parse(call.query.get("$filter"))?;
    let (home, after) = (ResourceId::subscription(subscription), after(call));
    let groups = state.inventory.of_type_within(STYLE.arm_type, Some(&home), after.as_deref());
    Ok(page(state, call, groups.filter(|stored| has_tag(stored, &filter))))
}

/// The tracked resources at a subscription or in a group.
pub(crate) fn contents(state: &State, call: &Call<'_>, scope: &ResourceId) -> Result<Reply, ArmError> {
    if scope.resource_group_name().is_some() && state.get(scope).is_none() {
        let message = format!("Resource group '{}' could not be found.", scope.name());
        return Err(ArmError::not_found("ResourceGroupNotFound", message));
    }
    let filter = Filter::parse(call.query.get("$filter"))?;
    let expand = call.query.get("$expand").unwrap_or_default().to_ascii_lowercase();
    let after = after(call);
    let below = state.inventory.prefixed(format!("{}/", scope.folded()), after.as_deref());
    let entries = below.filter(|stored| is_tracked(stored) && matches(stored, &filter));
    Ok(page_by(state, call, entries, |stored| entry(stored, &expand)))
}

fn is_tracked(stored: &Stored) -> bool {
    stored.tracking == Tracking::Tracked
}

fn matches(stored: &Stored, filter: &Filter) -> bool {
    let arm_type = stored.id.arm_type();
    let location =
        || stored.body.label("location").map(crate::providers::resources::subscriptions::normal_location);
    let group = || stored.id.resource_group_name().unwrap_or_default();
    has_tag(stored, filter)
        && filter.equals("resourceType").is_none_or(|wanted| arm_type.eq_ignore_ascii_case(wanted))
        && filter.equals("name").is_none_or(|wanted| stored.id.name().eq_ignore_ascii_case(wanted))
        && filter.equals("resourceGroup").is_none_or(|wanted| group().eq_ignore_ascii_case(wanted))
        && filter.equals("location").is_none_or(|wanted| {
            location().as_deref()
                == Some(&crate::providers::resources::subscriptions::normal_location(wanted))
        })
}

/// Tag names compare without regard to casing, tag values exactly.
fn has_tag(stored: &Stored, filter: &Filter) -> bool {
    let Some(name) = filter.equals("tagName") else { return true };
    let found = stored.body.tag(name);
    found.is_some_and(|value| filter.equals("tagValue").is_none_or(|wanted| value == wanted))
}

fn entry(stored: &Stored, expand: &str) -> Value {
    let arm_type = body::text(&stored.body, "/type").map_or_else(|| stored.id.arm_type(), str::to_owned);
    let mut entry = json!({ "id": stored.id.as_str(), "name": stored.id.name(), "type": arm_type });
    for pointer in ["/location", "/tags", "/sku", "/kind", "/identity", "/managedBy"] {
        if let Some(value) = body::at(&stored.body, pointer) {
            body::set(&mut entry, pointer, value.clone());
        }
    }
    let expands = |word: &str| expand.split(',').any(|part| part.trim() == word);
    if expands("createdtime") {
        entry["createdTime"] = json!(stored.created.to_string());
    }
    if expands("changedtime") {
        entry["changedTime"] = json!(stored.changed.to_string());
    }
    if expands("provisioningstate") {
        let state = body::text(&stored.body, "/properties/provisioningState").unwrap_or("Succeeded");
        entry["provisioningState"] = json!(state);
    }
    entry
}
