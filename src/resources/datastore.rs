//! Datastores: `Microsoft.MachineLearningServices/workspaces/datastores`, names under which jobs find
//! a container, a file system or a share.
//!
//! Guarantees: no credentials are ever sent or read; a datastore of ours is reached with identities.
//! The four that every workspace brings along are nobody's. Our mark stands in `properties.tags`.
//! Sources: facts.md 11 (Datastores API 2025-12-01; azurerm's datastore resources).

use std::borrow::Cow;

use serde_json::{Value, json};

use super::address::{Address, Kind};
use super::behaviour::{Behaviour, Carried};
use super::body;
use super::contract::{
    Carrier, Context, Dispelled, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::difference::{Difference, difference_of};
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::{ApiVersion, ResourceId};
use super::name_rule;
use super::pointer;
use super::resource::{Reference, Resource, Resources};

/// Datastores.
#[derive(Debug)]
pub struct Datastore;

const TYPE: &str = "/properties/datastoreType";
const ACCOUNT: &str = "/properties/accountName";
const ACCOUNT_GROUP: &str = "/properties/resourceGroup";
const ACCOUNT_SUBSCRIPTION: &str = "/properties/subscriptionId";
const CONTAINER: &str = "/properties/containerName";
const FILESYSTEM: &str = "/properties/filesystem";
const CREDENTIALS: &str = "/properties/credentials";
const CREDENTIALS_TYPE: &str = "/properties/credentials/credentialsType";

const BLOB: &str = "AzureBlob";
const FILE: &str = "AzureFile";
const LAKE: &str = "AzureDataLakeGen2";

/// What every workspace brings along (facts.md 11).
const BUILT_IN: [&str; 4] =
    ["workspaceblobstore", "workspacefilestore", "workspaceartifactstore", "workspaceworkingdirectory"];

const FIXED: Change = Change::Replace("a datastore that points elsewhere is another datastore");

static SPEC: Spec = Spec {
    kind: Kind::Datastore,
    key: "datastores",
    noun: "datastore",
    arm_type: "Microsoft.MachineLearningServices/workspaces/datastores",
    api_version: ApiVersion("2025-12-01"),
    doc: "A name under which jobs find a container, a file system or a share. Deleting it deletes no data.",
    parent: Some(Kind::Workspace),
    segment: "datastores",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::PropertyTags,
    protection: Protection::Free,
    listing: Listing::InParent,
    located: Located::No,
    read_only: &["/properties/isDefault"],
    timeout_secs: 30 * 60,
    behaviour: Behaviour { carried: Carried::WhenParentGoes, ..Behaviour::USUAL },
};

static FIELDS: [Field; 8] = [
    Field {
        name: "type",
        doc: "What it points to.",
        shape: Shape::Choice(&[BLOB, FILE, LAKE]),
        absent: WhenAbsent::Refused,
        arm: Arm::At(TYPE),
        change: FIXED,
    },
    Field {
        name: "storage_account",
        doc: "The storage account.",
        shape: Shape::Reference(&[Kind::StorageAccount]),
        absent: WhenAbsent::Refused,
        arm: Arm::By { write: write_account, read: read_account },
        change: FIXED,
    },
    Field {
        name: "container",
        doc: "The container or file system, by its short name within the account or by its name in Azure.",
        shape: Shape::Text { max_chars: 63, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::By { write: write_container, read: read_container },
        change: FIXED,
    },
    Field {
        name: "share",
        doc: "The file share, by its name in Azure.",
        shape: Shape::Text { max_chars: 63, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::At("/properties/fileShareName"),
        change: FIXED,
    },
    Field {
        name: "service_data_auth_identity",
        doc: "The identity with which Azure itself reads the data, for previews and profiles.",
        shape: Shape::Choice(&["None", "WorkspaceSystemAssignedIdentity", "WorkspaceUserAssignedIdentity"]),
        absent: WhenAbsent::Default(Literal::Text("None")),
        arm: Arm::AtOr("/properties/serviceDataAccessAuthIdentity", Literal::Text("None")),
        change: Change::InPlace,
    },
    Field {
        name: "credentials",
        doc: "`None`: whoever reads the data does so with an identity of their own.",
        shape: Shape::Choice(&["None"]),
        absent: WhenAbsent::Default(Literal::Text("None")),
        arm: Arm::AtOr(CREDENTIALS_TYPE, Literal::Text("None")),
        change: Change::InPlace,
    },
    Field {
        name: "endpoint",
        doc: "The suffix of the account's addresses, where it is not that of the cloud.",
        shape: Shape::Text { max_chars: 253, example: None },
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/endpoint"),
        change: FIXED,
    },
    Field {
        name: "description",
        doc: "For people.",
        shape: Shape::Text { max_chars: 1024, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::At("/properties/description"),
        change: Change::InPlace,
    },
];

impl ResourceType for Datastore {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn fitting(&self, field: &str, is_written: &dyn Fn(&str) -> bool) -> Option<&'static str> {
        (field == "type" && is_written("share") && !is_written("container")).then_some(FILE)
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(check_name(resource));
        findings.extend(check_place(resource, all));
        findings.extend(check_account(resource, all));
        findings
    }

    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        let mut body = body::of(self.spec(), &placed(resource, context.resources), context);
        pointer::put(&mut body, "/properties/protocol", Value::from("https"));
        pointer::put(&mut body, "/properties/properties", json!({}));
        body
    }

    fn differences(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> Vec<Difference> {
        difference_of(self, &placed(resource, context.resources), observed, context)
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        let mut merge = body::merge(self, update, context);
        // What Azure tells of other credentials (a tenant, the kind of the secret) must not go back
        // with `None`.
        let none = json!({ "credentialsType": "None" });
        merge.own(CREDENTIALS.to_owned(), update.observed, Some(none));
        vec![Write::Merged(merge)]
    }

    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        let credentials = pointer::get(observed, CREDENTIALS_TYPE).and_then(Value::as_str).unwrap_or("None");
        if !credentials.eq_ignore_ascii_case("None") {
            return Err(format!(
                "its mark can only be taken off by writing it, and its credentials ({credentials}), which Azure does not \
                 tell, would be lost: take the tags that begin with `beamline` away by hand"
            ));
        }
        let mut merge = body::unmarked(self.spec(), observed);
        merge.own(CREDENTIALS.to_owned(), observed, Some(json!({ "credentialsType": "None" })));
        Ok(vec![Write::Merged(merge)])
    }

    fn is_mine(&self, observed: &Value) -> bool {
        let name = pointer::get(observed, "/name").and_then(Value::as_str).unwrap_or_default();
        !is_built_in(name)
    }

    fn dispelled(&self, resource: &Resource, context: &Context<'_>) -> Option<Dispelled> {
        let account = context.resolve(resource.references.get("storage_account")?)?;
        let container = resource.text("container")?;
        let by = format!("{account}/blobServices/default/containers/{container}").parse().ok()?;
        Some(Dispelled { code: CONTAINER_UNDECLARED, field: "container", by })
    }

    fn depends_on(&self, resource: &Resource, all: &Resources) -> Vec<Address> {
        container_of(resource, all).into_iter().map(|container| container.address.clone()).collect()
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id")]
    }
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|built_in| built_in.eq_ignore_ascii_case(name))
}

/// The declared container that the datastore points to: by its short name, or by its name in Azure.
fn container_of<'a>(resource: &Resource, all: &'a Resources) -> Option<&'a Resource> {
    let text = resource.text("container")?;
    let by_name = containers_of(resource, all).find(|one| one.address.name() == text);
    by_name.or_else(|| containers_of(resource, all).find(|one| one.name == text))
}

