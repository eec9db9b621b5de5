//! What is ours in other groups is found by its marks, with an empty journal too: left behind by a change of the
//! definition, or moved by hand.

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{Action, Blocker, Plan, Style, render};
use beamline::resources::id::ResourceId;
use beamline_simulator::{Fault, FaultEffect};
use serde_json::json;

use crate::support::{AzureWorld, Definition, id};

const LOGS: &str = "Microsoft.OperationalInsights/workspaces/log-spare";
const MAIN_LOGS: &str = "Microsoft.OperationalInsights/workspaces/log-ml-production";

fn with_spare() -> Definition {
    Definition::small().with("log_analytics_workspaces/spare/name", "log-spare")
}

fn in_group(group: &str, below: &str) -> ResourceId {
    format!("{}/providers/{below}", AzureWorld::group_called(group)).parse().unwrap()
}

/// What `az resource move` does: the same resource in another group, tags and all.
fn move_by_hand(world: &AzureWorld, from: &ResourceId, to: &ResourceId) {
    let body = world.azure.get(from).unwrap();
    assert!(world.azure.remove(from));
    let group = to.resource_group_id().unwrap();
    if world.azure.get(&group).is_none() {
        world.azure.put(&group, json!({ "location": "eastus" }));
    }
    let part = |name: &str| body[name].clone();
    world
        .azure
        .put(to, json!({ "location": "eastus", "tags": part("tags"), "properties": part("properties") }));
}

#[tokio::test(start_paused = true)]
async fn what_was_moved_by_hand_is_neither_made_anew_nor_deleted() {
    let mut world = AzureWorld::new();
    world.apply(&with_spare().text()).await;
    world.remember_applied(&with_spare().environment());
    let (here, there) = (id(LOGS), in_group("rg-theirs", LOGS));
    move_by_hand(&world, &here, &there);
    let plan = world.plan(&with_spare().text()).await;
    let [blocker @ Blocker::MovedByHand { id, declared, .. }] = &plan.blockers[..] else {
        panic!("{}", render(&plan, Style::Plain))
    };
    assert_eq!((id, declared), (&there, &here));
    let said = blocker.message();
    assert!(said.contains("stands in the group rg-theirs, and is declared in rg-ml-production"), "{said}");
    assert!(said.contains("az resource move --destination-group rg-ml-production --ids /sub"), "{said}");
    assert!(plan.steps.iter().all(|step| step.action != Action::Delete), "{}", render(&plan, Style::Plain));

    let only_read = with_spare()
        .without("log_analytics_workspaces/spare")
        .with("log_analytics_workspaces/spare", json!({ "existing": true, "id": there.as_str() }));
    world.stays_quiet(&only_read.environment()).await;

    move_by_hand(&world, &there, &here);
    world.stays_quiet(&with_spare().environment()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_moved_by_hand_and_deleted_there_is_made_again() {
    let world = AzureWorld::new();
    world.apply(&with_spare().text()).await;
    let there = in_group("rg-theirs", LOGS);
    move_by_hand(&world, &id(LOGS), &there);
    assert_eq!(world.blockers(&with_spare().text()).await.len(), 1);
    assert!(world.azure.remove(&there));
    world.apply(&with_spare().text()).await;
}

/// What a plan takes down, by address.
fn taken_down(plan: &Plan) -> Vec<String> {
    let goes = plan.steps.iter().filter(|step| matches!(step.action, Action::Delete | Action::Replace));
    goes.map(|step| step.address.local()).collect()
}

/// The vault leaves its name at once: what this is about are groups.
fn in_a_group_called(name: &str) -> Definition {
    Definition::small().with("key_vaults/main/on_delete", "purge").with("resource_group/name", name)
}

#[tokio::test(start_paused = true)]
async fn a_renamed_group_is_known_by_its_marks_without_a_journal() {
    let mut world = AzureWorld::new();
    world.apply(&in_a_group_called("rg-old").text()).await;
    world.forget();
    let after = in_a_group_called("rg-new");
    let blocked = world.plan(&after.text()).await;
    let asks = |blocker: &Blocker| matches!(blocker, Blocker::NeedsConsent { .. });
    assert!(blocked.blockers.len() == 5 && blocked.blockers.iter().all(asks), "{:#?}", blocked.blockers);
    world.consent("*");
    let plan = world.plan(&after.text()).await;
    assert!(
        taken_down(&plan).iter().any(|local| local == "resource_group"),
        "{}",
        render(&plan, Style::Plain)
    );
    world.apply(&after.text()).await;
    assert_eq!(world.azure.get(&AzureWorld::group_called("rg-old")), None);
}

#[tokio::test(start_paused = true)]
async fn a_move_that_was_left_half_done_ends_without_a_journal() {
    let mut world = AzureWorld::new();
    world.apply(&in_a_group_called("rg-old").text()).await;
    world.consent("*");
    let effect = FaultEffect::Status {
        code: 409,
        retry_after_secs: None,
        error_code: "ScopeLocked".to_owned(),
        message: "There is a lock.".to_owned(),
    };
    let path_contains = "rg-old/providers/Microsoft.OperationalInsights/".to_owned();
    world.azure.faults().add(Fault { method: Some("DELETE".to_owned()), path_contains, times: 1, effect });
    let after = in_a_group_called("rg-new");
    assert_eq!(world.reconcile(&after.environment()).await.end, RunEnd::Failed);
    assert!(world.azure.get(&in_group("rg-new", MAIN_LOGS)).is_some());
    world.forget();
    world.apply(&after.text()).await;
    assert_eq!(world.azure.get(&AzureWorld::group_called("rg-old")), None);
}
