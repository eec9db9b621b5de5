//! Compute instances: `Microsoft.MachineLearningServices/workspaces/computes` of type
//! `ComputeInstance`, somebody's machine.
//!
//! Guarantees: whether it runs is never compared, because a stopped instance is a normal one; what
//! Azure can only write at creation (tags, our mark, description, schedules) is at most a note; the
//! time of idle shutdown is the one thing changed on a living instance. Everything else would replace
//! the machine with what is on its disk, so the type is protected.
//! Sources: facts.md 7 and 22 (Compute API 2025-12-01; azurerm's compute instance resource).

mod cron;
mod schedules;
mod zone;

use serde_json::{Value, json};

use super::address::Kind;
use super::behaviour::{Behaviour, Claimed};
use super::body;
use super::claims;
use super::compute;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::difference::{Difference, Effect, difference_of};
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::identity;
use super::machines::Machines;
use super::pointer;
use super::resource::{Resource, Resources};
use super::vm_size;

/// Compute instances.
#[derive(Debug)]
pub struct ComputeInstance;

const COMPUTE_TYPE: &str = "ComputeInstance";
const IDLE: &str = "/properties/properties/idleTimeBeforeShutdown";
const SSH_ACCESS: &str = "/properties/properties/sshSettings/sshPublicAccess";
const SSH_KEY: &str = "/properties/properties/sshSettings/adminPublicKey";

const FIXED: Change = Change::Replace("Azure cannot change it on a living compute instance");
const AT_CREATION: Change = Change::CreationOnly(
    "Azure writes it only when the instance is made, and it is not worth replacing a machine for",
);

static SPEC: Spec = Spec {
    kind: Kind::ComputeInstance,
    key: "compute_instances",
    noun: "compute instance",
    arm_type: compute::ARM_TYPE,
    api_version: ApiVersion("2025-12-01"),
    doc: "A single machine for one person. Tags, description and schedules are written when it is made \
          and never again; whether it runs is its user's business.",
    parent: Some(Kind::Workspace),
    segment: compute::SEGMENT,
    name_scope: NameScope::Region,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::InParent,
    located: Located::No,
    read_only: &[],
    timeout_secs: compute::TIMEOUT_SECS,
    behaviour: Behaviour { claimed: Claimed::Unmarked, ..Behaviour::USUAL },
};