/// The declared containers of its account.
fn containers_of<'a>(resource: &Resource, all: &'a Resources) -> impl Iterator<Item = &'a Resource> {
    let account = match resource.references.get("storage_account") {
        Some(Reference::Local(account)) => Some(account.clone()),
        Some(Reference::Arm(_)) | None => None,
    };
    all.values().filter(move |one| one.address.kind() == Kind::Container && one.address.outer() == account)
}

/// The resource with the container's name in Azure in place of its short name.
fn placed<'a>(resource: &'a Resource, all: &Resources) -> Cow<'a, Resource> {
    match container_of(resource, all).filter(|container| resource.text("container") != Some(&container.name))
    {
        None => Cow::Borrowed(resource),
        Some(container) => {
            let mut placed = resource.clone();
            placed.fields.insert("container".to_owned(), Value::from(container.name.as_str()));
            Cow::Owned(placed)
        }
    }
}

/// azurerm's rule (`validate/datastore_name.go`).
fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

const NAME_RULE: &str =
    "a datastore has 1 to 255 letters, digits, dashes and underscores, a letter or digit first";

fn check_name(resource: &Resource) -> Option<Finding> {
    let built_in = is_built_in(&resource.name).then(|| {
        Finding::error(
            "built-in-datastore",
            "name",
            &format!("`{}` is one of the workspace's built-in datastores", resource.name),
            "every workspace brings its own datastores along, and Azure manages them",
            "choose another `name`",
        )
    });
    built_in.or_else(|| name_rule::check(resource, is_name, NAME_RULE))
}

