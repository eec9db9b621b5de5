//! Stories over whole definitions, with the real catalog.

mod bounds;
mod errors;
mod estates;
mod inheritance;
mod lines;
mod properties;
mod remedies;
mod shipped;
mod slips;

use super::{Diagnostic, Loaded, SourceFile, load, read_document, to_toml};

/// A complete environment that gives rise to no problem and no advice.
pub(super) const BASE: &str = "\
beamline: 1
subscription: ml
location: eastus
resource_group: { name: rg-x }
storage_accounts:
  default: { name: stx001, account_tier: Standard, account_replication_type: LRS }
key_vaults:
  main: { name: kv-x-001, sku_name: standard, rbac_authorization_enabled: true }
log_analytics_workspaces:
  main: { name: log-x }
application_insights:
  main: { name: ai-x, application_type: web, workspace: main }
workspace:
  name: mlw-x
  storage_account: default
  key_vault: main
  application_insights: main
  identity: { type: SystemAssigned }
";

/// A cluster without a mistake, to add to [`BASE`].
pub(super) const CLUSTER: &str = "\
compute_clusters:
  cpu:
    vm_size: Standard_D4s_v3
    scale_settings: { max_node_count: 2 }
";

pub(super) fn file(path: &str, text: &str) -> SourceFile {
    SourceFile::from_bytes(path, text.as_bytes())
}

pub(super) fn yaml(text: &str) -> Loaded {
    load(&[file("environments/x.yaml", text)])
}

pub(super) fn toml(text: &str) -> Loaded {
    load(&[file("environments/x.toml", text)])
}

/// The same definition in the other notation.
pub(super) fn as_toml(text: &str) -> String {
    to_toml(&read_document(&file("x.yaml", text)).unwrap()).unwrap()
}

/// What was wrong, without the place.
pub(super) fn said(diagnostics: &[Diagnostic]) -> Vec<String> {
    let mut said: Vec<String> = diagnostics
        .iter()
        .map(|one| format!("[{}] {} | {} | {}", one.code, one.message, one.rule, one.remedy))
        .collect();
    said.sort();
    said
}

/// The same, without what is in the notation of the file: the lines that advice shows, and where they belong.
pub(super) fn worded(diagnostics: &[Diagnostic]) -> Vec<String> {
    let words = |text: &str| {
        let text = text.replace(" above the first `[table]`", "");
        text.split('`').enumerate().map(|(at, part)| if at % 2 == 1 { "…" } else { part }).collect::<String>()
    };
    let worded =
        |one: &Diagnostic| Diagnostic { rule: words(&one.rule), remedy: words(&one.remedy), ..one.clone() };
    said(&diagnostics.iter().map(worded).collect::<Vec<_>>())
}

pub(super) fn codes(diagnostics: &[Diagnostic]) -> Vec<&'static str> {
    diagnostics.iter().map(|one| one.code.as_str()).collect()
}

/// The text that a diagnostic marks, without quotes.
pub(super) fn marked(diagnostic: &Diagnostic) -> String {
    let (text, range) = diagnostic.location.excerpt().unwrap();
    text[range].trim_matches(['"', '\'']).to_owned()
}
