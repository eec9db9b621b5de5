//! The answer to a write: done, or where to look next. Pure.

use std::time::Duration;

use azure_core::http::Url;
use jiff::Timestamp;
use serde_json::Value;

use super::outcome::{Memory, Operation, Style};
use super::state::{self, State};
use crate::azure::error::body_of;
use crate::azure::{Answer, ArmError, Cloud, Method, address, payload, retry_after};
use crate::wire;

/// The wait before the first look where Azure names none. The contract says 60 s and Terraform waits
/// 10 s: much of what is made without a hint is there within a second or two.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(1);

/// What such a wait grows to.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The wait that follows `wait` where Azure names none: half as long again, so that what has ended is
/// seen after at most half as long again as it took. 1, 1.5, 2.3, 3.4, 5.1, 7.6, then 10 s.
pub(crate) fn next_wait(wait: Duration) -> Duration {
    (wait + wait / 2).clamp(FIRST_WAIT, LONGEST_WAIT)
}

/// Reads the answer `response` to a write with `method` to `request_url` (absolute).
///
/// # Errors
/// [`ArmError::Refused`] for a status that is not 2xx, [`ArmError::Malformed`] for a resource that is
/// not JSON or a poll URL that is no URL, [`ArmError::ForeignLink`] for one that leads away.
pub fn started(
    cloud: &Cloud,
    method: Method,
    request_url: &str,
    response: &wire::Response,
    now: Timestamp,
) -> Result<Answer, ArmError> {
    let status = response.status().as_u16();
    if !response.status().is_success() {
        return Err(ArmError::refused(response, now));
    }
    let body = body(method, status, response)?;
    let request = address::linked(cloud, request_url)?;
    let next = next(cloud, method, &request, response, body.as_ref())?;
    let wait = retry_after::read(response, now).unwrap_or(FIRST_WAIT);
    let memory = Memory { deletes: method == Method::Delete, missed: 0 };
    let operation = next.map(|(url, style)| Operation::new(&url, style, wait, memory));
    Ok(Answer { status, body, operation, request_id: payload::request_id(response) })
}

/// Only the resource in a 200 or 201 to PUT and PATCH has to be readable.
fn body(method: Method, status: u16, response: &wire::Response) -> Result<Option<Value>, ArmError> {
    let resource = matches!((method, status), (Method::Put | Method::Patch, 200 | 201));
    match body_of(response) {
        Ok(body) => Ok(body),
        Err(error) if resource => Err(error),
        Err(_) => Ok(None),
    }
}

fn next(
    cloud: &Cloud,
    method: Method,
    request: &Url,
    response: &wire::Response,
    body: Option<&Value>,
) -> Result<Option<(String, Style)>, ArmError> {
    let status = response.status().as_u16();
    if !matches!(status, 200..=202) {
        return Ok(None);
    }
    let itself = || Some((own_address(request), Style::Resource));
    let headers = [("azure-asyncoperation", Style::AzureAsyncOperation), ("location", Style::Location)];
    for (name, style) in headers {
        let Some(link) = payload::header(response, name) else { continue };
        if style == Style::Location && is_final(method, status, body) {
            return Ok(None);
        }
        let url = address::linked(cloud, link)?;
        if is_same_resource(&url, request) {
            break;
        }
        return Ok(Some((url.into(), style)));
    }
    Ok(match (method, status, body.and_then(state::of_resource)) {
        // A failed resource is looked at once more, so that the failure arrives as one.
        (Method::Put | Method::Patch, _, Some(State::Working(_) | State::Failed)) => itself(),
        (Method::Put | Method::Patch | Method::Delete, 202, None) => itself(),
        (Method::Put | Method::Patch | Method::Post | Method::Delete, _, _) => None,
    })
}

/// Whether a `Location` in this answer is decoration: the answer is the final one.
fn is_final(method: Method, status: u16, body: Option<&Value>) -> bool {
    match method {
        Method::Put | Method::Patch => body.and_then(state::of_resource) == Some(State::Succeeded),
        Method::Post | Method::Delete => status == 200,
    }
}

/// A 201 may name the created resource in `Location`: that is no operation.
fn is_same_resource(url: &Url, request: &Url) -> bool {
    let path = |url: &Url| url.path().trim_end_matches('/').to_ascii_lowercase();
    path(url) == path(request)
}

