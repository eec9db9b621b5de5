//! How GitHub says no.

use serde_json::{Value, json};

use super::super::face::Refused;
use super::super::http::{Answer, Call};
use super::super::limits::{Budget, Limit};
use super::super::state::State;

const DOCS: &str = "https://docs.github.com/rest";

pub(super) fn message(status: u16, text: &str) -> Answer {
    Answer::json(status, json!({ "message": text, "documentation_url": DOCS, "status": status.to_string() }))
}

/// 422 with the field that is wrong, as `validation-error` of the description.
pub(super) fn invalid(resource: &str, field: &str, text: &str) -> Answer {
    let error = json!({ "resource": resource, "field": field, "code": "custom", "message": text });
    validation(json!([error]))
}

fn validation(errors: Value) -> Answer {
    let body = json!({
        "message": "Validation Failed", "errors": errors, "documentation_url": DOCS, "status": "422",
    });
    Answer::json(422, body)
}

pub(super) fn not_found() -> Answer {
    message(404, "Not Found")
}

pub(super) fn refuse(_: &State, call: &Call, refused: Refused) -> Answer {
    match refused {
        Refused::NoCredential => message(401, "Requires authentication"),
        Refused::WrongCredential | Refused::RevokedToken => message(401, "Bad credentials"),
        Refused::NoRepository | Refused::NoEndpoint => not_found(),
        Refused::Forbidden if call.is_app() => message(403, "Resource not accessible by integration"),
        Refused::Forbidden => message(403, "Resource not accessible by personal access token"),
        Refused::Archived => message(403, "Repository was archived so is read-only."),
        Refused::Malformed => message(400, "Problems parsing JSON"),
        Refused::Limited { exceeded, now } => {
            let wait = exceeded.until.duration_since(now).as_secs().max(1);
            match exceeded.limit {
                Limit::Writes => message(
                    403,
                    "You have exceeded a secondary rate limit and have been temporarily blocked from \
                     content creation. Please retry your request again later.",
                )
                .with("retry-after", wait),
                Limit::Requests => message(403, "API rate limit exceeded for this account.")
                    .with("x-ratelimit-remaining", 0)
                    .with("x-ratelimit-reset", exceeded.until.as_second())
                    .with("x-ratelimit-resource", "core"),
            }
        }
    }
}

pub(super) fn budget(budget: Budget) -> Vec<(&'static str, String)> {
    vec![
        ("x-ratelimit-limit", budget.limit.to_string()),
        ("x-ratelimit-remaining", budget.remaining.to_string()),
        ("x-ratelimit-used", (budget.limit - budget.remaining).to_string()),
        ("x-ratelimit-reset", budget.reset.as_second().to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
    ]
}
