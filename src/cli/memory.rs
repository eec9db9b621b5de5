//! The journal, for commands that only look into it.
//!
//! Guarantee: whoever plans without the memory that an apply has says so, and why.

use std::error::Error as _;

use crate::config::Config;
use crate::store::{EnvironmentRecord, Store};

use super::error::CliError;
use super::wiring::JOURNAL;

/// What is remembered, or why nothing is.
pub(super) enum Recalled {
    /// The journal, open for reading.
    Journal(Store),
    /// Nothing; a line that says why and what follows from it.
    Nothing(String),
}

impl Recalled {
    /// The journal of the settings.
    pub(super) async fn of(config: &Config) -> Self {
        let path = config.personal_state_dir().join(JOURNAL);
        let why = match Store::open_for_reading(&path).await {
            Ok(Some(store)) => return Self::Journal(store),
            Ok(None) => format!("there is no journal at {}", path.display()),
            Err(error) => {
                error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
            }
        };
        Self::Nothing(format!(
            "Planned without the memory of earlier applies ({why}): an apply that has it may know of more consents \
             and of groups where an environment lived before."
        ))
    }

    pub(super) fn store(&self) -> Option<&Store> {
        match self {
            Self::Journal(store) => Some(store),
            Self::Nothing(_) => None,
        }
    }

    /// The environments of which something was made.
    pub(super) async fn environments(&self) -> Result<Vec<EnvironmentRecord>, CliError> {
        let Self::Journal(store) = self else { return Ok(Vec::new()) };
        let all = store.environments().await?;
        Ok(all.into_iter().filter(|record| !record.resource_group.is_empty()).collect())
    }

    /// What has to be said before a plan; `None` when everything is remembered.
    pub(super) fn remark(&self) -> Option<&str> {
        match self {
            Self::Journal(_) => None,
            Self::Nothing(remark) => Some(remark),
        }
    }
}
