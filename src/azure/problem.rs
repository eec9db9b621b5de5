//! What Azure says is wrong, from whatever shape its error body has.
//!
//! Resource providers answer with and without the `error` envelope, with only a message, without a
//! code, with the cause nested deep in `details[]`, or as JSON inside a message. Everything here is
//! pure, bounded and tolerant: any body gives a problem, never a failure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::payload;
use crate::resources::brief;
use crate::text::both_ends;
use crate::wire;

/// How deep causes are followed, and how many are looked at.
const MAX_DEPTH: usize = 32;
const MAX_CAUSES: usize = 500;

/// How many braces and brackets of a text may begin an error.
const MAX_STARTS: usize = 16;

/// The longest message that is kept, in characters.
const MAX_MESSAGE_CHARS: usize = 2000;

/// An error in Azure's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AzureProblem {
    /// The outermost code, for example `RequestDisallowedByPolicy`.
    pub code: Option<String>,
    /// The outermost message, which often says least.
    pub message: String,
    /// The deepest message with its code (`Code: message`): usually the real cause.
    pub innermost: String,
    /// What the error is about: a property, a resource.
    pub target: Option<String>,
    /// Azure's id of the request, for support cases.
    pub request_id: Option<String>,
}

impl AzureProblem {
    /// The problem that an answer with an error status describes.
    #[must_use]
    pub fn of_response(response: &wire::Response) -> Self {
        let request_id = payload::request_id(response);
        let status = response.status().as_u16();
        let mut problem = match payload::json(response) {
            Ok(Some(body)) => Self::of_body(&body, request_id),
            Ok(None) => Self::worded("no explanation was given", request_id),
            Err(_) => Self::worded("the explanation is not JSON", request_id),
        };
        if problem.code.is_none() {
            problem.code = payload::header(response, "x-ms-error-code").map(cleaned);
        }
        if problem.message.is_empty() {
            problem.message = format!("HTTP {status}");
            problem.innermost.clone_from(&problem.message);
        }
        problem
    }

    /// The problem that a body (an error body, or that of a failed operation) describes.
    #[must_use]
    pub fn of_body(body: &Value, request_id: Option<String>) -> Self {
        let node = error_node(body);
        let mut search = Search { best: None, correlation: None, left: MAX_CAUSES };
        search.visit(node, 0);
        let Search { best, correlation, .. } = search;
        // What is itself a text of JSON says less to people than what is in it.
        let outermost = raw_message(node).filter(|raw| embedded(raw).is_none());
        let message = outermost.map(cleaned).unwrap_or_default();
        let mut innermost = best.map_or_else(|| message.clone(), |(_, text)| text);
        let message = if message.is_empty() { innermost.clone() } else { message };
        if let Some(id) = correlation.filter(|id| !innermost.contains(id.as_str())) {
            innermost = format!("{innermost} (correlation id {id})");
        }
        Self { code: code_of(node), message, innermost, target: text_of(node, "target"), request_id }
    }

    /// The code of the innermost cause, where it has one.
    pub(super) fn innermost_code(&self) -> Option<&str> {
        let (code, _) = self.innermost.split_once(": ")?;
        (!code.is_empty() && !code.contains(char::is_whitespace)).then_some(code)
    }

    fn worded(message: &str, request_id: Option<String>) -> Self {
        Self {
            code: None,
            message: message.to_owned(),
            innermost: message.to_owned(),
            target: None,
            request_id,
        }
    }
}

/// Looks for the deepest message; among equally deep ones the first.
struct Search {
    best: Option<(usize, String)>,
    /// The id under which Azure keeps what happened, where an embedded error or the text around it has one.
    correlation: Option<String>,
    left: usize,
}

impl Search {
    fn visit(&mut self, node: &Value, depth: usize) {
        if depth > MAX_DEPTH || self.left == 0 {
            return;
        }
        self.left -= 1;
        if let Some(raw) = raw_message(node) {
            match embedded(raw) {
                Some(inner) => self.unwrap(raw, &inner, depth + 1),
                None => self.offer(node, depth, raw),
            }
        } else if let Some(raw) = field(node, "error").and_then(Value::as_str)
            && let Some(inner) = embedded(raw)
        {
            self.unwrap(raw, &inner, depth + 1);
        }
        for details in ["details", "errors"] {
            for cause in field(node, details).and_then(Value::as_array).into_iter().flatten() {
                self.visit(error_node(cause), depth + 1);
            }
        }
        if let Some(inner) = field(node, "innererror").filter(|inner| inner.is_object()) {
            self.visit(inner, depth + 1);
        }
    }

    /// Goes on with the error that the text `raw` holds.
    fn unwrap(&mut self, raw: &str, inner: &Value, depth: usize) {
        let id = correlation_of(inner).or_else(|| correlation_in(raw));
        self.correlation = id.or_else(|| self.correlation.take());
        match inner.as_array() {
            Some(causes) => causes.iter().for_each(|cause| self.visit(error_node(cause), depth)),
            None => self.visit(error_node(inner), depth),
        }
    }

