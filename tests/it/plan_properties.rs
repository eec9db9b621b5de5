//! What holds of every plan, for generated definitions.

use std::collections::{BTreeMap, BTreeSet};

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{Action, Consents, Globs, Part, Plan, Reach, Step, Style, check, render};
use beamline::resources::id::ResourceId;
use beamline::resources::{
    self, Address, Change, Effect, Kind, Reference, Resources, Shape, Target, WhenAbsent, read_fields,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{
    AzureWorld, Definition, block_on, definition, failures, group, leaves, place_identities, workshop,
};

/// A world in which the workshop stands, and the identities that definitions may name.
async fn furnished() -> AzureWorld {
    let mut world = AzureWorld::new();
    let group_only = serde_json::json!({ "location": "eastus" });
    world.azure.put(&group(), group_only);
    place_identities(&world);
    world.consent("*");
    world
}

fn in_group(definition: &Definition) -> Definition {
    definition.clone().with("resource_group/adopt", true)
}

/// Applies a definition completely and sees that it stays quiet.
async fn applied(world: &AzureWorld, definition: &Definition) -> Result<(), TestCaseError> {
    let environment = definition.environment();
    let report = world.reconcile(&environment).await;
    prop_assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    let again = world.planned(&environment).await.plan;
    prop_assert!(again.is_empty(), "plan again: no changes\n{}", render(&again, Style::Plain));
    Ok(())
}

fn is_deletion(step: &Step) -> bool {
    step.action == Action::Delete || step.part == Part::Removal
}

/// Everything that a step waits for, directly or not.
pub(crate) fn before<'p>(plan: &'p Plan, step: &'p Step) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open: Vec<u32> = step.after.clone();
    while let Some(at) = open.pop() {
        if found.insert(at) {
            open.extend(&plan.step(at).unwrap().after);
            // A carried step is done with its carrier, which waits for what it carries out.
            open.extend(plan.step(at).unwrap().carried_by);
        }
    }
    found
}

/// Where the order of a plan breaks a dependency, by other rules than those that made it.
pub(crate) fn disorder(plan: &Plan, all: &Resources) -> Vec<String> {
    let making: BTreeMap<&Address, &Step> =
        plan.steps.iter().filter(|step| !is_deletion(step)).map(|step| (&step.address, step)).collect();
    let mut found = Vec::new();
    for step in &plan.steps {
        let waits = before(plan, step);
        let mut expect = |other: &Step, why: &str| {
            let carried = other.carried_by == Some(step.ordinal) || step.carried_by == Some(other.ordinal);
            let siblings = other.carried_by.is_some() && other.carried_by == step.carried_by;
            let orders =
                waits.contains(&other.ordinal) || other.carried_by.is_some_and(|at| waits.contains(&at));
            if !(orders || carried || siblings) {
                found.push(format!("{} does not wait for {}: {why}", step.address, other.address));
            }
        };
        if is_deletion(step) {
            let Target::Known(outer) = &step.target else { continue };
            for other in plan.steps.iter().filter(|other| is_deletion(other) && other.ordinal != step.ordinal)
            {
                let Target::Known(inner) = &other.target else { continue };
                if inner.is_within(outer) {
                    expect(other, "it lies inside");
                }
            }
            continue;
        }
        // Where Azure allows the name once; else the new one is made first.
        let frees = |other: &&Step| {
            let is_former = other.part == Part::Removal && other.address == step.address;
            is_former && other.target == step.target
        };
        for other in plan.steps.iter().filter(frees) {
            expect(other, "it is its predecessor");
        }
        let Some(resource) = all.get(&step.address) else { continue };
        let named = resource.references.iter().filter_map(|(path, reference)| match reference {
            Reference::Local(address) if path != "image_build_compute_name" => Some(address.clone()),
            Reference::Local(_) | Reference::Arm(_) => None,
        });
        let container = resources::of(step.address.kind()).spec().parent.and_then(|parent| {
            let single = || Address::single(step.address.environment(), parent);
            step.address.outer().or_else(|| parent.is_single().then(single))
        });
        for address in named.chain(container) {
            if let Some(other) = making.get(&address) {
                expect(other, "it needs it");
            }
        }
    }
    found
}

