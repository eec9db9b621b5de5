//! `log_analytics_workspaces`: `Microsoft.OperationalInsights/workspaces`.
//!
//! Its provider answers ids in lower case. A deleted workspace is kept for 14 days, and making it again
//! at the same place brings it back with its data.

use serde_json::{Map, Value};

use super::address::Kind;
use super::behaviour::Behaviour;
use super::body;
use super::contract::{Carrier, Listing, Located, NameScope, Protection, ResourceType, Spec};
use super::difference::Effect;
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::name_rule;
use super::resource::{OnDelete, Resource, Resources};
use super::tags;

/// `Microsoft.OperationalInsights/workspaces`
pub struct LogAnalyticsWorkspace;

static SPEC: Spec = Spec {
    kind: Kind::LogAnalyticsWorkspace,
    key: "log_analytics_workspaces",
    noun: "Log Analytics workspace",
    arm_type: "Microsoft.OperationalInsights/workspaces",
    api_version: ApiVersion("2025-07-01"),
    doc: "A Log Analytics workspace, where Application Insights keeps its data.",
    parent: Some(Kind::ResourceGroup),
    segment: "",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::InGroup,
    located: Located::Yes,
    read_only: &[
        "/properties/customerId",
        "/properties/createdDate",
        "/properties/modifiedDate",
        "/properties/privateLinkScopedResources",
        "/properties/sku/lastSkuUpdate",
        "/properties/workspaceCapping/quotaNextResetTime",
        "/properties/workspaceCapping/dataIngestionStatus",
    ],
    timeout_secs: 30 * 60,
    behaviour: Behaviour { soft_deleted: true, ..Behaviour::USUAL },
};

static FIELDS: [Field; 6] = [
    Field {
        name: "sku",
        doc: "How ingested data is paid for.",
        shape: Shape::Choice(&["PerGB2018", "PerNode", "Standalone", "Free"]),
        absent: WhenAbsent::Default(Literal::Text("PerGB2018")),
        arm: Arm::At("/properties/sku/name"),
        change: Change::InPlace,
    },
    Field {
        name: "retention_in_days",
        doc: "How long data can be queried. With the sku Free always 7 days.",
        shape: Shape::Integer { min: 7, max: 730 },
        absent: WhenAbsent::Default(Literal::Integer(30)),
        arm: Arm::At("/properties/retentionInDays"),
        change: Change::InPlace,
    },
    Field {
        name: "daily_quota_gb",
        doc: "How much data is taken in per day, in GB; -1 is no limit.",
        shape: Shape::Integer { min: -1, max: 1_000_000 },
        absent: WhenAbsent::Default(Literal::Integer(-1)),
        arm: Arm::AtOr("/properties/workspaceCapping/dailyQuotaGb", Literal::Integer(-1)),
        change: Change::InPlace,
    },
    Field {
        name: "internet_ingestion_enabled",
        doc: "Whether data is taken in other than through a private link.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccessForIngestion"),
        change: Change::InPlace,
    },
    Field {
        name: "internet_query_enabled",
        doc: "Whether data can be queried other than through a private link.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccessForQuery"),
        change: Change::InPlace,
    },
    Field {
        name: "local_authentication_enabled",
        doc: "Whether the workspace's keys are accepted, beside Entra identities.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Not("/properties/features/disableLocalAuth"),
        change: Change::InPlace,
    },
];

/// How long the Free sku keeps data, never more or less (`facts-data.md`, Log Analytics).
const FREE_DAYS: i64 = 7;

/// How long a deleted workspace keeps its name (Log Analytics, "Delete and recover a workspace").
const SOFT_DELETE_DAYS: u8 = 14;

