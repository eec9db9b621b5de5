//! When a compute instance starts and stops by itself: `schedules` of a definition, and
//! `schedules.computeStartStop` of the body. Only schedules by cron expression are written.

use serde_json::{Map, Value, json};

use super::super::field::{Arm, Field, Literal, Shape, WhenAbsent};
use super::super::finding::Finding;
use super::super::pointer;
use super::super::resource::Resource;
use super::{AT_CREATION, cron, zone};

/// Where Azure keeps them.
pub(super) const AT: &str = "/properties/properties/schedules/computeStartStop";

/// The zone of a schedule that names none.
const DEFAULT_TIME_ZONE: &str = "UTC";

/// The fields of one schedule.
pub(super) static FIELDS: [Field; 4] = [
    Field {
        name: "action",
        doc: "What happens.",
        shape: Shape::Choice(&["Start", "Stop"]),
        absent: WhenAbsent::Refused,
        arm: Arm::Nowhere,
        change: AT_CREATION,
    },
    Field {
        name: "cron",
        doc: "When, as five cron fields: `0 18 * * 1-5`.",
        shape: Shape::Text { max_chars: 120, example: Some("0 18 * * 1-5") },
        absent: WhenAbsent::Refused,
        arm: Arm::Nowhere,
        change: AT_CREATION,
    },
    Field {
        name: "time_zone",
        doc: "The time zone of `cron`, by its Windows name: `Pacific Standard Time`.",
        shape: Shape::Text { max_chars: 80, example: None },
        absent: WhenAbsent::Default(Literal::Text(DEFAULT_TIME_ZONE)),
        arm: Arm::Nowhere,
        change: AT_CREATION,
    },
    Field {
        name: "enabled",
        doc: "Whether the schedule is in force.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Nowhere,
        change: AT_CREATION,
    },
];

/// Whether a schedule in force stops the machine.
pub(super) fn stop_the_machine(resource: &Resource) -> bool {
    let schedules = resource.field("schedules").and_then(Value::as_array);
    schedules.is_some_and(|schedules| {
        schedules.iter().any(|one| one["action"] == "Stop" && one["enabled"] != Value::Bool(false))
    })
}

/// Each schedule has an expression and a time zone that Azure reads.
pub(super) fn check(resource: &Resource) -> Vec<Finding> {
    let schedules = resource.field("schedules").and_then(Value::as_array);
    let each = schedules.into_iter().flatten().enumerate();
    each.flat_map(|(at, one)| {
        let cron = one["cron"].as_str().and_then(|text| check_cron(at, text));
        let zone = one["time_zone"].as_str().and_then(|text| check_zone(at, text));
        cron.into_iter().chain(zone)
    })
    .collect()
}

fn check_cron(at: usize, text: &str) -> Option<Finding> {
    let problem = cron::problem_of(text)?;
    Some(Finding::error(
        "schedule-cron",
        &format!("schedules.{at}.cron"),
        &format!("`{text}` is not a time that Azure reads: {problem}"),
        "minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-6, Sunday is 0): numbers, `*`, lists with `,` \
         and ranges with `-`",
        "write for example `0 18 * * 1-5`: at 18:00 from Monday to Friday",
    ))
}

fn check_zone(at: usize, text: &str) -> Option<Finding> {
    let remedy = match zone::known(text) {
        zone::Known::Windows => return None,
        zone::Known::Iana(name) => format!("write `{name}`, which Windows calls this zone"),
        zone::Known::Near(name) => format!("did you mean `{name}`?"),
        zone::Known::Not => "write Windows' name of the zone (`tzutil /l` lists them), for example `W. Europe Standard Time`, or `UTC`".to_owned(),
    };
    Some(Finding::error(
        "schedule-time-zone",
        &format!("schedules.{at}.time_zone"),
        &format!("`{text}` is not the name of a Windows time zone"),
        "Azure ML takes the names that Windows has for time zones",
        &remedy,
    ))
}

/// Puts the list into a body.
pub(super) fn write(value: &Value, body: &mut Value) {
    let schedules = value.as_array().into_iter().flatten().map(|one| {
        let status = if one["enabled"] == Value::Bool(false) { "Disabled" } else { "Enabled" };
        let zone = one["time_zone"].as_str().unwrap_or(DEFAULT_TIME_ZONE);
        json!({
            "status": status,
            "action": one["action"],
            "triggerType": "Cron",
            "cron": { "expression": one["cron"], "timeZone": zone },
        })
    });
    pointer::put(body, AT, schedules.collect());
}

/// Takes the list out of an observed body, without what only Azure knows of each entry.
pub(super) fn read(body: &Value) -> Option<Value> {
    let schedules = pointer::get(body, AT)?.as_array()?;
    Some(schedules.iter().map(read_schedule).map(Value::Object).collect())
}

fn read_schedule(schedule: &Value) -> Map<String, Value> {
    let text = |pointer: &str| pointer::get(schedule, pointer).and_then(Value::as_str);
    let enabled = !text("/status").is_some_and(|status| status.eq_ignore_ascii_case("Disabled"));
    Map::from_iter([
        ("action".to_owned(), json!(text("/action"))),
        ("cron".to_owned(), json!(text("/cron/expression"))),
        ("time_zone".to_owned(), json!(text("/cron/timeZone").unwrap_or(DEFAULT_TIME_ZONE))),
        ("enabled".to_owned(), json!(enabled)),
    ])
}
