//! What a definition changes on a living resource: which request brings each field to Azure, and what
//! a field that is taken out again means.

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{Action, Part, Plan, Style, render};
use beamline::resources::{Change, Kind, WhenAbsent};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{
    AzureWorld, Definition, IDENTITIES, address, failures, identity, leaves, other_value, place_identities,
    workshop,
};

/// One change of one field: where it is made, and what else must be so that the definition is valid.
struct Case {
    kind: Kind,
    local: &'static str,
    field: String,
    value: Value,
    also: Vec<(&'static str, Value)>,
    absent: WhenAbsent,
}

/// The resource on which a kind's fields are changed.
fn subject(kind: Kind) -> &'static str {
    match kind {
        Kind::ResourceGroup => "resource_group",
        Kind::StorageAccount => "storage_accounts/spare",
        Kind::Container => "storage_accounts/default/containers/spare",
        Kind::KeyVault => "key_vaults/spare",
        Kind::LogAnalyticsWorkspace => "log_analytics_workspaces/spare",
        Kind::ApplicationInsights => "application_insights/spare",
        Kind::ContainerRegistry => "container_registries/spare",
        Kind::VirtualNetwork => "virtual_networks/spare",
        Kind::Subnet => "virtual_networks/main/subnets/spare",
        Kind::Workspace => "workspace",
        Kind::Datastore => "datastores/spare",
        Kind::ComputeCluster => "compute_clusters/spare",
        Kind::ComputeInstance => "compute_instances/spare-ci",
        Kind::RoleAssignment => "role_assignments/spare",
    }
}

