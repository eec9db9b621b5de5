//! What becomes another: a name, a group, what a role assignment says, what was deleted by hand. Every such
//! edit has a plan, and the plan converges.

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::deeds::Deeds;
use beamline::reconcile::plan::{Action, Part, Plan, Style, render};
use beamline::resources;
use beamline::resources::id::ResourceId;
use beamline_simulator::{Application, Fault, FaultEffect};
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, address, id};

/// What a plan does, a line each: the action, where it is one half of a replacement which one, the address.
fn steps(plan: &Plan) -> Vec<String> {
    let line = |step: &beamline::reconcile::plan::Step| match (step.action, step.part) {
        (_, Part::Removal) => format!("remove {}", step.address.local()),
        (_, Part::Creation) => format!("remake {}", step.address.local()),
        (Action::Create, Part::Whole) => format!("create {}", step.address.local()),
        (Action::Delete, Part::Whole) => format!("delete {}", step.address.local()),
        (action, Part::Whole) => format!("{action:?} {}", step.address.local()).to_lowercase(),
    };
    plan.steps.iter().map(line).collect()
}

/// The place of a line among the steps.
fn place(steps: &[String], line: &str) -> usize {
    steps.iter().position(|step| step == line).unwrap_or_else(|| panic!("{line} is not in {steps:#?}"))
}

fn ids(world: &AzureWorld) -> Vec<String> {
    world.azure.ids().iter().map(|id| id.as_str().to_owned()).collect()
}

/// Paths below which every resource of the reference environment and its spares has a name that can change.
const NAMES: [(&str, &str); 12] = [
    ("storage_accounts/spare/name", "stmlspare002"),
    ("key_vaults/spare/name", "kv-ml-spare-2"),
    ("log_analytics_workspaces/spare/name", "log-ml-spare-2"),
    ("application_insights/spare/name", "ai-ml-spare-2"),
    ("container_registries/spare/name", "acrmlspare002"),
    ("virtual_networks/spare/name", "vnet-ml-spare-2"),
    ("virtual_networks/main/subnets/spare/name", "snet-spare-2"),
    ("storage_accounts/default/containers/spare/name", "spare-two"),
    ("datastores/spare/name", "spare_two"),
    ("compute_clusters/spare/name", "spare-two"),
    ("compute_instances/spare-ci/name", "spare-ci-two"),
    ("virtual_networks/main/name", "vnet-ml-two"),
];

