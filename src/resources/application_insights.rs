//! `application_insights`: `Microsoft.Insights/components`.
//!
//! Its body mixes `PascalCase` and `camelCase`. Some minutes after it is made, Azure adds an alert rule
//! and an action group to the resource group, which are nobody's.

use serde_json::Value;

use super::address::Kind;
use super::behaviour::Behaviour;
use super::body;
use super::contract::{Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec};
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::name_rule;
use super::pointer;
use super::resource::{Resource, Resources};
use super::tags;

/// `Microsoft.Insights/components`
pub struct ApplicationInsights;

static SPEC: Spec = Spec {
    kind: Kind::ApplicationInsights,
    key: "application_insights",
    noun: "Application Insights",
    arm_type: "Microsoft.Insights/components",
    api_version: ApiVersion("2020-02-02"),
    doc: "An Application Insights component, for the telemetry of a workspace's experiments and deployments.",
    parent: Some(Kind::ResourceGroup),
    segment: "",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Free,
    listing: Listing::InGroup,
    located: Located::Yes,
    read_only: &[
        "/properties/AppId",
        "/properties/ApplicationId",
        "/properties/ConnectionString",
        "/properties/CreationDate",
        "/properties/HockeyAppToken",
        "/properties/InstrumentationKey",
        "/properties/LaMigrationDate",
        "/properties/Name",
        "/properties/PrivateLinkScopedResources",
        "/properties/TenantId",
        "/properties/Ver",
    ],
    timeout_secs: 30 * 60,
    behaviour: Behaviour::USUAL,
};

static FIELDS: [Field; 8] = [
    Field {
        name: "application_type",
        doc: "What kind of application is watched.",
        shape: Shape::Choice(&["web", "other"]),
        absent: WhenAbsent::Refused,
        arm: Arm::By { write: write_type, read: read_type },
        change: Change::Replace("the application type is decided when the component is made"),
    },
    Field {
        name: "workspace",
        doc: "The Log Analytics workspace that keeps the data. Components without one (classic) were retired on \
              2024-02-29, and Azure no longer makes them.",
        shape: Shape::Reference(&[Kind::LogAnalyticsWorkspace]),
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/WorkspaceResourceId"),
        change: Change::InPlace,
    },
    Field {
        name: "retention_in_days",
        doc: "How long data can be queried; left out, the workspace decides.",
        shape: Shape::Integer { min: 30, max: 730 },
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/RetentionInDays"),
        change: Change::InPlace,
    },
    Field {
        name: "sampling_percentage",
        doc: "The share of telemetry that is kept.",
        shape: Shape::Integer { min: 0, max: 100 },
        absent: WhenAbsent::Default(Literal::Integer(100)),
        arm: Arm::AtOr("/properties/SamplingPercentage", Literal::Integer(100)),
        change: Change::InPlace,
    },
    Field {
        name: "local_authentication_enabled",
        doc: "Whether the instrumentation key is accepted, beside Entra identities.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Not("/properties/DisableLocalAuth"),
        change: Change::InPlace,
    },
    Field {
        name: "ip_masking_enabled",
        doc: "Whether the addresses of clients are masked.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Not("/properties/DisableIpMasking"),
        change: Change::InPlace,
    },
    Field {
        name: "internet_ingestion_enabled",
        doc: "Whether telemetry is taken in other than through a private link.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccessForIngestion"),
        change: Change::InPlace,
    },
    Field {
        name: "internet_query_enabled",
        doc: "Whether telemetry can be queried other than through a private link.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccessForQuery"),
        change: Change::InPlace,
    },
];

const TYPE: &str = "/properties/Application_Type";

/// The retentions that Azure offers (type description of `RetentionInDays`).
const RETENTIONS: [i64; 9] = [30, 60, 90, 120, 180, 270, 365, 550, 730];

impl ResourceType for ApplicationInsights {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, _all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            |name| {
                name_rule::is_made_of(name, 1, 260, |c| !c.is_control() && !"%&\\?/#<>".contains(c))
                    && name_rule::has_ends(name, |c| c != ' ', |c| c != ' ' && c != '.')
            },
            "a component's name has 1 to 260 characters, none of % & \\ ? / # < >, and does not end with a dot or \
             a space",
        );
        let mut findings: Vec<Finding> = name.into_iter().collect();
        findings.extend(tags::check(resource, tags::MARKS, None));
        findings.extend(check_retention(resource));
        findings
    }

    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        let mut body = body::of(&SPEC, resource, context);
        pointer::put(&mut body, "/properties/Flow_Type", Value::from("Bluefield"));
        pointer::put(&mut body, "/properties/Request_Source", Value::from("rest"));
        body
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id"), ("app_id", "/properties/AppId")]
    }
}

fn check_retention(resource: &Resource) -> Option<Finding> {
    let days = resource.field("retention_in_days").and_then(Value::as_i64)?;
    (!RETENTIONS.contains(&days)).then(|| {
        Finding::error(
            "insights-retention",
            "retention_in_days",
            &format!("telemetry cannot be kept for {days} days"),
            "Application Insights keeps it for 30, 60, 90, 120, 180, 270, 365, 550 or 730 days",
            "write one of these",
        )
    })
}

/// ARM has the type twice: `kind` names the blade of the portal.
fn write_type(value: &Value, body: &mut Value) {
    pointer::put(body, "/kind", value.clone());
    pointer::put(body, TYPE, value.clone());
}