    fn offer(&mut self, node: &Value, depth: usize, raw: &str) {
        let message = cleaned(raw);
        if message.is_empty() || self.best.as_ref().is_some_and(|(best, _)| *best >= depth) {
            return;
        }
        let text = match code_of(node) {
            Some(code) => format!("{code}: {message}"),
            None => message,
        };
        self.best = Some((depth, text));
    }
}

/// The object that carries code and message: inside the envelope, or the body itself.
fn error_node(body: &Value) -> &Value {
    ["error", "odata.error"]
        .into_iter()
        .find_map(|name| field(body, name).filter(|inner| inner.is_object()))
        .unwrap_or(body)
}

fn code_of(node: &Value) -> Option<String> {
    // OAuth errors carry their code as `error`, beside `error_description`.
    text_of(node, "code").or_else(|| text_of(node, "error"))
}

fn raw_message(node: &Value) -> Option<&str> {
    if let Some(text) = node.as_str() {
        return Some(text);
    }
    let message = field(node, "message").or_else(|| field(node, "error_description"))?;
    message.as_str().or_else(|| field(message, "value")?.as_str())
}

/// The error inside a message that is itself a JSON text, or has one in it: deployments and machine learning wrap errors
/// this way, some of them twice, so that the quotes of the inner one are escaped.
fn embedded(message: &str) -> Option<Value> {
    let text = message.trim();
    if text.starts_with('"') {
        return serde_json::from_str::<String>(text).ok().and_then(|inner| embedded_in(&inner));
    }
    embedded_in(text).or_else(|| {
        let escaped =
            text.contains("\\\"").then(|| serde_json::from_str::<String>(&format!("\"{text}\"")).ok());
        escaped.flatten().and_then(|inner| embedded_in(&inner))
    })
}

fn embedded_in(text: &str) -> Option<Value> {
    let starts = text.match_indices(['{', '[']).map(|(at, _)| at).take(MAX_STARTS);
    let read = |at: usize| serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>().next()?.ok();
    let is_error = |inner: &Value| match inner.as_array() {
        Some(causes) => {
            causes.iter().any(|cause| raw_message(error_node(cause)).is_some() && cause.is_object())
        }
        None => raw_message(error_node(inner)).is_some(),
    };
    starts.filter_map(read).find(|inner| is_error(inner))
}

/// The id beside an error: `correlationId`, or machine learning's `correlation: { operation, request }`.
fn correlation_of(body: &Value) -> Option<String> {
    let node = error_node(body);
    let beside = |node: &Value| {
        let inner = field(node, "correlation")?;
        text_of(inner, "request").or_else(|| text_of(inner, "operation"))
    };
    [body, node].into_iter().find_map(|node| text_of(node, "correlationId").or_else(|| beside(node)))
}

/// The id that a text names: `Correlation ID: …`.
fn correlation_in(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let named = ["correlation id", "correlationid", "tracking id"];
    let after = named.iter().find_map(|name| lower.find(name).map(|at| at + name.len()))?;
    let rest = lower[after..].trim_start_matches(|c: char| !c.is_ascii_hexdigit());
    let id = rest.get(..36)?;
    let is_near = lower.len() - after - rest.len() < 8;
    (is_near && uuid::Uuid::try_parse(id).is_ok()).then(|| id.to_owned())
}

/// A member of an object, whatever its casing (some providers write `Message`).
fn field<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    let object = node.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn text_of(node: &Value, name: &str) -> Option<String> {
    field(node, name).and_then(Value::as_str).map(cleaned).filter(|text| !text.is_empty())
}

/// One line, bounded, without control characters, and without the queries of URLs: they may be signed.
fn cleaned(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.map(without_signature).collect::<Vec<_>>().join(" ");
    match line.chars().count() <= MAX_MESSAGE_CHARS {
        true => line,
        false => both_ends(&brief::with_short_ids(&line), MAX_MESSAGE_CHARS),
    }
}

