//! A deleted vault keeps its name: ours is brought back, somebody else's is in the way.

use beamline::azure::{Call, Method};
use beamline::reconcile::plan::{Action, Blocker, Style, render};
use beamline_simulator::{Fault, FaultEffect};
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, id};

async fn delete_vault(world: &AzureWorld) {
    let call = Call {
        method: Method::Delete,
        id_or_path: id("Microsoft.KeyVault/vaults/kv-ml-production").to_string(),
        api_version: "2026-02-01".to_owned(),
        query: Vec::new(),
        body: None,
        client_request_id: world.arm.clock().uuid(),
    };
    world.arm.send(&call).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_vault_of_ours_is_brought_back_and_brought_up_to_date() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    delete_vault(&world).await;
    world.forget();
    let after = Definition::production().with("key_vaults/main/enabled_for_deployment", true);
    let plan = world.plan(&after.text()).await;
    let vault = plan.steps.iter().find(|step| step.address.local() == "key_vaults/main").unwrap();
    assert_eq!(vault.action, Action::Recover);
    world.apply(&after.text()).await;
    let body = world.azure.get(&id("Microsoft.KeyVault/vaults/kv-ml-production")).unwrap();
    assert_eq!(body["properties"]["enabledForDeployment"], true);
    assert!(body["tags"].get("beamline-adopted").is_none(), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_is_brought_back_stays_adopted_and_has_the_tags_that_are_declared() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let vault = id("Microsoft.KeyVault/vaults/kv-ml-production");
    for (tag, value) in [("beamline-adopted", "true"), ("cost-center", "42"), ("hidden-title", "theirs")] {
        assert!(world.azure.edit(&vault, |body| body["tags"][tag] = json!(value)));
    }
    delete_vault(&world).await;
    world.forget();
    world.apply(&Definition::production().text()).await;
    let tags = world.azure.get(&vault).unwrap()["tags"].clone();
    assert_eq!(tags["beamline-adopted"], "true", "it was made by others: {tags}");
    assert_eq!(tags["hidden-title"], "theirs", "{tags}");
    assert!(tags.get("cost-center").is_none(), "{tags}");
}

#[tokio::test(start_paused = true)]
async fn what_a_deleted_vault_keeps_is_said_before_it_is_brought_back() {
    for (field, before, after) in [
        ("soft_delete_retention_days", Value::from(30), Value::from(48)),
        ("purge_protection_enabled", Value::from(true), Value::from(false)),
    ] {
        let world = AzureWorld::new();
        let at = format!("key_vaults/main/{field}");
        let first = Definition::small().with(&at, before.clone());
        world.apply(&first.text()).await;
        delete_vault(&world).await;
        world.take_writes();
        let plan = world.plan(&Definition::small().with(&at, after).text()).await;
        let said: Vec<String> = plan.blockers.iter().map(Blocker::message).collect();
        let [said] = &said[..] else { panic!("{}", render(&plan, Style::Plain)) };
        assert!(said.contains(field) && said.contains(&format!("write {before}")), "{said}");
        assert_eq!(world.take_writes(), [""; 0]);
        // As it says, or without a word of it: what is not written may be as it is.
        for wanted in [first, Definition::small()] {
            world.apply(&wanted.text()).await;
            assert!(world.plan(&wanted.text()).await.is_empty());
            delete_vault(&world).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_vault_of_somebody_else_is_in_the_way_until_its_adoption_is_asked_for() {
    let world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    world.azure.edit(&id("Microsoft.KeyVault/vaults/kv-ml-production"), |body| {
        body["tags"] = Value::Object(serde_json::Map::new());
    });
    delete_vault(&world).await;
    world.take_writes();
    let plan = world.plan(&Definition::small().text()).await;
    let [Blocker::NameStaysTaken { why, .. }] = &plan.blockers[..] else {
        panic!("{}", render(&plan, Style::Plain))
    };
    assert!(why.contains("kv-ml-production") && why.contains("adopt: true"), "{why}");
    assert_eq!(world.take_writes(), [""; 0]);
    world.apply(&Definition::small().with("key_vaults/main/adopt", true).text()).await;
    let body = world.azure.get(&id("Microsoft.KeyVault/vaults/kv-ml-production")).unwrap();
    assert_eq!(body["tags"]["beamline-adopted"], "true", "it was somebody else's");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_vault_from_elsewhere_cannot_be_brought_back_here() {
    let world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    delete_vault(&world).await;
    let moved = Definition::small().with("resource_group/name", "rg-ml-elsewhere");
    let plan = world.plan(&moved.text()).await;
    let is_taken = |one: &Blocker| matches!(one, Blocker::NameStaysTaken { .. });
    assert!(plan.blockers.iter().any(is_taken), "{}", render(&plan, Style::Plain));
}

/// The blockers of a plan, but for consents.
async fn in_the_way(world: &AzureWorld, definition: &Definition) -> Vec<String> {
    let plan = world.plan(&definition.text()).await;
    let of_vaults = plan.blockers.iter().filter(|one| {
        matches!(one, Blocker::NameStaysTaken { address, .. } if address.local().starts_with("key_vaults/"))
    });
    of_vaults.map(Blocker::message).collect()
}

#[tokio::test(start_paused = true)]
async fn no_vault_takes_a_name_that_a_deleted_one_holds() {
    let world = AzureWorld::new();
    let two = Definition::with_spares().without("key_vaults/main/purge_protection_enabled");
    world.apply(&two.text()).await;
    // What is renamed takes the name of one that is gone already.
    let alone = two.clone().without("key_vaults/spare");
    delete_vault(&world).await;
    let renamed = alone
        .clone()
        .with("key_vaults/main/name", "kv-ml-third")
        .with("key_vaults/spare", two.0["key_vaults"]["spare"].clone())
        .with("key_vaults/spare/name", "kv-ml-production");
    let said = in_the_way(&world, &renamed).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("holds the name kv-ml-production until"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn no_vault_takes_a_name_that_stays_taken_when_its_holder_goes() {
    let mut world = AzureWorld::new();
    let two = Definition::with_spares();
    world.apply(&two.text()).await;
    world.remember_groups(&["rg-ml-production"]);
    let swapped = two
        .clone()
        .with("key_vaults/main/name", "kv-ml-spare")
        .with("key_vaults/spare/name", "kv-ml-production")
        .with("resource_group/name", "rg-ml-elsewhere");
    let said = in_the_way(&world, &swapped).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|one| one.contains("purge protection keeps the deleted vault")), "{said:?}");
    // The one that goes is another resource, elsewhere.
    let moved = two
        .clone()
        .without("key_vaults/spare")
        .with("key_vaults/other", two.0["key_vaults"]["spare"].clone())
        .with("resource_group/name", "rg-ml-elsewhere");
    let said = in_the_way(&world, &moved).await;
    assert!(said.iter().any(|one| one.contains("stays taken when that is deleted")), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_to_purge_what_is_protected_or_to_adopt_what_lay_elsewhere() {
    let world = AzureWorld::new();
    let protected = Definition::small().with("key_vaults/main/purge_protection_enabled", true);
    world.apply(&protected.text()).await;
    delete_vault(&world).await;
    // A vault of one name holds it in every region.
    for (path, value) in
        [("resource_group/name", "rg-ml-elsewhere"), ("key_vaults/main/location", "westeurope")]
    {
        let [why] = &in_the_way(&world, &protected.clone().with(path, value)).await[..] else {
            panic!("{path}")
        };
        assert!(why.contains("It is protected from being purged: choose another name"), "{why}");
        assert!(!why.contains("Purge it") && !why.contains("adopt"), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_about_deleted_vaults_that_is_refused_is_said() {
    let world = AzureWorld::new();
    let effect = FaultEffect::Status {
        code: 403,
        retry_after_secs: None,
        error_code: "AuthorizationFailed".to_owned(),
        message: "The client does not have authorization.".to_owned(),
    };
    let path_contains = "/deletedVaults".to_owned();
    world.azure.faults().add(Fault { method: Some("GET".to_owned()), path_contains, times: 9, effect });
    let plan = world.plan(&Definition::small().text()).await;
    let note = plan.notes.iter().find(|note| note.code == "not-verified").unwrap();
    assert!(
        note.message.contains("kv-ml-production") && note.message.contains("authorization"),
        "{}",
        note.message
    );
    world.apply(&Definition::small().text()).await;
}
