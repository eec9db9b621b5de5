//! Whether what a plan makes can be made at all, asked before anything is taken down: regions that exist, sizes that
//! Azure offers in them, the cores that are left of their families, names that are free, and our own permissions.
//!
//! Only plans that make something ask for the regions, with one read; only those that make machines ask what a region
//! offers, with two reads for each; only those that take something down for what they make ask for names, with one
//! read for each name that all of Azure has once, and for permissions, with one for each group. What cannot be read is said in a note;
//! it refuses nothing. Sources: facts.md 17, facts-data.md (VM sizes).

mod again;
mod at_stake;
mod names;
mod permissions;
mod regions;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(super) use self::again::again;
pub(super) use self::at_stake::at_stake;
use super::observe::Observed;
use super::plan::{Blocker, Note, Part, Plan, Step, is_deletion};
use crate::azure::{Arm, ArmError};
use crate::resources::id::{ApiVersion, ResourceId, SubscriptionId};
use crate::resources::suggest::nearest;
use crate::resources::{self, Address, Machines, Target};

/// The version that computes are written against, which has both lists.
const API: ApiVersion = ApiVersion("2025-12-01");

/// The usage of machines that Azure may take back.
const LOW_PRIORITY: &str = "Total Cluster LowPriority Regional vCPUs";

/// What a region has to offer; `Err` says why it is not known.
#[derive(Debug)]
pub(super) struct Offers {
    sizes: Result<Vec<Size>, String>,
    cores: Result<Vec<Cores>, String>,
}

#[derive(Debug)]
struct Size {
    name: String,
    family: String,
    cores: u64,
    low_priority: bool,
    compute_types: Vec<String>,
}

#[derive(Debug)]
struct Cores {
    name: String,
    used: u64,
    limit: u64,
}

/// Asks what has to be known of `plan`, and adds what stands in its way.
pub(super) async fn preflight(
    mut plan: Plan,
    observed: &Observed,
    subscription: SubscriptionId,
    arm: &Arm,
) -> Plan {
    let going = observed.going().map(|orphan| (&orphan.id, &orphan.body));
    let present = observed.present.values().map(|found| (&found.id, &found.body));
    let going = going.chain(present).collect();
    let found = Box::pin(look_into(&plan, &going, subscription, arm)).await;
    plan.blockers.extend(found.blockers);
    plan.notes.extend(found.notes);
    plan
}

/// Asks whatever `plan` depends on. `bodies` are those of what it may take down.
async fn look_into(
    plan: &Plan,
    bodies: &BTreeMap<&ResourceId, &Value>,
    subscription: SubscriptionId,
    arm: &Arm,
) -> Findings {
    let mut found = Findings::default();
    let missing = regions::missing(plan, subscription, arm, &mut found).await;
    let regions: BTreeSet<String> = made(plan).map(|(_, machines)| machines.location).collect();
    let mut offers = BTreeMap::new();
    for region in regions.difference(&missing).cloned() {
        let offered = ask(&region, subscription, arm).await;
        offers.insert(region, offered);
    }
    let judged = judge(plan, bodies, &offers);
    found.blockers.extend(judged.blockers);
    found.notes.extend(judged.notes);
    let at_stake = at_stake(plan);
    Box::pin(names::taken(plan, &at_stake, arm, &mut found)).await;
    Box::pin(permissions::denied(&at_stake, arm, &mut found)).await;
    found
}

async fn ask(region: &str, subscription: SubscriptionId, arm: &Arm) -> Offers {
    let home = ResourceId::subscription(subscription);
    let path =
        |list: &str| format!("{home}/providers/Microsoft.MachineLearningServices/locations/{region}/{list}");
    let read = async |list: &str| match arm.list(&path(list), API, &[]).await {
        Ok(Some(items)) => Ok(items),
        Ok(None) => Err(format!("{list} of {region} is not there")),
        Err(error) => Err(denied(list, region, &error)),
    };
    let (sizes, cores) = futures::join!(read("vmSizes"), read("usages"));
    Offers {
        sizes: sizes.map(|items| items.iter().filter_map(size_of).collect()),
        cores: cores.map(|items| items.iter().filter_map(cores_of).collect()),
    }
}

fn denied(list: &str, region: &str, error: &ArmError) -> String {
    format!("{list} of {region} could not be read: {}", error.message_for_people())
}

fn size_of(item: &Value) -> Option<Size> {
    let types = item.get("supportedComputeTypes").and_then(Value::as_array);
    Some(Size {
        name: item.get("name")?.as_str()?.to_owned(),
        family: item.get("family").and_then(Value::as_str).unwrap_or_default().to_owned(),
        cores: item.get("vCPUs").and_then(Value::as_u64).unwrap_or_default(),
        low_priority: item.get("lowPriorityCapable").and_then(Value::as_bool).unwrap_or(true),
        compute_types: types.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
    })
}

/// A row of the subscription; those of single workspaces say nothing about what is left.
fn cores_of(item: &Value) -> Option<Cores> {
    let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
    if id.to_ascii_lowercase().contains("/workspaces/") {
        return None;
    }
    Some(Cores {
        name: item.pointer("/name/value")?.as_str()?.to_owned(),
        used: item.get("currentValue")?.as_u64()?,
        limit: item.get("limit")?.as_u64()?,
    })
}

/// The machines that a plan makes, each with its step.
fn made(plan: &Plan) -> impl Iterator<Item = (&Step, Machines)> {
    let makes = plan.steps.iter().filter(|step| !is_deletion(step) && is_new(step));
    makes.filter_map(|step| {
        let body = step.requests.first()?.body.as_ref()?;
        Some((step, resources::of(step.address.kind()).machines(body)?))
    })
}