fn without_signature(word: &str) -> &str {
    match (word.find("://"), word.find('?')) {
        (Some(scheme), Some(query)) if scheme < query => &word[..query],
        (Some(_) | None, Some(_) | None) => word,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn of(body: &Value) -> AzureProblem {
        AzureProblem::of_body(body, None)
    }

    #[test]
    fn the_usual_envelope_is_read() {
        let problem = of(&json!({"error": {"code": "ScopeLocked", "message": "locked", "target": "rg"}}));
        assert_eq!(problem.code.as_deref(), Some("ScopeLocked"));
        assert_eq!(problem.message, "locked");
        assert_eq!(problem.innermost, "ScopeLocked: locked");
        assert_eq!(problem.target.as_deref(), Some("rg"));
    }

    #[test]
    fn an_error_without_envelope_and_one_without_code_are_read() {
        assert_eq!(of(&json!({"code": "A", "message": "b"})).innermost, "A: b");
        let bare = of(&json!({"error": {"message": "Unable to attach"}}));
        assert_eq!((bare.code, bare.innermost.as_str()), (None, "Unable to attach"));
        assert_eq!(of(&json!({"Message": "No route"})).message, "No route");
        assert_eq!(of(&json!({"odata.error": {"code": "x", "message": {"value": "y"}}})).innermost, "x: y");
    }

    #[test]
    fn the_deepest_cause_is_the_innermost_one() {
        let problem = of(&json!({"error": {"code": "DeploymentFailed", "message": "At least one failed",
            "details": [{"code": "Conflict", "message": "outer", "details": [
                {"code": "QuotaExceeded", "message": "needs 4 cores"}, {"code": "Other", "message": "later"}]},
                {"code": "Beside", "message": "not as deep"}]}}));
        assert_eq!(problem.code.as_deref(), Some("DeploymentFailed"));
        assert_eq!(problem.innermost, "QuotaExceeded: needs 4 cores");
        assert_eq!(problem.innermost_code(), Some("QuotaExceeded"));
    }

    #[test]
    fn a_cause_hidden_as_text_in_a_message_is_found() {
        let inner = json!({"error": {"code": "VaultAlreadyExists", "message": "taken"}}).to_string();
        let problem = of(&json!({"error": {"code": "Outer", "message": inner}}));
        assert_eq!(problem.innermost, "VaultAlreadyExists: taken");
    }

    #[test]
    fn json_within_texts_is_unwrapped_to_the_innermost_message() {
        let inner = json!({"error": {"code": "QuotaExceeded", "message": "needs 4 cores"}}).to_string();
        let id = "5a1c0c52-0c1f-4f7a-9d3e-0d4f5f7f1c11";
        let twice = json!({"error": {"code": "Middle", "message": inner}}).to_string();
        let escaped = inner.replace('"', "\\\"");
        let plain = "QuotaExceeded: needs 4 cores".to_owned();
        let with_id = format!("{plain} (correlation id {id})");
        let with_correlation =
            json!({"error": {"message": &inner}, "correlation": {"operation": "op", "request": id}})
                .to_string();
        for (message, expected) in [
            (twice.clone(), &plain),
            (json!(twice).to_string(), &plain),
            (format!("The request failed: {inner}"), &plain),
            (format!("Use {{name}} here. Response: {twice}, status 400"), &plain),
            (format!("Response: {escaped}"), &plain),
            (format!("[{inner}]"), &plain),
            (format!("\r\n  {inner}\r\n"), &plain),
            (format!("Failed. Correlation ID: {id}. {inner}"), &with_id),
            (with_correlation, &with_id),
        ] {
            let problem = of(&json!({"error": {"code": "Outer", "message": message.as_str()}}));
            assert_eq!((&problem.innermost, problem.code.as_deref()), (expected, Some("Outer")), "{message}");
            assert!(!problem.message.contains('{'), "{}", problem.message);
        }
        assert_eq!(of(&json!({"error": twice})).innermost, plain);
        for message in
            ["Use {name} here", "{\"a\":1}", "[x]", "{\"error\":{\"code\":\"cut", "\"quoted\" word"]
        {
            assert_eq!(of(&json!({"code": "C", "message": message})).innermost, format!("C: {message}"));
        }
    }

    #[test]
    fn texts_within_texts_are_read_to_a_bound() {
        let mut text = "the end".to_owned();
        for _ in 0..12 {
            text = json!({"error": {"code": "C", "message": text}}).to_string();
        }
        assert_eq!(of(&json!({"message": text})).innermost, "C: the end");
        assert!(embedded(&"[{".repeat(100_000)).is_none());
    }

    #[test]
    fn a_bottomless_error_is_read_to_a_bound() {
        let mut body = json!({"code": "deep", "message": "deep"});
        for _ in 0..100 {
            body = json!({"code": "c", "message": "m", "details": [body]});
        }
        assert_eq!(of(&body).innermost, "c: m");
    }

    #[test]
    fn signed_queries_and_control_characters_do_not_reach_people() {
        let problem = of(&json!({"message": "see https://st.blob/x?sig=SECRET\u{1b}[31m\n  now? yes"}));
        assert_eq!(problem.message, "see https://st.blob/x [31m now? yes");
        assert_eq!(of(&json!({"message": "x".repeat(9000)})).message.chars().count(), MAX_MESSAGE_CHARS);
    }

    #[test]
    fn an_answer_without_json_is_a_problem_too() {
        let answer = |body: &'static str| {
            let response = http::Response::builder().status(502).header("x-ms-request-id", "r");
            AzureProblem::of_response(&response.body(Bytes::from(body)).unwrap())
        };
        assert_eq!(answer("<html>Bad Gateway</html>").message, "the explanation is not JSON");
        assert_eq!(answer("").message, "no explanation was given");
        assert_eq!(answer("[]").message, "HTTP 502");
        assert_eq!(answer("{}").request_id.as_deref(), Some("r"));
    }
}