fn sound(plan: &Plan, definition: &Definition) -> Result<(), TestCaseError> {
    let mut everything = Consents::new(Globs::Count);
    everything.read_message(&"a".repeat(40), "Ada", "Beamline-Consent: destroy *", &Reach::Named);
    prop_assert_eq!(check(plan, &[group()], &everything), vec![]);
    let all = definition.environment().resources;
    prop_assert_eq!(disorder(plan, &all), Vec::<String>::new(), "{}", render(plan, Style::Plain));
    Ok(())
}

/// A value that a definition owns.
#[derive(Debug)]
struct Owned {
    /// Whose it is, as its tags say.
    local: Option<String>,
    /// Whether a definition made it, and not the service beside it.
    is_ours: bool,
    path: String,
    value: Value,
}

/// Where what is there depends on the way to `definition`: with what is there when nothing was before. What cannot
/// change on a living resource, and is not written, stays as it was made.
fn traces(world: &AzureWorld, fresh: &AzureWorld, definition: &Definition) -> Vec<String> {
    let resources = definition.environment().resources;
    let (found, expected) = (owned(world), owned(fresh));
    let stays = |found: &Owned, expected: &Owned| {
        let local = found.local.as_deref()?;
        let (_, resource) = resources.iter().find(|(address, _)| address.local() == local)?;
        let kind = resource.address.kind();
        let leaf = leaves(kind).into_iter().find(|leaf| leaf.path == found.path)?;
        let is_default = matches!(leaf.field.absent, WhenAbsent::Default(_));
        let effect = resources::of(kind).effect(resource, &found.path, &found.value, &expected.value);
        let cannot_change = matches!(effect, Effect::Replace(_) | Effect::Impossible(_));
        Some(is_default && cannot_change && !resource.written.contains(&found.path))
    };
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let traces = names.into_iter().filter_map(|name| {
        let (found, expected) = (found.get(name), expected.get(name));
        let is_same = match (found, expected) {
            (Some(found), Some(expected)) => {
                found.value == expected.value || stays(found, expected) == Some(true)
            }
            (None, None) => true,
            // A managed network stays once it is there, and computes in it show a subnet that nobody wrote.
            (Some(found), None) if found.path == "subnet" && has_managed_network(world) => true,
            (Some(one), None) | (None, Some(one)) => !one.is_ours,
        };
        (!is_same).then(|| format!("{name}: {found:?} instead of {expected:?}"))
    });
    traces.collect()
}

fn has_managed_network(world: &AzureWorld) -> bool {
    world.azure.ids().iter().filter_map(|id| world.azure.get(id)).any(|body| {
        let mode = &body["properties"]["managedNetwork"]["isolationMode"];
        mode.as_str().is_some_and(|mode| mode != "Disabled")
    })
}

