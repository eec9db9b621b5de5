//! What the service fills into computes and answers in its own spelling (`facts.md` 7).

use serde_json::{Value, json};

use crate::arm::Write;
use crate::body;
use crate::providers::machine_learning::compute_checks::normal_duration;
use crate::providers::machine_learning::computes::{INNER, operation};
use crate::providers::resources::subscriptions::normal_location;
use crate::state::State;

pub(in crate::providers) fn fill_envelope(state: &State, write: &Write<'_>, filled: &mut Value) {
    let location = body::text(filled, "/location").map(normal_location).unwrap_or_default();
    let now = state.now().strftime("%Y-%m-%dT%H:%M:%S%.7f+00:00").to_string();
    body::fill(filled, "/properties/computeLocation", location);
    body::fill(filled, "/properties/description", Value::Null);
    body::fill(filled, "/properties/disableLocalAuth", false);
    body::fill(filled, "/properties/createdOn", now.as_str());
    body::set(filled, "/properties/modifiedOn", now.as_str());
    body::set(filled, "/properties/provisioningErrors", Value::Null);
    body::set(filled, "/properties/isAttachedCompute", false);
    body::set(filled, "/properties/resourceId", Value::Null);
    body::set(filled, "/systemData", state.system_data(write.caller, write.existing.as_ref()));
}

pub(in crate::providers) fn fill_cluster(write: &Write<'_>, filled: &mut Value) {
    let inner = |name: &str| format!("{INNER}/{name}");
    if let Some(size) = body::text(filled, &inner("vmSize")).map(str::to_ascii_uppercase) {
        body::set(filled, &inner("vmSize"), size);
    }
    let private = body::truth(filled, &inner("enableNodePublicIp")) == Some(false)
        || body::at(filled, &inner("subnet/id")).is_some();
    let login = body::text(filled, &inner("remoteLoginPortPublicAccess")).unwrap_or("NotSpecified");
    if login == "NotSpecified" {
        body::set(
            filled,
            &inner("remoteLoginPortPublicAccess"),
            if private { "Disabled" } else { "Enabled" },
        );
    }
    for (name, value) in [
        ("osType", json!("Linux")),
        ("vmPriority", json!("Dedicated")),
        ("isolatedNetwork", json!(false)),
        ("enableNodePublicIp", json!(true)),
        ("scaleSettings/minNodeCount", json!(0)),
        ("scaleSettings/nodeIdleTimeBeforeScaleDown", json!("PT120S")),
    ] {
        body::fill(filled, &inner(name), value);
    }
    let idle = inner("scaleSettings/nodeIdleTimeBeforeScaleDown");
    if let Some(normal) = body::text(filled, &idle).and_then(normal_duration) {
        body::set(filled, &idle, normal);
    }
    body::remove(filled, &inner("userAccountCredentials/adminUserPassword"));
    body::remove(filled, &inner("userAccountCredentials/adminUserSshPublicKey"));
    let nodes = body::at(filled, &inner("scaleSettings/minNodeCount")).and_then(Value::as_u64).unwrap_or(0);
    body::set(filled, &inner("allocationState"), "Steady");
    let since = body::text(filled, "/properties/modifiedOn").unwrap_or_default().to_owned();
    body::set(filled, &inner("allocationStateTransitionTime"), since);
    body::set(filled, &inner("errors"), Value::Null);
    body::set(filled, &inner("currentNodeCount"), nodes);
    body::set(filled, &inner("targetNodeCount"), nodes);
    body::set(
        filled,
        &inner("nodeStateCounts"),
        json!({
            "preparingNodeCount": 0, "runningNodeCount": 0, "idleNodeCount": nodes, "unusableNodeCount": 0,
            "leavingNodeCount": 0, "preemptedNodeCount": 0,
        }),
    );
    if write.existing.is_none() {
        body::fill(filled, &inner("virtualMachineImage"), Value::Null);
    }
}

pub(in crate::providers) fn fill_instance(state: &State, write: &Write<'_>, filled: &mut Value) {
    let inner = |name: &str| format!("{INNER}/{name}");
    let location = body::text(filled, "/location").map(normal_location).unwrap_or_default();
    let digest = state.digest(&format!("address of {}", write.id.folded()));
    let public = body::truth(filled, &inner("enableNodePublicIp")) != Some(false);
    let address = public.then(|| format!("20.{}.{}.{}", digest[0], digest[1], digest[2].max(1)));
    let app = |name: &str, path: &str| json!({ "displayName": name, "endpointUri": format!("https://{}.{location}.instances.azureml.ms/{path}", write.name()) });
    for (name, value) in [
        ("applicationSharingPolicy", json!("Personal")),
        ("sshSettings/sshPublicAccess", json!("Disabled")),
        ("sshSettings/adminUserName", json!("azureuser")),
        ("sshSettings/sshPort", json!(22)),
        ("computeInstanceAuthorizationType", json!("personal")),
        ("enableNodePublicIp", json!(true)),
        ("enableSSO", json!(true)),
        ("state", json!("Creating")),
        (
            "connectivityEndpoints",
            json!({ "publicIpAddress": address, "privateIpAddress": format!("10.0.0.{}", digest[3].clamp(4, 250)) }),
        ),
        (
            "applications",
            json!([app("Jupyter", "tree"), app("Jupyter Lab", "lab"), app("RStudio", "rstudio")]),
        ),
        (
            "createdBy",
            json!({ "userName": "", "userOrgId": write.caller.tenant, "userId": write.caller.object_id }),
        ),
        (
            "osImageMetadata",
            json!({ "currentImageVersion": "25.09.01", "latestImageVersion": "25.09.01", "isLatestOsImageVersion": true }),
        ),
        ("versions", json!({ "runtime": "3.0.02550.0002" })),
        ("lastOperation", operation(state, "Create")),
    ] {
        body::fill(filled, &inner(name), value);
    }
    body::set(filled, &inner("errors"), json!([]));
}
