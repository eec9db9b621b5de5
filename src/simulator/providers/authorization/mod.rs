//! `Microsoft.Authorization`: role assignments and definitions, what they allow, deny assignments, locks.

pub(in crate::providers) mod definitions;
pub(in crate::providers) mod deny_assignments;
pub(in crate::providers) mod lists;
pub(in crate::providers) mod locks;
pub(in crate::providers) mod permissions;
pub(in crate::providers) mod role_assignments;
pub(in crate::providers) mod roles;
