//! What the definition does not own survives every write.

use beamline::resources::id::ResourceId;
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, id};

const NETWORK: &str = "Microsoft.Network/virtualNetworks/vnet-ml-production";

fn network(world: &AzureWorld) -> Value {
    world.azure.get(&id(NETWORK)).unwrap()
}

fn subnet<'a>(network: &'a Value, name: &str) -> &'a Value {
    let subnets = network["properties"]["subnets"].as_array().unwrap();
    subnets.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name} is gone: {network}"))
}

#[tokio::test(start_paused = true)]
async fn a_foreign_subnet_and_what_is_attached_to_ours_survive_every_write_of_the_network() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let group: ResourceId = id("Microsoft.Network/networkSecurityGroups/theirs");
    world.azure.put(&group, json!({ "location": "eastus", "properties": { "securityRules": [] } }));
    world.azure.edit(&id(NETWORK), |body| {
        let subnets = body["properties"]["subnets"].as_array_mut().unwrap();
        let compute = subnets.iter_mut().find(|one| one["name"] == "snet-ml-compute").unwrap();
        compute["properties"]["networkSecurityGroup"] = json!({ "id": group.to_string() });
        subnets.push(
            json!({ "name": "AzureBastionSubnet", "properties": { "addressPrefix": "10.1.200.0/26" } }),
        );
        body["properties"]["flowTimeoutInMinutes"] = json!(12);
    });
    world.stays_quiet(&Definition::production().environment()).await;
    world.consent("*");
    let added = Definition::production()
        .with("virtual_networks/main/subnets/more", json!({ "address_prefixes": ["10.1.5.0/24"] }))
        .with("virtual_networks/main/dns_servers", json!(["10.1.0.4"]))
        .with("virtual_networks/main/subnets/compute/service_endpoints", json!(["Microsoft.Storage"]));
    for definition in [added, Definition::production()] {
        world.apply(&definition.text()).await;
        let network = network(&world);
        let bastion = &subnet(&network, "AzureBastionSubnet")["properties"];
        assert_eq!(bastion["addressPrefix"], "10.1.200.0/26");
        let attached = &subnet(&network, "snet-ml-compute")["properties"]["networkSecurityGroup"]["id"];
        assert!(attached.as_str().unwrap().eq_ignore_ascii_case(group.as_str()));
        assert_eq!(network["properties"]["flowTimeoutInMinutes"], 12);
    }
    assert_eq!(network(&world)["properties"]["subnets"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn tags_that_match_ignore_tags_survive_every_write_and_others_go() {
    let world = AzureWorld::new();
    let definition = Definition::with_spares().with("ignore_tags", json!(["hidden-*", "cost-*"]));
    world.apply(&definition.text()).await;
    let tagged: Vec<ResourceId> = world
        .azure
        .ids()
        .into_iter()
        .filter(|id| world.azure.get(id).unwrap()["tags"]["beamline"].is_string())
        .collect();
    assert!(tagged.len() > 15);
    for id in &tagged {
        world.azure.edit(id, |body| {
            body["tags"]["Cost-Center"] = json!("7");
            body["tags"]["stray"] = json!("1");
        });
    }
    let after = definition.with("tags/team", "platform");
    world.apply(&after.text()).await;
    for id in tagged.iter().filter(|id| !id.name().contains("ci")) {
        let tags = world.azure.get(id).unwrap()["tags"].clone();
        assert_eq!((&tags["Cost-Center"], &tags["team"]), (&json!("7"), &json!("platform")), "{id}");
        assert_eq!(tags.get("stray"), None, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn foreign_access_policies_and_metadata_survive() {
    let world = AzureWorld::new();
    let definition = Definition::with_spares().with("key_vaults/spare/rbac_authorization_enabled", false);
    world.apply(&definition.text()).await;
    let vault = id("Microsoft.KeyVault/vaults/kv-ml-spare");
    let policy = json!({
        "tenantId": beamline_simulator::DEFAULT_TENANT, "objectId": "00000000-0000-0000-0000-000000000009",
        "permissions": { "secrets": ["get"] },
    });
    world.azure.edit(&vault, |body| body["properties"]["accessPolicies"] = json!([policy]));
    let container =
        id("Microsoft.Storage/storageAccounts/stmlproduction001/blobServices/default/containers/spare");
    world.azure.edit(&container, |body| body["properties"]["metadata"]["theirs"] = json!("yes"));
    let after = definition
        .with("key_vaults/spare/enabled_for_deployment", true)
        .with("storage_accounts/default/allow_nested_items_to_be_public", true)
        .with("storage_accounts/default/containers/spare/container_access_type", "blob");
    world.apply(&after.text()).await;
    assert_eq!(world.azure.get(&vault).unwrap()["properties"]["accessPolicies"], json!([policy]));
    assert_eq!(world.azure.get(&container).unwrap()["properties"]["metadata"]["theirs"], "yes");
}

#[tokio::test(start_paused = true)]
async fn foreign_role_assignments_and_resources_of_the_group_are_left_alone() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let role = id(
        "Microsoft.KeyVault/vaults/kv-ml-production/providers/Microsoft.Authorization/roleAssignments/00000000-0000-0000-0000-0000000000aa",
    );
    world.azure.put(&role, json!({ "properties": {
        "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6",
        "principalId": "00000000-0000-0000-0000-000000000009", "principalType": "User",
    } }));
    let account = id("Microsoft.Storage/storageAccounts/somebodyelse001");
    world.azure.put(
        &account,
        json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } }),
    );
    world.consent("*");
    world.forget();
    let without = ["workspace-vault", "workspace-storage"];
    let after = without
        .iter()
        .fold(Definition::production(), |one, name| one.without(&format!("role_assignments/{name}")));
    let plan = world.plan(&after.text()).await;
    assert!(
        plan.notes.iter().any(|note| note.code == "not-ours" && note.message.contains("somebodyelse001"))
    );
    world.apply(&after.text()).await;
    assert!(world.azure.get(&role).is_some() && world.azure.get(&account).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_grant_of_somebody_else_is_told_by_who_may_do_what_where() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let person = "0f5c4a3e-8d1b-4c6f-9b7a-2e1d3c4b5a69".parse().unwrap();
    let group = id("Microsoft.Storage/storageAccounts/stmlproduction001").parent().unwrap();
    let name = world.azure.grant(person, "Storage Blob Data Reader", &group).unwrap().name().to_owned();
    let plan = world.plan(&Definition::production().text()).await;
    let note = plan.notes.iter().find(|note| note.code == "not-ours").expect("nothing is said");
    let told = format!("Storage Blob Data Reader for ServicePrincipal {person} on rg-ml-production");
    assert!(note.message.contains(&told), "{}", note.message);
    assert!(!note.message.contains(&name), "{}", note.message);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_read_is_not_called_undeclared() {
    let world = AzureWorld::new();
    let definition = Definition::production().with(
        "datastores/theirs",
        json!({
            "type": "AzureBlob", "storage_account": "default", "container": "theirs",
        }),
    );
    let advised = async || {
        let plan = world.plan(&definition.text()).await;
        plan.notes.iter().filter(|note| note.code == "container-undeclared").count()
    };
    world.apply(&Definition::production().text()).await;
    assert_eq!(advised().await, 1, "nobody has seen such a container");
    let account = "Microsoft.Storage/storageAccounts/stmlproduction001";
    world
        .azure
        .put(&id(&format!("{account}/blobServices/default/containers/theirs")), json!({ "properties": {} }));
    assert_eq!(advised().await, 0, "it is there");
}