static FIELDS: [Field; 11] = [
    Field {
        name: "virtual_machine_size",
        doc: "The size of the machine.",
        shape: Shape::Word { example: "Standard_DS3_v2" },
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/properties/vmSize"),
        change: FIXED,
    },
    Field {
        name: "assign_to_user",
        doc: "The person whose machine it is. Left out, it belongs to whoever made it, and is not compared.",
        shape: Shape::Object(&USER_FIELDS),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::Inside,
        change: FIXED,
    },
    Field {
        name: "idle_time_before_shutdown",
        doc: "How long the machine may be idle before it stops, 15 minutes to 3 days. Once set, it can \
              be changed but not taken away.",
        shape: Shape::Duration { min_secs: 15 * 60, max_secs: 3 * 24 * 60 * 60 },
        absent: WhenAbsent::Nothing,
        arm: Arm::At(IDLE),
        change: Change::InPlace,
    },
    Field {
        name: "schedules",
        doc: "When the machine starts and stops by itself.",
        shape: Shape::Objects { fields: &schedules::FIELDS, max: 4 },
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::By { write: schedules::write, read: schedules::read },
        change: AT_CREATION,
    },
    Field {
        name: "authorization_type",
        doc: "`personal`: only its user may use it.",
        shape: Shape::Choice(&["personal"]),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/properties/computeInstanceAuthorizationType"),
        change: FIXED,
    },
    Field {
        name: "subnet",
        doc: "The subnet of the machine. Left out, it is not compared: a managed network shows one.",
        shape: Shape::Reference(&[Kind::Subnet]),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/properties/subnet/id"),
        change: FIXED,
    },
    Field {
        name: "node_public_ip_enabled",
        doc: "Whether the machine has a public address; `false` needs a subnet or a managed network.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::AtOr("/properties/properties/enableNodePublicIp", Literal::Bool(true)),
        change: FIXED,
    },
    Field {
        name: "local_auth_enabled",
        doc: "Whether anything but Entra identities may sign in.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Not("/properties/disableLocalAuth"),
        change: FIXED,
    },
    Field {
        name: "ssh",
        doc: "Opens the ssh port for one key; without it the port is closed.",
        shape: Shape::Object(&SSH_FIELDS),
        absent: WhenAbsent::Nothing,
        arm: Arm::Inside,
        change: FIXED,
    },
    Field {
        name: "identity",
        doc: "The identity of the machine. Idle shutdown with one works only if that identity is \
              Contributor on the workspace.",
        shape: Shape::Object(&IDENTITY_FIELDS),
        absent: WhenAbsent::Nothing,
        arm: Arm::Inside,
        change: FIXED,
    },
    Field {
        name: "description",
        doc: "For people.",
        shape: Shape::Text { max_chars: 1024, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::At("/properties/description"),
        change: AT_CREATION,
    },
];

static USER_FIELDS: [Field; 2] = [
    Field {
        name: "object_id",
        doc: "The person's object id in Entra.",
        shape: Shape::Guid,
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/properties/personalComputeInstanceSettings/assignedUser/objectId"),
        change: FIXED,
    },
    Field {
        name: "tenant_id",
        doc: "The directory the person belongs to.",
        shape: Shape::Guid,
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/properties/personalComputeInstanceSettings/assignedUser/tenantId"),
        change: FIXED,
    },
];

static SSH_FIELDS: [Field; 1] = [Field {
    name: "public_key",
    doc: "The public key, as in `id_rsa.pub`.",
    shape: Shape::Text {
        max_chars: 8192,
        example: Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… anna@contoso.com"),
    },
    absent: WhenAbsent::Refused,
    arm: Arm::By { write: write_ssh_key, read: read_ssh_key },
    change: FIXED,
}];

static IDENTITY_FIELDS: [Field; 2] =
    [identity::type_field(&[identity::SYSTEM, identity::USER], FIXED), identity::ids_field(FIXED)];

impl ResourceType for ComputeInstance {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let mut findings = compute::check(resource, all);
        findings.extend(schedules::check(resource));
        findings.extend(vm_size::advice("virtual_machine_size", resource.text("virtual_machine_size")));
        findings.extend(idle_advice(resource));
        findings
    }

    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        let mut body = body::of(self.spec(), resource, context);
        pointer::put(&mut body, "/location", Value::from(compute::workspace_location(resource, context)));
        pointer::put(&mut body, "/properties/computeType", Value::from(COMPUTE_TYPE));
        if resource.field("ssh").is_none() {
            pointer::put(&mut body, SSH_ACCESS, Value::from("Disabled"));
        }
        body
    }

    fn differences(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> Vec<Difference> {
        // What somebody else has made is claimed in the workspace's tags, and never gets a mark of its own.
        let is_claimed = !claims::is_marked(observed);
        let mut differences = difference_of(self, resource, observed, context);
        differences.retain(|difference| !(is_claimed && is_mark(&difference.field)));
        differences
    }

    fn effect(&self, resource: &Resource, path: &str, before: &Value, after: &Value) -> Effect {
        match path {
            "idle_time_before_shutdown" if after.is_null() => Effect::Note(IDLE_STAYS.to_owned()),
            _ if is_tag(path) => Effect::Note(TAGS_STAY.to_owned()),
            _ => body::effect_by_table(self.spec(), resource, path, before, after),
        }
    }

    fn update(&self, update: Update<'_>, _context: &Context<'_>) -> Vec<Write> {
        let is_idle =
            |one: &&Difference| one.field == "idle_time_before_shutdown" && one.effect == Effect::InPlace;
        let idle = update.differences.iter().find(is_idle).map(|one| one.after.clone());
        let action = |idle| Write::Action {
            action: "updateIdleShutdownSetting",
            body: json!({ "idleTimeBeforeShutdown": idle }),
        };
        idle.map(action).into_iter().collect()
    }

    fn delete_query(
        &self,
        _resource: Option<&Resource>,
        _observed: &Value,
    ) -> Vec<(&'static str, &'static str)> {
        vec![compute::DELETE_QUERY]
    }

    /// What somebody else has made is claimed in the workspace's tags, and has nothing on it.
    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        match claims::is_marked(observed) {
            true => Err(format!("{TAGS_STAY}, and ours are on it: declare it again, or let it be deleted")),
            false => Ok(Vec::new()),
        }
    }

    fn is_mine(&self, observed: &Value) -> bool {
        compute::is_type(observed, COMPUTE_TYPE)
    }

    fn machines(&self, body: &Value) -> Option<Machines> {
        Machines::of_body(body, COMPUTE_TYPE)
    }

    fn in_use(&self, observed: &Value) -> Option<String> {
        let state = pointer::get(observed, "/properties/properties/state")?.as_str()?;
        let stands = ["Stopped", "CreateFailed", "Deleting", "SetupFailed", "Unusable", "Unknown"];
        if stands.iter().any(|stopped| state.eq_ignore_ascii_case(stopped)) {
            return None;
        }
        let text = |at: &str| pointer::get(observed, at).and_then(Value::as_str);
        let owner = text("/properties/properties/createdBy/userName")
            .or_else(|| text("/properties/properties/personalComputeInstanceSettings/assignedUser/objectId"));
        let owner =
            owner.filter(|owner| !owner.is_empty()).map(|owner| format!(", for {owner}")).unwrap_or_default();
        Some(format!("it is {state}{owner}"))
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id"), ("principal_id", "/identity/principalId")]
    }
}