/// A share for `AzureFile`, a container for the others.
fn check_place(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let Some(kind) = resource.text("type") else { return Vec::new() };
    let (wanted, other) = if kind == FILE { ("share", "container") } else { ("container", "share") };
    let rule = "an `AzureFile` datastore points to a `share`, the others to a `container`";
    let missing = resource.field(wanted).is_none().then(|| {
        let message = format!("a datastore of type `{kind}` needs `{wanted}`");
        let declared = containers_of(resource, all).next().filter(|_| wanted == "container");
        let place = declared.map_or("data", |container| container.address.name());
        let remedy = match declared {
            None if wanted == "container" => ", and declare it under `containers` of the account",
            None | Some(_) => "",
        };
        Finding::error(
            "datastore-place",
            wanted,
            &message,
            rule,
            &format!("write `{wanted}: {place}`{remedy}"),
        )
    });
    let surplus = resource.field(other).is_some().then(|| {
        let message = format!("a datastore of type `{kind}` has no `{other}`");
        Finding::error("datastore-place", other, &message, rule, &format!("remove `{other}`"))
    });
    missing.into_iter().chain(surplus).collect()
}

const CONTAINER_UNDECLARED: &str = "container-undeclared";

/// What the declared account says about the datastore.
fn check_account(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let Some(Reference::Local(address)) = resource.references.get("storage_account") else {
        return Vec::new();
    };
    let Some(account) = all.get(address).filter(|account| account.is_managed()) else { return Vec::new() };
    let flat = resource.text("type") == Some(LAKE) && !account.is_set("is_hns_enabled");
    let flat = flat.then(|| {
        Finding::warning(
            "datastore-without-hns",
            "storage_account",
            &format!("the account `{}` has no hierarchical namespace", address.name()),
            "Data Lake Storage Gen2 is a storage account with a hierarchical namespace",
            "use `type: AzureBlob`, or an account with `is_hns_enabled: true`",
        )
    });
    let container = resource.text("container").filter(|_| container_of(resource, all).is_none());
    let unknown = container.map(|container| {
        Finding::warning(
            CONTAINER_UNDECLARED,
            "container",
            &format!("`{container}` is not declared in the account `{}`", address.name()),
            "a datastore does not make its container",
            "declare it under `containers` of the account, or `acknowledge: [container-undeclared]`",
        )
    });
    flat.into_iter().chain(unknown).collect()
}

