//! `Microsoft.Insights`: components, purging, and what Azure Monitor adds beside them.

pub(in crate::providers) mod alerts;
pub(in crate::providers) mod components;
pub(in crate::providers) mod purge;