#[tokio::test(start_paused = true)]
async fn every_name_can_change() {
    for (path, name) in NAMES {
        let mut world = AzureWorld::new();
        let before = Definition::with_spares();
        world.apply(&before.text()).await;
        let after = before.with(path, name).text();
        world.consent("*");
        let plan = world.plan(&after).await;
        let address = path.trim_end_matches("/name");
        let (made, gone) = (format!("remake {address}"), format!("remove {address}"));
        let order = steps(&plan);
        assert!(order.contains(&made) && order.contains(&gone), "{path}: {order:#?}");
        let text = render(&plan, Style::Plain);
        assert!(text.contains("renamed: ") && text.contains(&format!("→ {name}")), "{path}: {text}");
        world.apply(&after).await;
        let last = |id: &String| id.rsplit('/').next() == Some(name);
        assert_eq!(ids(&world).iter().filter(|id| last(id)).count(), 1, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_name_is_made_before_the_old_one_goes() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.consent("*");
    let after = Definition::production().with("workspace/name", "mlw-two").text();
    let order = steps(&world.plan(&after).await);
    assert!(place(&order, "remake workspace") < place(&order, "remove workspace"), "{order:#?}");
    let cluster = ("remake compute_clusters/cpu-cluster", "remove compute_clusters/cpu-cluster");
    assert!(place(&order, cluster.0) < place(&order, cluster.1), "{order:#?}");
    // Azure has an instance's name once in a region.
    let instance = ("remove compute_instances/ci-dev-user01", "remake compute_instances/ci-dev-user01");
    assert!(place(&order, instance.0) < place(&order, instance.1), "{order:#?}");
    world.apply(&after).await;
}

#[tokio::test(start_paused = true)]
async fn a_protected_resource_needs_consent_to_be_called_otherwise() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let after = Definition::production().with("container_registries/main/name", "acrmltwo").text();
    let blockers = world.blockers(&after).await;
    assert!(
        blockers.iter().any(|one| one.contains("destroy production/container_registries/main")),
        "{blockers:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_that_swap_their_names_stay_where_they_are() {
    let world = AzureWorld::new();
    let other = json!({ "name": "acrmlother001", "sku": "Standard" });
    let before = Definition::with_spares().with("container_registries/other", other);
    world.apply(&before.text()).await;
    let after = before
        .with("container_registries/other/name", "acrmlspare001")
        .with("container_registries/spare/name", "acrmlother001");
    let order = steps(&world.plan(&after.text()).await);
    assert_eq!(order, ["update container_registries/other", "update container_registries/spare"]);
    world.apply(&after.text()).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_role_assignment_says_can_change() {
    let role = |path: &str, value: Value| {
        Definition::with_spares().with(&format!("role_assignments/spare/{path}"), value)
    };
    for after in [
        role("role", json!("Contributor")),
        role("scope", json!("workspace")),
        role("principal", json!("workspace")),
        role("principal", json!("4f8c2a86-6d0e-4c1b-9a53-2f7f1f3f6a10"))
            .with("role_assignments/spare/principal_type", "User"),
    ] {
        let world = AzureWorld::new();
        world.apply(&Definition::with_spares().text()).await;
        let count = ids(&world).len();
        let order = steps(&world.plan(&after.text()).await);
        assert_eq!(order, ["remake role_assignments/spare", "remove role_assignments/spare"]);
        world.apply(&after.text()).await;
        assert_eq!(ids(&world).len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_changes_is_an_update() {
    let world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    let spare = Definition::with_spares().0["role_assignments"]["spare"].clone();
    let after =
        Definition::with_spares().without("role_assignments/spare").with("role_assignments/reader", spare);
    let order = steps(&world.plan(&after.text()).await);
    assert_eq!(order, ["update role_assignments/reader"]);
    world.apply(&after.text()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_by_hand_is_made_again_with_what_hung_on_it() {
    for below in [
        "Microsoft.MachineLearningServices/workspaces/mlw-production",
        "Microsoft.MachineLearningServices/workspaces/mlw-production/computes/cpu-cluster",
        "Microsoft.Storage/storageAccounts/dlmlproduction001",
        "Microsoft.ContainerRegistry/registries/acrmlproduction001",
        "Microsoft.OperationalInsights/workspaces/log-ml-production",
        "Microsoft.Network/virtualNetworks/vnet-ml-production",
    ] {
        let mut world = AzureWorld::new();
        let definition = Definition::production().with(
            "role_assignments/cluster",
            json!({ "principal": "compute_clusters/cpu-cluster", "role": "Reader", "scope": "storage_accounts/default" }),
        );
        world.apply(&definition.text()).await;
        let gone = id(below);
        for inner in world.azure.ids().iter().filter(|one| one.is_within(&gone)) {
            world.azure.remove(inner);
        }
        world.consent("*");
        world.apply(&definition.text()).await;
        assert!(world.azure.get(&gone).is_some(), "{below}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_environment_moves_to_another_group() {
    let mut world = AzureWorld::new();
    world.remember_groups(&["rg-ml-production"]);
    let vault = |definition: Definition| {
        definition
            .with("key_vaults/main/purge_protection_enabled", false)
            .with("key_vaults/main/on_delete", "purge")
    };
    world.apply(&vault(Definition::production()).text()).await;
    world.consent("*");
    let after = vault(Definition::production()).with("resource_group/name", "rg-ml-elsewhere").text();
    let order = steps(&world.plan(&after).await);
    let last = order.iter().rposition(|step| step.starts_with("remove "));
    assert_eq!(last, Some(place(&order, "remove resource_group")), "{order:#?}");
    world.apply(&after).await;
    assert!(ids(&world).iter().all(|id| !id.contains("/rg-ml-production")), "{:#?}", ids(&world));
}

#[tokio::test(start_paused = true)]
async fn what_stays_never_points_at_what_goes() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.consent("*");
    // The workspace keeps its registry where the definition does not name one.
    let after = Definition::production()
        .without("container_registries/main")
        .without("workspace/container_registry")
        .without("role_assignments/workspace-registry");
    let blockers = world.blockers(&after.text()).await;
    let [only] = &blockers[..] else { panic!("{blockers:?}") };
    assert!(
        only.contains("production/workspace refers to acrmlproduction001 in containerRegistry"),
        "{only}"
    );
    let other = Definition::production().with("container_registries/main/name", "acrmltwo");
    world.apply(&other.text()).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_and_was_not_written_is_no_difference() {
    let world = AzureWorld::new();
    let thirty = Definition::production().with("key_vaults/main/soft_delete_retention_days", 30);
    world.apply(&thirty.text()).await;
    let silent = Definition::production().without("key_vaults/main/soft_delete_retention_days");
    let plan = world.plan(&silent.text()).await;
    assert!(plan.is_empty(), "{}", render(&plan, Style::Plain));
    let other = Definition::production().with("key_vaults/main/soft_delete_retention_days", 60);
    assert_eq!(world.blockers(&other.text()).await.len(), 1);
}

/// Applies `before`, then `after` while every new grant is refused; how many grants `principal` has before and after
/// that. At the end `after` is applied.
async fn refused(
    before: &Definition,
    after: &Definition,
    world: &AzureWorld,
    principal: &str,
) -> (usize, usize) {
    world.apply(&before.text()).await;
    let count = granted(world, principal).len();
    let effect = FaultEffect::Status {
        code: 400,
        retry_after_secs: None,
        error_code: "RoleDefinitionDoesNotExist".to_owned(),
        message: "There is no such role.".to_owned(),
    };
    let path_contains = "/roleAssignments/".to_owned();
    world.azure.faults().add(Fault { method: Some("PUT".to_owned()), path_contains, times: 1, effect });
    let report = world.reconcile(&after.environment()).await;
    assert_eq!(report.end, RunEnd::Failed);
    let left = granted(world, principal).len();
    world.apply(&after.text()).await;
    (count, left)
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_was_taken_back_goes_also_when_the_new_one_is_refused() {
    let world = AzureWorld::new();
    let principal = somebody(&world);
    let (before, after) = (grant(&principal, "Contributor"), grant(&principal, "Reader"));
    assert_eq!(refused(&before, &after, &world, &principal).await, (1, 0), "the wider grant is gone");
    assert_eq!(granted(&world, &principal).len(), 1);
    let text = render(&world.plan(&before.text()).await, Style::Plain);
    assert!(text.contains("takes away Reader for ServicePrincipal"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_grant_of_somebody_goes_also_when_the_workspace_is_refused_it() {
    let world = AzureWorld::new();
    let principal = somebody(&world);
    let (before, after) = (grant(&principal, "Reader"), grant("workspace", "Reader"));
    assert_eq!(refused(&before, &after, &world, &principal).await, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_workspace_keeps_its_right_until_another_has_it() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let workspace = id("Microsoft.MachineLearningServices/workspaces/mlw-production");
    let identity = world.azure.get(&workspace).unwrap()["identity"]["principalId"].clone();
    let principal = somebody(&world);
    let (before, after) = (grant("workspace", "Reader"), grant(&principal, "Reader"));
    let (had, left) = refused(&before, &after, &world, identity.as_str().unwrap()).await;
    assert_eq!(had, left, "nothing was taken from it");
}

#[tokio::test(start_paused = true)]
async fn consent_to_a_rename_holds_until_the_old_one_is_gone() {
    let mut world = AzureWorld::new();
    let before = Definition::with_spares();
    world.apply(&before.text()).await;
    let refused = |path: &str| {
        let (code, error_code) = (400, "BadRequest".to_owned());
        let effect =
            FaultEffect::Status { code, retry_after_secs: None, error_code, message: "drawn".to_owned() };
        let (method, path_contains) = (Some("DELETE".to_owned()), path.to_owned());
        Fault { method, path_contains, times: 1, effect }
    };
    let after = before.with("container_registries/spare/name", "acrmlspare002");
    world.consent("production/container_registries/spare");
    world.azure.faults().add(refused("/acrmlspare001"));
    assert_eq!(world.reconcile(&after.environment()).await.end, RunEnd::Failed);
    world.azure.faults().clear();
    let plan = world.plan(&after.text()).await;
    assert_eq!(steps(&plan), ["delete container_registries/acrmlspare001"]);
    assert!(plan.blockers.is_empty() && plan.consents[0].is_in_force(), "{plan:#?}");
    // Another rename asks for what the line was not about.
    let again = after.clone().with("container_registries/spare/name", "acrmlspare003");
    let blockers = world.blockers(&again.text()).await;
    let [only] = &blockers[..] else { panic!("{blockers:?}") };
    assert!(only.contains("destroy production/container_registries/acrmlspare002"), "{only}");
    world.apply(&after.text()).await;
}

/// The object id of an application that is registered.
fn somebody(world: &AzureWorld) -> String {
    let client_id = "an application".to_owned();
    world.azure.register(&Application { client_id, secret: None, grants: Vec::new() }).unwrap().to_string()
}

/// The reference environment with a role on its group.
fn grant(principal: &str, role: &str) -> Definition {
    let mut grant = json!({ "principal": principal, "role": role, "scope": "resource_group" });
    if principal != "workspace" {
        grant["principal_type"] = json!("ServicePrincipal");
    }
    Definition::production().with("role_assignments/somebody", grant)
}

/// The ids of the assignments to a principal.
fn granted(world: &AzureWorld, principal: &str) -> Vec<String> {
    let is_for = |id: &&ResourceId| {
        world.azure.get(id).is_some_and(|body| body["properties"]["principalId"] == *principal)
    };
    world.azure.ids().iter().filter(is_for).map(|id| id.as_str().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rename_is_one_replacement_and_leaves_nothing_dangling() {
    for (path, name) in
        [("application_insights/main/name", "ai-other"), ("container_registries/main/name", "acrother001")]
    {
        let mut world = AzureWorld::new();
        world.apply(&Definition::production().text()).await;
        world.consent("*");
        let after = Definition::production().with(path, name);
        let notes = world.plan(&after.text()).await.notes;
        assert!(notes.iter().all(|note| note.code != "dangling-reference"), "{path}: {notes:?}");
        let deeds = Deeds::of(&[world.reconcile(&after.environment()).await]);
        assert!(
            deeds.gone().is_empty() && deeds.counts().contains(" replaced"),
            "{path}: {}",
            deeds.counts()
        );
    }
}

/// Fields that define a resource, with other values; `name` where Azure has two beside each other.
fn defining() -> Vec<(&'static str, &'static str, Value)> {
    let names = NAMES.into_iter().filter(|(path, _)| path.contains("/spare"));
    let names = names.map(|(path, name)| (path.trim_end_matches("/name"), "name", json!(name)));
    let others = [
        ("role_assignments/spare", "role", json!("Contributor")),
        ("role_assignments/spare", "scope", json!("workspace")),
        ("role_assignments/spare", "principal", json!("workspace")),
        ("virtual_networks/main/subnets/spare", "address_prefixes", json!(["10.1.8.0/24"])),
        ("compute_clusters/spare", "vm_size", json!("Standard_D8s_v3")),
        ("compute_instances/spare-ci", "virtual_machine_size", json!("Standard_D4s_v3")),
        ("container_registries/spare", "location", json!("westus")),
        ("application_insights/spare", "application_type", json!("other")),
    ];
    names.chain(others).collect()
}

#[tokio::test(start_paused = true)]
async fn a_short_name_and_what_defines_it_change_together() {
    for (path, field, value) in defining() {
        for keeps_its_name in [true, false] {
            let mut world = AzureWorld::new();
            let before = Definition::with_spares();
            world.apply(&before.text()).await;
            let there = |world: &AzureWorld| {
                let kind = address(path).kind();
                let arm_type = resources::of(kind).spec().arm_type;
                world.azure.ids().iter().filter(|id| id.arm_type().eq_ignore_ascii_case(arm_type)).count()
            };
            let count = there(&world);
            let mut node = before.0.pointer(&format!("/{path}")).unwrap().clone();
            let resources = before.environment().resources;
            let called = &resources.values().find(|one| one.address.local() == path).unwrap().name;
            if keeps_its_name && !path.starts_with("role_assignments/") {
                node["name"] = json!(called);
            }
            node[field] = value.clone();
            let (outer, _) = path.rsplit_once('/').unwrap();
            let after = before.without(path).with(&format!("{outer}/anew"), node);
            world.consent("*");
            world.apply(&after.text()).await;
            assert_eq!(there(&world), count, "{path} {field}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_of_another_short_name_is_made_before_the_old_one_goes() {
    let world = AzureWorld::new();
    let principal = somebody(&world);
    let before = grant(&principal, "Contributor");
    let mut after = grant(&principal, "Reader");
    let node = after.0["role_assignments"]["somebody"].clone();
    after = after.without("role_assignments/somebody").with("role_assignments/anew", node);
    world.apply(&before.text()).await;
    let plan = world.plan(&after.text()).await;
    let [made, goes] = &plan.steps[..] else { panic!("{:#?}", steps(&plan)) };
    assert_eq!((&goes.after, &goes.also_after_failure), (&vec![made.ordinal], &vec![made.ordinal]));
    assert_eq!(refused(&before, &after, &world, &principal).await, (1, 0), "the wider grant is gone");
}