fn is_new(step: &Step) -> bool {
    match step.action {
        super::plan::Action::Create => true,
        super::plan::Action::Replace => step.part == Part::Creation,
        super::plan::Action::Update
        | super::plan::Action::Delete
        | super::plan::Action::Adopt
        | super::plan::Action::Recover
        | super::plan::Action::Release
        | super::plan::Action::Keep => false,
    }
}

/// The machines that a plan takes down.
fn freed(plan: &Plan, bodies: &BTreeMap<&ResourceId, &Value>) -> Vec<Machines> {
    let deleted = plan.steps.iter().filter(|step| is_deletion(step));
    let machines = deleted.filter_map(|step| {
        let Target::Known(id) = &step.target else { return None };
        resources::of(step.address.kind()).machines(bodies.get(id)?)
    });
    machines.collect()
}

/// What was found out.
#[derive(Debug, Default, PartialEq)]
struct Findings {
    blockers: Vec<Blocker>,
    notes: Vec<Note>,
}

impl Findings {
    fn block(&mut self, address: &Address, why: String) {
        self.blockers.push(Blocker::CannotBeMade { address: address.clone(), why });
    }

    fn note(&mut self, address: Option<&Address>, code: &str, message: String) {
        self.notes.push(Note { code: code.to_owned(), address: address.cloned(), message });
    }
}

/// Judges a plan by what its regions offer.
fn judge(plan: &Plan, bodies: &BTreeMap<&ResourceId, &Value>, offers: &BTreeMap<String, Offers>) -> Findings {
    let mut findings = Findings::default();
    for offered in offers.values() {
        let unread = [offered.sizes.as_ref().err(), offered.cores.as_ref().err()];
        for why in unread.into_iter().flatten() {
            let message = format!("whether its machines can be had was not found out: {why}");
            findings.note(None, "not-verified", message);
        }
    }
    let freed = freed(plan, bodies);
    let mut wanted: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for (step, machines) in made(plan) {
        let Some((region, offered)) = offers.get_key_value(&machines.location) else { continue };
        let Ok(sizes) = &offered.sizes else { continue };
        let Some(size) = offered_size(sizes, &machines) else {
            findings.block(&step.address, not_offered(sizes, &machines));
            continue;
        };
        let Ok(cores) = &offered.cores else { continue };
        let pool = pool_of(&machines, size);
        let Some(row) = cores.iter().find(|row| same(&row.name, &pool)) else { continue };
        let given_back: u64 = freed
            .iter()
            .filter(|old| old.location == machines.location)
            .filter_map(|old| Some((old, find(sizes, &old.size)?)))
            .filter(|(old, size)| same(&pool_of(old, size), &pool))
            .map(|(old, size)| size.cores.saturating_mul(old.most))
            .sum();
        let before = wanted.entry((region, pool.to_ascii_lowercase())).or_default();
        let used = row.used.saturating_sub(given_back).saturating_add(*before);
        let left = row.limit.saturating_sub(used);
        let all = size.cores.saturating_mul(machines.most);
        *before = before.saturating_add(all);
        let short = || {
            format!(
                "{pool} in {region}: {left} of {} are left, and {} x {} needs {all}. Ask for more quota, or for fewer \
                 nodes",
                row.limit, machines.most, size.name
            )
        };
        if left < size.cores || (left < all && step.part == Part::Creation) {
            findings.block(&step.address, short());
        } else if left < all {
            findings.note(Some(&step.address), "quota-short", format!("{}: {}", step.address, short()));
        }
    }
    findings
}

fn find<'a>(sizes: &'a [Size], name: &str) -> Option<&'a Size> {
    sizes.iter().find(|size| same(&size.name, name))
}

/// The size, where it can be had for this type of compute at this priority.
fn offered_size<'a>(sizes: &'a [Size], machines: &Machines) -> Option<&'a Size> {
    find(sizes, &machines.size).filter(|size| is_for(size, machines))
}

fn is_for(size: &Size, machines: &Machines) -> bool {
    let types = &size.compute_types;
    let is_known = types.is_empty() || types.iter().any(|one| same(one, machines.compute_type));
    is_known && (size.low_priority || !machines.low_priority)
}

fn not_offered(sizes: &[Size], machines: &Machines) -> String {
    let Machines { location, size, compute_type, low_priority, .. } = machines;
    match find(sizes, size) {
        Some(found) if *low_priority && !found.low_priority => {
            format!(
                "{size} cannot be had at low priority in {location}. Write `vm_priority: Dedicated`, or another size"
            )
        }
        Some(_) => format!("{location} does not offer {size} for {compute_type}. Write another size"),
        None => {
            let names = sizes.iter().filter(|size| is_for(size, machines)).map(|size| size.name.as_str());
            let meant = nearest(size, names).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
            format!(
                "{location} does not offer the size {size} to machine learning.{meant} `az ml compute list-sizes \
                 --location {location}` lists what it offers"
            )
        }
    }
}

/// The name of the usage that counts these machines: family `standardDSv2Family` is "Standard DSv2 Family Cluster
/// Dedicated vCPUs" (facts-data.md, derived and seen in the wild).
fn pool_of(machines: &Machines, size: &Size) -> String {
    if machines.low_priority {
        return LOW_PRIORITY.to_owned();
    }
    let family = size.family.trim();
    let (head, tail) = ("standard".len(), "family".len());
    let starts = family.get(..head).is_some_and(|start| same(start, "standard"));
    let family = if starts { family[head..].trim() } else { family };
    let cut = family.len().saturating_sub(tail);
    let ends = family.get(cut..).is_some_and(|end| same(end, "family"));
    let series = if ends { family[..cut].trim() } else { family };
    format!("Standard {series} Family Cluster Dedicated vCPUs")
}

/// Azure's spelling wanders between lists.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}
