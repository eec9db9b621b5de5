//! `Microsoft.ResourceGraph`: questions in a part of the Kusto query language.

pub(in crate::providers) mod answers;
pub(in crate::providers) mod kql;
