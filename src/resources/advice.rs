//! The advice of the catalog: every code of a warning, in one table.
//!
//! `acknowledge` in a definition is checked against it, so that a slip of the pen is an error and not
//! an acknowledgement of nothing. A type that gives new advice adds a row.

/// Code and what it says, one row each.
pub const ADVICE: &[(&str, &str)] = &[
    ("access-policies-unmanaged", "A vault uses access policies, which the definition does not say."),
    ("admin-user-enabled", "A registry's admin user is switched on."),
    ("container-undeclared", "A datastore names a container that the definition does not declare."),
    ("datastore-without-hns", "A Data Lake datastore is on an account without a hierarchical namespace."),
    ("image-build-compute-undeclared", "Images are built on a cluster that the definition does not declare."),
    ("min-node-count-above-zero", "Nodes run and are paid for when there is nothing to do."),
    ("no-idle-shutdown", "Nothing stops a compute instance when nobody uses it."),
    ("old-tls", "An account accepts TLS versions that are no longer considered safe."),
    ("plain-http-allowed", "An account answers without encryption."),
    ("registry-roles-per-repository", "A registry's roles are given per repository."),
    ("retired-vm-size", "Azure has retired the VM size, or announced that it will."),
];
