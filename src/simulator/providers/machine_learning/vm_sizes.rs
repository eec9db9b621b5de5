//! The virtual machine sizes of machine learning computes (`facts.md` 17). Retired ones stay listed.

use serde_json::{Value, json};

use crate::options::VmSizes;

/// Name, family, vCPUs, GPUs, memory in GB.
const SIZES: [(&str, &str, u32, u32, u32); 40] = [
    ("Standard_A1_v2", "standardAv2Family", 1, 0, 2),
    ("Standard_A2_v2", "standardAv2Family", 2, 0, 4),
    ("Standard_D1_v2", "standardDv2Family", 1, 0, 4),
    ("Standard_D2_v2", "standardDv2Family", 2, 0, 7),
    ("Standard_D3_v2", "standardDv2Family", 4, 0, 14),
    ("Standard_DS1_v2", "standardDSv2Family", 1, 0, 4),
    ("Standard_DS2_v2", "standardDSv2Family", 2, 0, 7),
    ("Standard_DS3_v2", "standardDSv2Family", 4, 0, 14),
    ("Standard_DS4_v2", "standardDSv2Family", 8, 0, 28),
    ("Standard_DS5_v2", "standardDSv2Family", 16, 0, 56),
    ("Standard_DS11_v2", "standardDSv2Family", 2, 0, 14),
    ("Standard_DS12_v2", "standardDSv2Family", 4, 0, 28),
    ("Standard_D2s_v3", "standardDSv3Family", 2, 0, 8),
    ("Standard_D4s_v3", "standardDSv3Family", 4, 0, 16),
    ("Standard_D8s_v3", "standardDSv3Family", 8, 0, 32),
    ("Standard_D16s_v3", "standardDSv3Family", 16, 0, 64),
    ("Standard_D32s_v3", "standardDSv3Family", 32, 0, 128),
    ("Standard_D2s_v5", "standardDSv5Family", 2, 0, 8),
    ("Standard_D4s_v5", "standardDSv5Family", 4, 0, 16),
    ("Standard_D8s_v5", "standardDSv5Family", 8, 0, 32),
    ("Standard_D16s_v5", "standardDSv5Family", 16, 0, 64),
    ("Standard_E4s_v3", "standardESv3Family", 4, 0, 32),
    ("Standard_E8s_v3", "standardESv3Family", 8, 0, 64),
    ("Standard_E4ds_v4", "standardEDSv4Family", 4, 0, 32),
    ("Standard_E8ds_v4", "standardEDSv4Family", 8, 0, 64),
    ("Standard_F4s_v2", "standardFSv2Family", 4, 0, 8),
    ("Standard_F8s_v2", "standardFSv2Family", 8, 0, 16),
    ("Standard_NC6", "standardNCFamily", 6, 1, 56),
    ("Standard_NC6s_v3", "standardNCSv3Family", 6, 1, 112),
    ("Standard_NC12s_v3", "standardNCSv3Family", 12, 2, 224),
    ("Standard_NC24s_v3", "standardNCSv3Family", 24, 4, 448),
    ("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", 4, 1, 28),
    ("Standard_NC8as_T4_v3", "standardNCASv3_T4Family", 8, 1, 56),
    ("Standard_NC16as_T4_v3", "standardNCASv3_T4Family", 16, 1, 110),
    ("Standard_NC64as_T4_v3", "standardNCASv3_T4Family", 64, 4, 440),
    ("Standard_NC24ads_A100_v4", "standardNCADSA100v4Family", 24, 1, 220),
    ("Standard_NC48ads_A100_v4", "standardNCADSA100v4Family", 48, 2, 440),
    ("Standard_NC40ads_H100_v5", "standardNCADSH100v5Family", 40, 1, 320),
    ("Standard_ND96asr_v4", "standardNDASv4_A100Family", 96, 8, 900),
    ("Standard_ND96isr_H100_v5", "standardNDSH100v5Family", 96, 8, 1900),
];

/// Further sizes that environments ask for often.
const MORE_SIZES: [(&str, &str, u32, u32, u32); 10] = [
    ("Standard_DS13_v2", "standardDSv2Family", 8, 0, 56),
    ("Standard_DS14_v2", "standardDSv2Family", 16, 0, 112),
    ("Standard_D2ds_v5", "standardDDSv5Family", 2, 0, 8),
    ("Standard_D4ds_v5", "standardDDSv5Family", 4, 0, 16),
    ("Standard_D4as_v5", "standardDASv5Family", 4, 0, 16),
    ("Standard_E4s_v5", "standardESv5Family", 4, 0, 32),
    ("Standard_E8s_v5", "standardESv5Family", 8, 0, 64),
    ("Standard_NV6ads_A10_v5", "standardNVADSA10v5Family", 6, 1, 55),
    ("Standard_NV36ads_A10_v5", "standardNVADSA10v5Family", 36, 1, 440),
    ("Standard_NC80adis_H100_v5", "standardNCADSH100v5Family", 80, 2, 640),
];

