//! The answer to one look at a running operation. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::outcome::{Memory, Operation, Polled, Style};
use super::start::next_wait;
use super::state::{self, State};
use crate::azure::error::body_of;
use crate::azure::{ArmError, AzureProblem, Cloud, address, payload, retry_after};
use crate::wire;

/// How many looks in a row may find nothing before that is believed: two minutes at the waits that we
/// choose ourselves.
/// Azure answers 404 to a poll that arrives before the operation is known everywhere.
const MISSES_TOLERATED: u32 = 16;

/// Reads the answer `response` to one look at `operation`.
///
/// # Errors
/// [`ArmError::Refused`] when the look failed, which says nothing about the operation (look again, by
/// the error's class), or when Azure does not know the operation (class not found: read the resource).
/// [`ArmError::Malformed`] and [`ArmError::ForeignLink`] as for [`super::started`].
pub fn looked(
    cloud: &Cloud,
    operation: &Operation,
    response: &wire::Response,
    now: Timestamp,
) -> Result<Polled, ArmError> {
    let look = Look { cloud, operation, response, now };
    match response.status().as_u16() {
        404 => look.found_nothing(),
        200..=299 => match operation.style {
            Style::AzureAsyncOperation => look.at_status_document(),
            Style::Location => look.at_location(),
            Style::Resource => look.at_resource(),
        },
        status if operation.style == Style::Location && look.is_result(status) => {
            Ok(Polled::Failed { error: AzureProblem::of_response(response) })
        }
        _ => Err(ArmError::refused(response, now)),
    }
}

struct Look<'a> {
    cloud: &'a Cloud,
    operation: &'a Operation,
    response: &'a wire::Response,
    now: Timestamp,
}