impl ResourceType for LogAnalyticsWorkspace {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, _all: &Resources) -> Vec<Finding> {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let name = name_rule::check(
            resource,
            |name| {
                name_rule::is_made_of(name, 4, 63, |c| is_word(c) || c == '-')
                    && name_rule::has_ends(name, is_word, is_word)
            },
            "a Log Analytics workspace's name has 4 to 63 letters, digits and dashes, with a letter or digit at \
             both ends",
        );
        let mut findings: Vec<Finding> = name.into_iter().collect();
        findings.extend(tags::check(resource, tags::MARKS, None));
        findings.extend(check_retention(resource));
        findings.extend(check_quota(resource));
        findings
    }

    fn default_beside(&self, field: &str, fields: &Map<String, Value>) -> Option<Value> {
        let is_free = fields.get("sku").and_then(Value::as_str) == Some("Free");
        (is_free && field == "retention_in_days").then(|| FREE_DAYS.into())
    }

    /// A workspace that is linked to a dedicated cluster answers with a sku that it does not decide.
    fn effect(&self, resource: &Resource, path: &str, before: &Value, after: &Value) -> Effect {
        let is_linked = before.as_str().is_some_and(|sku| sku.eq_ignore_ascii_case("LACluster"));
        if path == "sku" && is_linked {
            return Effect::Note("the cluster that the workspace is linked to decides its sku".to_owned());
        }
        body::effect_by_table(&SPEC, resource, path, before, after)
    }

    fn replaceable(&self, resource: &Resource, _observed: &Value) -> Result<(), String> {
        match resource.on_delete {
            OnDelete::Purge => Ok(()),
            OnDelete::Keep => Err(format!(
                "the deleted workspace keeps its name for {SOFT_DELETE_DAYS} days; write `on_delete: purge` or \
                 another `name`"
            )),
        }
    }

    fn delete_query(
        &self,
        resource: Option<&Resource>,
        _observed: &Value,
    ) -> Vec<(&'static str, &'static str)> {
        match resource.map(|resource| resource.on_delete) {
            Some(OnDelete::Purge) => vec![("force", "true")],
            Some(OnDelete::Keep) | None => Vec::new(),
        }
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id"), ("workspace_id", "/properties/customerId")]
    }
}

/// The Free sku has a cap of its own, which Azure does not let anybody set (`facts-data.md`, Log Analytics).
fn check_quota(resource: &Resource) -> Option<Finding> {
    let quota = resource.field("daily_quota_gb").and_then(Value::as_i64).filter(|quota| *quota != -1)?;
    (resource.text("sku") == Some("Free")).then(|| {
        Finding::error(
            "log-quota",
            "daily_quota_gb",
            &format!("a cap of {quota} GB a day cannot be set"),
            "the Free sku has a daily cap of its own",
            "leave out `daily_quota_gb`, or choose the sku PerGB2018",
        )
    })
}

