//! Computes of a workspace (`facts.md` 7): clusters, instances, and what each lets change in place.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Query, Start, Write, start};
use crate::body;
use crate::http::Reply;
use crate::operation::{Afterlife, Effect, Power};
use crate::providers::identity::{self, Spelling};
use crate::providers::machine_learning::compute_checks::{
    check_cluster, check_idle_time, check_instance, check_name, check_workspace,
};
use crate::providers::machine_learning::compute_defaults::{fill_cluster, fill_envelope, fill_instance};
use crate::providers::machine_learning::workspaces::bad;
use crate::providers::{
    Answer, Kind, Placement, Provisioning, Removal, Style, Tracking, machine_learning::compute_quota,
};
use crate::state::{State, Stored};
use crate::times::Deed;
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Compute;

/// The type of computes.
pub(in crate::providers) const TYPE: &str = "Microsoft.MachineLearningServices/workspaces/computes";

/// Where the properties of a compute itself are.
pub(in crate::providers) const INNER: &str = "/properties/properties";

/// How long starting, stopping and restarting an instance takes, in seconds.
const POWER_SECS: f64 = 90.0;

static STYLE: Style = Style {
    arm_type: TYPE,
    first_version: "2018-03-01-preview",
    placement: Placement::Regional,
    provisioning: Provisioning::Shown,
    tracking: Tracking::Untracked,
    create: Answer::AsyncOperation(201),
    update: Answer::AsyncOperation(200),
    patch: Answer::AsyncOperation(200),
    delete: Removal::LocationAndStatus,
    create_secs: 30.0,
    update_secs: 20.0,
    delete_secs: 90.0,
    status_segment: "computeOperationsStatus",
    result_segment: "computeOperationsResults",
    ..Style::SYNC
};

/// How long the creation of an instance takes, in seconds.
const INSTANCE_SECS: f64 = 240.0;

impl Kind for Compute {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn create_secs(&self, write: &Write<'_>) -> f64 {
        if is_instance(write.body) { INSTANCE_SECS } else { STYLE.create_secs }
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write)?;
        check_workspace(state, write)?;
        match write.text("/properties/computeType") {
            Some("AmlCompute") => check_cluster(state, write),
            Some("ComputeInstance") => check_instance(state, write),
            Some(kind) if ATTACHED.contains(&kind) => Ok(()),
            Some(other) => Err(bad(format!("The compute type '{other}' is not valid."))),
            None => Err(bad("The property 'computeType' is required.").at("properties.computeType")),
        }?;
        compute_quota::check(state, write)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = keep_fixed(write);
        identity::assign(state, write, &mut filled, Spelling::Tight);
        fill_envelope(state, write, &mut filled);
        match body::text(&filled, "/properties/computeType") {
            Some("ComputeInstance") => fill_instance(state, write, &mut filled),
            Some("AmlCompute") => fill_cluster(write, &mut filled),
            Some(_) | None => {
                let attached = body::at(write.body, "/properties/resourceId").cloned();
                body::set(&mut filled, "/properties/isAttachedCompute", attached.is_some());
                body::set(&mut filled, "/properties/resourceId", attached.unwrap_or_default());
            }
        }
        filled
    }

    /// Only the scale settings of a cluster can be patched (swagger `ClusterUpdateParameters`).
    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        if is_instance(existing) {
            return Err(bad("Only the scale settings of an AmlCompute can be updated."));
        }
        let pointer = format!("{INNER}/scaleSettings");
        let Some(settings) = body::at(sent, &pointer) else {
            return Err(
                bad("The property 'scaleSettings' is required.").at("properties.properties.scaleSettings")
            );
        };
        let mut wanted = existing.clone();
        let mut merged = body::at(existing, &pointer).cloned().unwrap_or_default();
        body::merge(&mut merged, settings);
        body::set(&mut wanted, &pointer, merged);
        Ok(wanted)
    }

    fn before_delete(&self, _: &State, _: &Stored, query: &Query) -> Result<Afterlife, ArmError> {
        match query.get("underlyingResourceAction").map(str::to_ascii_lowercase).as_deref() {
            Some("delete" | "detach") => Ok(Afterlife::Purge),
            Some(_) | None => {
                Err(bad("The query parameter 'underlyingResourceAction' must be 'Delete' or 'Detach'."))
            }
        }
    }

    fn provisioned(&self, state: &mut State, id: &ResourceId) {
        let Some(stored) = state.get_mut(id) else { return };
        let place = format!("{INNER}/state");
        if is_instance(&stored.body) && body::text(&stored.body, &place) == Some("Creating") {
            body::set(&mut stored.body, &place, "Running");
        }
    }

    fn action(
        &self,
        state: &mut State,
        call: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        match action {
            "start" => Some(power(state, call, stored, ("Start", "Starting", Power::Running))),
            "stop" => Some(power(state, call, stored, ("Stop", "Stopping", Power::Stopped))),
            "restart" => Some(power(state, call, stored, ("Restart", "Restarting", Power::Running))),
            "updateidleshutdownsetting" => Some(set_idle_time(state, call, stored)),
            "listnodes" => Some(Ok(Reply::json(200, json!({ "nodes": nodes(state, stored) })))),
            "listkeys" => Some(Ok(Reply::json(200, keys(stored)))),
            _ => None,
        }
    }
}