/// The resource's path and API version.
fn own_address(request: &Url) -> String {
    let version = request.query_pairs().find(|(name, _)| name == "api-version");
    let version = version.map(|(_, version)| version.into_owned()).unwrap_or_default();
    format!("{}?api-version={version}", request.path())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    const RESOURCE: &str = "https://management.azure.com/subscriptions/s/resourceGroups/rg/providers/M.X/a/b";
    const OPERATION: &str = "https://management.azure.com/subscriptions/s/providers/M.X/operations/1?t=1&s=x";
    const RESULT: &str = "https://management.azure.com/subscriptions/s/providers/M.X/results/1?t=1&s=x";

    fn answer(
        method: Method,
        status: u16,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, ArmError> {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let url = format!("{RESOURCE}?api-version=2025-12-01&force=true");
        started(&Cloud::azure_public(), method, &url, &builder.body(body).unwrap(), Timestamp::UNIX_EPOCH)
    }

    fn style(method: Method, status: u16, headers: &[(&str, &str)], body: &Value) -> Option<(Style, String)> {
        let operation = answer(method, status, headers, body).unwrap().operation?;
        Some((operation.style, operation.address().to_owned()))
    }

    fn resource(state: &str) -> Value {
        json!({"id": "/x", "properties": {"provisioningState": state}})
    }

    const AAO: (&str, &str) = ("Azure-AsyncOperation", OPERATION);
    const LOCATION: (&str, &str) = ("Location", RESULT);
    const ITSELF: &str = "/subscriptions/s/resourceGroups/rg/providers/M.X/a/b?api-version=2025-12-01";

    #[test]
    fn each_resource_provider_s_way_of_starting_is_understood() {
        use Method::{Delete, Patch, Post, Put};
        let aao = Some((Style::AzureAsyncOperation, OPERATION.to_owned()));
        let location = Some((Style::Location, RESULT.to_owned()));
        let itself = Some((Style::Resource, ITSELF.to_owned()));
        let own = ("Location", RESOURCE);
        let nothing = Value::Null;
        let table = vec![
            ("compute PUT", Put, 201, vec![AAO], resource("Creating"), aao.clone()),
            ("network PUT", Put, 201, vec![AAO, LOCATION], resource("Updating"), aao.clone()),
            ("compute DELETE", Delete, 202, vec![AAO, LOCATION], nothing.clone(), aao.clone()),
            ("compute start", Post, 202, vec![AAO], nothing.clone(), aao.clone()),
            ("registry PUT, header though final", Put, 201, vec![AAO], resource("Succeeded"), aao),
            ("storage PUT", Put, 202, vec![LOCATION], nothing.clone(), location.clone()),
            ("workspace PUT", Put, 202, vec![LOCATION], nothing.clone(), location.clone()),
            ("group DELETE", Delete, 202, vec![LOCATION], nothing.clone(), location.clone()),
            ("purge", Post, 202, vec![LOCATION], nothing.clone(), location.clone()),
            ("PUT 200 working, Location", Put, 200, vec![LOCATION], resource("Creating"), location),
            ("vault PUT", Put, 200, vec![], resource("RegisteringDns"), itself.clone()),
            ("logs PUT", Put, 201, vec![], resource("Creating"), itself.clone()),
            ("PUT 201, Location is itself", Put, 201, vec![own], resource("Creating"), itself.clone()),
            ("PUT 202, Location is itself", Put, 202, vec![own], nothing.clone(), itself.clone()),
            ("PUT 202 without header", Put, 202, vec![], nothing.clone(), itself.clone()),
            ("PATCH that failed at once", Patch, 200, vec![], resource("Failed"), itself.clone()),
            ("DELETE 202 without header", Delete, 202, vec![], nothing.clone(), itself),
            ("insights PUT", Put, 200, vec![], resource("Succeeded"), None),
            ("role PUT without state", Put, 201, vec![], json!({"properties": {}}), None),
            ("PUT 201 with own Location, final", Put, 201, vec![own], resource("Succeeded"), None),
            ("PUT 200 final, Location", Put, 200, vec![LOCATION], resource("Succeeded"), None),
            ("group DELETE at once", Delete, 200, vec![LOCATION], nothing.clone(), None),
            ("DELETE of nothing", Delete, 204, vec![], nothing.clone(), None),
            ("POST at once", Post, 200, vec![], json!({"value": 1}), None),
            ("POST 202 without header", Post, 202, vec![], nothing, None),
        ];
        for (what, method, status, headers, body, expected) in table {
            assert_eq!(style(method, status, &headers, &body), expected, "{what}");
        }
    }

    #[test]
    fn the_first_wait_is_azure_s_or_one_second() {
        let wait = |headers: &[(&str, &str)]| {
            let answer = answer(Method::Put, 202, headers, &Value::Null).unwrap();
            answer.operation.unwrap().retry_after.as_secs()
        };
        assert_eq!(wait(&[LOCATION]), 1);
        assert_eq!(wait(&[LOCATION, ("Retry-After", "17")]), 17);
        assert_eq!(wait(&[LOCATION, ("Retry-After", "0")]), 0);
        assert_eq!(wait(&[LOCATION, ("Retry-After", "3600")]), 600);
    }

    #[test]
    fn a_poll_url_on_another_host_is_refused() {
        for header in ["Azure-AsyncOperation", "Location"] {
            let refused = answer(Method::Put, 202, &[(header, "https://evil.example/op")], &Value::Null);
            assert!(matches!(refused, Err(ArmError::ForeignLink { .. })), "{header}");
        }
        let relative = style(Method::Put, 202, &[("Location", "/op/1?x=y")], &Value::Null).unwrap();
        assert_eq!(relative, (Style::Location, "https://management.azure.com/op/1?x=y".to_owned()));
    }

    #[test]
    fn a_resource_that_is_not_json_is_an_error_and_an_acceptance_need_not_be() {
        let cloud = Cloud::azure_public();
        let started = |status| {
            let response = http::Response::builder().status(status).body(Bytes::from("<html>")).unwrap();
            started(&cloud, Method::Put, RESOURCE, &response, Timestamp::UNIX_EPOCH)
        };
        assert!(matches!(started(200), Err(ArmError::Malformed { .. })));
        assert!(started(202).is_ok());
    }
}
