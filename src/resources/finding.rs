//! What a resource type has to say about a declared resource before anything is sent.
//!
//! Problems are reported by field path only: files, lines and columns are the business of
//! `definitions`, which knows where each path was written.

use serde::Serialize;

/// Whether Azure would surely refuse, or whether it is worth a thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is applied while this stands.
    Error,
    /// Shown in plan and status, and silenced by `acknowledge: [code]`.
    Warning,
}

/// One problem of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable code, kebab-case: `retired-vm-size`.
    pub code: &'static str,
    /// Error or advice.
    pub severity: Severity,
    /// Dotted path of the field below the resource (`scale_settings.max_node_count`); empty for the
    /// resource as a whole.
    pub field: String,
    /// What is wrong, with the value that is.
    pub message: String,
    /// The rule that is broken, and where it comes from.
    pub rule: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// What Azure would surely refuse.
    pub(crate) fn error(code: &'static str, field: &str, message: &str, rule: &str, remedy: &str) -> Self {
        Self {
            code,
            severity: Severity::Error,
            field: field.to_owned(),
            message: message.to_owned(),
            rule: rule.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    /// Advice.
    pub(crate) fn warning(code: &'static str, field: &str, message: &str, rule: &str, remedy: &str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, field, message, rule, remedy) }
    }
}
