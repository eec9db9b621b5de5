//! What accounts there can be (Skus_List): one entry per SKU and kind.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call};
use crate::http::Reply;

use crate::providers::resources::subscriptions;

/// SKU, and the kinds of account that have it (azure-docs storage-account-overview).
const KINDS: [(&str, &[&str]); 8] = [
    ("Standard_LRS", &["Storage", "BlobStorage", "StorageV2"]),
    ("Standard_GRS", &["Storage", "BlobStorage", "StorageV2"]),
    ("Standard_RAGRS", &["Storage", "BlobStorage", "StorageV2"]),
    ("Standard_ZRS", &["Storage", "StorageV2"]),
    ("Standard_GZRS", &["StorageV2"]),
    ("Standard_RAGZRS", &["StorageV2"]),
    ("Premium_LRS", &["Storage", "StorageV2", "BlockBlobStorage", "FileStorage"]),
    ("Premium_ZRS", &["BlockBlobStorage", "FileStorage"]),
];

pub(in crate::providers) fn special(call: &Call<'_>, tail: &[&str]) -> Option<Result<Reply, ArmError>> {
    let ("GET", ["skus"]) = (call.method.as_str(), tail) else { return None };
    let all = KINDS.iter().flat_map(|(sku, kinds)| kinds.iter().map(move |kind| (*sku, *kind)));
    let value: Vec<Value> = subscriptions::names()
        .flat_map(|place| all.clone().map(move |(sku, kind)| entry(sku, kind, place)))
        .collect();
    Some(Ok(Reply::json(200, json!({ "value": value }))))
}

fn entry(sku: &str, kind: &str, location: &str) -> Value {
    let tier = sku.split('_').next().unwrap_or_default();
    let yes = |condition: bool| if condition { "true" } else { "false" };
    let capability = |name: &str, value: bool| json!({ "name": name, "value": yes(value) });
    json!({
        "resourceType": "storageAccounts", "name": sku, "tier": tier, "kind": kind, "locations": [location],
        "capabilities": [
            capability("supportschangenotification", kind != "Storage"),
            capability("supportsfileencryption", true),
            capability("supportshoeboxcapacitymetrics", true),
            capability("supportsnetworkacls", kind != "Storage"),
        ],
        "restrictions": [],
    })
}