/// A value, and what else must be so.
type Choice = (Value, Vec<(&'static str, Value)>);

/// What no shape can say: the choice, or `Some(None)` for nothing to change to.
#[expect(clippy::option_option, reason = "a table with a row that says no")]
fn special(kind: Kind, path: &str) -> Option<Option<Choice>> {
    let alone = |value: Value| Some((value, Vec::new()));
    Some(match (kind, path) {
        (Kind::StorageAccount, "account_replication_type") => alone(json!("GRS")),
        (Kind::StorageAccount, "access_tier") => alone(json!("Cool")),
        (Kind::KeyVault, "purge_protection_enabled") => alone(json!(true)),
        (Kind::LogAnalyticsWorkspace, "sku") => alone(json!("PerNode")),
        (Kind::LogAnalyticsWorkspace, "retention_in_days") => alone(json!(60)),
        (Kind::ApplicationInsights, "workspace") => alone(json!("other")),
        (Kind::ApplicationInsights, "retention_in_days") => alone(json!(120)),
        (Kind::ContainerRegistry, "sku") => alone(json!("Premium")),
        (Kind::ContainerRegistry, "role_assignment_mode") => alone(json!("AbacRepositoryPermissions")),
        (Kind::VirtualNetwork, "address_space") => alone(json!(["10.8.0.0/16", "10.9.0.0/16"])),
        (Kind::VirtualNetwork, "dns_servers") => alone(json!(["10.8.0.4"])),
        (Kind::Subnet, "address_prefixes") => alone(json!(["10.1.12.0/24"])),
        (Kind::Subnet, "service_endpoints") => alone(json!(["Microsoft.Storage", "Microsoft.KeyVault"])),
        (Kind::Subnet, "delegations") => alone(json!(["Microsoft.MachineLearningServices/workspaces"])),
        (Kind::Workspace, "application_insights" | "container_registry") => alone(json!("other")),
        (Kind::Workspace, "identity.type") => {
            let ids = json!([identity(IDENTITIES[0])]);
            Some((json!("SystemAssigned, UserAssigned"), vec![("workspace/identity/identity_ids", ids)]))
        }
        (Kind::Workspace, "identity.identity_ids") => alone(json!(IDENTITIES.map(identity))),
        (Kind::Workspace, "primary_user_assigned_identity") => alone(json!(identity(IDENTITIES[0]))),
        (Kind::Workspace, "image_build_compute_name") => alone(json!("spare")),
        (Kind::Workspace, "managed_network.isolation_mode") => alone(json!("AllowInternetOutbound")),
        (Kind::Workspace, "storage_account_access_type") => alone(json!("Identity")),
        (Kind::Workspace, "serverless_compute.subnet") => {
            let with = vec![("workspace/serverless_compute/public_ip_enabled", json!(true))];
            Some((json!("main/serverless"), with))
        }
        (Kind::Workspace, "serverless_compute.public_ip_enabled") => alone(json!(false)),
        (Kind::ComputeCluster, "identity.identity_ids") => alone(json!(IDENTITIES.map(identity))),
        (Kind::ComputeCluster, "identity.type") => {
            let ids = json!([identity(IDENTITIES[0])]);
            Some((json!("UserAssigned"), vec![("compute_clusters/spare/identity/identity_ids", ids)]))
        }
        (Kind::RoleAssignment, "condition") => alone(json!("@Resource[x] StringEquals 'z'")),
        // Decided when the vault is made.
        (Kind::KeyVault, "soft_delete_retention_days") => None,
        _ => return None,
    })
}

fn cases(definition: &Definition) -> Vec<Case> {
    let environment = definition.environment();
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        for leaf in leaves(kind).into_iter().filter(|leaf| matches!(leaf.field.change, Change::InPlace)) {
            let local = match (kind, leaf.path.as_str()) {
                (Kind::ComputeCluster, "identity.identity_ids") => "compute_clusters/bound",
                _ => subject(kind),
            };
            let now = environment.resources[&address(local)].field(&leaf.path);
            let change = special(kind, &leaf.path)
                .unwrap_or_else(|| Some((other_value(leaf.field.shape, now)?, Vec::new())));
            if let Some((value, also)) = change {
                cases.push(Case { kind, local, field: leaf.path, value, also, absent: leaf.field.absent });
            }
        }
    }
    cases
}

/// The request that a change of this field is.
fn expected(case: &Case) -> String {
    let put_fields =
        ["storage_account_access_type", "serverless_compute.subnet", "serverless_compute.public_ip_enabled"];
    let verb = match case.kind {
        Kind::ResourceGroup | Kind::StorageAccount | Kind::Container | Kind::ContainerRegistry => "PATCH",
        Kind::Workspace if put_fields.contains(&case.field.as_str()) => "PUT",
        Kind::Workspace => "PATCH",
        Kind::ComputeCluster if case.field.starts_with("scale_settings.") => "PATCH",
        Kind::ComputeInstance => "POST",
        Kind::KeyVault
        | Kind::LogAnalyticsWorkspace
        | Kind::ApplicationInsights
        | Kind::VirtualNetwork
        | Kind::Subnet
        | Kind::Datastore
        | Kind::ComputeCluster
        | Kind::RoleAssignment => "PUT",
    };
    verb.to_owned()
}

fn changed(definition: Definition, case: &Case) -> Definition {
    let path = format!("{}/{}", case.local, case.field.replace('.', "/"));
    let also = case.also.iter().fold(definition, |one, (path, value)| one.with(path, value.clone()));
    also.with(&path, case.value.clone())
}

/// What is wrong with the plan of a change.
fn faults_of(plan: &Plan, case: &Case) -> Option<String> {
    let is_subject = |step: &&beamline::reconcile::plan::Step| step.address.local() == case.local;
    let step = plan.steps.iter().find(is_subject);
    let names = step.is_some_and(|step| {
        let fields: Vec<_> = step.differences.iter().map(|one| one.field.as_str()).collect();
        fields.contains(&case.field.as_str()) && fields.len() <= 1 + case.also.len()
    });
    let in_place = plan.steps.iter().all(|step| (step.action, step.part) == (Action::Update, Part::Whole));
    let carrier = usize::from(case.kind == Kind::Subnet);
    let sound = names && in_place && plan.blockers.is_empty() && plan.steps.len() == 1 + carrier;
    (!sound).then(|| render(plan, Style::Plain))
}

#[tokio::test(start_paused = true)]
async fn every_field_that_can_change_in_place_does_by_its_own_request() {
    let world = AzureWorld::new();
    let mut definition = workshop();
    world.reconcile(&definition.environment()).await;
    place_identities(&world);
    world.apply(&definition.text()).await;
    world.take_writes();
    let mut problems = Vec::new();
    for case in cases(&definition) {
        let after = changed(definition.clone(), &case);
        let name = format!("{} {}", case.local, case.field);
        if let Some(error) = after.errors().first() {
            problems.push(format!("{name}: {error}"));
            continue;
        }
        // A plan that names this field alone also says that the change before it is quiet.
        let environment = after.environment();
        let planned = world.planned(&environment).await;
        if let Some(fault) = faults_of(&planned.plan, &case) {
            problems.push(format!("{name}: {} is planned as\n{fault}", case.value));
        }
        let report = world.carry_out(&environment, &planned, &CancellationToken::new()).await;
        let writes = world.take_writes();
        let verb = expected(&case);
        if report.end != RunEnd::Complete {
            problems.push(format!("{name}: {}", failures(&report)));
        } else if writes.len() != 1 || !writes[0].starts_with(&format!("{verb} ")) {
            problems.push(format!("{name}: {verb} expected, sent {writes:?}"));
        }
        definition = after;
    }
    world.stays_quiet(&definition.environment()).await;
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_taken_out_falls_back_to_the_schemas_default_and_never_to_the_services() {
    let world = AzureWorld::new();
    let base = workshop().with("container_registries/spare/sku", "Premium");
    world.reconcile(&base.environment()).await;
    place_identities(&world);
    world.apply(&base.text()).await;
    let cases: Vec<Case> = cases(&base).into_iter().filter(|case| can_be_taken_out(&base, case)).collect();
    let with = cases.iter().fold(base.clone(), changed);
    world.apply(&with.text()).await;
    let plan = world.plan(&base.text()).await;
    let mut problems = Vec::new();
    for case in &cases {
        let of_subject = plan.steps.iter().filter(|step| step.address.local() == case.local);
        let after = of_subject.flat_map(|step| &step.differences).find(|one| one.field == case.field);
        let after = after.map(|difference| difference.after.clone());
        let expected = match case.absent {
            WhenAbsent::Default(literal) => Some(literal.to_value()),
            WhenAbsent::Nothing => Some(Value::Null),
            WhenAbsent::ServiceDefault | WhenAbsent::Refused => None,
        };
        if after != expected {
            problems.push(format!("{} {}: {expected:?} expected, planned {after:?}", case.local, case.field));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(cases.len() > 30, "{} fields", cases.len());
    world.apply(&base.text()).await;
}

/// Whether the base does not say the field, and the definition is whole without it. Some changes have
/// no way back (Azure's rule).
fn can_be_taken_out(base: &Definition, case: &Case) -> bool {
    let path = format!("/{}/{}", case.local, case.field.replace('.', "/"));
    let one_way = ["purge_protection_enabled", "managed_network.isolation_mode"];
    let is_refused = matches!(case.absent, WhenAbsent::Refused);
    let is_bound =
        !case.also.is_empty() || case.field.contains("identity") || case.field.contains("serverless");
    base.0.pointer(&path).is_none() && !is_refused && !is_bound && !one_way.contains(&case.field.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_changed_in_place_wherever_azure_can() {
    let world = AzureWorld::new();
    let definition = Definition::with_spares();
    world.apply(&definition.text()).await;
    world.take_writes();
    let after = definition.with("tags/team", "platform").with("tags/floor", "3");
    world.apply(&after.text()).await;
    let writes = world.take_writes();
    let of = |place: &str| {
        let is = |write: &&String| write.split(' ').next_back().is_some_and(|path| path.contains(place));
        writes.iter().filter(is).map(|write| write.split(' ').next().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("group"), ["PATCH"]);
    assert_eq!(of("Microsoft.KeyVault/vaults/kv-ml-spare"), ["PUT"]);
    assert_eq!(of("registries/acrmlspare001"), ["PATCH"]);
    assert_eq!(of("virtualNetworks/vnet-ml-spare"), ["PUT"]);
    assert_eq!(of("computes/spare"), ["PUT"]);
    assert_eq!(of("computes/ci-dev-user01"), [""; 0], "Azure cannot change the tags of an instance");
    assert_eq!(of("datastores/spare"), ["PUT"]);
    assert_eq!(of("roleAssignments"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_tags_of_an_instance_are_a_note_and_never_an_action() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let after =
        Definition::production().with("compute_instances/ci-dev-user01/tags", json!({ "floor": "3" }));
    let plan = world.plan(&after.text()).await;
    assert!(plan.is_empty(), "{}", render(&plan, Style::Plain));
    assert!(plan.notes.iter().any(|note| note.message.contains("tags.floor")), "{:?}", plan.notes);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_gives_its_identity_back() {
    let world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    world.take_writes();
    world.apply(&Definition::with_spares().without("compute_clusters/spare/identity").text()).await;
    let writes = world.take_writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].starts_with("PUT "), "{writes:?}");
}
