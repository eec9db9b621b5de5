//! Definitions for stories: the least that makes an environment.

/// An environment of six resources; `nodes` is what a push changes.
pub(crate) fn small(nodes: u32) -> String {
    format!(
        "beamline: 1
subscription: ml
location: eastus
resource_group: {{ name: \"rg-${{environment}}\" }}
storage_accounts:
  default: {{ name: \"st${{environment}}001\", account_tier: Standard, account_replication_type: LRS }}
key_vaults:
  main: {{ name: \"kv-${{environment}}\", sku_name: standard, rbac_authorization_enabled: true }}
log_analytics_workspaces:
  main: {{ name: \"log-${{environment}}\" }}
application_insights:
  main: {{ name: \"ai-${{environment}}\", application_type: web, workspace: main }}
workspace:
  name: \"mlw-${{environment}}\"
  storage_account: default
  key_vault: main
  application_insights: main
  identity: {{ type: SystemAssigned }}
compute_clusters:
  cpu:
    vm_size: Standard_D4s_v3
    scale_settings: {{ max_node_count: {nodes}, scale_down_nodes_after_idle_duration: PT15M }}
    identity: {{ type: SystemAssigned }}
"
    )
}

/// The group of an environment of [`small`].
pub(crate) fn group_of(environment: &str) -> String {
    format!("rg-{environment}")
}

/// The lines that consent to the removal of an environment of [`small`], one for each protected resource.
pub(crate) fn consent_to_remove(environment: &str) -> String {
    let protected = [
        "resource_group",
        "storage_accounts/default",
        "key_vaults/main",
        "log_analytics_workspaces/main",
        "workspace",
    ];
    let lines = protected.map(|local| format!("Beamline-Consent: destroy {environment}/{local}"));
    lines.join("\n")
}
