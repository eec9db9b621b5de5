//! The virtual machine sizes of machine learning computes (`facts.md` 17). Retired ones stay listed.

use serde_json::{Value, json};

use crate::simulator::options::VmSizes;

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
const MORE_SIZES: [(&str, &str, u32, u32, u32); 8] = [
    ("Standard_D2ds_v5", "standardDDSv5Family", 2, 0, 8),
    ("Standard_D4ds_v5", "standardDDSv5Family", 4, 0, 16),
    ("Standard_D4as_v5", "standardDASv5Family", 4, 0, 16),
    ("Standard_E4s_v5", "standardESv5Family", 4, 0, 32),
    ("Standard_E8s_v5", "standardESv5Family", 8, 0, 64),
    ("Standard_NV6ads_A10_v5", "standardNVADSA10v5Family", 6, 1, 55),
    ("Standard_NV36ads_A10_v5", "standardNVADSA10v5Family", 36, 1, 440),
    ("Standard_NC80adis_H100_v5", "standardNCADSH100v5Family", 80, 2, 640),
];

/// The families whose VM series Azure has retired: NC on 2023-09-06, NCv3 on 2025-09-30.
const RETIRED: [&str; 2] = ["standardNCFamily", "standardNCSv3Family"];

/// Whether a size of this family can be had in a world.
fn is_offered(family: &str, sizes: VmSizes) -> bool {
    match sizes {
        VmSizes::Listed => true,
        VmSizes::Current => !RETIRED.contains(&family),
    }
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, u32, u32, u32)> {
    SIZES.into_iter().chain(MORE_SIZES)
}

/// The family and the vCPUs of a size; `None` when there is no such size.
pub(super) fn family(size: &str) -> Option<(&'static str, u32)> {
    all().find(|(name, ..)| name.eq_ignore_ascii_case(size)).map(|(_, family, cores, ..)| (family, cores))
}

/// Whether a size can be had.
pub(super) fn exists(size: &str, sizes: VmSizes) -> bool {
    family(size).is_some_and(|(family, _)| is_offered(family, sizes))
}

/// The families that can be had, each once.
pub(super) fn families(sizes: VmSizes) -> Vec<&'static str> {
    let mut families: Vec<&str> = all().map(|(_, family, ..)| family).collect();
    families.sort_unstable();
    families.dedup();
    families.retain(|family| is_offered(family, sizes));
    families
}

/// The name of a size as it is documented.
pub(super) fn spelled(size: &str) -> Option<&'static str> {
    all().find(|(name, ..)| name.eq_ignore_ascii_case(size)).map(|(name, ..)| name)
}

/// The answer of `locations/{location}/vmSizes`.
pub(super) fn document(sizes: VmSizes) -> Value {
    let value: Vec<Value> = all()
        .filter(|(_, family, ..)| is_offered(family, sizes))
        .map(|(name, family, cores, gpus, memory)| {
            json!({
                "name": name, "family": family, "vCPUs": cores, "gpus": gpus, "osVhdSizeMB": 1_047_552,
                "maxResourceVolumeMB": 32_768, "memoryGB": memory, "lowPriorityCapable": true, "premiumIO": true,
                "supportedComputeTypes": ["AmlCompute", "ComputeInstance", "MIR"],
            })
        })
        .collect();
    json!({ "value": value })
}
