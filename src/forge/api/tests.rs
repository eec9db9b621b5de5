//! What every forge relies on: roots, judging, limits, words, links.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;

use super::*;

const NOW: &str = "2026-01-01T00:00:00Z";

fn api_at(root: &str) -> Result<Api, OptionsError> {
    let client = wire::Client::in_process(Router::new());
    Api::new(client, Clock::system(), root, "Forge", "https://forge.example/api")
}

/// What one request gets that is answered with `code`, `headers` and `body`.
async fn asked(code: StatusCode, headers: &[(&str, &str)], body: &str) -> Result<Answer, Failure> {
    let answer = Arc::new((code, body.to_owned(), Mutex::new(headers_of(headers))));
    let router = Router::new().fallback(respond).with_state(answer);
    let clock = Clock::simulated(NOW.parse().unwrap(), 1);
    let api =
        Api::new(wire::Client::in_process(router), clock, "https://forge.example", "Forge", "x").unwrap();
    api.send_advised(call("/things"), "the thing", &|_| None).await
}

type Told = Arc<(StatusCode, String, Mutex<HeaderMap>)>;

async fn respond(State(told): State<Told>) -> Response {
    let mut response = Response::new(Body::from(told.1.clone()));
    *response.status_mut() = told.0;
    *response.headers_mut() = told.2.lock().unwrap().clone();
    response
}

fn headers_of(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    headers
}

fn call(path: &str) -> Call<'static> {
    Call { method: Method::GET, path: path.to_owned(), headers: Vec::new(), body: None }
}

async fn failure(code: StatusCode, headers: &[(&str, &str)], body: &str) -> Failure {
    asked(code, headers, body).await.err().expect("a failure")
}

