//! `Microsoft.Consumption` budgets (`facts.md` 12): an update must carry the body's `eTag` of the last
//! read. Nothing is spent in this world.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::arm::{ArmError, Write};
use crate::body;
use crate::providers::{Kind, Style};
use crate::state::State;
use beamline_base::id::ResourceId;

pub(super) struct Budget;

static STYLE: Style =
    Style { arm_type: "Microsoft.Consumption/budgets", first_version: "2018-01-31", ..Style::SYNC };

const GRAINS: [&str; 6] =
    ["Monthly", "Quarterly", "Annually", "BillingMonth", "BillingQuarter", "BillingAnnual"];

const OPERATORS: [&str; 3] = ["EqualTo", "GreaterThan", "GreaterThanOrEqualTo"];

fn bad(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("400", message)
}

impl Kind for Budget {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let name = write.name();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if !(1..=63).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(bad(format!(
                "The budget name '{name}' is invalid: 1 to 63 letters, digits, '_' or '-'."
            )));
        }
        check_values(write)?;
        check_notifications(write)?;
        match (write.old_text("/eTag"), write.text("/eTag")) {
            (None, _) => Ok(()),
            (Some(own), Some(sent)) if own == sent => Ok(()),
            (Some(_), None) => Err(bad("The eTag of the budget is required for an update.").at("eTag")),
            (Some(_), Some(_)) => {
                Err(ArmError::new(412, "412", "The eTag does not match: the budget was changed meanwhile.")
                    .at("eTag"))
            }
        }
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": write.body["properties"] });
        let etag =
            state.uuid(&format!("etag {} {}", state.requests_seen, write.id.folded())).simple().to_string();
        body::set(&mut filled, "/eTag", format!("\"{}\"", &etag[..15]));
        let start = write.text("/properties/timePeriod/startDate").and_then(moment);
        let end = start.and_then(|start| {
            let zoned = start.to_zoned(jiff::tz::TimeZone::UTC);
            zoned.checked_add(jiff::Span::new().years(10)).ok()
        });
        if let Some(end) = end {
            body::fill(&mut filled, "/properties/timePeriod/endDate", end.timestamp().to_string());
        }
        body::set(&mut filled, "/properties/currentSpend", json!({ "amount": 0.0, "unit": "USD" }));
        filled
    }

    fn has_container(&self, state: &State, container: &ResourceId) -> bool {
        state.get(container).is_some()
            || container.subscription_id().is_some_and(|id| ResourceId::subscription(id) == *container)
    }

    fn when_gone(&self) -> u16 {
        404
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{}T00:00:00Z", text.get(..10)?).parse().ok())
}

fn check_values(write: &Write<'_>) -> Result<(), ArmError> {
    if write.text("/properties/category") != Some("Cost") {
        return Err(bad("The category of a budget must be 'Cost'.").at("category"));
    }
    let amount = body::at(write.body, "/properties/amount").and_then(Value::as_f64);
    if !amount.is_some_and(|amount| amount > 0.0) {
        return Err(bad("The amount of a budget must be a positive number.").at("amount"));
    }
    let grain = write.text("/properties/timeGrain").unwrap_or_default();
    if !GRAINS.contains(&grain) {
        return Err(bad(format!("The time grain '{grain}' is not valid.")).at("timeGrain"));
    }
    if write.old_text("/properties/timeGrain").is_some_and(|old| old != grain) {
        return Err(bad("The time grain of a budget cannot be changed.").at("timeGrain"));
    }
    let start = write.text("/properties/timePeriod/startDate").and_then(moment);
    let first = start.is_some_and(|start| start.to_zoned(jiff::tz::TimeZone::UTC).day() == 1);
    if first {
        Ok(())
    } else {
        Err(bad("The start date of a budget must be the first day of a month.").at("startDate"))
    }
}

fn check_notifications(write: &Write<'_>) -> Result<(), ArmError> {
    let Some(all) = body::at(write.body, "/properties/notifications").and_then(Value::as_object) else {
        return Ok(());
    };
    if all.len() > 5 {
        return Err(bad("A budget has at most five notifications.").at("notifications"));
    }
    for (name, notification) in all {
        let operator = body::text(notification, "/operator").unwrap_or_default();
        let threshold = body::at(notification, "/threshold").and_then(Value::as_f64);
        let emails = body::at(notification, "/contactEmails").is_some_and(Value::is_array);
        let in_range = threshold.is_some_and(|threshold| (0.0..=1000.0).contains(&threshold));
        if !OPERATORS.contains(&operator) || !in_range || !emails {
            let message = format!(
                "The notification '{name}' needs a valid operator, a threshold up to 1000 and contactEmails."
            );
            return Err(bad(message).at("notifications"));
        }
    }
    Ok(())
}
