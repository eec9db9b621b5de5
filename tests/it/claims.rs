//! What cannot carry a mark is claimed by name in the tags of what contains it.

use beamline::reconcile::plan::{Action, Blocker, Plan, Style, render};
use beamline::resources::id::ResourceId;
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, address, group, id};

const WORKSPACE: &str = "Microsoft.MachineLearningServices/workspaces/mlw-production";
const INSTANCE: &str = "compute_instances/spare-ci";
const CLAIMS: &str = "beamline-claims-1";

fn in_workspace(name: &str) -> ResourceId {
    id(&format!("{WORKSPACE}/computes/{name}"))
}

fn tags(world: &AzureWorld, id: &ResourceId) -> Value {
    world.azure.get(id).unwrap()["tags"].clone()
}

fn claims(world: &AzureWorld) -> Value {
    tags(world, &id(WORKSPACE))[CLAIMS].clone()
}

/// An instance that somebody makes by hand, as ours would be.
async fn made_by_hand(world: &AzureWorld, definition: &Definition, name: &str) {
    let with = definition.clone().with(&format!("compute_instances/{name}"), instance());
    world.reconcile(&with.environment()).await;
    unmark(world, &in_workspace(name));
}

fn unmark(world: &AzureWorld, id: &ResourceId) {
    world.azure.edit(id, |body| body["tags"] = json!({}));
}

fn instance() -> Value {
    json!({ "virtual_machine_size": "Standard_DS3_v2", "idle_time_before_shutdown": "PT1H" })
}

fn adopting(definition: &Definition) -> Definition {
    let mut instance = instance();
    instance["adopt"] = json!(true);
    definition.clone().with(INSTANCE, instance)
}

