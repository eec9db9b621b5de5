//! Whether the regions exist in which a plan makes something: a region that Azure does not have is found out before
//! anything is taken down for it. One read, and only where something is made.
//!
//! Source: "Subscriptions - List Locations", 2022-12-01.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::plan::{Plan, Step};
use super::{Findings, is_new, same};
use crate::azure::Arm;
use crate::resources::id::{ApiVersion, ResourceId, SubscriptionId};
use crate::resources::suggest::nearest;

const API: ApiVersion = ApiVersion("2022-12-01");

/// Says of each region in which `plan` makes something, and that the subscription does not have, so; these regions.
pub(super) async fn missing(
    plan: &Plan,
    subscription: SubscriptionId,
    arm: &Arm,
    findings: &mut Findings,
) -> BTreeSet<String> {
    let wanted = wanted(plan);
    if wanted.is_empty() {
        return BTreeSet::new();
    }
    let path = format!("{}/locations", ResourceId::subscription(subscription));
    let regions: Vec<String> = match arm.list(&path, API, &[]).await {
        Ok(Some(items)) => items.iter().filter_map(name_of).collect(),
        Ok(None) => Vec::new(),
        Err(error) => {
            let why = error.message_for_people();
            findings.note(
                None,
                "not-verified",
                format!("whether its regions exist was not found out: {why}"),
            );
            return BTreeSet::new();
        }
    };
    // A list without any region says nothing.
    let unknown = wanted
        .into_iter()
        .filter(|(region, _)| !regions.is_empty() && !regions.iter().any(|one| same(one, region)));
    let unknown: BTreeMap<String, Vec<&Step>> = unknown.collect();
    for (region, steps) in &unknown {
        let meant = nearest(region, regions.iter().map(String::as_str));
        let meant = meant.map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
        let others = match steps.len() {
            0 | 1 => String::new(),
            more => format!(" (nor can {} others)", more - 1),
        };
        if let Some(first) = steps.first() {
            findings
                .block(&first.address, format!("the subscription has no region `{region}`{others}.{meant}"));
        }
    }
    unknown.into_keys().collect()
}

fn name_of(item: &Value) -> Option<String> {
    Some(item.get("name")?.as_str()?.to_owned())
}

/// The regions in which something is made, and what.
fn wanted(plan: &Plan) -> BTreeMap<String, Vec<&Step>> {
    let mut wanted: BTreeMap<String, Vec<&Step>> = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| is_new(step)) {
        let body = step.requests.first().and_then(|request| request.body.as_ref());
        let Some(region) = body.and_then(|body| body.get("location")).and_then(Value::as_str) else {
            continue;
        };
        // What is not bound to a region is everywhere.
        if !same(region, "global") {
            wanted.entry(region.to_owned()).or_default().push(step);
        }
    }
    wanted
}
