//! What does not carry our mark is never changed or deleted: it is reported, and adopted on request.

use beamline::reconcile::plan::{Action, Blocker, Plan, Style, render};
use beamline::resources::Kind;
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, id};

const MARKS: [&str; 3] = ["beamline", "beamline-address", "beamline_address"];

/// Takes every mark away, as if somebody else had made everything.
fn strip_marks(world: &AzureWorld) {
    for id in world.azure.ids() {
        world.azure.edit(&id, |body| {
            for at in ["/tags", "/properties/tags", "/properties/metadata"] {
                if let Some(Value::Object(members)) = body.pointer_mut(at) {
                    members.retain(|key, _| !MARKS.contains(&key.as_str()) && !key.starts_with("beamline-"));
                }
            }
            if id.arm_type().ends_with("roleAssignments") {
                body["properties"]["description"] = Value::Null;
            }
        });
    }
}

/// The reference environment, all of it to be adopted.
fn adopting() -> Definition {
    let environment = Definition::with_spares().environment();
    let paths = environment.resources.keys().map(|address| format!("{}/adopt", address.local()));
    paths.fold(Definition::with_spares(), |definition, path| definition.with(&path, true))
}

#[tokio::test(start_paused = true)]
async fn what_carries_no_mark_is_reported_and_nothing_is_written() {
    let world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    strip_marks(&world);
    world.take_writes();
    let plan = world.plan(&Definition::with_spares().text()).await;
    let reported: Vec<Kind> = plan.blockers.iter().map(|one| one.address().kind()).collect();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::RoleAssignment) {
        assert!(reported.contains(&kind), "{kind}: {}", render(&plan, Style::Plain));
    }
    assert!(plan.blockers.iter().all(|one| matches!(one, Blocker::NotOurs { marked: None, .. })));
    assert_eq!(world.take_writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn everything_is_adopted_on_request_and_then_quiet() {
    let world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    let made = world.azure.ids();
    strip_marks(&world);
    world.take_writes();
    let plan = world.plan(&adopting().text()).await;
    let others = plan.steps.iter().filter(|step| step.action != Action::Adopt);
    assert_eq!(others.map(|step| step.address.to_string()).collect::<Vec<_>>(), [""; 0]);
    world.apply(&adopting().text()).await;
    assert_eq!(world.azure.ids(), made, "nothing was made or deleted");
    let writes = world.take_writes();
    assert!(!writes.iter().any(|write| write.contains("spare-ci")), "an instance takes no mark: {writes:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_adopted_is_ours_also_without_the_request() {
    let world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    strip_marks(&world);
    let adopting =
        ["resource_group", "storage_accounts/default", "key_vaults/main", "log_analytics_workspaces/main"]
            .into_iter()
            .chain(["application_insights/main", "workspace"])
            .fold(definition.clone(), |one, path| one.with(&format!("{path}/adopt"), true));
    world.apply(&adopting.text()).await;
    world.apply(&definition.text()).await;
}

#[tokio::test(start_paused = true)]
async fn what_another_environment_has_marked_is_refused_even_if_adoption_is_asked_for() {
    let world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    let vault = id("Microsoft.KeyVault/vaults/kv-ml-production");
    for mark in ["ops/staging", "somebody/production"] {
        world.azure.edit(&vault, |body| body["tags"]["beamline"] = json!(mark));
        let plan = world.plan(&Definition::small().with("key_vaults/main/adopt", true).text()).await;
        let [Blocker::NotOurs { marked: Some(found), .. }] = &plan.blockers[..] else {
            panic!("{}", render(&plan, Style::Plain))
        };
        assert_eq!(found, mark);
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_owner_has_is_told_by_that_owner_whatever_its_environment_is_called() {
    let world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    let vault = id("Microsoft.KeyVault/vaults/kv-ml-production");
    for (mark, owner) in [
        ("other/team/production", Some("other/team")),
        ("other/team/staging", Some("other/team")),
        ("ops/staging", None),
    ] {
        world.azure.edit(&vault, |body| body["tags"]["beamline"] = json!(mark));
        let said = world.blockers(&Definition::small().text()).await.join("\n");
        assert!(said.contains(&format!("belongs to {mark}")) || owner.is_none(), "{said}");
        let is_told = said.contains("which is not the `owner` of these settings");
        assert_eq!(is_told, owner.is_some(), "{said}");
        assert!(owner.is_none_or(|owner| said.contains(&format!("names the owner `{owner}`"))), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renamed_environment_takes_its_resources_over() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let made = world.azure.ids();
    world.forget();
    let renamed = Definition::production().with("renamed_from", "production").with("name", "live");
    let environment = AzureWorld::environment("live", &renamed.text());
    let plan = world.planned(&environment).await.plan;
    assert!(plan.blockers.is_empty(), "{}", render(&plan, Style::Plain));
    assert!(plan.steps.iter().all(|step| step.action == Action::Update), "{}", render(&plan, Style::Plain));
    let report = world.reconcile(&environment).await;
    assert_eq!(crate::support::failures(&report), "");
    world.stays_quiet(&environment).await;
    assert_eq!(world.azure.ids(), made);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_granted_already_is_a_note_and_stays_whoevers_it_is() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    strip_marks(&world);
    let roles = |world: &AzureWorld| {
        world
            .azure
            .ids()
            .into_iter()
            .filter(|id| id.arm_type().ends_with("roleAssignments"))
            .collect::<Vec<_>>()
    };
    let before = roles(&world);
    let plan = world.plan(&Definition::production().text()).await;
    let noted = plan.notes.iter().filter(|note| note.code == "granted-already");
    let noted: Vec<_> = noted.filter_map(|note| Some(note.address.as_ref()?.local())).collect();
    // The service would have given the others by itself: the workspace is made with what they are for.
    assert_eq!(noted, ["role_assignments/workspace-data-lake"]);
    assert!(!plan.blockers.iter().any(|one| one.address().kind() == Kind::RoleAssignment));
    assert_eq!(roles(&world), before);
}

#[tokio::test(start_paused = true)]
async fn what_the_service_gives_a_workspace_is_no_note_and_what_somebody_gives_is_one() {
    let world = AzureWorld::new();
    let production = Definition::production().text();
    world.apply(&production).await;
    let noted = |plan: &Plan| {
        let notes = plan.notes.iter().filter(|note| ["not-ours", "granted-already"].contains(&&*note.code));
        notes.map(|note| note.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(noted(&world.plan(&production).await), [""; 0]);
    let workspace =
        world.azure.get(&id("Microsoft.MachineLearningServices/workspaces/mlw-production")).unwrap();
    let give = |name: &str, role: &str, principal: &Value| {
        world.azure.put(
            &id(&format!("Microsoft.Authorization/roleAssignments/{name}")),
            json!({ "properties": {
            "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": principal, "principalType": "ServicePrincipal",
        } }),
        );
    };
    let reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    let owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    let (somebody, too_much) =
        ("00000000-0000-0000-0000-0000000000aa", "00000000-0000-0000-0000-0000000000bb");
    give(somebody, reader, &json!("00000000-0000-0000-0000-000000000077"));
    give(too_much, owner, &workspace["identity"]["principalId"]);
    let own = workspace["identity"]["principalId"].as_str().unwrap();
    let expected = format!(
        "in the group without our mark, left alone: Reader for ServicePrincipal \
         00000000-0000-0000-0000-000000000077 on rg-ml-production, Owner for ServicePrincipal {own} on rg-ml-production"
    );
    assert_eq!(noted(&world.plan(&production).await), [expected]);
}