impl Look<'_> {
    fn at_status_document(&self) -> Result<Polled, ArmError> {
        let status = self.response.status().as_u16();
        let body = match body_of(self.response) {
            Ok(body) => body,
            Err(error) if status == 200 => return Err(error),
            Err(_) => None,
        };
        let Some(body) = body else {
            return if status == 202 {
                self.running("Accepted", None)
            } else {
                Ok(Polled::Done { body: None })
            };
        };
        match state::of_status_document(&body) {
            Some(State::Succeeded) => Ok(Polled::Done { body: None }),
            Some(State::Failed) => self.failed(&body),
            Some(State::Working(word)) => self.running(word, state::progress(&body)),
            None if status == 202 => self.running("Accepted", state::progress(&body)),
            None => Err(ArmError::Malformed { what: "the operation's document has no status".to_owned() }),
        }
    }

    fn at_location(&self) -> Result<Polled, ArmError> {
        if self.response.status() == http::StatusCode::ACCEPTED {
            let body = payload::json(self.response).ok().flatten().unwrap_or_default();
            let word = body.get("status").and_then(Value::as_str);
            return self.running(word.unwrap_or("Accepted"), state::progress(&body));
        }
        let Some(body) = body_of(self.response)? else { return Ok(Polled::Done { body: None }) };
        // Some providers answer 200 with a status document, or with the resource while it is made.
        let is_resource = body.get("type").is_some();
        let state = if is_resource { state::of_resource(&body) } else { state::of_status_document(&body) };
        match state {
            Some(State::Failed) => self.failed(&body),
            Some(State::Working(word)) if is_resource || body.get("status").is_none() => {
                self.running(word, state::progress(&body))
            }
            Some(State::Working(word)) if is_running_word(word) => self.running(word, state::progress(&body)),
            Some(State::Succeeded | State::Working(_)) | None => Ok(Polled::Done { body: Some(body) }),
        }
    }

    fn at_resource(&self) -> Result<Polled, ArmError> {
        let body = body_of(self.response)?;
        let deletes = self.operation.memory().deletes;
        match body.as_ref().and_then(state::of_resource) {
            Some(State::Failed) => self.failed(body.as_ref().unwrap_or(&Value::Null)),
            Some(State::Working(word)) => self.running(word, None),
            Some(State::Succeeded) | None if deletes => self.running("Deleting", None),
            Some(State::Succeeded) | None => Ok(Polled::Done { body }),
        }
    }

    /// The end of a deletion that is watched on the resource; else an operation that cannot be seen yet,
    /// for a bounded number of looks. After those, a deletion has ended (the caller reads the resource
    /// back anyway), and anything else has to be found out by reading the resource.
    fn found_nothing(&self) -> Result<Polled, ArmError> {
        let memory = self.operation.memory();
        if memory.deletes && self.operation.style == Style::Resource {
            return Ok(Polled::Done { body: None });
        }
        if memory.missed < MISSES_TOLERATED {
            let missed = Memory { missed: memory.missed + 1, ..memory };
            return self.running_with("NotFound", None, missed);
        }
        if memory.deletes {
            return Ok(Polled::Done { body: None });
        }
        Err(ArmError::refused(self.response, self.now))
    }

    /// A refusal at `Location` is the operation's own result, unless it is about this look: its token, its
    /// permission, its rate.
    fn is_result(&self, status: u16) -> bool {
        let about_the_look = matches!(status, 401 | 408 | 429)
            || (status == 403
                && AzureProblem::of_response(self.response).code.as_deref() == Some("AuthorizationFailed"));
        (400..500).contains(&status) && !about_the_look
    }

    fn failed(&self, body: &Value) -> Result<Polled, ArmError> {
        Ok(Polled::Failed { error: state::problem(body, payload::request_id(self.response)) })
    }

    fn running(&self, state: &str, progress: Option<u8>) -> Result<Polled, ArmError> {
        self.running_with(state, progress, Memory { missed: 0, ..self.operation.memory() })
    }

    fn running_with(&self, state: &str, progress: Option<u8>, memory: Memory) -> Result<Polled, ArmError> {
        let style = self.operation.style;
        let url = match self.newest_link() {
            Some(link) => address::linked(self.cloud, link)?.into(),
            None => self.operation.address().to_owned(),
        };
        let operation = Operation::new(&url, style, self.wait(), memory);
        let state = state.chars().filter(|c| !c.is_control()).take(64).collect();
        Ok(Polled::Running { operation, progress, state })
    }

    fn newest_link(&self) -> Option<&str> {
        match self.operation.style {
            Style::AzureAsyncOperation => payload::header(self.response, "azure-asyncoperation"),
            Style::Location => payload::header(self.response, "location"),
            Style::Resource => None,
        }
    }

    fn wait(&self) -> Duration {
        let asked = retry_after::read(self.response, self.now);
        asked.unwrap_or_else(|| next_wait(self.operation.retry_after))
    }
}

