//! Giving up what is ours without deleting it: it stays as it is, nothing on it says any more that it is ours, and
//! nothing of a plan can take it along.

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::deeds::Deeds;
use beamline::reconcile::plan::{Action, Plan, Style, render, summary_line};
use beamline::resources::Kind;
use beamline::resources::id::ResourceId;
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, SPARES, failures, group, id};

const ACCOUNT: &str = "Microsoft.Storage/storageAccounts/stmlspare001";
const WORKSPACE: &str = "Microsoft.MachineLearningServices/workspaces/mlw-production";

/// Everything in Azure that says that it is ours.
fn marked(world: &AzureWorld) -> Vec<ResourceId> {
    let says =
        |id: &ResourceId| world.azure.get(id).is_some_and(|body| body.to_string().contains("beamline"));
    world.azure.ids().into_iter().filter(says).collect()
}

/// The bodies of everything, without what says that something is ours and what changes with every write.
fn everything(world: &AzureWorld) -> Vec<(ResourceId, Value)> {
    fn strip(value: &mut Value) {
        if let Value::Array(elements) = value {
            elements.iter_mut().for_each(strip);
        }
        let Value::Object(members) = value else { return };
        let is_ours = |key: &str, value: &Value| {
            key.starts_with("beamline")
                || key == "description" && value.as_str().is_some_and(|text| text.starts_with("beamline"))
        };
        let changes = [
            "etag",
            "systemData",
            "updatedOn",
            "updatedBy",
            "modifiedOn",
            "modifiedDate",
            "lastModifiedTime",
            "lastSkuUpdate",
            "allocationStateTransitionTime",
        ];
        members.retain(|key, value| {
            !is_ours(key, value) && !value.is_null() && !changes.contains(&key.as_str())
        });
        members.values_mut().for_each(strip);
    }
    let body = |id: ResourceId| {
        let mut body = world.azure.get(&id)?;
        strip(&mut body);
        Some((id, body))
    };
    world.azure.ids().into_iter().filter_map(body).collect()
}

/// What keeps a plan from being applied, one sentence a line.
fn blocked(plan: &Plan) -> String {
    plan.blockers.iter().map(|one| format!("{}\n", one.message())).collect()
}