/// What definitions own of everything that is there, by id and path.
fn owned(world: &AzureWorld) -> BTreeMap<String, Owned> {
    let mut found = BTreeMap::new();
    for id in world.azure.ids() {
        let body = world.azure.get(&id).unwrap();
        let of = |kind: &&Kind| {
            let of = resources::of(**kind);
            of.spec().arm_type.eq_ignore_ascii_case(&id.arm_type()) && of.is_mine(&body)
        };
        let Some(kind) = Kind::ALL.iter().find(of) else { continue };
        let fields = Value::Object(read_fields(resources::of(*kind).spec(), &body));
        let is_role = *kind == Kind::RoleAssignment;
        let name = if is_role { name_of_role(world, &body) } else { id.folded() };
        let local = body["tags"]["beamline-address"].as_str().map(str::to_owned);
        let is_ours = !is_role || !body["properties"]["description"].is_null();
        let mut add = |path: &str, value: Value| {
            let owned = Owned { local: local.clone(), is_ours, path: path.to_owned(), value };
            found.insert(format!("{name} {path}"), owned);
        };
        for leaf in leaves(*kind) {
            let is_owned = matches!(leaf.field.change, Change::InPlace | Change::Replace(_))
                && !matches!(leaf.field.absent, WhenAbsent::ServiceDefault)
                // Taken out, it stays as it is: no request removes it from a living instance.
                && leaf.path != "idle_time_before_shutdown"
                && !leaf.path.starts_with("managed_network")
                && !leaf.path.starts_with("serverless_compute");
            let value = fields.pointer(&format!("/{}", leaf.path.replace('.', "/")));
            if let Some(value) = value.filter(|_| is_owned) {
                add(&leaf.path, normal(leaf.field.shape, value));
            }
        }
        let is_instance = *kind == Kind::ComputeInstance;
        add("tags", if is_instance { Value::Null } else { body["tags"].clone() });
    }
    found
}

/// A role assignment is its scope, its role and its principal, whoever has made it: a workspace gives itself some.
/// Principals differ from world to world, so whose identity it is stands for one.
fn name_of_role(world: &AzureWorld, body: &Value) -> String {
    let [scope, role, principal] =
        ["scope", "roleDefinitionId", "principalId"].map(|name| &body["properties"][name]);
    let has_it =
        |id: &ResourceId| world.azure.get(id).is_some_and(|it| it["identity"]["principalId"] == *principal);
    let whose = world.azure.ids().into_iter().find(has_it).map(|id| id.folded());
    format!("{role} on {scope} of {whose:?}").to_ascii_lowercase()
}

/// Lists here are sets, and some words have no casing.
fn normal(shape: Shape, value: &Value) -> Value {
    match (shape, value) {
        (_, Value::Array(items)) => {
            let mut items = items.clone();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        (Shape::Guid | Shape::Word { .. }, Value::String(text)) => Value::from(text.to_ascii_lowercase()),
        _ => value.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_applied_plans_to_nothing_and_in_order(definition in definition()) {
        block_on(async {
            let world = furnished().await;
            let definition = in_group(&definition);
            let first = world.planned(&definition.environment()).await.plan;
            sound(&first, &definition)?;
            applied(&world, &definition).await?;
            let last = world.planned(&AzureWorld::removed()).await.plan;
            prop_assert_eq!(disorder(&last, &Resources::new()), Vec::<String>::new());
            Ok(())
        })?;
    }

    #[test]
    fn the_way_to_a_definition_does_not_matter(one in definition(), other in definition()) {
        block_on(async {
            let (world, fresh) = (furnished().await, furnished().await);
            let (one, other) = (in_group(&one), in_group(&other));
            applied(&world, &one).await?;
            let plan = world.planned(&other.environment()).await.plan;
            sound(&plan, &other)?;
            // What Azure cannot change or bring back is another story.
            if plan.blockers.is_empty() {
                applied(&world, &other).await?;
                applied(&fresh, &other).await?;
                prop_assert_eq!(traces(&world, &fresh, &other), Vec::<String>::new());
            }
            Ok(())
        })?;
    }
}

#[test]
fn the_base_of_generated_definitions_is_one() {
    assert_eq!(workshop().errors(), [""; 0]);
}

#[test]
fn two_accounts_with_containers_are_made_again() {
    block_on(async {
        let world = furnished().await;
        let place = |account: &str| format!("storage_accounts/{account}/location");
        let after = in_group(&workshop()).with("workspace/on_delete", "purge");
        let before = after.clone().with(&place("default"), "westus").with(&place("data_lake"), "westus");
        applied(&world, &before).await.unwrap();
        let plan = world.planned(&after.environment()).await.plan;
        sound(&plan, &after).unwrap();
        assert_eq!(plan.blockers, []);
        applied(&world, &after).await.unwrap();
    });
}