/// Words that a status document uses for an operation that goes on. At a `Location`, a `status` of
/// another word may be part of the result itself.
fn is_running_word(word: &str) -> bool {
    ["Accepted", "InProgress", "Running", "Pending", "Creating", "Updating", "Deleting", "Provisioning"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    const URL: &str = "https://management.azure.com/subscriptions/s/operations/1?t=1&s=x";
    const NEWER: &str = "https://management.azure.com/subscriptions/s/operations/1?t=2&s=y";

    fn operation(style: Style, deletes: bool) -> Operation {
        Operation::new(URL, style, Duration::ZERO, Memory { deletes, missed: 0 })
    }

    fn response(status: u16, headers: &[(&str, &str)], body: &Value) -> wire::Response {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        builder.body(body).unwrap()
    }

    fn look(operation: &Operation, response: &wire::Response) -> Result<Polled, ArmError> {
        looked(&Cloud::azure_public(), operation, response, Timestamp::UNIX_EPOCH)
    }

    /// One word per outcome, so that the tables below can be read.
    fn outcome(style: Style, deletes: bool, status: u16, body: &Value) -> String {
        match look(&operation(style, deletes), &response(status, &[], body)) {
            Ok(Polled::Running { state, progress: Some(percent), .. }) => {
                format!("running {state} {percent}%")
            }
            Ok(Polled::Running { state, .. }) => format!("running {state}"),
            Ok(Polled::Done { body: Some(_) }) => "done with body".to_owned(),
            Ok(Polled::Done { body: None }) => "done".to_owned(),
            Ok(Polled::Failed { error }) => format!("failed {}", error.innermost),
            Err(error) => format!("error {:?}", error.class()),
        }
    }

    fn resource(state: &str) -> Value {
        json!({"id": "/x", "type": "M.X/a", "properties": {"provisioningState": state}})
    }

    #[test]
    fn a_status_document_tells_how_far_the_operation_is() {
        let error = json!({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "no cores"}});
        for (status, body, expected) in [
            (200, json!({"status": "InProgress", "percentComplete": 40}), "running InProgress 40%"),
            (200, json!({"status": "SomethingNew"}), "running SomethingNew"),
            (202, Value::Null, "running Accepted"),
            (202, json!({}), "running Accepted"),
            (200, json!({"status": "succeeded", "properties": {"id": "/x"}}), "done"),
            (200, Value::Null, "done"),
            (204, Value::Null, "done"),
            (200, error, "failed QuotaExceeded: no cores"),
            (200, json!({"status": "Cancelled"}), "failed Azure gives no reason (state Cancelled)"),
            (200, resource("Updating"), "running Updating"),
            (200, json!({"id": "/x"}), "error Fatal"),
            (404, Value::Null, "running NotFound"),
            (429, Value::Null, "error Throttled"),
            (500, Value::Null, "error Transient"),
            (400, json!({"error": {"code": "Bad", "message": "m"}}), "error Fatal"),
        ] {
            let told = outcome(Style::AzureAsyncOperation, false, status, &body);
            assert_eq!(told, expected, "{status} {body}");
        }
    }

    #[test]
    fn a_location_gives_the_final_answer_in_the_end() {
        for (status, body, expected) in [
            (202, Value::Null, "running Accepted"),
            (202, json!({"status": "Running", "percentComplete": "7"}), "running Running 7%"),
            (200, resource("Succeeded"), "done with body"),
            (201, json!({"id": "/x", "type": "M.X/a"}), "done with body"),
            (204, Value::Null, "done"),
            (200, Value::Null, "done"),
            (200, resource("Creating"), "running Creating"),
            (200, json!({"status": "InProgress"}), "running InProgress"),
            (200, json!({"status": "Closed", "value": 1}), "done with body"),
            (200, resource("Failed"), "failed Azure gives no reason (state Failed)"),
            (409, json!({"error": {"code": "Conflict", "message": "taken"}}), "failed Conflict: taken"),
            (
                403,
                json!({"error": {"code": "RequestDisallowedByPolicy", "message": "no"}}),
                "failed RequestDisallowedByPolicy: no",
            ),
            (403, json!({"error": {"code": "AuthorizationFailed", "message": "no"}}), "error Propagating"),
            (404, Value::Null, "running NotFound"),
            (503, Value::Null, "error Transient"),
        ] {
            assert_eq!(outcome(Style::Location, false, status, &body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_resource_is_looked_at_until_its_state_is_final() {
        for (deletes, status, body, expected) in [
            (false, 200, resource("RegisteringDns"), "running RegisteringDns"),
            (false, 200, resource("Succeeded"), "done with body"),
            (false, 200, json!({"id": "/x", "properties": {}}), "done with body"),
            (false, 200, resource("Canceled"), "failed Azure gives no reason (state Canceled)"),
            (false, 404, Value::Null, "running NotFound"),
            (true, 200, resource("Succeeded"), "running Deleting"),
            (true, 200, resource("Deleting"), "running Deleting"),
            (true, 200, resource("Failed"), "failed Azure gives no reason (state Failed)"),
            (true, 404, Value::Null, "done"),
        ] {
            assert_eq!(outcome(Style::Resource, deletes, status, &body), expected, "{status} {body}");
        }
    }

    #[test]
    fn not_found_is_tolerated_for_a_bounded_number_of_looks_across_restarts() {
        for (deletes, ends_well) in [(false, false), (true, true)] {
            let mut operation = operation(Style::Location, deletes);
            for _ in 0..MISSES_TOLERATED {
                let Ok(Polled::Running { operation: next, .. }) =
                    look(&operation, &response(404, &[], &Value::Null))
                else {
                    panic!("given up too early");
                };
                let stored = serde_json::to_string(&next).unwrap();
                operation = serde_json::from_str(&stored).unwrap();
            }
            assert_eq!(look(&operation, &response(404, &[], &Value::Null)).is_ok(), ends_well);
            let found = look(&operation, &response(202, &[], &Value::Null)).unwrap();
            let Polled::Running { operation, .. } = found else { panic!("still running") };
            assert_eq!(operation.memory(), Memory { deletes, missed: 0 });
        }
    }

    #[test]
    fn without_a_hint_the_looks_come_at_growing_intervals_up_to_ten_seconds() {
        let mut operation = operation(Style::Resource, false);
        operation.retry_after = super::super::start::FIRST_WAIT;
        let mut waits = Vec::new();
        for hint in [&[][..], &[], &[], &[], &[], &[], &[], &[("Retry-After", "17")], &[]] {
            let found = look(&operation, &response(200, hint, &resource("Creating"))).unwrap();
            let Polled::Running { operation: next, .. } = found else { panic!("still running") };
            waits.push(next.retry_after.as_secs_f64());
            operation = next;
        }
        let rounded: Vec<f64> = waits.iter().map(|wait| (wait * 10.0).round() / 10.0).collect();
        assert_eq!(rounded, [1.5, 2.3, 3.4, 5.1, 7.6, 10.0, 10.0, 17.0, 10.0]);
    }

    #[test]
    fn the_newest_url_wins_and_must_stay_on_the_cloud() {
        let next = |style, header: &str, url: &str| {
            let answer = response(202, &[(header, url), ("Retry-After", "33")], &Value::Null);
            match look(&operation(style, false), &answer)? {
                Polled::Running { operation, .. } => {
                    Ok((operation.address().to_owned(), operation.retry_after))
                }
                Polled::Done { .. } | Polled::Failed { .. } => panic!("still running"),
            }
        };
        let wait = Duration::from_secs(33);
        assert_eq!(next(Style::Location, "Location", NEWER).unwrap(), (NEWER.to_owned(), wait));
        let newer = next(Style::AzureAsyncOperation, "Azure-AsyncOperation", NEWER).unwrap();
        assert_eq!(newer, (NEWER.to_owned(), wait));
        let unchanged = next(Style::AzureAsyncOperation, "Location", NEWER).unwrap();
        assert_eq!(unchanged, (URL.to_owned(), wait));
        let foreign = next(Style::Location, "Location", "https://evil.example/x");
        assert!(matches!(foreign, Err::<_, ArmError>(ArmError::ForeignLink { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_us_panic_or_leave_the_cloud(
            status in 200_u16..600,
            style in 0..3_usize,
            body in ".{0,60}|\\{\"(status|properties|error)\":.{0,40}\\}",
            link in "[ -~]{0,60}",
        ) {
            let style = [Style::AzureAsyncOperation, Style::Location, Style::Resource][style];
            let answer = http::Response::builder()
                .status(status)
                .header("Location", &link)
                .header("Azure-AsyncOperation", &link)
                .body(Bytes::from(body))
                .unwrap();
            if let Ok(Polled::Running { operation, .. }) = look(&operation(style, false), &answer) {
                proptest::prop_assert!(operation.address().starts_with("https://management.azure.com/"));
            }
        }
    }
}
