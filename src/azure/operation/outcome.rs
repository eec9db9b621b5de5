//! A running operation as data, and what a look at it can tell.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::azure::AzureProblem;

/// Where to look at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// The `Azure-AsyncOperation` URL, which answers with a status document.
    AzureAsyncOperation,
    /// The `Location` URL, which answers 202 until it has the final result.
    Location,
    /// The resource itself, until its `provisioningState` is final (or it is gone).
    Resource,
}

/// An operation that Azure is working on. Serializing it exposes the signed URL: only the journal may.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Where to look: signed, never printed. For [`Style::Resource`] the resource's path and API version.
    ///
    /// What has to be remembered between two looks travels in the URL's fragment, which HTTP never
    /// transmits, so that these three fields are all there is to store.
    #[serde(serialize_with = "exposed")]
    pub url: SecretString,
    /// How to read what is found there.
    pub style: Style,
    /// How long to wait before the next look.
    pub retry_after: Duration,
}

/// What one look at an operation told.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// Azure is still working.
    Running {
        /// What to look at next time: journal it, the URL may be a new one.
        operation: Operation,
        /// Percent done, where Azure says so.
        progress: Option<u8>,
        /// Azure's word for the state, for example `InProgress`, `Creating`.
        state: String,
    },
    /// It ended well, and its effect can be read.
    Done {
        /// The final resource, where the look itself gave it ([`Style::Location`], [`Style::Resource`]).
        body: Option<Value>,
    },
    /// It failed or was cancelled; the resource may exist nevertheless.
    Failed {
        /// Why it ended badly, in Azure's words.
        error: AzureProblem,
    },
}

/// What is remembered between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// The operation deletes: not found is its end.
    pub(super) deletes: bool,
    /// How many looks in a row found nothing at all.
    pub(super) missed: u32,
}

impl Operation {
    pub(super) fn new(url: &str, style: Style, retry_after: Duration, memory: Memory) -> Self {
        let note = match memory {
            Memory { deletes: false, missed: 0 } => String::new(),
            Memory { deletes: false, missed } => format!("#missed={missed}"),
            Memory { deletes: true, missed } => format!("#deletes,missed={missed}"),
        };
        let address = url.split('#').next().unwrap_or_default();
        Self { url: SecretString::from(format!("{address}{note}")), style, retry_after }
    }

    /// The URL as Azure gave it, without our note.
    pub(in crate::azure) fn address(&self) -> &str {
        self.url.expose_secret().split('#').next().unwrap_or_default()
    }

    pub(super) fn memory(&self) -> Memory {
        let note = self.url.expose_secret().split_once('#').map_or("", |(_, note)| note);
        let mut memory = Memory::default();
        for part in note.split(',') {
            match part.split_once('=') {
                Some(("missed", count)) => memory.missed = count.parse().unwrap_or(0),
                None if part == "deletes" => memory.deletes = true,
                Some(_) | None => {}
            }
        }
        memory
    }
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
            && self.style == other.style
            && self.retry_after == other.retry_after
    }
}

impl Eq for Operation {}

fn exposed<S: Serializer>(url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_survives_the_journal_and_is_never_printed() {
        let memory = Memory { deletes: true, missed: 3 };
        let url = "https://management.azure.com/op?t=1&s=SIGNATURE";
        let operation = Operation::new(url, Style::Location, Duration::from_secs(10), memory);
        assert!(!format!("{operation:?}").contains("SIGNATURE"));
        let stored = serde_json::to_string(&operation).unwrap();
        let again: Operation = serde_json::from_str(&stored).unwrap();
        assert_eq!(again, operation);
        assert_eq!(again.memory(), memory);
        assert_eq!(again.address(), url);
    }

    #[test]
    fn an_operation_built_from_its_parts_remembers_nothing() {
        let operation = Operation {
            url: SecretString::from("/subscriptions/s?api-version=1".to_owned()),
            style: Style::Resource,
            retry_after: Duration::ZERO,
        };
        assert_eq!(operation.memory(), Memory::default());
    }
}
