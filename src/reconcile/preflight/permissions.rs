//! Whether we may delete what a replacement takes down and make what comes in its place: who may only delete would
//! leave nothing.
//!
//! Azure says at a group, and at a resource, which actions our roles allow there; it is asked at the group, and only
//! where that denies something, at the resource, since a role may have been given there alone. Conditions, deny
//! assignments, locks and policies are not in the answer, and what is done at the subscription (purging a vault) cannot
//! be asked. Sources: facts.md 18, facts-data.md (checks by read).

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value;

use super::super::plan::{Step, is_deletion};
use super::Findings;
use crate::azure::Arm;
use crate::resources::id::{ApiVersion, ResourceId};
use crate::resources::{self, Address, Target};

const API: ApiVersion = ApiVersion("2022-04-01");

/// Most actions that a message names.
const MAX_NAMED: usize = 5;

/// What our roles allow at one place.
type Allowed = Vec<Value>;

/// An action that a step needs.
struct Deed<'a> {
    address: &'a Address,
    action: String,
    group: ResourceId,
    /// The nearest thing that stays or is there now, at which a role may have been given.
    near: ResourceId,
}

/// Says of each group in which `steps` do something that we may not do, so.
pub(super) async fn denied(steps: &[&Step], arm: &Arm, findings: &mut Findings) {
    let deeds: Vec<Deed<'_>> = steps.iter().filter_map(|step| deed(step)).collect();
    let groups: BTreeSet<&ResourceId> = deeds.iter().map(|deed| &deed.group).collect();
    let asked = join_all(groups.into_iter().map(async |group| (group, ask(group, arm).await))).await;
    let mut lacking: BTreeMap<&ResourceId, (&Address, BTreeSet<&str>)> = BTreeMap::new();
    for (group, answer) in asked {
        let allowed = match answer {
            Ok(allowed) => allowed,
            Err(why) => {
                let message =
                    format!("whether we may make and delete in {} was not found out: {why}", group.name());
                findings.note(None, "not-verified", message);
                continue;
            }
        };
        for deed in deeds.iter().filter(|deed| deed.group == *group && !allows(&allowed, &deed.action)) {
            // Whoever cannot say more has said no.
            let nearer = if deed.near == *group { None } else { ask(&deed.near, arm).await.ok() };
            if !nearer.is_some_and(|allowed| allows(&allowed, &deed.action)) {
                lacking.entry(group).or_insert((deed.address, BTreeSet::new())).1.insert(&deed.action);
            }
        }
    }
    for (group, (address, actions)) in lacking {
        let mut named: Vec<&str> = actions.iter().take(MAX_NAMED).copied().collect();
        let more = format!("{} more", actions.len().saturating_sub(MAX_NAMED));
        if actions.len() > MAX_NAMED {
            named.push(&more);
        }
        let why = format!(
            "no role of ours in {} allows {}. Nothing is taken down for it: grant a role that does",
            group.name(),
            named.join(", ")
        );
        findings.block(address, why);
    }
}

/// `None` for what another step carries out, and for what is in no group.
fn deed<'a>(step: &'a Step) -> Option<Deed<'a>> {
    let (at, parent) = match &step.target {
        Target::Known(id) => (id.clone(), id.parent()),
        Target::RoleAssignment { scope, .. } => (scope.clone(), Some(scope.clone())),
    };
    let group = at.resource_group_id()?;
    let goes = is_deletion(step);
    // What was given at something that goes, goes with it.
    let near = if goes { Some(at) } else { parent };
    let action = resources::of(step.address.kind()).spec().action(if goes { "delete" } else { "write" });
    let near = near.filter(|near| near.is_within(&group)).unwrap_or_else(|| group.clone());
    (!step.requests.is_empty()).then_some(Deed { address: &step.address, action, group, near })
}

async fn ask(place: &ResourceId, arm: &Arm) -> Result<Allowed, String> {
    let path = format!("{place}/providers/Microsoft.Authorization/permissions");
    match arm.list(&path, API, &[]).await {
        Ok(Some(allowed)) => Ok(allowed),
        Ok(None) => Err(format!("{} is not there yet", place.name())),
        Err(error) => Err(error.message_for_people()),
    }
}

/// Whether some entry has the action among its actions and not among its notActions.
fn allows(allowed: &[Value], action: &str) -> bool {
    allowed.iter().any(|entry| {
        let any = |member: &str| {
            let patterns = entry.get(member).and_then(Value::as_array).into_iter().flatten();
            patterns.filter_map(Value::as_str).any(|pattern| covers(pattern, action))
        };
        any("actions") && !any("notActions")
    })
}

/// Whether a pattern, in which `*` stands for any text, covers an action. A segment `*` covers none too: built-in
/// roles take `workspaces/write` out of `workspaces/*/write`.
fn covers(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    matches(&pattern, &action) || (pattern.contains("/*/") && matches(&pattern.replace("/*/", "/"), &action))
}

fn matches(pattern: &str, action: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == action,
        Some((start, rest)) => action.strip_prefix(start).is_some_and(|action| {
            let mut tails = action.char_indices().map(|(at, _)| &action[at..]).chain([""]);
            rest.is_empty() || tails.any(|tail| matches(rest, tail))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_is_allowed_by_one_role_that_does_not_take_it_back() {
        let contributor = json!({ "actions": ["*"], "notActions": ["Microsoft.Authorization/*/Delete"] });
        let scientist = json!({
            "actions": ["Microsoft.MachineLearningServices/workspaces/*/write"],
            "notActions": ["Microsoft.MachineLearningServices/workspaces/computes/*/write"],
        });
        let revoke = "Microsoft.Authorization/roleAssignments/delete";
        let compute = "microsoft.machinelearningservices/workspaces/computes/write";
        let datastore = "Microsoft.MachineLearningServices/workspaces/datastores/write";
        let only = |entry: &Value| vec![entry.clone()];
        assert!(!allows(&only(&contributor), revoke));
        assert!(allows(&only(&contributor), compute));
        assert!(!allows(&only(&scientist), compute));
        assert!(allows(&only(&scientist), datastore));
        assert!(allows(&[scientist, json!({ "actions": ["*/computes/write"] })], compute));
        assert!(!allows(&[], datastore));
    }
}