const TAGS_STAY: &str = "Azure cannot change the tags of a living compute instance";
/// The API has a request that sets the time (`updateIdleShutdownSetting`) and none that clears it; to
/// replace somebody's machine for that would be out of proportion.
const IDLE_STAYS: &str =
    "Azure has no request that takes idle shutdown away from a living instance; it stays as it is";

fn is_tag(path: &str) -> bool {
    is_mark(path) || path.starts_with("tags.")
}

fn is_mark(path: &str) -> bool {
    matches!(path, "mark" | "address" | "seal")
}

fn idle_advice(resource: &Resource) -> Option<Finding> {
    let stops = schedules::stop_the_machine(resource);
    let idle = resource.field("idle_time_before_shutdown").is_some();
    (!stops && !idle).then(|| {
        Finding::warning(
            "no-idle-shutdown",
            "idle_time_before_shutdown",
            "nothing stops this machine when nobody uses it",
            "a compute instance is paid for while it runs, used or not",
            "set `idle_time_before_shutdown: PT1H` or a `schedules` entry with `action: Stop`, or `acknowledge: [no-idle-shutdown]`",
        )
    })
}

fn write_ssh_key(value: &Value, body: &mut Value) {
    pointer::put(body, SSH_ACCESS, Value::from("Enabled"));
    pointer::put(body, SSH_KEY, value.clone());
}