/// Compute types that are attached from elsewhere: accepted and kept, nothing runs in them.
const ATTACHED: [&str; 8] = [
    "AKS",
    "Kubernetes",
    "VirtualMachine",
    "HDInsight",
    "DataFactory",
    "Databricks",
    "DataLakeAnalytics",
    "SynapseSpark",
];

/// The nodes of a cluster that is never scaled down: they idle.
fn nodes(state: &State, stored: &Stored) -> Vec<Value> {
    let count = body::at(&stored.body, &format!("{INNER}/currentNodeCount")).and_then(Value::as_u64);
    let digest = state.digest(&format!("nodes of {}", stored.id.folded()));
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (1..=count.unwrap_or(0).min(1000))
        .map(|node| {
            json!({
                "nodeId": format!("tvmps_{number:08x}_{node}_d"), "nodeState": "idle", "runId": null,
                "privateIpAddress": format!("10.0.{}.{}", node / 250, 4 + node % 250),
                "publicIpAddress": format!("20.{}.{}.{}", digest[4], digest[5], digest[6].max(1)),
                "port": 50_000 + node - 1,
            })
        })
        .collect()
}

/// What a compute gives away: of a Kubernetes cluster its configurations, of others nothing.
fn keys(stored: &Stored) -> Value {
    let kind = body::text(&stored.body, "/properties/computeType").unwrap_or_default();
    let mut keys = json!({ "computeType": kind });
    if kind == "AKS" {
        let name = stored.id.name();
        keys["userKubeConfig"] = json!(format!("user kube config of {name}"));
        keys["adminKubeConfig"] = json!(format!("admin kube config of {name}"));
        keys["imagePullSecretName"] = json!(format!("{name}-pull"));
    }
    keys
}

pub(in crate::providers) fn is_instance(body: &Value) -> bool {
    body::text(body, "/properties/computeType") == Some("ComputeInstance")
}

/// What a PUT on an existing compute cannot change stays as it is, silently (`facts.md` 22).
fn keep_fixed(write: &Write<'_>) -> Value {
    let Some(old) = &write.existing else { return write.body.clone() };
    let mut filled = old.clone();
    if is_instance(old) {
        return filled;
    }
    body::copy(&mut filled, write.body, "/tags");
    body::set(
        &mut filled,
        &format!("{INNER}/scaleSettings"),
        write.body["properties"]["properties"]["scaleSettings"].clone(),
    );
    filled
}

pub(in crate::providers) fn operation(state: &State, name: &str) -> Value {
    json!({
        "operationName": name, "operationTime": state.now().to_string(), "operationStatus": "Succeeded",
        "operationTrigger": "User",
    })
}

fn power(
    state: &mut State,
    call: &Call<'_>,
    stored: &Stored,
    (name, between, after): (&str, &str, Power),
) -> Result<Reply, ArmError> {
    if !is_instance(&stored.body) {
        return Err(bad(format!("The operation '{name}' is supported for compute instances only.")));
    }
    if stored.operation.is_some() {
        return Err(Compute.busy(&stored.id, "Updating"));
    }
    let last = operation(state, name);
    if let Some(stored) = state.get_mut(&stored.id) {
        body::set(&mut stored.body, &format!("{INNER}/state"), between);
        body::set(&mut stored.body, &format!("{INNER}/lastOperation"), last);
    }
    let effect = Effect::Power(after);
    let begun = start(
        state,
        call,
        Start { id: &stored.id, style: &STYLE, effect, deed: Deed::Power, seconds: POWER_SECS },
    );
    Ok(Reply::empty(202)
        .with("azure-asyncoperation", begun.status_url)
        .with("retry-after", begun.retry_after_secs))
}

/// The only way to change the idle time of an existing instance (ML how-to-create-compute-instance).
fn set_idle_time(state: &mut State, call: &Call<'_>, stored: &Stored) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let Some(idle) = body::text(&sent, "/idleTimeBeforeShutdown") else {
        return Err(bad("The property 'idleTimeBeforeShutdown' is required."));
    };
    check_idle_time(Some(idle))?;
    if !is_instance(&stored.body) {
        return Err(bad("Idle shutdown is supported for compute instances only."));
    }
    if let Some(stored) = state.get_mut(&stored.id) {
        body::set(&mut stored.body, &format!("{INNER}/idleTimeBeforeShutdown"), idle);
    }
    Ok(Reply::empty(200))
}
