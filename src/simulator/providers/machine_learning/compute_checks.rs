//! What the service refuses in computes (`facts.md` 7 and 22), and durations as it reads and writes them.

use serde_json::Value;

use crate::arm::{ArmError, Write};
use crate::body;
use crate::providers::machine_learning::computes::{INNER, TYPE, is_instance};
use crate::providers::machine_learning::workspaces::bad;
use crate::providers::names::{alphanumeric_or_hyphen, fits};
use crate::providers::resources::subscriptions::normal_location;
use crate::providers::{identity, machine_learning::vm_sizes};
use crate::state::State;
use beamline_base::id::ResourceId;

/// `^[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{2,23}$`
pub(in crate::providers) fn check_name(write: &Write<'_>) -> Result<(), ArmError> {
    let name = write.name();
    let shape =
        fits(name, 3, 24, alphanumeric_or_hyphen) && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let numbered = name
        .rsplit_once('-')
        .is_some_and(|(_, end)| !end.is_empty() && end.chars().all(|c| c.is_ascii_digit()));
    if shape && !numbered {
        return Ok(());
    }
    Err(bad(format!(
        "Compute name '{name}' is invalid. It can include letters, digits and dashes. It must start with a letter, and \
         be between 3 and 24 characters in length. It must not end with '-' followed by digits."
    )))
}

pub(in crate::providers) fn check_workspace(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let workspace = write.id.parent().and_then(|id| state.get(&id));
    let phase = workspace.and_then(|stored| body::text(&stored.body, "/properties/provisioningState"));
    match phase {
        Some("Creating" | "Deleting" | "Failed") => {
            let message = format!("The workspace is in provisioning state '{}'.", phase.unwrap_or_default());
            Err(ArmError::conflict("Conflict", message))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_size(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let place = format!("{INNER}/vmSize");
    let size = write.text(&place).or_else(|| write.old_text(&place)).unwrap_or_default();
    if vm_sizes::exists(size, state.settings.vm_sizes) {
        return Ok(());
    }
    Err(bad(format!("The VM size '{size}' is not supported in this region.")).at("vmSize"))
}

fn check_subnet(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let Some(subnet) = write.text(&format!("{INNER}/subnet/id")) else { return Ok(()) };
    let known = subnet.parse::<ResourceId>().ok().and_then(|id| state.get(&id));
    if known.is_some() {
        Ok(())
    } else {
        Err(bad(format!("The subnet '{subnet}' could not be found.")).at("subnet"))
    }
}

pub(in crate::providers) fn check_cluster(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    check_size(state, write)?;
    check_subnet(state, write)?;
    let count =
        |name: &str| body::at(write.body, &format!("{INNER}/scaleSettings/{name}")).and_then(Value::as_u64);
    let Some(most) = count("maxNodeCount") else {
        return Err(bad("The property 'scaleSettings.maxNodeCount' is required.").at("maxNodeCount"));
    };
    if count("minNodeCount").unwrap_or(0) > most {
        return Err(bad("minNodeCount must not be greater than maxNodeCount.").at("minNodeCount"));
    }
    let idle = write.text(&format!("{INNER}/scaleSettings/nodeIdleTimeBeforeScaleDown"));
    if idle.is_some_and(|text| seconds(text).is_none()) {
        return Err(
            bad("nodeIdleTimeBeforeScaleDown is not an ISO 8601 duration.").at("nodeIdleTimeBeforeScaleDown")
        );
    }
    let priority = write.text(&format!("{INNER}/vmPriority")).unwrap_or("Dedicated");
    if !["dedicated", "lowpriority"].contains(&priority.to_ascii_lowercase().as_str()) {
        return Err(bad(format!("The value '{priority}' is not allowed for vmPriority.")).at("vmPriority"));
    }
    match identity::kinds(write.body) {
        Some(kinds) if kinds.system && kinds.user => Err(bad(
            "A compute can have either a system-assigned identity or user-assigned identities, not both.",
        )),
        Some(_) | None => Ok(()),
    }
}

pub(in crate::providers) fn check_instance(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    check_size(state, write)?;
    check_subnet(state, write)?;
    let user = format!("{INNER}/personalComputeInstanceSettings/assignedUser");
    if body::at(write.body, &user).is_some() {
        for name in ["objectId", "tenantId"] {
            if write.text(&format!("{user}/{name}")).is_none() {
                return Err(bad(format!("The property 'assignedUser.{name}' is required.")).at(name));
            }
        }
    }
    let idle = write.text(&format!("{INNER}/idleTimeBeforeShutdown"));
    check_idle_time(idle)?;
    if write.existing.is_none() && name_taken(state, write) {
        let message = format!(
            "Compute name needs to be unique across all existing computes within an Azure region: '{}' is taken.",
            write.name()
        );
        return Err(bad(message));
    }
    Ok(())
}

/// Instance names are unique in a region, across subscriptions (`facts.md` 7 and 22).
fn name_taken(state: &State, write: &Write<'_>) -> bool {
    let region = write.text("/location").map(normal_location);
    state.of_type(TYPE).any(|stored| {
        is_instance(&stored.body)
            && stored.id.name().eq_ignore_ascii_case(write.name())
            && body::text(&stored.body, "/location").map(normal_location) == region
    })
}

/// Between 15 minutes and three days.
pub(in crate::providers) fn check_idle_time(text: Option<&str>) -> Result<(), ArmError> {
    let Some(text) = text else { return Ok(()) };
    match seconds(text) {
        Some(seconds) if (900..=259_200).contains(&seconds) => Ok(()),
        Some(_) | None => Err(bad("idleTimeBeforeShutdown must be a duration between PT15M and P3D.")
            .at("idleTimeBeforeShutdown")),
    }
}

/// The whole seconds of an ISO 8601 duration of days and times.
fn seconds(text: &str) -> Option<i64> {
    let span: jiff::Span = text.trim().parse().ok()?;
    let total = jiff::SignedDuration::try_from(span.days(0)).ok()?.as_secs();
    Some(total + 86_400 * i64::from(span.get_days())).filter(|seconds| *seconds >= 0)
}

/// As .NET writes a `TimeSpan`: `PT120S` becomes `PT2M`, `PT90M` `PT1H30M`.
pub(in crate::providers) fn normal_duration(text: &str) -> Option<String> {
    let total = seconds(text)?;
    let (days, hours, minutes, secs) = (total / 86_400, total / 3600 % 24, total / 60 % 60, total % 60);
    let part = |count: i64, unit: &str| if count == 0 { String::new() } else { format!("{count}{unit}") };
    let time = [part(hours, "H"), part(minutes, "M"), part(secs, "S")].concat();
    let time = if time.is_empty() { String::new() } else { format!("T{time}") };
    let all = format!("{}{time}", part(days, "D"));
    Some(format!("P{}", if all.is_empty() { "T0S" } else { &all }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_back_as_dotnet_writes_them() {
        let cases =
            [("PT120S", "PT2M"), ("PT15M", "PT15M"), ("PT90M", "PT1H30M"), ("P1D", "P1D"), ("PT0S", "PT0S")];
        for (sent, answered) in cases {
            assert_eq!(normal_duration(sent).as_deref(), Some(answered));
        }
        assert_eq!(normal_duration("soon"), None);
    }
}