/// A key counts only while the port is open; keys come back without their final line break.
fn read_ssh_key(body: &Value) -> Option<Value> {
    let open = pointer::get(body, SSH_ACCESS)?.as_str()?.eq_ignore_ascii_case("Enabled");
    let key = pointer::get(body, SSH_KEY)?.as_str()?.trim();
    (open && !key.is_empty()).then(|| Value::from(key))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::World;
    use super::super::sample::{echoed, id, reference, tags};
    use super::*;

    const LOCAL: &str = "compute_instances/ci-dev-user01";

    fn observed(world: &World) -> Value {
        let extra = json!({
            "properties": {
                "description": "",
                "createdOn": "2026-11-01T00:00:00.0000000+00:00",
                "properties": {
                    "vmSize": "STANDARD_DS3_V2",
                    "idleTimeBeforeShutdown": "PT60M",
                    "applicationSharingPolicy": "Personal",
                    "computeInstanceAuthorizationType": "personal",
                    "subnet": { "id": "/subscriptions/x/a/managed/network" },
                    "sshSettings": { "sshPublicAccess": "Disabled", "adminUserName": "azureuser", "adminPublicKey": "" },
                    "schedules": { "computeStartStop": [] },
                    "state": "Stopped",
                    "lastOperation": { "operationName": "Stop", "operationTrigger": "IdleShutdown" },
                    "errors": null
                }
            }
        });
        let path = "Microsoft.MachineLearningServices/workspaces/mlw-production/computes/ci-dev-user01";
        echoed(&world.body(LOCAL), &id(path), &extra)
    }

    #[test]
    fn the_reference_instance_has_this_body() {
        assert_eq!(
            reference().body(LOCAL),
            json!({
                "location": "eastus",
                "tags": tags(LOCAL, "3fdd876d1e67d12c"),
                "properties": {
                    "computeType": "ComputeInstance",
                    "disableLocalAuth": false,
                    "properties": {
                        "vmSize": "Standard_DS3_v2",
                        "personalComputeInstanceSettings": {
                            "assignedUser": {
                                "objectId": "4f8c2a86-6d0e-4c1b-9a53-2f7f1f3f6a10",
                                "tenantId": "8f1d9c1e-54d2-4a71-b0a6-0f6a2f0c7d11"
                            }
                        },
                        "idleTimeBeforeShutdown": "PT1H",
                        "enableNodePublicIp": true,
                        "sshSettings": { "sshPublicAccess": "Disabled" }
                    }
                }
            })
        );
    }

    #[test]
    fn a_stopped_instance_in_a_managed_network_is_no_difference() {
        let world = reference();
        assert_eq!(world.differences(LOCAL, &observed(&world)), []);
        assert_eq!(world.codes(LOCAL), [""; 0]);
    }

    #[test]
    fn idle_shutdown_is_the_one_thing_changed_on_a_living_machine() {
        let mut world = reference();
        let observed = observed(&world);
        world.write(LOCAL, "idle_time_before_shutdown", json!("PT30M"));
        world.write(LOCAL, "description", json!("new"));
        assert_eq!(
            world.update(LOCAL, &observed),
            [Write::Action {
                action: "updateIdleShutdownSetting",
                body: json!({ "idleTimeBeforeShutdown": "PT30M" })
            }]
        );
    }

    #[test]
    fn idle_shutdown_that_is_taken_away_stays_with_a_note() {
        let mut world = reference();
        let observed = observed(&world);
        world.get(LOCAL).fields.remove("idle_time_before_shutdown");
        let (field, effect) = world.difference(LOCAL, &observed);
        assert_eq!(field, "idle_time_before_shutdown");
        assert!(matches!(effect, Effect::Note(_)));
        assert_eq!(world.codes(LOCAL), ["no-idle-shutdown"]);
    }

    #[test]
    fn what_was_written_at_creation_is_a_note_later() {
        let mut world = reference();
        let observed = observed(&world);
        world.get(LOCAL).tags.insert("team".into(), "ml".into());
        world.write(LOCAL, "description", json!("new"));
        world.write(LOCAL, "schedules", json!([{ "action": "Stop", "cron": "0 18 * * *" }]));
        let differences = world.differences(LOCAL, &observed);
        let fields: Vec<_> = differences.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["schedules", "description", "tags.team"]);
        assert!(differences.iter().all(|one| matches!(one.effect, Effect::Note(_))), "{differences:#?}");
    }

    #[test]
    fn an_adopted_instance_needs_no_mark() {
        let world = reference();
        let mut observed = observed(&world);
        pointer::remove(&mut observed, "/tags/beamline");
        pointer::remove(&mut observed, "/tags/beamline-address");
        assert_eq!(world.differences(LOCAL, &observed), []);
    }

    #[test]
    fn a_machine_that_carries_another_mark_is_not_adopted_in_silence() {
        let mut world = reference();
        let mut observed = observed(&world);
        world.get(LOCAL).adoption = super::super::resource::Adoption::Requested;
        pointer::put(&mut observed, "/tags/beamline", json!("acme/staging"));
        assert!(matches!(world.difference(LOCAL, &observed), (field, Effect::Note(_)) if field == "mark"));
    }

    #[test]
    fn everything_else_makes_a_new_machine() {
        for (pointer, value, field) in [
            ("/properties/properties/vmSize", json!("Standard_DS4_v2"), "virtual_machine_size"),
            ("/properties/properties/enableNodePublicIp", json!(false), "node_public_ip_enabled"),
            ("/properties/disableLocalAuth", json!(true), "local_auth_enabled"),
            ("/identity", json!({ "type": "SystemAssigned" }), "identity.type"),
            (
                "/properties/properties/personalComputeInstanceSettings/assignedUser/objectId",
                json!("00000000-0000-0000-0000-000000000001"),
                "assign_to_user.object_id",
            ),
            (
                "/properties/properties/sshSettings",
                json!({ "sshPublicAccess": "Enabled", "adminPublicKey": "ssh-rsa AAAA" }),
                "ssh.public_key",
            ),
        ] {
            let mut world = reference();
            let mut observed = observed(&world);
            world.get(LOCAL).written.insert(field.to_owned());
            pointer::put(&mut observed, pointer, value);
            let (found, effect) = world.difference(LOCAL, &observed);
            assert_eq!(found, field);
            assert!(matches!(effect, Effect::Replace(_)), "{field}: {effect:?}");
        }
    }

    #[test]
    fn an_ssh_key_opens_the_port() {
        let mut world = reference();
        world.write(LOCAL, "ssh", json!({ "public_key": "ssh-rsa AAAA" }));
        let settings = &world.body(LOCAL)["properties"]["properties"]["sshSettings"];
        assert_eq!(settings, &json!({ "sshPublicAccess": "Enabled", "adminPublicKey": "ssh-rsa AAAA" }));
        let mut observed = observed(&world);
        pointer::put(&mut observed, SSH_ACCESS, json!("enabled"));
        pointer::put(&mut observed, SSH_KEY, json!("ssh-rsa AAAA\n"));
        assert_eq!(world.differences(LOCAL, &observed), []);
    }

    #[test]
    fn schedules_survive_the_way_to_azure_and_back() {
        let mut world = reference();
        let schedules = json!([
            { "action": "Stop", "cron": "0 18 * * 1-5", "time_zone": "Pacific Standard Time" },
            { "action": "Start", "cron": "0 8 * * *", "enabled": false }
        ]);
        world.write(LOCAL, "schedules", schedules);
        let body = world.body(LOCAL);
        assert_eq!(
            pointer::get(&body, schedules::AT),
            Some(&json!([
                {
                    "status": "Enabled", "action": "Stop", "triggerType": "Cron",
                    "cron": { "expression": "0 18 * * 1-5", "timeZone": "Pacific Standard Time" }
                },
                {
                    "status": "Disabled", "action": "Start", "triggerType": "Cron",
                    "cron": { "expression": "0 8 * * *", "timeZone": "UTC" }
                }
            ]))
        );
        let mut observed = observed(&world);
        let mut echoed = pointer::get(&body, schedules::AT).cloned().unwrap();
        echoed[0]["id"] = json!("1");
        echoed[0]["provisioningStatus"] = json!("Completed");
        echoed[1]["action"] = json!("start");
        pointer::put(&mut observed, schedules::AT, echoed);
        assert_eq!(world.differences(LOCAL, &observed), []);
    }

    #[test]
    fn a_schedule_that_stops_the_machine_is_as_good_as_idle_shutdown() {
        let mut world = reference();
        world.get(LOCAL).fields.remove("idle_time_before_shutdown");
        world.write(LOCAL, "schedules", json!([{ "action": "Stop", "cron": "0 18 * * *" }]));
        assert_eq!(world.codes(LOCAL), [""; 0]);
        world.write(LOCAL, "schedules", json!([{ "action": "Start", "cron": "every morning" }]));
        assert_eq!(world.codes(LOCAL), ["schedule-cron", "no-idle-shutdown"]);
        let stop = json!({ "action": "Stop", "cron": "0 25 * * *", "time_zone": "Europe/Berlin" });
        world.write(LOCAL, "schedules", json!([stop]));
        let findings = world.findings(LOCAL);
        let told: Vec<_> = findings.iter().map(|one| (one.code, one.field.as_str())).collect();
        let expected =
            [("schedule-cron", "schedules.0.cron"), ("schedule-time-zone", "schedules.0.time_zone")];
        assert_eq!(told, expected);
        assert!(findings[1].remedy.contains("W. Europe Standard Time"), "{}", findings[1].remedy);
    }

    #[test]
    fn deleting_an_instance_deletes_its_machine() {
        assert_eq!(
            ComputeInstance.delete_query(None, &Value::Null),
            [("underlyingResourceAction", "Delete")]
        );
        assert!(ComputeInstance.is_mine(&json!({ "properties": { "computeType": "computeinstance" } })));
    }
}
