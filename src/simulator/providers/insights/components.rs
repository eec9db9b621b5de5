//! `Microsoft.Insights` components (`facts.md` 4): everything at once, PUT answers 200 even when it
//! creates, PATCH knows tags only, the location comes back as a display name.

use serde_json::{Value, json};

use crate::arm::{ArmError, Write};
use crate::body;
use crate::providers::{Answer, Kind, Placement, Style, insights::alerts, resources::subscriptions};
use crate::state::State;
use beamline_base::id::ResourceId;

/// An Application Insights component.
pub(in crate::providers) struct Component;

static STYLE: Style = Style {
    arm_type: "microsoft.insights/components",
    first_version: "2014-04-01",
    placement: Placement::Display,
    create: Answer::Sync(200),
    ..Style::TRACKED
};

impl Kind for Component {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let required = |name: &str, pointer: &str| {
            write.text(pointer).ok_or_else(|| {
                ArmError::bad_request("BadRequest", format!("The property '{name}' is required.")).at(name)
            })
        };
        required("kind", "/kind")?;
        let kind = required("Application_Type", "/properties/Application_Type")?;
        if write.old_text("/properties/Application_Type").is_some_and(|old| old != kind) {
            let message = "Application_Type of an existing component cannot be changed.";
            return Err(ArmError::bad_request("BadRequest", message).at("Application_Type"));
        }
        let workspace = required("WorkspaceResourceId", "/properties/WorkspaceResourceId")?;
        let known = workspace.parse::<ResourceId>().is_ok_and(|id| state.get(&id).is_some());
        if known {
            return Ok(());
        }
        let message = format!(
            "Workspace '{workspace}' is not active or could not be found. Please verify that the workspace exists."
        );
        Err(ArmError::bad_request("BadRequest", message).at("WorkspaceResourceId"))
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        let key = state.uuid_of("instrumentation key", write.id);
        let app = state.uuid_of("application", write.id);
        let location = body::text(&filled, "/location").unwrap_or("eastus").to_owned();
        let region = subscriptions::normal_location(&location);
        let created = state.get(write.id).map_or_else(|| state.now(), |stored| stored.created);
        let connection = format!(
            "InstrumentationKey={key};IngestionEndpoint=https://{region}-8.in.applicationinsights.azure.com/;\
             LiveEndpoint=https://{region}.livediagnostics.monitor.azure.com/;ApplicationId={app}"
        );
        for (name, value) in [
            ("ApplicationId", json!(write.name())),
            ("AppId", json!(app)),
            ("InstrumentationKey", json!(key)),
            ("ConnectionString", json!(connection)),
            ("Name", json!(write.name())),
            ("CreationDate", json!(created.strftime("%Y-%m-%dT%H:%M:%S%.7f+00:00").to_string())),
            ("TenantId", json!(write.id.subscription_id().map(|id| id.to_string()))),
        ] {
            body::set(&mut filled, &format!("/properties/{name}"), value);
        }
        for (name, value) in [
            ("Flow_Type", json!("Bluefield")),
            ("Request_Source", json!("rest")),
            ("RetentionInDays", json!(90)),
            ("SamplingPercentage", json!(100.0)),
            ("DisableIpMasking", json!(false)),
            ("IngestionMode", json!("LogAnalytics")),
            ("publicNetworkAccessForIngestion", json!("Enabled")),
            ("publicNetworkAccessForQuery", json!("Enabled")),
        ] {
            body::fill(&mut filled, &format!("/properties/{name}"), value);
        }
        body::fill(&mut filled, "/tags", json!({}));
        body::set(&mut filled, "/location", subscriptions::display_location(&location));
        filled
    }

    fn provisioned(&self, state: &mut State, id: &ResourceId) {
        alerts::watch(state, id);
    }

    /// Everything but tags is accepted and ignored.
    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        let mut wanted = existing.clone();
        if let Some(tags) = body::at(sent, "/tags") {
            body::set(&mut wanted, "/tags", tags.clone());
        }
        Ok(wanted)
    }
}
