//! What somebody else made and beamline adopted says so, and goes with consent only, whatever its kind.

use beamline::reconcile::plan::{Action, Blocker, Plan, Style, render};
use beamline::resources::id::ResourceId;
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, id};

/// Of these kinds what we have made goes without asking.
const FREE: [&str; 4] =
    ["application_insights/spare", "datastores/spare", "compute_clusters/spare", "role_assignments/spare"];

const CLUSTER: &str = "Microsoft.MachineLearningServices/workspaces/mlw-production/computes/spare";

/// Takes every mark away, as if somebody else had made everything.
fn strip_marks(world: &AzureWorld) {
    for id in world.azure.ids() {
        world.azure.edit(&id, |body| {
            for at in ["/tags", "/properties/tags", "/properties/metadata"] {
                if let Some(Value::Object(members)) = body.pointer_mut(at) {
                    members.retain(|key, _| !key.starts_with("beamline"));
                }
            }
            if id.arm_type().ends_with("roleAssignments") {
                body["properties"]["description"] = Value::Null;
            }
        });
    }
}

/// Everything of `definition`, to be adopted.
fn adopting(definition: &Definition) -> Definition {
    let environment = definition.environment();
    let paths = environment.resources.keys().map(|address| format!("{}/adopt", address.local()));
    paths.fold(definition.clone(), |definition, path| definition.with(&path, true))
}

/// Of everything that carries a mark: whether it says that it was adopted.
fn adopted(world: &AzureWorld) -> Vec<(ResourceId, bool)> {
    let says = |id: ResourceId| {
        let body = world.azure.get(&id)?;
        let description = body["properties"]["description"].as_str().unwrap_or_default();
        if description.starts_with("beamline") {
            let says = description.starts_with("beamline, adopted: ops/production ");
            return Some((id, says));
        }
        let places = ["/tags", "/properties/tags", "/properties/metadata"];
        let marked =
            places.iter().filter_map(|at| body.pointer(at)).find(|one| one.get("beamline").is_some())?;
        let says = ["beamline-adopted", "beamline_adopted"].iter().any(|key| marked.get(key).is_some());
        Some((id, says))
    };
    world.azure.ids().into_iter().filter_map(says).collect()
}

fn notes(plan: &Plan) -> Vec<&str> {
    plan.notes.iter().map(|note| note.code.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_adopted_says_so_through_every_write_and_goes_with_consent_only() {
    let mut world = AzureWorld::new();
    let definition = Definition::with_spares();
    world.apply(&definition.text()).await;
    assert!(adopted(&world).iter().all(|(_, says)| !says), "it made all of that");
    strip_marks(&world);
    world.apply(&adopting(&definition).text()).await;
    let marked = adopted(&world);
    assert!(marked.len() > 20 && marked.iter().all(|(_, says)| *says), "{marked:#?}");
    let written = definition
        .clone()
        .with("tags/team", "vision")
        .with("role_assignments/spare/description", "because")
        .with("storage_accounts/default/allow_nested_items_to_be_public", true)
        .with("storage_accounts/default/containers/spare", json!({ "container_access_type": "blob" }));
    world.apply(&written.text()).await;
    assert_eq!(adopted(&world), marked);
    world.forget();
    let without = FREE.iter().fold(written, |one, path| one.without(path));
    let plan = world.plan(&without.text()).await;
    let asked = plan.blockers.iter().map(|blocker| {
        let Blocker::NeedsConsent { address, because, .. } = blocker else {
            panic!("{}", render(&plan, Style::Plain))
        };
        assert!(because.ends_with("it was adopted, and not made by us"), "{because}");
        address.local()
    });
    let mut asked: Vec<String> = asked.collect();
    asked.sort_unstable();
    let mut free = FREE;
    free.sort_unstable();
    assert_eq!(asked, free);
    FREE.iter().for_each(|path| world.consent(&format!("production/{path}")));
    world.apply(&without.text()).await;
    assert!(world.azure.get(&id(CLUSTER)).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_adopted_is_replaced_with_consent_and_the_new_one_is_ours() {
    let mut world = AzureWorld::new();
    let definition = Definition::with_spares();
    world.apply(&definition.text()).await;
    world.azure.edit(&id(CLUSTER), |body| body["tags"] = json!({}));
    world.apply(&definition.clone().with("compute_clusters/spare/adopt", true).text()).await;
    let tag = |world: &AzureWorld| world.azure.get(&id(CLUSTER)).unwrap()["tags"]["beamline-adopted"].clone();
    assert_eq!(tag(&world), "true");
    let replaced = definition.with("compute_clusters/spare/vm_size", "Standard_DS3_v2");
    let plan = world.plan(&replaced.text()).await;
    let asks = matches!(&plan.blockers[..], [Blocker::NeedsConsent { action: Action::Replace, .. }]);
    assert!(asks, "{}", render(&plan, Style::Plain));
    world.consent("production/compute_clusters/spare");
    world.apply(&replaced.text()).await;
    assert_eq!(tag(&world), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn asking_to_adopt_what_is_ours_already_does_nothing_and_is_not_called_unused() {
    let world = AzureWorld::new();
    let definition = Definition::with_spares();
    world.apply(&definition.text()).await;
    // The service has granted these two by itself, before us.
    let granted = ["role_assignments/workspace-storage", "role_assignments/workspace-vault"];
    let ours = granted.iter().fold(adopting(&definition), |one, path| one.without(&format!("{path}/adopt")));
    let (plain, asking) = (definition.text(), ours.text());
    let quiet = notes(&world.plan(&plain).await).join(" ");
    let plan = world.plan(&asking).await;
    assert!(plan.is_empty() && notes(&plan).join(" ") == quiet, "{}", render(&plan, Style::Plain));
    world.apply(&ours.clone().with("tags/team", "vision").text()).await;
    assert!(adopted(&world).iter().all(|(_, says)| !says), "it was made by us, whatever the file asks");
    strip_marks(&world);
    world.apply(&ours.text()).await;
    for text in [&asking, &plain, &asking] {
        let plan = world.plan(text).await;
        assert!(plan.is_empty() && notes(&plan).join(" ") == quiet, "{}", render(&plan, Style::Plain));
    }
    let advice = |definition: &Definition| {
        let advice = definition.environment().advice;
        advice.iter().map(|one| one.code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(advice(&ours), advice(&definition));
}
