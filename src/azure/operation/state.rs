//! The state words of ARM, and where a body carries them.
//!
//! Only three words are final, in any casing; everything else (`Creating`, `ResolvingDNS`,
//! `RegisteringDns`, words not invented yet) means that Azure is working.

use serde_json::Value;

use crate::azure::AzureProblem;

/// What a state word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    Succeeded,
    Failed,
    Working(&'a str),
}

/// The meaning of a word; American and British spelling of cancelled.
pub(super) fn of_word(word: &str) -> State<'_> {
    let is = |known: &str| word.eq_ignore_ascii_case(known);
    if is("Succeeded") {
        State::Succeeded
    } else if is("Failed") || is("Canceled") || is("Cancelled") {
        State::Failed
    } else {
        State::Working(word)
    }
}

/// `properties.provisioningState` of a resource; `None` where there is none, which means that the
/// resource is made synchronously.
pub(super) fn of_resource(body: &Value) -> Option<State<'_>> {
    body.pointer("/properties/provisioningState").and_then(Value::as_str).map(of_word)
}

/// The state in an operation's status document.
pub(super) fn of_status_document(body: &Value) -> Option<State<'_>> {
    body.get("status").and_then(Value::as_str).map(of_word).or_else(|| of_resource(body))
}

/// Percent done, 0 to 100; providers write integers, fractions of a percent and text.
pub(super) fn progress(body: &Value) -> Option<u8> {
    let percent = body.get("percentComplete")?;
    let percent = percent.as_f64().or_else(|| percent.as_str()?.trim().parse().ok())?;
    let whole = percent.clamp(0.0, 100.0).floor();
    (0..=100_u8).rev().find(|step| f64::from(*step) <= whole)
}

/// Why an operation or a resource failed, from the document that says so.
pub(super) fn problem(body: &Value, request_id: Option<String>) -> AzureProblem {
    // Computes carry their causes in `properties.provisioningErrors`, some resources in
    // `properties.error` or `properties.statusMessage`.
    let places = [
        "/error",
        "/properties/error",
        "/properties/provisioningErrors/0/error",
        "/properties/provisioningErrors/0",
        "/properties/statusMessage",
    ];
    let told = places
        .into_iter()
        .filter_map(|place| body.pointer(place))
        .map(|error| AzureProblem::of_body(error, request_id.clone()))
        .find(|problem| !problem.message.is_empty());
    told.unwrap_or_else(|| {
        let word = body
            .get("status")
            .or_else(|| body.pointer("/properties/provisioningState"))
            .and_then(Value::as_str)
            .unwrap_or("Failed");
        let message = format!("Azure gives no reason (state {word})");
        AzureProblem { code: None, innermost: message.clone(), message, target: None, request_id }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_three_words_end_an_operation() {
        for word in ["Succeeded", "succeeded", "SUCCEEDED"] {
            assert_eq!(of_word(word), State::Succeeded);
        }
        for word in ["Failed", "Canceled", "cancelled"] {
            assert_eq!(of_word(word), State::Failed);
        }
        for word in ["Accepted", "ResolvingDNS", "Completed", ""] {
            assert_eq!(of_word(word), State::Working(word));
        }
    }

    #[test]
    fn progress_is_a_whole_percent_within_bounds() {
        let of = |value: Value| progress(&json!({"percentComplete": value}));
        assert_eq!(of(json!(50)), Some(50));
        assert_eq!(of(json!(99.9)), Some(99));
        assert_eq!(of(json!("12")), Some(12));
        assert_eq!(of(json!(1e9)), Some(100));
        assert_eq!(of(json!(-3)), Some(0));
        assert_eq!(of(json!(null)), None);
    }

    #[test]
    fn the_reason_is_found_where_each_provider_puts_it() {
        let compute = json!({"properties": {"provisioningState": "Failed",
            "provisioningErrors": [{"error": {"code": "QuotaExceeded", "message": "0 of 4 cores"}}]}});
        assert_eq!(problem(&compute, None).innermost, "QuotaExceeded: 0 of 4 cores");
        let document = json!({"status": "Canceled"});
        assert_eq!(problem(&document, None).message, "Azure gives no reason (state Canceled)");
    }
}
