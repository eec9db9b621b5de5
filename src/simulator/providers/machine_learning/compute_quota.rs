//! Cores of machine learning computes: limits per VM family and region, what uses them, and the lists
//! that show both (`facts.md` 17). A cluster counts with its most nodes, as Azure counts it.
//!
//! The words of the refusal follow the service's own message for clusters; its code is not documented.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Write};
use crate::body;
use crate::http::Reply;
use crate::providers::machine_learning::computes::{INNER, TYPE, is_instance};
use crate::providers::machine_learning::vm_sizes;
use crate::providers::resources::subscriptions::normal_location;
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// Whose cores a compute uses: a family's, or those of the low-priority pool.
const LOW_PRIORITY: &str = "lowPriorityPool";

/// The pool and the number of cores that a compute may use at most.
fn demand(compute: &Value) -> (&'static str, u64) {
    let size = body::text(compute, &format!("{INNER}/vmSize")).unwrap_or_default();
    let Some((family, cores)) = vm_sizes::family(size) else { return (LOW_PRIORITY, 0) };
    let nodes = body::at(compute, &format!("{INNER}/scaleSettings/maxNodeCount")).and_then(Value::as_u64);
    let nodes = if is_instance(compute) { 1 } else { nodes.unwrap_or(1) };
    let priority = body::text(compute, &format!("{INNER}/vmPriority")).unwrap_or("Dedicated");
    let pool = if priority.eq_ignore_ascii_case("LowPriority") { LOW_PRIORITY } else { family };
    (pool, u64::from(cores).saturating_mul(nodes))
}

fn location_of(compute: &Value) -> String {
    let own = body::text(compute, "/properties/computeLocation").or_else(|| body::text(compute, "/location"));
    own.map(normal_location).unwrap_or_default()
}

/// The computes of a subscription in a region.
fn computes<'a>(state: &'a State, near: &ResourceId, location: &'a str) -> impl Iterator<Item = &'a Stored> {
    let home = near.subscription_id().map(ResourceId::subscription);
    let all = state.inventory.of_type_within(TYPE, home.as_ref(), None);
    all.filter(move |stored| location_of(&stored.body) == location)
}

/// Refuses a compute for which its family has no cores left.
pub(in crate::providers) fn check(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let mut wanted = write.body.clone();
    if let (Some(old), true) = (&write.existing, demand(&wanted).1 == 0) {
        wanted = old.clone();
    }
    let ((pool, cores), location) = (demand(&wanted), location_of(&wanted));
    let limit = state.quota.limit(&location, pool);
    let others = computes(state, write.id, &location).filter(|stored| stored.id != *write.id);
    let used: u64 = others
        .map(|stored| demand(&stored.body))
        .filter(|(own, _)| *own == pool)
        .fold(0, |sum, (_, cores)| sum.saturating_add(cores));
    if used.saturating_add(cores) > limit { Err(exceeded(pool, limit, used, cores)) } else { Ok(()) }
}

fn exceeded(pool: &str, limit: u64, used: u64, cores: u64) -> ArmError {
    let message = format!(
        "The specified subscription has a {} vCPU quota of {limit} and cannot accommodate for at least 1 requested \
         managed compute node. Current usage: {used}, additional required: {cores}.",
        shown(pool)
    );
    ArmError::bad_request("QuotaExceeded", message)
}

/// The refusal that a scripted fault asks for.
pub(crate) fn exhausted(sent: &Value) -> ArmError {
    let (pool, cores) = demand(sent);
    exceeded(pool, 0, 0, cores)
}

/// A family as usages and quotas spell it: `standardDSv2Family` is "Standard DSv2 Family Cluster
/// Dedicated vCPUs".
fn shown(pool: &str) -> String {
    if pool == LOW_PRIORITY {
        return "Total Cluster LowPriority Regional vCPUs".to_owned();
    }
    let series = pool.strip_prefix("standard").unwrap_or(pool);
    let series = series.strip_suffix("Family").unwrap_or(series);
    format!("Standard {series} Family Cluster Dedicated vCPUs")
}

