//! The managed network of a workspace as an operation, what a workspace must reach outside, and the
//! features of its portal.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Start, Typed, missing_resource, start};
use crate::body;
use crate::http::Reply;
use crate::operation::{Effect, Spark};
use crate::providers::Kind as _;
use crate::providers::machine_learning::workspaces::{Workspace, bad};
use crate::state::{State, Stored};
use crate::times::Deed;

/// How long a managed network takes, in seconds (ML how-to-managed-network: several minutes).
const PROVISIONING_SECS: f64 = 300.0;

/// Category, host, port (ML how-to-access-azureml-behind-firewall). `{l}` is the workspace's region.
const ENDPOINTS: [(&str, &str, u16); 7] = [
    ("Azure Active Directory", "login.microsoftonline.com", 443),
    ("Azure portal", "management.azure.com", 443),
    ("Azure Machine Learning", "ml.azure.com", 443),
    ("Azure Machine Learning", "{l}.api.azureml.ms", 443),
    ("Azure Machine Learning", "{l}.notebooks.azure.net", 443),
    ("Azure Machine Learning compute", "{l}.batch.azure.com", 443),
    ("Microsoft Container Registry", "mcr.microsoft.com", 443),
];

/// Id, name, description (WorkspaceFeatures_List example).
const FEATURES: [(&str, &str, &str); 2] = [
    (
        "automatedml_createeditexperimentsui",
        "Create edit experiments UI",
        "Create, edit or delete AutoML experiments in the SDK",
    ),
    (
        "workspace_upgradeworkspaceui",
        "Upgrade workspace UI",
        "Upgrade workspace from Basic to enterprise from the UI",
    ),
];

/// Lists below a workspace that are no resources.
pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let ("GET", ["workspaces", _, list]) = (call.method.as_str(), tail) else { return None };
    let answer: fn(&Stored) -> Value = match *list {
        "outboundnetworkdependenciesendpoints" => endpoints,
        "features" => |_| features(),
        _ => return None,
    };
    Some(typed.id_of(2).and_then(|id| match state.get(&id) {
        Some(workspace) => Ok(Reply::json(200, json!({ "value": answer(workspace) }))),
        None => Err(missing_resource(&id)),
    }))
}

fn endpoints(workspace: &Stored) -> Value {
    let location = body::text(&workspace.body, "/location").unwrap_or_default();
    let mut categories: Vec<&str> = ENDPOINTS.iter().map(|(category, ..)| *category).collect();
    categories.dedup();
    let of = |category: &str| -> Vec<Value> {
        let own = ENDPOINTS.iter().filter(|(known, ..)| *known == category);
        let entry = |(_, host, port): &(&str, &str, u16)| json!({ "domainName": host.replace("{l}", location), "endpointDetails": [{ "port": port }] });
        own.map(entry).collect()
    };
    let entry =
        |category: &&str| json!({ "properties": { "category": category, "endpoints": of(category) } });
    categories.iter().map(entry).collect()
}

fn features() -> Value {
    let entry = |(id, name, description): &(&str, &str, &str)| json!({ "id": id, "displayName": name, "description": description });
    FEATURES.iter().map(entry).collect()
}

/// Makes the managed network now instead of with the first compute (ManagedNetworkProvisions).
pub(in crate::providers) fn provision(
    state: &mut State,
    call: &Call<'_>,
    workspace: &Stored,
) -> Result<Reply, ArmError> {
    let sent = call.body().unwrap_or_default();
    let mode = body::text(&workspace.body, "/properties/managedNetwork/isolationMode").unwrap_or("Disabled");
    if mode == "Disabled" {
        return Err(bad("The workspace has no managed network: its isolation mode is Disabled."));
    }
    let spark = if body::truth(&sent, "/includeSpark") == Some(true) { Spark::Ready } else { Spark::Absent };
    let effect = Effect::ManagedNetwork(spark);
    let (style, deed) = (Workspace.style(), Deed::Update);
    let begin = Start { id: &workspace.id, style, effect, deed, seconds: PROVISIONING_SECS };
    let begun = start(state, call, begin);
    Ok(Reply::empty(202).with("location", begun.result_url).with("retry-after", begun.retry_after_secs))
}
