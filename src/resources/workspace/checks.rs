//! What Azure would refuse of a declared workspace, and advice. Looks at declared resources only.

use serde_json::Value;

use super::super::finding::Finding;
use super::super::identity;
use super::super::name_rule;
use super::super::resource::{Reference, Resource, Resources};
use super::super::tags;

/// Every rule that the shape of a single field cannot say.
pub(super) fn check(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(name_rule::check(resource, is_name, NAME_RULE));
    findings.extend(tags::check(resource, tags::MARKS, None));
    findings.extend(check_storage(resource, all));
    findings.extend(identity::check(resource));
    findings.extend(check_primary_identity(resource));
    findings.extend(check_image_build(resource, all));
    findings.extend(check_serverless(resource));
    findings
}

/// `^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$` of the 2025-12-01 schema.
fn is_name(name: &str) -> bool {
    (3..=33).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

const NAME_RULE: &str =
    "a workspace has 3 to 33 letters, digits, dashes and underscores, a letter or digit first";

/// What Azure refuses as a workspace's default account (What is an Azure Machine Learning workspace,
/// learn.microsoft.com).
fn check_storage(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let Some(Reference::Local(address)) = resource.references.get("storage_account") else {
        return Vec::new();
    };
    let Some(account) = all.get(address).filter(|account| account.is_managed()) else { return Vec::new() };
    let is =
        |field: &str, word: &str| account.text(field).is_some_and(|text| text.eq_ignore_ascii_case(word));
    let broken = [
        ("workspace-storage-hns", account.is_set("is_hns_enabled"), "has a hierarchical namespace"),
        ("workspace-storage-premium", is("account_tier", "Premium"), "is a premium account"),
        ("workspace-storage-kind", is("account_kind", "BlobStorage"), "is of kind `BlobStorage`"),
    ];
    let finding = |(code, _, what): (&'static str, bool, &str)| {
        Finding::error(
            code,
            "storage_account",
            &format!("the default storage account `{}` {what}", address.name()),
            "a workspace's default account is a standard StorageV2 account without a hierarchical namespace",
            "give the workspace another account, and add this one as a datastore",
        )
    };
    broken.into_iter().filter(|(_, is_broken, _)| *is_broken).map(finding).collect()
}

fn check_primary_identity(resource: &Resource) -> Option<Finding> {
    let field = "primary_user_assigned_identity";
    let finding = |message: &str, remedy: &str| {
        let rule = "a workspace without an identity of its own is represented by one of its `identity_ids`";
        Some(Finding::error("primary-identity", field, message, rule, remedy))
    };
    let ids = resource.field("identity.identity_ids").and_then(Value::as_array);
    let mut ids = ids.into_iter().flatten().filter_map(Value::as_str);
    match resource.text(field) {
        None if resource.text("identity.type") == Some(identity::USER) => {
            finding("the workspace has user-assigned identities only, and none is the primary one", "set it")
        }
        Some(primary) if !ids.any(|id| id.eq_ignore_ascii_case(primary)) => {
            finding(&format!("`{primary}` is not among `identity.identity_ids`"), "add it there")
        }
        Some(_) | None => None,
    }
}

fn check_image_build(resource: &Resource, all: &Resources) -> Option<Finding> {
    let text = resource.text("image_build_compute_name")?;
    let is_declared = match resource.references.get("image_build_compute_name") {
        Some(Reference::Local(address)) => all.contains_key(address),
        Some(Reference::Arm(_)) => true,
        None => false,
    };
    (!is_declared).then(|| {
        Finding::warning(
            "image-build-compute-undeclared",
            "image_build_compute_name",
            &format!("`{text}` is not one of this environment's clusters"),
            "images cannot be built on a cluster that does not exist",
            "declare it under `compute_clusters`",
        )
    })
}

fn check_serverless(resource: &Resource) -> Option<Finding> {
    let settings = resource.field("serverless_compute")?;
    let closed = settings["public_ip_enabled"] == Value::Bool(false) && settings.get("subnet").is_none();
    (closed && !resource.is_set("public_network_access_enabled")).then(|| {
        Finding::error(
            "serverless-without-subnet",
            "serverless_compute.public_ip_enabled",
            "serverless nodes have neither a subnet nor public addresses, and the workspace is private",
            "without public network access, serverless nodes need a subnet or public addresses",
            "set `serverless_compute.subnet`, or `public_ip_enabled: true`",
        )
    })
}