fn name(text: &str) -> Value {
    json!({ "value": text, "localizedValue": text })
}

/// The answer of `locations/{location}/usages`.
pub(in crate::providers) fn usages(state: &State, near: &ResourceId, location: &str) -> Value {
    let location = normal_location(location);
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    let mut clusters = 0_u64;
    for stored in computes(state, near, &location) {
        let (pool, cores) = demand(&stored.body);
        *used.entry(pool).or_default() += cores;
        clusters += 1;
    }
    let dedicated: u64 = used.iter().filter(|(pool, _)| **pool != LOW_PRIORITY).map(|(_, cores)| cores).sum();
    let id = format!("{near}/usages");
    let row = |kind: &str, id: String, shown: &str, current: u64, limit: u64| {
        json!({
            "id": id, "type": format!("Microsoft.MachineLearningServices/{kind}/usages"), "unit": "Count",
            "currentValue": current, "limit": limit, "name": name(shown),
        })
    };
    let mut rows = vec![
        row("totalCores", id.clone(), "Clusters", clusters, 500),
        row("dedicatedCores", id.clone(), "Total Cluster Dedicated Regional vCPUs", dedicated, 100_000),
    ];
    let pools = vm_sizes::families(state.settings.vm_sizes).into_iter().chain([LOW_PRIORITY]);
    rows.extend(pools.map(|pool| {
        let shown = shown(pool);
        let kind = if pool == LOW_PRIORITY { "lowPriorityCores" } else { "vmFamily" };
        let current = used.get(pool).copied().unwrap_or(0);
        row(
            kind,
            format!("{id}/{}", shown.replace(' ', "_")),
            &shown,
            current,
            state.quota.limit(&location, pool),
        )
    }));
    json!({ "value": rows })
}

/// The answer of `locations/{location}/quotas`.
pub(in crate::providers) fn quotas(state: &State, near: &ResourceId, location: &str) -> Value {
    let rows = vm_sizes::families(state.settings.vm_sizes).into_iter().map(|family| {
        let shown = shown(family);
        json!({
            "id": format!("{near}/quotas/{}", shown.replace(' ', "_")),
            "type": "Microsoft.MachineLearningServices/vmFamily/quotas", "unit": "Count",
            "limit": state.quota.limit(location, family), "name": name(&shown),
        })
    });
    json!({ "value": rows.collect::<Vec<_>>() })
}

/// `locations/{location}/updateQuotas`: a row for each limit that was asked for, with its outcome. The
/// limits of single workspaces are accepted and not enforced.
pub(in crate::providers) fn update(
    state: &mut State,
    call: &Call<'_>,
    location: &str,
) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let mut rows = Vec::new();
    for row in body::items(&sent, "/value") {
        let limit = body::at(row, "/limit").and_then(Value::as_u64);
        let wanted = body::text(row, "/id").and_then(|id| id.rsplit('/').next()).unwrap_or_default();
        let mut families = vm_sizes::families(state.settings.vm_sizes).into_iter();
        let family = families.find(|family| shown(family).replace(' ', "_").eq_ignore_ascii_case(wanted));
        let status = match (limit, family) {
            (None, _) => "InvalidQuotaBelowClusterMinimum",
            (Some(_), None) => "InvalidVMFamilyName",
            (Some(limit), Some(family)) => {
                let of_workspace =
                    body::text(row, "/id").is_some_and(|id| id.to_ascii_lowercase().contains("/workspaces/"));
                if !of_workspace {
                    state.quota.set(location, family, limit);
                }
                "Success"
            }
        };
        let mut answered = row.clone();
        body::set(&mut answered, "/status", status);
        rows.push(answered);
    }
    Ok(Reply::json(200, json!({ "value": rows })))
}
