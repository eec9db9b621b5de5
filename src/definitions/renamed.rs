//! Names that people bring along from Terraform's azurerm provider (3.x names, and names of things that
//! a definition says elsewhere), with what stands in their place here.
//!
//! A row is only used where the field it leads to exists on the type at hand, so one table serves all
//! types. Sources: the azurerm 4.0 and 5.0 upgrade guides and the provider's resource documentation.

/// azurerm's name → ours.
const FIELDS: &[(&str, &str)] = &[
    ("address_prefix", "address_prefixes"),
    ("allow_blob_public_access", "allow_nested_items_to_be_public"),
    ("application_insights_id", "application_insights"),
    ("container_access_type", "public_access"),
    ("container_registry_id", "container_registry"),
    ("enable_https_traffic_only", "https_traffic_only_enabled"),
    ("enable_rbac_authorization", "rbac_authorization_enabled"),
    ("enforce_private_link_endpoint_network_policies", "private_endpoint_network_policies"),
    ("image_build_compute", "image_build_compute_name"),
    ("key_vault_id", "key_vault"),
    ("log_analytics_workspace_id", "workspace"),
    ("machine_size", "virtual_machine_size"),
    ("object_id", "principal"),
    ("principal_id", "principal"),
    ("private_endpoint_network_policies_enabled", "private_endpoint_network_policies"),
    ("public_network_access", "public_network_access_enabled"),
    ("retention_days", "retention_in_days"),
    ("role_definition_id", "role"),
    ("role_definition_name", "role"),
    ("sku", "sku_name"),
    ("sku_name", "sku"),
    ("storage_account_id", "storage_account"),
    ("storage_account_name", "storage_account"),
    ("storage_container_id", "container"),
    ("storage_container_name", "container"),
    ("subnet_id", "subnet"),
    ("subnet_resource_id", "subnet"),
    ("virtual_machine_size", "vm_size"),
    ("vm_size", "virtual_machine_size"),
    ("workspace_id", "workspace"),
    ("workspace_resource_id", "workspace"),
];

/// azurerm's names for what needs no field here, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("depends_on", "the order follows from the references"),
    ("lifecycle", "precious resources are protected without it, and deleting them needs a consent line"),
    ("machine_learning_workspace_id", "it belongs to the `workspace` of its environment"),
    ("resource_group_name", "it comes from the environment's `resource_group`"),
    ("resource_group_id", "it comes from the environment's `resource_group`"),
    ("soft_delete_enabled", "Azure has soft delete switched on for every vault"),
    ("subscription_id", "it comes from the environment's `subscription`"),
    ("tenant_id", "it comes from the environment's `subscription`"),
    ("timeouts", "beamline waits as long as Azure's own operations take"),
    ("virtual_network_name", "a subnet is written inside its network"),
    ("workspace_id", "it belongs to the `workspace` of its environment"),
];

/// The name here of a field that azurerm calls `name`, if `exists` knows it.
pub(super) fn field(name: &str, exists: impl Fn(&str) -> bool) -> Option<&'static str> {
    FIELDS.iter().filter(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours).find(|ours| exists(ours))
}

/// Why a definition does not say what azurerm calls `name`.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(theirs, _)| *theirs == name).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_leads_to_the_field_that_the_type_has() {
        assert_eq!(field("sku", |name| name == "sku_name"), Some("sku_name"));
        assert_eq!(field("sku", |_| false), None);
        assert!(elsewhere("resource_group_name").unwrap().contains("resource_group"));
    }
}
