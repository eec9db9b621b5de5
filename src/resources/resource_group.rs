//! `resource_group`: the group that holds an environment, `Microsoft.Resources/resourceGroups`.
//!
//! Deleting it deletes everything in it, ours or not; therefore it is protected, and the planner looks
//! into it first.

use serde_json::Value;

use super::address::Kind;
use super::behaviour::Behaviour;
use super::body;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::finding::Finding;
use super::id::ApiVersion;
use super::name_rule;
use super::resource::{Resource, Resources};
use super::tags;

/// `Microsoft.Resources/resourceGroups`
pub struct ResourceGroup;

static SPEC: Spec = Spec {
    kind: Kind::ResourceGroup,
    key: "resource_group",
    noun: "resource group",
    arm_type: "Microsoft.Resources/resourceGroups",
    api_version: ApiVersion("2025-04-01"),
    doc: "The resource group that holds the environment. With `existing: true` it is one that somebody \
          else made.",
    parent: None,
    segment: "",
    name_scope: NameScope::Id,
    fields: &[],
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::Group,
    located: Located::Yes,
    read_only: &[],
    timeout_secs: 90 * 60,
    behaviour: Behaviour { single: true, empty_but_for: Some(&BY_PRODUCTS), ..Behaviour::USUAL },
};

/// Types that Azure puts into a group on its own beside what we make (`facts.md` 4): they go with the
/// group and do not keep it from being deleted.
const BY_PRODUCTS: [&str; 4] = [
    "microsoft.alertsmanagement/smartdetectoralertrules",
    "microsoft.insights/actiongroups",
    "microsoft.insights/webtests",
    "microsoft.operationalinsights/workspaces/tables",
];

impl ResourceType for ResourceGroup {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, _all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            |name| {
                name_rule::is_made_of(name, 1, 90, |c| c.is_alphanumeric() || "-_.()".contains(c))
                    && !name.ends_with('.')
            },
            "a resource group's name has 1 to 90 letters, digits, `_`, `-`, `.` and parentheses, and does not \
             end with a dot",
        );
        name.into_iter().chain(tags::check(resource, tags::MARKS, None)).collect()
    }

    /// A PATCH: there is nothing but tags to change.
    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        vec![Write::Patch(body::patch_of(self, update, context))]
    }

    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        Ok(vec![Write::Patch(body::unmarking_patch(self.spec(), observed))])
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id"), ("location", "/location")]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::difference::Effect;
    use super::super::fixture::{GROUP, World};

    const LOCAL: &str = "resource_group";

    fn observed() -> serde_json::Value {
        json!({
            "id": GROUP.to_lowercase(), "name": "RG-ml-production", "type": "Microsoft.Resources/resourceGroups",
            "location": "East US", "managedBy": null,
            "tags": {
                "Environment": "production", "team": "data-science", "cost-center": "7",
                "beamline": "acme/production", "beamline-address": "resource_group", "beamline-id": "eb1889a686812e78"
            },
            "properties": { "provisioningState": "Succeeded" }
        })
    }

    #[test]
    fn the_body_is_location_and_tags() {
        assert_eq!(
            World::new().body(LOCAL),
            json!({
                "location": "eastus",
                "tags": {
                    "environment": "production", "team": "data-science",
                    "beamline": "acme/production", "beamline-address": "resource_group", "beamline-id": "eb1889a686812e78"
                }
            })
        );
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(World::new().differences(LOCAL, &observed()), []);
    }

    #[test]
    fn tags_are_patched_whole_and_ignored_ones_stay() {
        let mut observed = observed();
        observed["tags"]["team"] = json!("other");
        observed["tags"]["stray"] = json!("1");
        assert_eq!(
            World::new().patch(LOCAL, &observed),
            json!({ "tags": {
                "environment": "production", "team": "data-science", "cost-center": "7",
                "beamline": "acme/production", "beamline-address": "resource_group", "beamline-id": "eb1889a686812e78"
            } })
        );
    }

    #[test]
    fn another_region_is_a_replacement() {
        let mut observed = observed();
        observed["location"] = json!("westus");
        let (field, effect) = World::new().difference(LOCAL, &observed);
        assert_eq!(field, "location");
        assert!(matches!(effect, Effect::Replace(_)));
    }

    #[test]
    fn names_follow_the_rule() {
        let long = "x".repeat(90);
        let good = ["rg", "rg-ml_(production).1", "Gruppe-Süd", &long];
        assert_eq!(World::new().accepted(LOCAL, &good), good);
        let too_long = "x".repeat(91);
        assert_eq!(World::new().accepted(LOCAL, &["", "rg.", "r g", "rg/x", &too_long]), [""; 0]);
    }

    #[test]
    fn tags_that_azure_refuses_are_found() {
        let mut world = World::new();
        for name in ["a/b", "Microsoft.x", "beamline", ""] {
            world.get(LOCAL).tags.insert(name.to_owned(), "1".to_owned());
        }
        world.get(LOCAL).tags.insert("long".to_owned(), "x".repeat(257));
        assert_eq!(world.codes(LOCAL), ["invalid-tag"; 5]);
        for n in 0..50 {
            world.get(LOCAL).tags.insert(format!("t{n}"), String::new());
        }
        assert!(world.codes(LOCAL).contains(&"too-many-tags"));
    }
}
