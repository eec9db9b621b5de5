//! What Azure says about the last write of a resource decides whether another one makes sense.

use beamline::reconcile::plan::{Action, Blocker, Reason, Style, Verb, render};
use serde_json::json;

use crate::support::{AzureWorld, Definition, id};

fn cluster() -> beamline::resources::id::ResourceId {
    id("Microsoft.MachineLearningServices/workspaces/mlw-production/computes/cpu-cluster")
}

async fn made(state: &str) -> AzureWorld {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.azure.edit(&cluster(), |body| body["properties"]["provisioningState"] = json!(state));
    world
}

#[tokio::test(start_paused = true)]
async fn what_azure_still_works_on_is_neither_written_to_nor_called_done() {
    let world = made("Updating").await;
    let before = Definition::production();
    let after = before.clone().with("compute_clusters/cpu-cluster/scale_settings/max_node_count", 3);
    for definition in [before, after] {
        let plan = world.plan(&definition.text()).await;
        assert!(
            matches!(&plan.blockers[..], [Blocker::InProgress { state, .. }] if state == "Updating"),
            "{}",
            render(&plan, Style::Plain)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_azure_failed_to_make_is_written_again_as_a_whole() {
    for state in ["Failed", "Canceled"] {
        let world = made(state).await;
        let plan = world.plan(&Definition::production().text()).await;
        let [step] = &plan.steps[..] else { panic!("{}", render(&plan, Style::Plain)) };
        assert_eq!(step.action, Action::Update);
        assert!(matches!(&step.reasons[..], [Reason::ProvisioningFailed { state: found }] if found == state));
        assert_eq!((step.requests[0].verb, step.requests[0].merge.is_none()), (Verb::Put, true));
        world.apply(&Definition::production().text()).await;
    }
}
