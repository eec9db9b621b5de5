//! `Microsoft.MachineLearningServices`: workspaces, what lives in them, registries, and cores.

pub(in crate::providers) mod compute_checks;
pub(in crate::providers) mod compute_defaults;
pub(in crate::providers) mod compute_quota;
pub(in crate::providers) mod computes;
pub(in crate::providers) mod connections;
pub(in crate::providers) mod datastores;
pub(in crate::providers) mod managed_network;
pub(in crate::providers) mod registries;
pub(in crate::providers) mod vm_sizes;
pub(in crate::providers) mod workspace_grants;
pub(in crate::providers) mod workspaces;