#[test]
fn a_root_is_a_plain_https_url_or_this_machine() {
    for (root, kept) in [
        ("https://forge.example/api/v4/", "https://forge.example/api/v4"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost/", "http://localhost"),
    ] {
        assert_eq!(api_at(root).unwrap().root(), kept);
    }
    for root in ["", "forge.example", "ftp://x", "https://x/?a=b", "https://x/#a", "https://user:pw@x"] {
        assert!(matches!(api_at(root), Err(OptionsError::Api { .. })), "{root}");
    }
    let error = api_at("http://forge.example").unwrap_err();
    assert_eq!(error, OptionsError::Unencrypted { api: "http://forge.example".to_owned() });
}

#[test]
fn a_credential_that_cannot_stand_in_a_header_is_refused_and_none_is_printed() {
    for token in ["", " ", "a\nb", "a\u{0}b"] {
        let refused = secret_header("Bearer ", &token.into(), "Forge");
        assert_eq!(refused, Err(OptionsError::Token { forge: "Forge" }));
    }
    let header = secret_header("Bearer ", &" secret \n".into(), "Forge").unwrap();
    assert_eq!(header, "Bearer secret");
    assert!(!format!("{header:?}").contains("secret"));
}

#[test]
fn segments_cannot_leave_their_place() {
    assert_eq!(segment("a-Z_0.9~"), "a-Z_0.9~");
    assert_eq!(segment("../x?y#z é%"), "..%2Fx%3Fy%23z%20%C3%A9%25");
}

#[tokio::test]
async fn refusals_need_somebody_and_say_what_to_do() {
    use Reach::{Everything, ThisRequest};
    for (code, reach, next) in [
        (401, Everything, "Give a valid token"),
        (403, Everything, "Give the token the permission for it"),
        (404, ThisRequest, "Check that the repository exists and that the token may see it"),
        (410, ThisRequest, "Check that the repository exists and that the token may see it"),
        (301, Everything, "The repository has moved: configure its present name"),
        (422, ThisRequest, "Check the address of the API and the repository's name"),
    ] {
        let status = StatusCode::from_u16(code).unwrap();
        let failure = failure(status, &[], r#"{"message":"No."}"#).await;
        assert_eq!((failure.status, failure.reach), (Some(status), reach));
        assert_eq!(failure.error.class, Class::Refused);
        assert_eq!(failure.error.message, format!("Forge refused the thing ({code}): No. {next}"));
    }
}

#[tokio::test]
async fn only_a_permanent_redirect_is_a_repository_that_has_moved() {
    for code in [301, 308] {
        let to = [("location", "https://u:p@forge.example/repositories/7?token=x")];
        let failure = failure(StatusCode::from_u16(code).unwrap(), &to, "").await;
        assert_eq!((failure.reach, failure.error.class), (Reach::Everything, Class::Refused));
        let next =
            "The repository has moved to https://forge.example/repositories/7: configure its present name";
        assert_eq!(failure.error.message, format!("Forge refused the thing ({code}). {next}"));
    }
    for (code, to, said) in [
        (
            302,
            "https://sso.example/login?RelayState=x",
            "a page to sign in, https://sso.example/login (302) came",
        ),
        (301, "/user/login?redirect_to=x", "a page to sign in, /user/login (301) came"),
        (307, "https://sorry.example/?for=x", "another host, https://sorry.example/ (307) came"),
        (303, "/repos/o/new?x", "that may pass, to /repos/o/new (303) came"),
    ] {
        let failure = failure(StatusCode::from_u16(code).unwrap(), &[("location", to)], "<html>").await;
        assert_eq!((failure.reach, failure.error.class), (Reach::Everything, Class::Retry { after: None }));
        let message = failure.error.message;
        assert!(
            message.starts_with("Forge did not answer the thing: a redirect ") && message.contains(said),
            "{message}"
        );
        assert!(!message.contains("moved") && !message.contains("=x"), "{message}");
    }
}

#[tokio::test]
async fn an_archived_repository_is_called_that_and_no_permission_is_asked_for() {
    use Reach::{Everything, ThisRequest};
    for (code, words, reach) in [
        (403, "Repository was archived so is read-only.", Everything),
        (423, "owner/repo is archived", ThisRequest),
    ] {
        let body = format!("{{\"message\":\"{words}\"}}");
        let failure = failure(StatusCode::from_u16(code).unwrap(), &[], &body).await;
        assert_eq!((failure.reach, failure.error.class), (reach, Class::Refused));
        let message = failure.error.message;
        assert!(message.contains("is archived, so nothing can be written to it: unarchive it"), "{message}");
        assert!(!message.contains("permission"), "{message}");
    }
}

#[tokio::test]
async fn outages_pass() {
    for code in [500, 502, 503, 504, 408] {
        let failure = failure(StatusCode::from_u16(code).unwrap(), &[], "<html>").await;
        assert_eq!(failure.error.class, Class::Retry { after: None }, "{code}");
        assert_eq!(failure.reach, Reach::Everything);
    }
    let client = wire::Client::new(&wire::Options::default()).unwrap();
    let api = Api::new(client, Clock::system(), "http://127.0.0.1:1", "Forge", "x").unwrap();
    let failure = api.send_advised(call("/"), "the thing", &|_| None).await.err().expect("nobody listens");
    assert_eq!((failure.status, failure.error.class), (None, Class::Retry { after: None }));
    assert!(failure.error.message.starts_with("Forge cannot be reached"), "{}", failure.error);
}

#[tokio::test]
async fn a_forge_may_know_a_better_next_step() {
    let answer = || Router::new().fallback(|| async { (StatusCode::NOT_FOUND, r#"{"message":"gone"}"#) });
    let api =
        Api::new(wire::Client::in_process(answer()), Clock::system(), "https://f.example", "Forge", "x");
    let advice = |refused: &Refused<'_>| (refused.words == "gone").then(|| "Look elsewhere".to_owned());
    let outcome = api.unwrap().send_advised(call("/"), "the thing", &advice).await;
    let message = outcome.err().expect("a failure").error.message;
    assert_eq!(message, "Forge refused the thing (404): gone. Look elsewhere");
}

/// Status, headers and body of an answer, and the seconds that it asks to wait.
type Limited<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, u64);

#[tokio::test]
async fn limits_are_waited_out_as_long_as_the_forge_says() {
    let second = NOW.parse::<Timestamp>().unwrap().as_second();
    let (reset, past) = ((second + 120).to_string(), (second - 5).to_string());
    let date = Timestamp::from_second(second + 90).unwrap();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
    let cases: [Limited<'_>; 9] = [
        (429, &[("retry-after", "30")], "", 30),
        (403, &[("retry-after", "7")], "{}", 7),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset)], "{}", 120),
        (429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", &reset)], "{}", 120),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "soon")], "{}", 60),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &past)], "{}", 60),
        (403, &[], secondary, 60),
        (429, &[("retry-after", &date)], "", 90),
        (503, &[("retry-after", "11")], "", 11),
    ];
    for (code, headers, body, wait) in cases {
        let failure = failure(StatusCode::from_u16(code).unwrap(), headers, body).await;
        let Class::Retry { after: Some(after) } = failure.error.class else { panic!("{failure:?}") };
        assert!(after.as_secs().abs_diff(wait) <= 2, "{headers:?} {after:?}");
        assert_eq!(failure.reach, Reach::Everything);
    }
    let down = failure(StatusCode::BAD_GATEWAY, &[], "").await;
    assert_eq!(down.error.class, Class::Retry { after: None });
    let plain = failure(StatusCode::FORBIDDEN, &[("x-ratelimit-remaining", "12")], "{}").await;
    assert_eq!(plain.error.class, Class::Refused);
}

#[test]
fn a_forges_own_words_are_found_wherever_it_puts_them() {
    for (body, words) in [
        (r#"{"message":"Bad credentials"}"#, "Bad credentials"),
        (r#"{"message":{"base":["is taken"]}}"#, r#"{"base":["is taken"]}"#),
        (r#"{"error":{"message":"No such repository."}}"#, "No such repository"),
        (r#"{"error":"insufficient_scope","error_description":"more"}"#, "more"),
        (r#"{"error":"404 Project Not Found"}"#, "404 Project Not Found"),
        (r#"{"message":"Invalid.","errors":["a",{"message":"b"},{"code":1}]}"#, "Invalid. a b"),
        ("<html>", ""),
        ("[1]", ""),
    ] {
        assert_eq!(words_of(body.as_bytes()), words);
    }
    let long = format!(r#"{{"message":"{}\n{}"}}"#, "x".repeat(100), "y".repeat(1_000_000));
    let words = words_of(long.as_bytes());
    assert!(words.chars().count() <= 140 && !words.contains('\n'), "{words}");
}

#[tokio::test]
async fn links_lead_to_further_pages() {
    let page = async |link: &str| {
        let answer = asked(StatusCode::OK, &[("link", link)], "[]").await;
        let answer = answer.unwrap_or_else(|failure| panic!("{failure:?}"));
        (answer.has_next_link(), answer.last_page())
    };
    let both =
        "<https://x/?page=2&per_page=100>; rel=\"next\", <https://x/?per_page=100&page=14>; rel=\"last\"";
    assert_eq!(page(both).await, (true, Some(14)));
    assert_eq!(page("<https://x/?page=1>; rel=\"prev\"").await, (false, None));
    assert_eq!(page("<https://x/?q=a,b&page=2>; title=x; REL=next").await, (true, None));
    for nonsense in ["", ",,;", "rel=next", "<>; rel=\"last\"", "<https://x/?page=-1>; rel=last"] {
        assert_eq!(page(nonsense).await, (false, None), "{nonsense}");
    }
}

#[tokio::test]
async fn an_answer_that_is_something_else_is_tried_again() {
    let answer = asked(StatusCode::OK, &[("etag", "\"1\"")], "<html>").await;
    let answer = answer.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(answer.header("ETag"), Some("\"1\""));
    let failure = answer.json::<Vec<u64>>("the list").unwrap_err();
    assert_eq!(failure.error.class, Class::Retry { after: None });
    assert!(failure.error.message.contains("Forge answered the list with something else"));
    let unchanged = asked(StatusCode::NOT_MODIFIED, &[], "").await;
    assert!(unchanged.is_ok_and(|answer| answer.status == StatusCode::NOT_MODIFIED));
}

#[tokio::test]
async fn a_path_that_is_none_is_refused_before_it_is_sent() {
    let api = api_at("https://forge.example").unwrap();
    let failure =
        api.send_advised(call("/a b\u{7f}"), "the thing", &|_| None).await.err().expect("a failure");
    assert_eq!(failure.error.class, Class::Refused);
    assert!(!format!("{api:?}").contains("clock"));
}
