//! Connections of a workspace to other services (workspaces/connections, 2024-04-01): at once,
//! credentials go in and come out of `listSecrets` only.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Query, Write};
use crate::body;
use crate::http::Reply;
use crate::providers::machine_learning::workspaces::bad;
use crate::providers::names::word;
use crate::providers::{Answer, Kind, Style};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Connection;

static STYLE: Style = Style {
    arm_type: "Microsoft.MachineLearningServices/workspaces/connections",
    first_version: "2021-01-01",
    create: Answer::Sync(200),
    ..Style::SYNC
};

/// Where the credentials of a connection are kept.
const CREDENTIALS: &str = "/properties/credentials";

/// How a connection signs in (bicep-types 2025-12-01, discriminator `authType`).
const AUTH_TYPES: [&str; 11] = [
    "AAD",
    "AccessKey",
    "AccountKey",
    "ApiKey",
    "CustomKeys",
    "ManagedIdentity",
    "None",
    "OAuth2",
    "PAT",
    "SAS",
    "ServicePrincipal",
];

impl Kind for Connection {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !word(write.name(), 3, 33) {
            return Err(bad(format!("Connection name '{}' is invalid.", write.name())));
        }
        let auth = write.text("/properties/authType").unwrap_or_default();
        if !AUTH_TYPES.contains(&auth) && auth != "UsernamePassword" {
            return Err(bad(format!("The authentication type '{auth}' is not valid.")).at("authType"));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": write.body["properties"].clone() });
        if let Some(old) = write.old(CREDENTIALS) {
            body::fill(&mut filled, CREDENTIALS, old.clone());
        }
        body::fill(&mut filled, "/properties/isSharedToAll", false);
        body::fill(&mut filled, "/properties/metadata", json!({}));
        let system_data = state.system_data(write.caller, write.existing.as_ref());
        body::set(&mut filled, "/systemData", system_data);
        filled
    }

    fn render(&self, _: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        body::remove(&mut body, CREDENTIALS);
        body
    }

    /// Credentials are not part of what comes back, so they stay.
    fn absorb(&self, state: &mut State, id: &ResourceId, mut body: Value) {
        if let Some(old) = state.get(id).and_then(|stored| body::at(&stored.body, CREDENTIALS)) {
            body::fill(&mut body, CREDENTIALS, old.clone());
        }
        state.store(id, body);
    }

    /// `target` and `category` (WorkspaceConnections_List).
    fn is_listed(&self, stored: &Stored, query: &Query) -> bool {
        let fits = |name: &str| {
            let own = body::text(&stored.body, &format!("/properties/{name}")).unwrap_or_default();
            query.get(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(own))
        };
        fits("target") && fits("category")
    }

    fn action(
        &self,
        _: &mut State,
        _: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        (action == "listsecrets").then(|| Ok(Reply::json(200, stored.body.clone())))
    }
}
