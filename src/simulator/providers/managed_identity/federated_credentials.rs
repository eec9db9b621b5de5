//! Federated credentials of user-assigned identities (Microsoft.ManagedIdentity 2023-01-31): which
//! tokens of other issuers stand for the identity. The token endpoint does not ask them.

use serde_json::{Value, json};

use crate::arm::{ArmError, Write};
use crate::body;
use crate::providers::names::word;
use crate::providers::{Kind, Style};
use crate::state::{State, Stored};

pub(in crate::providers) struct FederatedCredential;

static STYLE: Style = Style {
    arm_type: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
    first_version: "2022-01-31-preview",
    ..Style::SYNC
};

/// Most credentials of an identity (Entra documentation, workload-identity-federation-considerations).
const MAX_CREDENTIALS: usize = 20;

fn refused(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("BadRequest", message)
}

impl Kind for FederatedCredential {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !word(write.name(), 3, 120) {
            return Err(refused(format!("The credential name '{}' is not valid.", write.name())));
        }
        let part = |name: &str| write.text(&format!("/properties/{name}")).unwrap_or_default();
        let (issuer, subject) = (part("issuer"), part("subject"));
        if !issuer.starts_with("https://") || subject.is_empty() {
            return Err(refused("The properties 'issuer' (an https URL) and 'subject' are required."));
        }
        if body::items(write.body, "/properties/audiences").len() != 1 {
            return Err(refused("The property 'audiences' must name exactly one audience."));
        }
        let identity = write.id.parent();
        let others: Vec<&Stored> = state
            .inventory
            .of_type_within(STYLE.arm_type, identity.as_ref(), None)
            .filter(|other| other.id != *write.id)
            .collect();
        let same = |other: &&Stored| {
            let own = |name: &str| body::text(&other.body, &format!("/properties/{name}"));
            own("issuer") == Some(issuer) && own("subject") == Some(subject)
        };
        if others.iter().any(same) {
            let message = "Issuer and subject combination already exists for this Managed Identity.";
            return Err(ArmError::conflict("Conflict", message));
        }
        if others.len() >= MAX_CREDENTIALS {
            return Err(refused(format!("An identity has at most {MAX_CREDENTIALS} federated credentials.")));
        }
        Ok(())
    }

    fn fill(&self, _: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": {} });
        for name in ["issuer", "subject", "audiences"] {
            body::copy(&mut filled, write.body, &format!("/properties/{name}"));
        }
        filled
    }

    /// The provider answers ids with `resourcegroups` in lower case.
    fn render(&self, _: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        body::set(&mut body, "/id", stored.id.as_str().replacen("/resourceGroups/", "/resourcegroups/", 1));
        body
    }
}
