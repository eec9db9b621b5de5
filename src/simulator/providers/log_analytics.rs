//! `Microsoft.OperationalInsights` workspaces (`facts.md` 4): ids in lower case, a second PUT for
//! some features, and a soft-deleted life that a PUT of the same workspace ends.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Query, Typed, Write, afterlife};
use crate::body;
use crate::http::Reply;
use crate::operation::Afterlife;
use crate::providers::identity::{self, Spelling};
use crate::providers::names::{alphanumeric, alphanumeric_or_hyphen, fits};
use crate::providers::{Answer, Kind, Style};
use crate::state::{Grave, State, Stored};

/// A Log Analytics workspace.
pub(super) struct Workspace;

/// How long a deleted workspace can be recovered.
const RECOVERABLE_DAYS: i64 = 14;

static STYLE: Style = Style {
    arm_type: "Microsoft.OperationalInsights/workspaces",
    first_version: "2015-11-01-preview",
    create: Answer::Resource { status: 201, state: "Creating" },
    update: Answer::Sync(200),
    create_secs: 15.0,
    ..Style::TRACKED
};

const SKUS: [&str; 9] = [
    "Free",
    "Standard",
    "Premium",
    "PerNode",
    "PerGB2018",
    "Standalone",
    "CapacityReservation",
    "LACluster",
    "Unlimited",
];

impl Kind for Workspace {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let name = write.name();
        let edges = name.starts_with(alphanumeric) && name.ends_with(alphanumeric);
        if !fits(name, 4, 63, alphanumeric_or_hyphen) || !edges {
            let message = format!("Workspace name '{name}' is not valid: 4 to 63 letters, digits or '-'.");
            return Err(ArmError::bad_request("InvalidParameter", message));
        }
        let sku = write.text("/properties/sku/name").unwrap_or("PerGB2018");
        if !SKUS.iter().any(|known| known.eq_ignore_ascii_case(sku)) {
            let message = format!("'Sku' property has an invalid value '{sku}'.");
            return Err(ArmError::bad_request("InvalidParameter", message).at("properties.sku.name"));
        }
        let days = body::at(write.body, "/properties/retentionInDays");
        let allowed =
            |days: i64| (30..=730).contains(&days) || (days == 7 && sku.eq_ignore_ascii_case("Free"));
        if days.is_some_and(|days| !days.as_i64().is_some_and(allowed)) {
            let message = "'RetentionInDays' property doesn't match the SKU limits.";
            return Err(ArmError::bad_request("InvalidParameter", message).at("properties.retentionInDays"));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let grave = state.graves.remove(&grave_key(write.id.folded()));
        let mut filled = write.body.clone();
        identity::assign(state, write, &mut filled, Spelling::Tight);
        if write.existing.is_none() {
            // Only a second PUT changes it (azure-rest-api-specs#21591).
            body::set(&mut filled, "/properties/features/enableLogAccessUsingOnlyResourcePermissions", true);
        }
        fill_defaults(&mut filled);
        let customer =
            grave.as_ref().and_then(|grave| body::at(&grave.body, "/properties/customerId")).cloned();
        let customer = write.old("/properties/customerId").cloned().or(customer);
        let customer = customer.unwrap_or_else(|| json!(state.uuid_of("customer", write.id)));
        body::set(&mut filled, "/properties/customerId", customer);
        let created = state.get(write.id).map_or_else(|| state.now(), |stored| stored.created).to_string();
        let now = state.now().to_string();
        let reset = state.now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(state.now());
        body::set(
            &mut filled,
            "/properties/workspaceCapping/quotaNextResetTime",
            reset.strftime("%Y-%m-%dT00:00:00Z").to_string(),
        );
        body::set(&mut filled, "/properties/createdDate", created);
        body::set(&mut filled, "/properties/modifiedDate", now.as_str());
        body::set(&mut filled, "/properties/sku/lastSkuUpdate", now.as_str());
        body::set(
            &mut filled,
            "/etag",
            format!("\"{}\"", state.uuid(&format!("etag {now} {}", write.id.folded()))),
        );
        filled
    }

    /// The provider answers `resourcegroups` and its own namespace in lower case.
    fn render(&self, _state: &State, stored: &Stored) -> Value {
        let id = stored.id.as_str().replacen("/resourceGroups/", "/resourcegroups/", 1);
        let mut body = stored.body.clone();
        body::set(
            &mut body,
            "/id",
            id.replacen("Microsoft.OperationalInsights", "microsoft.operationalinsights", 1),
        );
        body
    }

    fn before_delete(&self, _: &State, _: &Stored, query: &Query) -> Result<Afterlife, ArmError> {
        Ok(afterlife(query, "force"))
    }

    fn removed(&self, state: &mut State, stored: &Stored, afterlife: Afterlife) {
        if afterlife == Afterlife::Purge {
            return;
        }
        let deleted = state.now();
        let span = jiff::SignedDuration::from_hours(24 * RECOVERABLE_DAYS);
        let purged = deleted.checked_add(span).unwrap_or(deleted);
        let grave = Grave {
            id: stored.id.clone(),
            body: stored.body.clone(),
            created: stored.created,
            deleted,
            purged,
        };
        state.graves.insert(grave_key(stored.id.folded()), grave);
    }

    fn action(
        &self,
        state: &mut State,
        _: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        use base64::Engine as _;
        let key = |name: &str| {
            let digest = state.digest(&format!("{name} of {}", stored.id.folded()));
            base64::engine::general_purpose::STANDARD.encode(digest)
        };
        let keys = || json!({ "primarySharedKey": key("primary"), "secondarySharedKey": key("secondary") });
        (action == "sharedkeys").then(|| Ok(Reply::json(200, keys())))
    }
}

fn grave_key(folded: String) -> (String, String) {
    ("analytics".to_owned(), folded)
}

fn fill_defaults(filled: &mut Value) {
    for (pointer, value) in [
        ("/properties/sku/name", json!("PerGB2018")),
        ("/properties/retentionInDays", json!(30)),
        ("/properties/features/legacy", json!(0)),
        ("/properties/features/searchVersion", json!(1)),
        ("/properties/features/enableLogAccessUsingOnlyResourcePermissions", json!(true)),
        ("/properties/workspaceCapping/dailyQuotaGb", json!(-1.0)),
        ("/properties/workspaceCapping/dataIngestionStatus", json!("RespectQuota")),
        ("/properties/publicNetworkAccessForIngestion", json!("Enabled")),
        ("/properties/publicNetworkAccessForQuery", json!("Enabled")),
        ("/tags", json!({})),
    ] {
        body::fill(filled, pointer, value);
    }
}

/// The workspaces that can still be recovered.
pub(super) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let ("GET", ["deletedworkspaces"]) = (call.method.as_str(), tail) else { return None };
    let scope = typed.scope.parse().ok();
    let entries: Vec<Value> = state
        .graves
        .iter()
        .filter(|((kind, _), grave)| {
            kind == "analytics" && scope.as_ref().is_some_and(|id| grave.id.is_within(id))
        })
        .map(|(_, grave)| {
            let buried = Stored::new(grave.id.clone(), grave.body.clone(), grave.created);
            Workspace.render(state, &Stored { changed: grave.deleted, ..buried })
        })
        .collect();
    Some(Ok(Reply::json(200, json!({ "value": entries }))))
}