fn read_type(body: &Value) -> Option<Value> {
    pointer::get(body, TYPE).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::difference::{Difference, Effect};
    use super::super::fixture::{GROUP, World};
    use super::*;

    const LOCAL: &str = "application_insights/main";
    const LOGS: &str = "log_analytics_workspaces/main";

    fn world() -> World {
        let mut world = World::new();
        world.declare(LOGS, "log-ml-production", json!({}));
        world.declare(LOCAL, "ai-ml-production", json!({ "application_type": "web", "workspace": "main" }));
        world
    }

    fn workspace() -> String {
        format!("{GROUP}/providers/Microsoft.OperationalInsights/workspaces/log-ml-production")
    }

    fn observed() -> Value {
        json!({
            "id": format!("{GROUP}/providers/microsoft.insights/components/ai-ml-production"),
            "name": "ai-ml-production", "type": "microsoft.insights/components", "location": "East US",
            "kind": "web", "etag": "\"1\"",
            "tags": {
                "environment": "production", "team": "data-science", "hidden-link:/subscriptions/x": "Resource",
                "beamline": "acme/production", "beamline-address": "application_insights/main", "beamline-id": "b5d67dd4ba22f82c"
            },
            "properties": {
                "ApplicationId": "ai-ml-production", "AppId": "887f4bfd", "Application_Type": "Web",
                "Flow_Type": "Bluefield", "Request_Source": "rest", "InstrumentationKey": "bc095013",
                "CreationDate": "2026-01-24T01:05:38Z", "TenantId": "f438d567", "HockeyAppId": "", "HockeyAppToken": "",
                "provisioningState": "Succeeded", "SamplingPercentage": null, "RetentionInDays": 90,
                "WorkspaceResourceId": workspace().to_lowercase(), "ConnectionString": "InstrumentationKey=bc095013",
                "DisableIpMasking": false, "publicNetworkAccessForQuery": "Enabled",
                "publicNetworkAccessForIngestion": "Enabled", "IngestionMode": "LogAnalytics", "Ver": "v2"
            }
        })
    }

    #[test]
    fn the_body_says_everything_that_is_owned() {
        assert_eq!(
            world().body(LOCAL),
            json!({
                "location": "eastus",
                "kind": "web",
                "tags": {
                    "environment": "production", "team": "data-science",
                    "beamline": "acme/production", "beamline-address": "application_insights/main", "beamline-id": "b5d67dd4ba22f82c"
                },
                "properties": {
                    "Application_Type": "web",
                    "Flow_Type": "Bluefield",
                    "Request_Source": "rest",
                    "WorkspaceResourceId": workspace(),
                    "SamplingPercentage": 100,
                    "DisableLocalAuth": false,
                    "DisableIpMasking": false,
                    "publicNetworkAccessForIngestion": "Enabled",
                    "publicNetworkAccessForQuery": "Enabled"
                }
            })
        );
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(world().differences(LOCAL, &observed()), []);
    }

    #[test]
    fn another_workspace_is_named_as_the_definition_names_it() {
        let mut world = world();
        world.declare("log_analytics_workspaces/other", "log-other", json!({}));
        let mut observed = observed();
        let other = format!("{GROUP}/providers/microsoft.operationalinsights/workspaces/LOG-OTHER");
        observed["properties"]["WorkspaceResourceId"] = json!(other);
        assert_eq!(
            world.differences(LOCAL, &observed),
            [Difference {
                field: "workspace".to_owned(),
                before: json!("other"),
                after: json!("main"),
                effect: Effect::InPlace,
            }]
        );
        let put = world.put(LOCAL, &observed);
        assert_eq!(put["properties"]["WorkspaceResourceId"], json!(workspace()));
        assert_eq!(pointer::get(&put, "/properties/InstrumentationKey"), None);
        assert_eq!(put["properties"]["IngestionMode"], json!("LogAnalytics"));
        assert_eq!(put["tags"]["hidden-link:/subscriptions/x"], json!("Resource"));
    }

    #[test]
    fn every_field_in_place_is_one_put() {
        for (field, value, at, arm) in [
            ("retention_in_days", json!(365), "/properties/RetentionInDays", json!(365)),
            ("sampling_percentage", json!(50), "/properties/SamplingPercentage", json!(50)),
            ("local_authentication_enabled", json!(false), "/properties/DisableLocalAuth", json!(true)),
            ("ip_masking_enabled", json!(false), "/properties/DisableIpMasking", json!(true)),
            (
                "internet_ingestion_enabled",
                json!(false),
                "/properties/publicNetworkAccessForIngestion",
                json!("Disabled"),
            ),
            (
                "internet_query_enabled",
                json!(false),
                "/properties/publicNetworkAccessForQuery",
                json!("Disabled"),
            ),
        ] {
            let mut world = world();
            world.write(LOCAL, field, value);
            assert_eq!(world.difference(LOCAL, &observed()), (field.to_owned(), Effect::InPlace));
            assert_eq!(pointer::get(&world.put(LOCAL, &observed()), at), Some(&arm), "{field}");
        }
    }

    #[test]
    fn another_type_is_a_replacement() {
        let mut world = world();
        world.write(LOCAL, "application_type", json!("other"));
        assert!(matches!(world.difference(LOCAL, &observed()).1, Effect::Replace(_)));
    }

    #[test]
    fn retentions_that_azure_does_not_offer_are_found() {
        let mut world = world();
        world.write(LOCAL, "retention_in_days", json!(31));
        assert_eq!(world.codes(LOCAL), ["insights-retention"]);
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["a", "ai-ml (production)_1"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        assert_eq!(world().accepted(LOCAL, &["", "a.", "a/b", "a?", " a", &"x".repeat(261)]), [""; 0]);
    }
}