/// ARM names the account by three properties.
fn write_account(value: &Value, body: &mut Value) {
    let Some(id) = value.as_str().and_then(|text| text.parse::<ResourceId>().ok()) else { return };
    pointer::put(body, ACCOUNT, Value::from(id.name()));
    if let (Some(subscription), Some(group)) = (id.subscription_id(), id.resource_group_name()) {
        pointer::put(body, ACCOUNT_SUBSCRIPTION, Value::from(subscription.to_string()));
        pointer::put(body, ACCOUNT_GROUP, Value::from(group));
    }
}

/// An answer without subscription and group means the workspace's own.
fn read_account(body: &Value) -> Option<Value> {
    let text =
        |pointer: &str| pointer::get(body, pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text(ACCOUNT)?;
    let own = text("/id").and_then(|id| id.parse::<ResourceId>().ok());
    let own_subscription = own.as_ref().and_then(ResourceId::subscription_id).map(|id| id.to_string());
    let subscription = text(ACCOUNT_SUBSCRIPTION).map(str::to_owned).or(own_subscription)?;
    let group = text(ACCOUNT_GROUP).or_else(|| own.as_ref().and_then(ResourceId::resource_group_name))?;
    Some(Value::from(format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{name}"
    )))
}

/// Called after `type` is in the body: Data Lake calls its containers file systems.
fn write_container(value: &Value, body: &mut Value) {
    let is_lake = pointer::get(body, TYPE).and_then(Value::as_str) == Some(LAKE);
    pointer::put(body, if is_lake { FILESYSTEM } else { CONTAINER }, value.clone());
}

fn read_container(body: &Value) -> Option<Value> {
    let place = |pointer| pointer::get(body, pointer).filter(|value| value.is_string());
    place(CONTAINER).or_else(|| place(FILESYSTEM)).cloned()
}

#[cfg(test)]
mod tests {
    use super::super::difference::Effect;
    use super::super::fixture::World;
    use super::super::sample::{echoed, id, reference, tags};
    use super::*;

    const LOCAL: &str = "datastores/data_lake";

    fn observed(world: &World) -> Value {
        let extra = json!({
            "properties": {
                "datastoreType": "azuredatalakegen2",
                "resourceGroup": "RG-ML-Production",
                "serviceDataAccessAuthIdentity": null,
                "endpoint": "core.windows.net",
                "properties": null,
                "isDefault": false
            }
        });
        let id = id("Microsoft.MachineLearningServices/workspaces/mlw-production/datastores/data_lake");
        echoed(&world.body(LOCAL), &id, &extra)
    }

    #[test]
    fn the_reference_datastore_has_this_body() {
        assert_eq!(
            reference().body(LOCAL),
            json!({
                "properties": {
                    "datastoreType": "AzureDataLakeGen2",
                    "subscriptionId": "00000000-0000-0000-0000-000000000001",
                    "resourceGroup": "rg-ml-production",
                    "accountName": "dlmlproduction001",
                    "filesystem": "data",
                    "protocol": "https",
                    "credentials": { "credentialsType": "None" },
                    "serviceDataAccessAuthIdentity": "None",
                    "tags": tags(LOCAL, "229a416544a160cb"),
                    "properties": {}
                }
            })
        );
    }

    #[test]
    fn each_type_names_its_place_in_its_own_way() {
        let mut world = reference();
        world.write(LOCAL, "type", json!("AzureBlob"));
        assert_eq!(world.body(LOCAL)["properties"]["containerName"], "data");
        world.write(LOCAL, "type", json!("AzureFile"));
        world.get(LOCAL).fields.remove("container");
        world.write(LOCAL, "share", json!("files"));
        assert_eq!(world.body(LOCAL)["properties"]["fileShareName"], "files");
        assert_eq!(world.codes(LOCAL), [""; 0]);
    }

    #[test]
    fn azures_echo_is_no_difference() {
        let world = reference();
        let mut observed = observed(&world);
        assert_eq!(world.differences(LOCAL, &observed), []);
        pointer::remove(&mut observed, ACCOUNT_GROUP);
        pointer::remove(&mut observed, ACCOUNT_SUBSCRIPTION);
        assert_eq!(
            world.differences(LOCAL, &observed),
            [],
            "an account without its group is in the workspace's"
        );
    }