/// Prices in USD an hour, of those sizes whose prices the specification's example says: Linux, Linux at
/// low priority, Windows, Windows at low priority. The service names prices of all sizes.
const PRICES: [(&str, [f64; 4]); 9] = [
    ("Standard_DS1_v2", [0.07, 0.01, 0.13, 0.05]),
    ("Standard_DS2_v2", [0.15, 0.03, 0.25, 0.1]),
    ("Standard_DS3_v2", [0.29, 0.06, 0.5, 0.2]),
    ("Standard_DS4_v2", [0.58, 0.12, 1.01, 0.4]),
    ("Standard_DS5_v2", [1.17, 0.23, 2.02, 0.81]),
    ("Standard_DS11_v2", [0.18, 0.04, 0.26, 0.11]),
    ("Standard_DS12_v2", [0.37, 0.07, 0.53, 0.21]),
    ("Standard_DS13_v2", [0.74, 0.15, 1.06, 0.42]),
    ("Standard_DS14_v2", [1.48, 0.3, 2.11, 0.84]),
];

/// `estimatedVMPrices` of a size.
fn prices(size: &str) -> Option<Value> {
    let (_, prices) = PRICES.iter().find(|(name, _)| *name == size)?;
    let kinds = [
        ("Linux", "Standard"),
        ("Linux", "LowPriority"),
        ("Windows", "Standard"),
        ("Windows", "LowPriority"),
    ];
    let values: Vec<Value> = kinds
        .into_iter()
        .zip(prices)
        .map(|((system, tier), price)| json!({ "retailPrice": price, "osType": system, "vmTier": tier }))
        .collect();
    Some(json!({ "billingCurrency": "USD", "unitOfMeasure": "OneHour", "values": values }))
}

/// The families whose VM series Azure has retired, and since when (azure-docs, "Retired sizes").
const RETIRED: [(&str, &str); 2] =
    [("standardNCFamily", "2023-09-06"), ("standardNCSv3Family", "2025-09-30")];

/// Since when the series of a family is retired.
fn retired(family: &str) -> Option<&'static str> {
    RETIRED.iter().find(|(own, _)| *own == family).map(|(_, since)| *since)
}

/// Whether a size of this family can be had in a world.
fn is_offered(family: &str, sizes: VmSizes) -> bool {
    match sizes {
        VmSizes::Listed => true,
        VmSizes::Current => retired(family).is_none(),
    }
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, u32, u32, u32)> {
    SIZES.into_iter().chain(MORE_SIZES)
}

/// The family and the vCPUs of a size; `None` when there is no such size.
pub(in crate::providers) fn family(size: &str) -> Option<(&'static str, u32)> {
    all().find(|(name, ..)| name.eq_ignore_ascii_case(size)).map(|(_, family, cores, ..)| (family, cores))
}

/// Whether a size can be had.
pub(in crate::providers) fn exists(size: &str, sizes: VmSizes) -> bool {
    family(size).is_some_and(|(family, _)| is_offered(family, sizes))
}

/// The families that can be had, each once.
pub(in crate::providers) fn families(sizes: VmSizes) -> Vec<&'static str> {
    let mut families: Vec<&str> = all().map(|(_, family, ..)| family).collect();
    families.sort_unstable();
    families.dedup();
    families.retain(|family| is_offered(family, sizes));
    families
}

/// The name of a size as it is documented.
pub(in crate::providers) fn spelled(size: &str) -> Option<&'static str> {
    all().find(|(name, ..)| name.eq_ignore_ascii_case(size)).map(|(name, ..)| name)
}

/// All sizes with what Azure's own list does not say: since when those of a retired series are retired.
pub(crate) fn facts() -> Value {
    let sizes =
        all().map(|(name, family, ..)| json!({ "name": name, "family": family, "retired": retired(family) }));
    json!({ "sizes": sizes.collect::<Vec<_>>() })
}

/// The answer of `locations/{location}/vmSizes`. The swagger's `VirtualMachineSize` has no property for
/// retirement, and a size of a retired series looks like any other.
pub(in crate::providers) fn document(sizes: VmSizes) -> Value {
    let value: Vec<Value> = all()
        .filter(|(_, family, ..)| is_offered(family, sizes))
        .map(|(name, family, cores, gpus, memory)| {
            let mut entry = json!({
                "name": name, "family": family, "vCPUs": cores, "gpus": gpus, "osVhdSizeMB": 1_047_552,
                "maxResourceVolumeMB": 32_768, "memoryGB": memory, "lowPriorityCapable": true, "premiumIO": true,
                "supportedComputeTypes": ["AmlCompute", "ComputeInstance", "MIR"],
            });
            if let Some(prices) = prices(name) {
                entry["estimatedVMPrices"] = prices;
            }
            entry
        })
        .collect();
    json!({ "value": value })
}
