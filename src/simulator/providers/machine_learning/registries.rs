//! Machine learning registries and the outbound rules of a workspace's managed network (`facts.md` 11),
//! as far as the control plane goes: no assets, and no resources in the managed group.

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::identity::{self, Spelling};
use crate::providers::machine_learning::workspaces::bad;
use crate::providers::names::word;
use crate::providers::{Answer, Kind, Removal, Style};
use crate::state::{State, Stored};

pub(in crate::providers) struct Registry;

/// A rule of what a managed network lets out.
pub(in crate::providers) struct OutboundRule;

static REGISTRY: Style = Style {
    arm_type: "Microsoft.MachineLearningServices/registries",
    first_version: "2022-10-01-preview",
    create: Answer::AsyncOperation(201),
    update: Answer::AsyncOperation(200),
    delete: Removal::Location,
    create_secs: 90.0,
    update_secs: 30.0,
    delete_secs: 60.0,
    status_segment: "registryOperationStatuses",
    result_segment: "registryOperationResults",
    ..Style::TRACKED
};

static RULE: Style = Style {
    arm_type: "Microsoft.MachineLearningServices/workspaces/outboundRules",
    first_version: "2023-08-01-preview",
    create: Answer::Location,
    update: Answer::Location,
    delete: Removal::Location,
    create_secs: 15.0,
    update_secs: 15.0,
    delete_secs: 15.0,
    result_segment: "workspaceOperationsStatus",
    ..Style::SYNC
};

impl Kind for Registry {
    fn style(&self) -> &'static Style {
        &REGISTRY
    }

    /// Registries have no provisioning state of their own (bicep-types 2025-12-01).
    fn render(&self, _state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        body::remove(&mut body, "/properties/provisioningState");
        body
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !word(write.name(), 3, 33) {
            return Err(bad(format!(
                "Registry name '{}' is invalid: 3 to 33 letters, digits, '-' or '_'.",
                write.name()
            )));
        }
        let regions = body::items(write.body, "/properties/regionDetails");
        if regions.is_empty() || regions.iter().any(|region| body::text(region, "/location").is_none()) {
            return Err(
                bad("The property 'regionDetails' must name at least one location.").at("regionDetails")
            );
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        body::fill(&mut filled, "/identity/type", "SystemAssigned");
        let with_identity = Write { body: &filled.clone(), existing: write.existing.clone(), ..*write };
        identity::assign(state, &with_identity, &mut filled, Spelling::Tight);
        let location =
            body::text(&filled, "/location").map(crate::providers::normal_location).unwrap_or_default();
        let subscription = write.id.subscription_id().map(|id| id.to_string()).unwrap_or_default();
        let group = format!("azureml-rg-{}_{}", write.name(), state.uuid_of("managed group", write.id));
        for (pointer, value) in [
            ("/sku/name", json!("Basic")),
            ("/sku/tier", json!("Basic")),
            ("/kind", Value::Null),
            ("/tags", json!({})),
            ("/properties/publicNetworkAccess", json!("Enabled")),
            ("/properties/registryPrivateEndpointConnections", json!([])),
        ] {
            body::fill(&mut filled, pointer, value);
        }
        let service = format!("{location}.api.azureml.ms");
        for (name, value) in [
            (
                "discoveryUrl",
                json!(format!(
                    "https://{service}/registrymanagement/v1.0/registries/{}/discovery",
                    write.name()
                )),
            ),
            ("mlFlowRegistryUri", json!(format!("azureml://{service}/mlflow/v1.0{}", write.id))),
            (
                "managedResourceGroup",
                json!({ "resourceId": format!("/subscriptions/{subscription}/resourceGroups/{group}") }),
            ),
        ] {
            body::set(&mut filled, &format!("/properties/{name}"), value);
        }
        let system_data = state.system_data(write.caller, write.existing.as_ref());
        body::set(&mut filled, "/systemData", system_data);
        filled
    }

    /// PATCH knows tags, SKU and identity.
    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        let mut wanted = existing.clone();
        for pointer in ["/tags", "/sku", "/identity"] {
            if let Some(value) = body::at(sent, pointer) {
                body::set(&mut wanted, pointer, value.clone());
            }
        }
        Ok(wanted)
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::Purge)
    }
}

impl Kind for OutboundRule {
    fn style(&self) -> &'static Style {
        &RULE
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !word(write.name(), 1, 255) {
            return Err(bad(format!("The rule name '{}' is invalid.", write.name())));
        }
        let missing = |name: &str| bad(format!("The property '{name}' is required.")).at(name);
        let needs = match write.text("/properties/type") {
            Some("FQDN") => {
                return write.text("/properties/destination").map(drop).ok_or_else(|| missing("destination"));
            }
            Some("PrivateEndpoint") => ["serviceResourceId", "subresourceTarget"].as_slice(),
            Some("ServiceTag") => ["serviceTag", "protocol", "portRanges"].as_slice(),
            Some(other) => return Err(bad(format!("The rule type '{other}' is not valid.")).at("type")),
            None => return Err(missing("type")),
        };
        match needs
            .iter()
            .find(|name| body::at(write.body, &format!("/properties/destination/{name}")).is_none())
        {
            Some(name) => Err(missing(name)),
            None => Ok(()),
        }
    }

    fn fill(&self, _: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": write.body["properties"] });
        body::set(&mut filled, "/properties/category", "UserDefined");
        body::set(&mut filled, "/properties/status", "Active");
        filled
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::Purge)
    }
}