    #[test]
    fn a_container_is_meant_by_its_short_name() {
        let mut world = reference();
        world.get("storage_accounts/data_lake/containers/data").name = "data-production".to_owned();
        let observed = observed(&world);
        assert_eq!(observed["properties"]["filesystem"], "data-production");
        assert_eq!(world.differences(LOCAL, &observed), []);
        let depends_on = Datastore.depends_on(&world.resources[&address()], &world.resources);
        assert_eq!(depends_on, ["production/storage_accounts/data_lake/containers/data".parse().unwrap()]);
        assert_eq!(world.codes(LOCAL), [""; 0]);
    }

    fn address() -> Address {
        format!("production/{LOCAL}").parse().unwrap()
    }

    #[test]
    fn what_it_points_to_makes_it_another_datastore() {
        let world = reference();
        for (pointer, value, field) in [
            (FILESYSTEM, "other", "container"),
            (ACCOUNT, "other", "storage_account"),
            (ACCOUNT_GROUP, "other", "storage_account"),
            (TYPE, "AzureBlob", "type"),
        ] {
            let mut observed = observed(&world);
            pointer::put(&mut observed, pointer, json!(value));
            let (found, effect) = world.difference(LOCAL, &observed);
            assert_eq!(found, field);
            assert!(matches!(effect, Effect::Replace(_)), "{field}: {effect:?}");
        }
    }

    #[test]
    fn an_update_keeps_what_is_not_ours_and_sends_no_credentials() {
        let mut world = reference();
        let mut observed = observed(&world);
        let credentials =
            json!({ "credentialsType": "AccountKey", "secrets": { "secretsType": "AccountKey" } });
        pointer::put(&mut observed, CREDENTIALS, credentials);
        pointer::put(&mut observed, "/properties/tags/cost-centre", json!("1"));
        pointer::put(&mut observed, "/properties/unknown", json!(true));
        world.write(LOCAL, "description", json!("the lake"));
        let fields: Vec<_> = world.differences(LOCAL, &observed).into_iter().map(|one| one.field).collect();
        assert_eq!(fields, ["credentials", "description"]);
        let body = world.put(LOCAL, &observed);
        assert_eq!(body["properties"]["credentials"], json!({ "credentialsType": "None" }));
        assert_eq!(body["properties"]["description"], "the lake");
        assert_eq!(body["properties"]["tags"]["cost-centre"], "1");
        assert_eq!(body["properties"]["unknown"], true);
        assert_eq!(body["properties"].get("isDefault"), None);
    }

    #[test]
    fn the_workspaces_own_datastores_are_nobodys() {
        assert!(!Datastore.is_mine(&json!({ "name": "WorkspaceBlobStore" })));
        assert!(Datastore.is_mine(&json!({ "name": "data_lake" })));
        let mut world = reference();
        world.get(LOCAL).name = "workspaceblobstore".to_owned();
        assert_eq!(world.codes(LOCAL), ["built-in-datastore"]);
    }

    #[test]
    fn a_datastore_fits_its_account() {
        let mut world = reference();
        world.write(LOCAL, "container", json!("elsewhere"));
        assert_eq!(world.codes(LOCAL), ["container-undeclared"]);
        world.get(LOCAL).fields.remove("container");
        world.write(LOCAL, "share", json!("files"));
        assert_eq!(world.codes(LOCAL), ["datastore-place", "datastore-place"]);
        let mut world = reference();
        world.get("storage_accounts/data_lake").fields.remove("is_hns_enabled");
        assert_eq!(world.codes(LOCAL), ["datastore-without-hns"]);
    }

    #[test]
    fn names_follow_the_rule() {
        let names = ["data_lake", "1", "Data-Lake"];
        assert_eq!(reference().accepted(LOCAL, &names), names);
        assert_eq!(reference().accepted(LOCAL, &["", "_a", "a b", "a.b", &"a".repeat(256)]), [""; 0]);
    }
}
