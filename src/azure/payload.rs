//! The body of an answer as JSON, as tolerant as Azure needs it: any content type, a byte order mark,
//! an empty body. Depth is bounded by `serde_json`, size by `wire`. Pure.

use serde_json::Value;

use crate::wire;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The body, `None` when there is nothing in it.
///
/// # Errors
/// The parser's, when the body is not JSON.
pub(super) fn json(response: &wire::Response) -> Result<Option<Value>, serde_json::Error> {
    let body = response.body().as_ref();
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii();
    if body.is_empty() { Ok(None) } else { serde_json::from_slice(body).map(Some) }
}

/// The text of a header; `None` when it is absent, empty or not readable.
pub(super) fn header<'a>(response: &'a wire::Response, name: &str) -> Option<&'a str> {
    let text = response.headers().get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then_some(text)
}

/// Azure's id of the request, for support cases.
pub(super) fn request_id(response: &wire::Response) -> Option<String> {
    header(response, "x-ms-request-id")
        .or_else(|| header(response, "x-ms-correlation-request-id"))
        .map(|id| id.chars().filter(|c| !c.is_control()).take(128).collect())
}