fn check_retention(resource: &Resource) -> Option<Finding> {
    let days = resource.field("retention_in_days").and_then(Value::as_i64)?;
    let (fits, rule, remedy) = match resource.text("sku") {
        Some("Free") => (
            days == FREE_DAYS,
            "the Free sku keeps data for exactly 7 days",
            "leave out `retention_in_days`, or choose the sku PerGB2018",
        ),
        _ => (days >= 30, "data is kept for 30 to 730 days", "write 30 to 730"),
    };
    (!fits).then(|| {
        let message = format!("data cannot be kept for {days} days");
        Finding::error("log-retention", "retention_in_days", &message, rule, remedy)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::World;
    use super::super::pointer;
    use super::*;

    const LOCAL: &str = "log_analytics_workspaces/main";

    fn world() -> World {
        let mut world = World::new();
        world.declare(LOCAL, "log-ml-production", json!({ "retention_in_days": 30 }));
        world
    }

    fn observed() -> Value {
        json!({
            "id": "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/rg-ml-production/providers/microsoft.operationalinsights/workspaces/log-ml-production",
            "name": "Log-ML-Production", "type": "Microsoft.OperationalInsights/workspaces", "location": "eastus",
            "etag": "\"1\"",
            "tags": {
                "environment": "production", "team": "data-science",
                "beamline": "acme/production", "beamline-address": "log_analytics_workspaces/main", "beamline-id": "3e8a0ae77e890182"
            },
            "properties": {
                "customerId": "5b02755b-5bf4-430c-9487-45502a2a7e62", "provisioningState": "Succeeded",
                "createdDate": "2026-01-01T00:00:00Z", "modifiedDate": "2026-01-01T00:00:00Z",
                "sku": { "name": "pergb2018", "lastSkuUpdate": "2026-01-01T00:00:00Z" }, "retentionInDays": 30,
                "features": { "legacy": 0, "searchVersion": 1, "enableLogAccessUsingOnlyResourcePermissions": true },
                "workspaceCapping": { "dailyQuotaGb": -1.0, "quotaNextResetTime": "2026-01-01T00:00:00Z", "dataIngestionStatus": "RespectQuota" },
                "publicNetworkAccessForIngestion": "Enabled", "publicNetworkAccessForQuery": "Enabled"
            }
        })
    }

    #[test]
    fn the_body_says_everything_that_is_owned() {
        assert_eq!(
            world().body(LOCAL),
            json!({
                "location": "eastus",
                "tags": {
                    "environment": "production", "team": "data-science",
                    "beamline": "acme/production", "beamline-address": "log_analytics_workspaces/main", "beamline-id": "3e8a0ae77e890182"
                },
                "properties": {
                    "sku": { "name": "PerGB2018" },
                    "retentionInDays": 30,
                    "workspaceCapping": { "dailyQuotaGb": -1 },
                    "publicNetworkAccessForIngestion": "Enabled",
                    "publicNetworkAccessForQuery": "Enabled",
                    "features": { "disableLocalAuth": false }
                }
            })
        );
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(world().differences(LOCAL, &observed()), []);
    }

    #[test]
    fn every_field_in_place_is_one_put_that_keeps_the_rest() {
        for (field, value, at, arm) in [
            ("sku", json!("PerNode"), "/properties/sku/name", json!("PerNode")),
            ("retention_in_days", json!(90), "/properties/retentionInDays", json!(90)),
            ("daily_quota_gb", json!(5), "/properties/workspaceCapping/dailyQuotaGb", json!(5)),
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
            (
                "local_authentication_enabled",
                json!(false),
                "/properties/features/disableLocalAuth",
                json!(true),
            ),
        ] {
            let mut world = world();
            world.write(LOCAL, field, value);
            assert_eq!(world.difference(LOCAL, &observed()), (field.to_owned(), Effect::InPlace));
            let mut expected = observed();
            for gone in ["/id", "/name", "/type", "/etag", "/properties/provisioningState"] {
                pointer::remove(&mut expected, gone);
            }
            SPEC.read_only.iter().for_each(|gone| pointer::remove(&mut expected, gone));
            pointer::put(&mut expected, at, arm);
            assert_eq!(world.put(LOCAL, &observed()), expected, "{field}");
        }
    }

    #[test]
    fn the_sku_of_a_linked_workspace_is_only_noted() {
        let mut observed = observed();
        observed["properties"]["sku"]["name"] = json!("lacluster");
        assert!(matches!(world().difference(LOCAL, &observed).1, Effect::Note(_)));
    }

    #[test]
    fn a_purge_frees_the_name_at_once() {
        let mut world = world();
        assert_eq!(LogAnalyticsWorkspace.delete_query(Some(world.get(LOCAL)), &observed()), []);
        assert!(LogAnalyticsWorkspace.replaceable(world.get(LOCAL), &observed()).is_err());
        world.get(LOCAL).on_delete = OnDelete::Purge;
        assert_eq!(
            LogAnalyticsWorkspace.delete_query(Some(world.get(LOCAL)), &observed()),
            [("force", "true")]
        );
        assert_eq!(LogAnalyticsWorkspace.replaceable(world.get(LOCAL), &observed()), Ok(()));
        assert_eq!(LogAnalyticsWorkspace.delete_query(None, &observed()), []);
    }

    #[test]
    fn the_retention_fits_the_sku() {
        for (sku, days, codes) in [
            ("PerGB2018", 29, vec!["log-retention"]),
            ("Free", 30, vec!["log-retention"]),
            ("Free", 7, vec![]),
        ] {
            let mut world = world();
            world.write(LOCAL, "sku", json!(sku));
            world.write(LOCAL, "retention_in_days", json!(days));
            assert_eq!(world.codes(LOCAL), codes);
        }
    }

    #[test]
    fn the_free_sku_has_a_cap_of_its_own() {
        let mut world = world();
        world.write(LOCAL, "sku", json!("Free"));
        world.write(LOCAL, "retention_in_days", json!(7));
        for (quota, codes) in [(json!(1), vec!["log-quota"]), (json!(-1), vec![])] {
            world.write(LOCAL, "daily_quota_gb", quota);
            assert_eq!(world.codes(LOCAL), codes);
        }
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["logs", "log-ml-production", "1--1"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        assert_eq!(world().accepted(LOCAL, &["log", "-logs", "logs-", "log_s", &"x".repeat(64)]), [""; 0]);
    }
}
