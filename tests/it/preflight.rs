//! Nothing is taken down that cannot be made again: what Azure offers is asked before.

use beamline::reconcile::Planned;
use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::report::StepEnd;
use beamline_simulator::{Fault, FaultEffect};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{AzureWorld, Definition, failures, group, id};

const CLUSTER: &str = "Microsoft.MachineLearningServices/workspaces/mlw-production/computes/cpu-cluster";
const FAMILY: &str = "standardDSv3Family";

fn with_size(size: &str) -> Definition {
    Definition::production().with("compute_clusters/cpu-cluster/vm_size", size)
}

/// A production environment that is applied, and whose writes are forgotten.
async fn applied() -> AzureWorld {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.take_writes();
    world
}

#[tokio::test(start_paused = true)]
async fn a_typo_in_a_size_is_refused_with_the_size_that_was_meant() {
    let world = applied().await;
    let blockers = world.blockers(&with_size("Standard_D4s_v33").text()).await;
    let [only] = blockers.as_slice() else { panic!("{blockers:#?}") };
    assert!(only.starts_with("production/compute_clusters/cpu-cluster cannot be made: "), "{only}");
    assert!(only.contains("eastus does not offer the size Standard_D4s_v33"), "{only}");
    assert!(only.contains("Did you mean Standard_D4s_v3?"), "{only}");
    // A cluster that is not there yet is no other matter: nothing would come of it.
    let first = AzureWorld::new();
    assert_eq!(first.blockers(&with_size("Standard_D4s_v33").text()).await, blockers);
    assert_eq!(world.take_writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_spelling_of_a_size_is_not_a_matter_of_case() {
    let world = applied().await;
    assert_eq!(world.blockers(&with_size("standard_d8s_v3").text()).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_for_which_no_cores_are_left_is_not_taken_down() {
    let world = applied().await;
    let after = with_size("Standard_E8s_v3").text();
    world.azure.set_quota("eastus", "standardESv3Family", 0);
    let blockers = world.blockers(&after).await;
    let [only] = blockers.as_slice() else { panic!("{blockers:#?}") };
    assert!(
        only.contains("Standard ESv3 Family Cluster Dedicated vCPUs in eastus: 0 of 0 are left"),
        "{only}"
    );
    world.azure.set_quota("eastus", "standardESv3Family", 10_000);
    world.apply(&after).await;
}

#[tokio::test(start_paused = true)]
async fn the_cores_of_what_goes_are_free_for_what_comes() {
    let world = applied().await;
    let body = world.azure.get(&id(CLUSTER)).unwrap();
    let most = body["properties"]["properties"]["scaleSettings"]["maxNodeCount"].as_u64().unwrap();
    // Room for the cluster as it is, and for no more: two of them at once would not fit.
    world.azure.set_quota("eastus", FAMILY, cores_in_use(&world));
    let half = most / 2;
    let after = with_size("Standard_D8s_v3")
        .with("compute_clusters/cpu-cluster/scale_settings/max_node_count", json!(half));
    assert_eq!(world.blockers(&after.text()).await, [""; 0]);
    world.apply(&after.text()).await;
}

/// The cores that the family's computes may use at most.
fn cores_in_use(world: &AzureWorld) -> u64 {
    let computes = world.azure.ids().into_iter().filter(|id| id.arm_type().ends_with("workspaces/computes"));
    let bodies = computes.filter_map(|id| world.azure.get(&id));
    let inner = bodies.map(|body| body["properties"]["properties"].clone());
    let of_family = inner.filter(|inner| inner["vmPriority"] != "LowPriority");
    of_family
        .map(|inner| {
            let nodes = inner["scaleSettings"]["maxNodeCount"].as_u64().unwrap_or(1);
            match inner["vmSize"].as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
                "standard_d2s_v3" => 2 * nodes,
                "standard_d4s_v3" => 4 * nodes,
                _ => 0,
            }
        })
        .sum()
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_said_and_refuses_nothing() {
    let world = applied().await;
    let after = with_size("Standard_D8s_v3").text();
    for list in ["vmSizes", "usages"] {
        let effect = FaultEffect::Status {
            code: 403,
            retry_after_secs: None,
            error_code: "AuthorizationFailed".to_owned(),
            message: "no right to list sizes".to_owned(),
        };
        let path_contains = format!("/locations/eastus/{list}");
        world.azure.faults().add(Fault { method: Some("GET".to_owned()), path_contains, times: 1, effect });
    }
    let plan = world.plan(&after).await;
    let notes: Vec<&str> = plan
        .notes
        .iter()
        .filter(|note| note.code == "not-verified")
        .map(|note| note.message.as_str())
        .collect();
    assert_eq!(notes.len(), 2, "{notes:#?}");
    assert!(notes[0].starts_with("whether its machines can be had was not found out: "), "{notes:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_nodes_is_taken_down_with_consent_only() {
    let mut world = applied().await;
    world.azure.edit(&id(CLUSTER), |body| body["properties"]["properties"]["currentNodeCount"] = json!(3));
    let after = with_size("Standard_D8s_v3").text();
    let blockers = world.blockers(&after).await;
    let [only] = blockers.as_slice() else { panic!("{blockers:#?}") };
    assert!(only.contains("3 nodes of it are allocated"), "{only}");
    assert!(only.contains("Beamline-Consent: destroy production/compute_clusters/cpu-cluster"), "{only}");
    world.consent("production/compute_clusters/cpu-cluster");
    world.apply(&after).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_down_for_a_region_that_does_not_exist() {
    let world = applied().await;
    let moved = Definition::production().with("location", "eastuss");
    let blockers = world.blockers(&moved.text()).await;
    let told: Vec<&String> = blockers.iter().filter(|one| one.contains("no region `eastuss`")).collect();
    let [only] = told.as_slice() else { panic!("{blockers:#?}") };
    assert!(only.contains("cannot be made") && only.contains("Did you mean `eastus`?"), "{only}");
    let first = AzureWorld::new();
    let blockers = first.blockers(&moved.text()).await;
    assert!(blockers.len() == 1 && blockers[0].contains("no region `eastuss`"), "{blockers:#?}");
    assert_eq!(world.take_writes(), [""; 0]);
}

/// The names that were asked for since the last look.
fn names_asked_for(world: &AzureWorld) -> Vec<String> {
    let requests = world.azure.take_requests().into_iter();
    let asked = requests.filter(|one| one.path.ends_with("/checkNameAvailability"));
    asked.map(|one| one.path.rsplit('/').nth(1).unwrap().to_owned()).collect()
}

/// Somebody else's account, vault and registry of these names.
fn place_strangers(world: &AzureWorld, names: [(&str, &str); 3]) {
    for (arm_type, name) in names {
        let group = AzureWorld::group_called("rg-somebody-else");
        let id = group.provider(arm_type, name);
        world.azure.put(&group, json!({ "location": "eastus" }));
        world.azure.put(&id, json!({ "location": "eastus", "properties": {} }));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_down_for_a_name_that_somebody_else_has() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    world.consent("*");
    world.take_writes();
    let spares = [
        ("Microsoft.Storage/storageAccounts", "storage_accounts/spare/name", "stmltaken001"),
        ("Microsoft.KeyVault/vaults", "key_vaults/spare/name", "kv-ml-taken"),
        ("Microsoft.ContainerRegistry/registries", "container_registries/spare/name", "acrmltaken001"),
    ];
    let renamed = spares.iter().fold(Definition::with_spares(), |one, (_, path, name)| one.with(path, *name));
    assert_eq!(world.blockers(&renamed.text()).await, [""; 0], "all of these names are free");
    let mut asked = names_asked_for(&world);
    asked.sort();
    assert_eq!(asked, ["Microsoft.ContainerRegistry", "Microsoft.KeyVault", "Microsoft.Storage"]);
    place_strangers(&world, spares.map(|(arm_type, _, name)| (arm_type, name)));
    let blockers = world.blockers(&renamed.text()).await;
    assert_eq!(blockers.len(), 3, "{blockers:#?}");
    for (_, path, name) in spares {
        let address = path.trim_end_matches("/name");
        let start = format!("production/{address} cannot be made: the name {name} cannot be had: ");
        assert!(blockers.iter().any(|one| one.starts_with(&start)), "{start}: {blockers:#?}");
    }
    assert_eq!(world.take_writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_only_where_something_is_taken_down_for_it() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    // Three names of the first apply, none of a plan that adds to what is there.
    assert_eq!(names_asked_for(&world), [""; 0]);
    world.plan(&Definition::with_spares().text()).await;
    assert_eq!(names_asked_for(&world), [""; 0]);
    // What is made again under its name has it until it goes.
    let again = Definition::production().with("storage_accounts/data_lake/is_hns_enabled", false);
    let again = again.with("datastores/data_lake/type", "AzureBlob");
    let plan = world.plan(&again.text()).await;
    assert!(plan.steps.iter().any(|step| step.address.name() == "data_lake"));
    assert_eq!(names_asked_for(&world), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_may_not_be_asked_for_is_said_and_refuses_nothing() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    world.consent("*");
    let effect = FaultEffect::Status {
        code: 403,
        retry_after_secs: None,
        error_code: "AuthorizationFailed".to_owned(),
        message: "no right to ask".to_owned(),
    };
    let path_contains = "/checkNameAvailability".to_owned();
    world.azure.faults().add(Fault { method: Some("POST".to_owned()), path_contains, times: 1, effect });
    let renamed = Definition::with_spares().with("storage_accounts/spare/name", "stmlother001");
    let plan = world.plan(&renamed.text()).await;
    assert_eq!(plan.blockers, []);
    let notes: Vec<&str> = plan.notes.iter().map(|note| note.message.as_str()).collect();
    let told = "production/storage_accounts/spare: whether the name stmlother001 is free was not found out: ";
    assert!(
        notes.iter().any(|note| note.starts_with(told) && note.contains("no right to ask")),
        "{notes:#?}"
    );
}

fn with_cluster_role() -> Definition {
    Definition::production().with(
        "role_assignments/cluster",
        json!({ "principal": "compute_clusters/cpu-cluster", "role": "Storage Blob Data Reader", "scope": "storage_accounts/default" }),
    )
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_down_that_we_may_not_make_again() {
    let (world, owner, us) = AzureWorld::with_roles();
    world.apply(&with_cluster_role().text()).await;
    let larger = with_cluster_role().with("compute_clusters/cpu-cluster/vm_size", "Standard_D8s_v3").text();
    assert_eq!(world.blockers(&larger).await, [""; 0]);
    // A contributor may make the cluster, and not the role of its new identity.
    let contributor = world.azure.grant(us, "Contributor", &group()).unwrap();
    assert!(world.azure.remove(&owner));
    let blockers = world.blockers(&larger).await;
    let roles = "no role of ours in rg-ml-production allows Microsoft.Authorization/roleAssignments/delete, \
                 Microsoft.Authorization/roleAssignments/write.";
    let [only] = blockers.as_slice() else { panic!("{blockers:#?}") };
    assert!(only.starts_with("production/role_assignments/cluster cannot be made: "), "{only}");
    assert!(only.contains(roles), "{only}");
    // Plans that take nothing down do not ask.
    world.azure.take_requests();
    let plan = world.plan(&with_cluster_role().with("tags/floor", "3").text()).await;
    assert!(plan.blockers.is_empty() && !plan.steps.is_empty());
    let asked = |world: &AzureWorld| {
        let requests = world.azure.take_requests().into_iter();
        requests.filter(|one| one.path.ends_with("/permissions")).count()
    };
    assert_eq!(asked(&world), 0);
    // A role that was given where it is needed, and nowhere above, is one.
    world.azure.grant(us, "Reader", &group()).unwrap();
    let at = |below: &str, role: &str| world.azure.grant(us, role, &id(below)).unwrap();
    at("Microsoft.Storage/storageAccounts/stmlproduction001", "User Access Administrator");
    at("Microsoft.MachineLearningServices/workspaces/mlw-production", "Contributor");
    assert!(world.azure.remove(&contributor));
    assert_eq!(world.blockers(&larger).await, [""; 0]);
    assert!(asked(&world) > 1);
}

#[tokio::test(start_paused = true)]
async fn permissions_that_cannot_be_read_are_said_and_refuse_nothing() {
    let world = applied().await;
    let effect = FaultEffect::Status {
        code: 403,
        retry_after_secs: None,
        error_code: "AuthorizationFailed".to_owned(),
        message: "no right to ask".to_owned(),
    };
    let path_contains = "/Microsoft.Authorization/permissions".to_owned();
    world.azure.faults().add(Fault { method: Some("GET".to_owned()), path_contains, times: 1, effect });
    let plan = world.plan(&with_size("Standard_D8s_v3").text()).await;
    assert_eq!(plan.blockers, []);
    let notes: Vec<&str> = plan.notes.iter().map(|note| note.message.as_str()).collect();
    let told = "whether we may make and delete in rg-ml-production was not found out: ";
    assert!(
        notes.iter().any(|note| note.starts_with(told) && note.contains("no right to ask")),
        "{notes:#?}"
    );
}

/// Sees that `planned` is not carried out beyond what nothing is taken down for; what it says of the cluster.
async fn is_stopped(world: &AzureWorld, text: &str, planned: &Planned) -> String {
    let environment = AzureWorld::environment("production", text);
    world.take_writes();
    let report = world.carry_out(&environment, planned, &CancellationToken::new()).await;
    assert_eq!(report.end, RunEnd::Interrupted, "{}", failures(&report));
    assert_eq!(world.take_writes(), [""; 0]);
    assert!(world.azure.get(&id(CLUSTER)).is_some(), "the cluster is there");
    let told = report.steps.iter().find_map(|step| match &step.end {
        StepEnd::Moved { message } => Some(message.clone()),
        StepEnd::Done
        | StepEnd::Failed { .. }
        | StepEnd::Unknown { .. }
        | StepEnd::Skipped { .. }
        | StepEnd::NotReached
        | StepEnd::Underway => None,
    });
    told.unwrap_or_else(|| panic!("{report:#?}"))
}

#[tokio::test(start_paused = true)]
async fn cores_that_are_used_up_after_the_plan_take_nothing_down() {
    let world = applied().await;
    let after = with_size("Standard_E8s_v3").text();
    let planned = world.planned(&AzureWorld::environment("production", &after)).await;
    assert_eq!(planned.plan.blockers, []);
    world.azure.set_quota("eastus", "standardESv3Family", 0);
    let told = is_stopped(&world, &after, &planned).await;
    let start = "production/compute_clusters/cpu-cluster is not taken down: \
                 production/compute_clusters/cpu-cluster cannot be made: ";
    assert!(told.starts_with(start) && told.contains("0 of 0 are left"), "{told}");
    assert_eq!(world.blockers(&after).await.len(), 1);
    world.azure.set_quota("eastus", "standardESv3Family", 10_000);
    world.apply(&after).await;
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_withdrawn_after_the_plan_takes_nothing_down() {
    let (world, owner, us) = AzureWorld::with_roles();
    world.apply(&with_cluster_role().text()).await;
    let after = with_cluster_role().with("compute_clusters/cpu-cluster/vm_size", "Standard_D8s_v3").text();
    let planned = world.planned(&AzureWorld::environment("production", &after)).await;
    world.azure.grant(us, "Contributor", &group()).unwrap();
    assert!(world.azure.remove(&owner));
    let told = is_stopped(&world, &after, &planned).await;
    assert!(told.contains("no role of ours in rg-ml-production allows"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_run_itself_has_taken_meanwhile_stops_nothing() {
    let mut world = applied().await;
    world.consent("*");
    // A cluster goes at once, whose wait for the answer is long; the new vault is made meanwhile, once its group is.
    let after = Definition::production().with("key_vaults/main/name", "kv-ml-second");
    let after = after.with("workspace/name", "mlw-second").with("resource_group/name", "rg-ml-second");
    let after = after.with("compute_clusters/cpu-cluster/vm_size", "Standard_D8s_v3").text();
    let environment = AzureWorld::environment("production", &after);
    let planned = world.planned(&environment).await;
    assert_eq!(planned.plan.blockers, []);
    let effect = FaultEffect::Status {
        code: 429,
        retry_after_secs: Some(20),
        error_code: "TooManyRequests".to_owned(),
        message: "drawn".to_owned(),
    };
    let path_contains = "/checkNameAvailability".to_owned();
    world.azure.faults().add(Fault { method: Some("POST".to_owned()), path_contains, times: 1, effect });
    let report = world.carry_out(&environment, &planned, &CancellationToken::new()).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    world.stays_quiet(&environment).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_asks_once_whatever_it_takes_down_and_again_when_it_is_resumed() {
    let mut world = applied().await;
    let after = with_size("Standard_D8s_v3").with("compute_clusters/gpu-cluster/vm_priority", "LowPriority");
    let after = after.with("compute_clusters/cpu-cluster/scale_settings/max_node_count", 1).text();
    let environment = AzureWorld::environment("production", &after);
    let planned = world.planned(&environment).await;
    let removals =
        planned.plan.steps.iter().filter(|step| step.requests.iter().any(|one| one.body.is_none()));
    assert_eq!(removals.count(), 2, "two clusters are made again");
    let asked = |world: &AzureWorld| {
        let requests = world.azure.take_requests().into_iter();
        requests.filter(|one| one.path.ends_with("/vmSizes")).count()
    };
    asked(&world);
    world.die_after(1, &environment, &planned).await;
    assert_eq!(asked(&world), 1);
    // What goes still gives its cores back: the resumed run has to read what there is of it.
    world.azure.set_quota("eastus", FAMILY, cores_in_use(&world));
    let report = world.resume(&environment).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    assert!(asked(&world) <= 1);
    world.stays_quiet(&environment).await;
}