fn steps(plan: &Plan) -> Vec<(String, Action)> {
    plan.steps.iter().map(|step| (step.address.local(), step.action)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_adopted_instance_is_claimed_and_goes_with_an_empty_journal_too_and_the_neighbours_stays() {
    let mut world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    made_by_hand(&world, &definition, "spare-ci").await;
    made_by_hand(&world, &definition, "theirs-ci").await;
    let adopting = adopting(&definition);
    let plan = world.plan(&adopting.text()).await;
    assert_eq!(steps(&plan), [("workspace".to_owned(), Action::Update)], "{}", render(&plan, Style::Plain));
    world.apply(&adopting.text()).await;
    assert_eq!(claims(&world), INSTANCE);
    world.apply(&adopting.without(&format!("{INSTANCE}/adopt")).text()).await;
    world.forget();
    let plan = world.plan(&definition.text()).await;
    let [Blocker::NeedsConsent { address: asked, .. }] = &plan.blockers[..] else {
        panic!("{}", render(&plan, Style::Plain))
    };
    assert_eq!(*asked, address(INSTANCE));
    world.consent("production/compute_instances/spare-ci");
    let plan = world.plan(&definition.text()).await;
    let order = [(INSTANCE.to_owned(), Action::Delete), ("workspace".to_owned(), Action::Update)];
    assert_eq!(steps(&plan), order, "{}", render(&plan, Style::Plain));
    assert_eq!(plan.steps[1].after, [0], "the claim goes after what it claims");
    world.apply(&definition.text()).await;
    assert_eq!(claims(&world), Value::Null);
    assert!(world.azure.get(&in_workspace("spare-ci")).is_none());
    assert!(world.azure.get(&in_workspace("theirs-ci")).is_some(), "nobody claims it");
}

#[tokio::test(start_paused = true)]
async fn a_claim_survives_other_writes_of_what_carries_it_and_goes_when_its_resource_is_gone() {
    let world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    made_by_hand(&world, &definition, "spare-ci").await;
    let adopting = adopting(&definition);
    world.apply(&adopting.text()).await;
    let patched = adopting.clone().with("workspace/tags", json!({ "a": "b" }));
    world.apply(&patched.text()).await;
    assert_eq!(claims(&world), INSTANCE);
    let put = patched.with("workspace/description", "x");
    world.apply(&put.text()).await;
    world.apply(&adopting.text()).await;
    assert_eq!(claims(&world), INSTANCE);
    world.azure.edit(&id(WORKSPACE), |body| body["properties"]["provisioningState"] = json!("Failed"));
    world.apply(&adopting.text()).await;
    assert_eq!(claims(&world), INSTANCE, "written anew");
    world.azure.remove(&in_workspace("spare-ci"));
    world.apply(&definition.text()).await;
    assert_eq!(claims(&world), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_copied_claim_orders_nothing() {
    let world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    made_by_hand(&world, &definition, "spare-ci").await;
    world.apply(&adopting(&definition).text()).await;
    let copied = tags(&world, &id(WORKSPACE));
    // Somebody's workspace with a copy of our tags, and an instance of theirs in it that is called like ours.
    let theirs = id("Microsoft.MachineLearningServices/workspaces/mlw-clone");
    let mut body = world.azure.get(&id(WORKSPACE)).unwrap();
    body["tags"] = copied;
    body["properties"]["friendlyName"] = json!("clone");
    world.azure.put(&theirs, body);
    let within: ResourceId = format!("{theirs}/computes/spare-ci").parse().unwrap();
    world.azure.put(&within, world.azure.get(&in_workspace("spare-ci")).unwrap());
    let plan = world.plan(&adopting(&definition).text()).await;
    assert!(plan.is_empty(), "{}", render(&plan, Style::Plain));
    assert!(plan.notes.iter().any(|note| note.code == "copied-mark" && note.message.contains("mlw-clone")));
    world.stays_quiet(&adopting(&definition).environment()).await;
    assert!(world.azure.get(&within).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_instance_in_somebody_elses_workspace_is_claimed_by_the_group() {
    let mut world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    made_by_hand(&world, &definition, "spare-ci").await;
    // The workspace and what it needs become somebody else's.
    for id in world.azure.ids().into_iter().filter(|id| *id != group()) {
        world.azure.edit(&id, |body| body["tags"] = json!({}));
    }
    let existing = ["storage_accounts/default", "key_vaults/main", "log_analytics_workspaces/main"]
        .into_iter()
        .chain(["application_insights/main", "workspace"])
        .fold(definition, |one, path| {
            let name = one.environment().resources[&address(path)].name.clone();
            one.with(path, json!({ "existing": true, "name": name }))
        });
    world.apply(&adopting(&existing).text()).await;
    let own = in_workspace("spare-ci");
    assert_eq!(tags(&world, &group())[CLAIMS], format!("{INSTANCE}={own}"));
    world.forget();
    world.consent("production/compute_instances/spare-ci");
    world.apply(&existing.text()).await;
    assert!(world.azure.get(&own).is_none());
    assert_eq!(tags(&world, &group())[CLAIMS], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn more_claims_than_tags_hold_are_an_error_of_the_plan() {
    let world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    made_by_hand(&world, &definition, "spare-ci").await;
    let claims: Vec<String> = (0..100).map(|at| format!("compute_instances/made-by-{at:04}-hand")).collect();
    world.azure.edit(&id(WORKSPACE), |body| {
        for (at, claims) in claims.chunks(8).enumerate() {
            body["tags"][format!("beamline-claims-{}", at + 1)] = json!(claims.join(" "));
        }
    });
    for at in 0..100 {
        let one = world.azure.get(&in_workspace("spare-ci")).unwrap();
        world.azure.put(&in_workspace(&format!("made-by-{at:04}-hand")), one);
    }
    let with = (0..100).fold(adopting(&definition), |one, at| {
        one.with(&format!("compute_instances/made-by-{at:04}-hand"), instance())
    });
    let plan = world.plan(&with.text()).await;
    let told: Vec<String> = plan.blockers.iter().map(Blocker::message).collect();
    assert!(told.len() == 1 && told[0].contains("needs more than 8 of them"), "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_version_took_over_is_ours_without_a_claim_where_the_last_definition_names_it() {
    let world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    made_by_hand(&world, &definition, "spare-ci").await;
    let adopting = adopting(&definition);
    let taken_over = adopting.environment();
    // Nothing was written then, and nothing is now.
    let plan = world.planned_as_after(&taken_over, &taken_over).await.plan;
    assert!(plan.is_empty(), "{}", render(&plan, Style::Plain));
    let unasked = adopting.clone().without(&format!("{INSTANCE}/adopt")).environment();
    let plan = world.planned_as_after(&unasked, &taken_over).await.plan;
    assert!(plan.is_empty(), "{}", render(&plan, Style::Plain));
    let removed = definition.environment();
    let plan = world.planned_as_after(&removed, &taken_over).await.plan;
    assert!(matches!(&plan.blockers[..], [Blocker::NeedsConsent { .. }]), "{}", render(&plan, Style::Plain));
    // Its name in Azure is the short name of another one now.
    let mut other = instance();
    other["name"] = json!("other-ci");
    let renamed = definition.clone().with(INSTANCE, other).environment();
    let plan = world.planned_as_after(&renamed, &taken_over).await.plan;
    let actions: Vec<_> = plan.steps.iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Replace, Action::Replace], "{}", render(&plan, Style::Plain));
    // What was only read is nobody's.
    let read = definition.clone().with(INSTANCE, json!({ "existing": true })).environment();
    let plan = world.planned_as_after(&removed, &read).await.plan;
    assert!(plan.is_empty(), "{}", render(&plan, Style::Plain));
    // The claim comes with the next write of the workspace.
    let next = adopting.with("workspace/tags", json!({ "a": "b" })).environment();
    let planned = world.planned_as_after(&next, &taken_over).await;
    world.carry_out(&next, &planned, &tokio_util::sync::CancellationToken::new()).await;
    assert_eq!(claims(&world), INSTANCE);
}