#[tokio::test(start_paused = true)]
async fn one_of_every_kind_stays_without_our_mark_and_is_not_missed() {
    let mut world = AzureWorld::new();
    let definition = Definition::with_spares();
    world.apply(&definition.text()).await;
    let spares = SPARES.iter().filter(|(kind, _)| *kind != Kind::ComputeInstance);
    let spares: Vec<&str> = spares.map(|(_, path)| *path).collect();
    let without = spares.iter().fold(definition.clone(), |one, path| one.without(path));
    spares.iter().for_each(|path| world.release(&format!("production/{path}")));
    let (before, ours) = (everything(&world), marked(&world).len());
    let plan = world.plan(&without.text()).await;
    let text = render(&plan, Style::Plain);
    assert!(plan.blockers.is_empty(), "{text}");
    assert_eq!(plan.summary().delete, 0, "{text}");
    assert!(summary_line(&plan).ends_with(&format!("{} to release", spares.len())), "{text}");
    for path in &spares {
        assert!(text.contains(&format!(" => {path}  ")), "{path}: {text}");
        assert!(
            text.contains(&format!("production/{path} is released, and stays: /subscriptions/")),
            "{text}"
        );
        assert!(text.contains(&format!("consent to release production/{path} (aaaaaaa by Ada) is in force")));
    }
    assert!(text.contains("goes on being paid by the subscription 5a1f7c1e-"), "{text}");
    let report = world.apply(&without.text()).await;
    let counts = Deeds::of(&[report]).counts();
    assert!(counts.ends_with(&format!("{} released", spares.len())), "{counts}");
    assert_eq!(everything(&world), before, "nothing but marks has changed");
    // A subnet's mark stands on its network.
    assert_eq!(marked(&world).len(), ours - spares.len() + 1);
    world.forget();
    world.withdraw_consent();
    world.stays_quiet(&without.environment()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_released_is_taken_back_with_adopt() {
    let mut world = AzureWorld::new();
    let definition = Definition::with_spares();
    world.apply(&definition.text()).await;
    let free = ["storage_accounts/spare", "compute_clusters/spare", "datastores/spare"];
    let without = free.iter().fold(definition.clone(), |one, path| one.without(path));
    free.iter().for_each(|path| world.release(&format!("production/{path}")));
    world.apply(&without.text()).await;
    assert!(world.blockers(&definition.text()).await.join(" ").contains("does not carry our mark"));
    let adopting = free.iter().fold(definition, |one, path| one.with(&format!("{path}/adopt"), true));
    world.apply(&adopting.text()).await;
    assert_eq!(world.azure.get(&id(ACCOUNT)).unwrap()["tags"]["beamline-adopted"], "true");
    assert!(
        world.blockers(&without.text()).await.is_empty(),
        "the line still stands, and releases them again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_environment_is_released_as_a_whole_and_forgotten() {
    let mut world = AzureWorld::new();
    let definition = Definition::production().without("compute_instances");
    world.apply(&definition.text()).await;
    let before = everything(&world);
    world.release("production/*");
    let report = world.reconcile(&AzureWorld::removed()).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    assert_eq!((everything(&world), marked(&world)), (before, Vec::new()));
    world.stays_quiet(&AzureWorld::removed()).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_that_holds_or_serves_what_is_released_is_deleted() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    world.consent("production/*");
    world.release("production/workspace");
    let plan = world.planned(&AzureWorld::removed()).await.plan;
    let said = blocked(&plan);
    for expected in [
        "production/resource_group: it is not deleted: production/workspace, which is released, lies in it and would go \
         with it. Release production/resource_group too (Beamline-Consent: release production/resource_group), or",
        "production/storage_accounts/default: it is not deleted: production/workspace, which is released, refers to it in \
         storageAccount, and would be left pointing at nothing. Release production/storage_accounts/default too (",
        "production/application_insights/main: it is not deleted: ",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains("what is not ours"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_adopted_instance_loses_its_claim_and_one_that_we_made_cannot_be_released() {
    const INSTANCE: &str = "compute_instances/spare";
    let mut world = AzureWorld::new();
    let with = Definition::small().with(INSTANCE, json!({ "virtual_machine_size": "Standard_DS3_v2" }));
    world.apply(&with.text()).await;
    world.release(&format!("production/{INSTANCE}"));
    let plan = world.plan(&Definition::small().text()).await;
    let expected = "production/compute_instances/spare: it cannot be released: Azure cannot change the tags of a living \
                    compute instance, and ours are on it: declare it again, or let it be deleted\n";
    assert_eq!(blocked(&plan), expected);
    let instance = id(&format!("{WORKSPACE}/computes/spare"));
    world.azure.edit(&instance, |body| body["tags"] = json!({}));
    world.apply(&with.clone().with(&format!("{INSTANCE}/adopt"), true).text()).await;
    let claims =
        |world: &AzureWorld| world.azure.get(&id(WORKSPACE)).unwrap()["tags"]["beamline-claims-1"].clone();
    assert_eq!(claims(&world), INSTANCE);
    let plan = world.plan(&Definition::small().text()).await;
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.address.local(), step.action)).collect();
    assert_eq!(steps, [("workspace".to_owned(), Action::Update)], "{}", render(&plan, Style::Plain));
    world.apply(&Definition::small().text()).await;
    assert_eq!(claims(&world), Value::Null);
    assert!(world.azure.get(&instance).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_declared_or_replaced_is_not_released() {
    let mut world = AzureWorld::new();
    let definition = Definition::with_spares();
    world.apply(&definition.text()).await;
    world.release("production/storage_accounts/spare");
    let renamed = definition.clone().with("storage_accounts/spare/name", "stmlspare002");
    let plan = world.plan(&renamed.text()).await;
    let text = render(&plan, Style::Plain);
    assert!(text.contains("destroy production/storage_accounts/spare"), "{text}");
    assert!(
        text.contains("it is to be replaced, and only what no definition declares can be released"),
        "{text}"
    );
    let plan = world.plan(&definition.text()).await;
    assert!(plan.is_empty() && render(&plan, Style::Plain).contains("take it out of its definition as well"));
    // Its name is not free for another one.
    let other = definition.clone().without("storage_accounts/spare");
    let account =
        json!({ "name": "stmlspare001", "account_tier": "Standard", "account_replication_type": "LRS" });
    let moved = other.with("resource_group/name", "rg-ml-elsewhere").with("storage_accounts/other", account);
    world.remember_groups(&[group().name()]);
    let said = blocked(&world.plan(&moved.text()).await);
    assert!(said.contains("/stmlspare001 has this name, and keeps it when it is released"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_interrupted_anywhere_is_finished() {
    let definition = Definition::small()
        .with(
            "storage_accounts/spare",
            json!({ "name": "stmlspare001", "account_tier": "Standard", "account_replication_type": "LRS" }),
        )
        .with(
            "virtual_networks/main",
            json!({ "name": "vnet-spare", "address_space": ["10.9.0.0/16"],
            "subnets": { "spare": { "name": "snet-spare", "address_prefixes": ["10.9.1.0/24"] } } }),
        );
    let without =
        definition.clone().without("storage_accounts/spare").without("virtual_networks/main/subnets/spare");
    let environment = without.environment();
    for writes in 0.. {
        let mut world = AzureWorld::new();
        world.apply(&definition.text()).await;
        world.release("production/storage_accounts/spare");
        world.release("production/virtual_networks/main/subnets/spare");
        let before = everything(&world);
        let planned = world.planned(&environment).await;
        world.die_after(writes, &environment, &planned).await;
        if world.journal.unfinished().is_empty() {
            assert!(writes >= 8, "only {writes} writes to the journal");
            return;
        }
        let report = world.resume(&environment).await;
        assert_eq!(report.end, RunEnd::Complete, "{writes}: {:#?}", report.steps);
        assert_eq!(everything(&world), before, "{writes}");
        world.withdraw_consent();
        world.stays_quiet(&environment).await;
    }
}
