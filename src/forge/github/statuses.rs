//! Posting commit statuses, one request each.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Uri, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::answer::{self, Reach};
use crate::clock::Clock;
use crate::forge::{ForgeError, Repository, Status};
use crate::wire;

/// The version of the REST API that this file was written against.
const API_VERSION: &str = "2022-11-28";

/// The media type that GitHub recommends.
const MEDIA_TYPE: &str = "application/vnd.github+json";

/// How to reach one repository.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the REST API: `https://api.github.com`, or `https://<host>/api/v3` of an Enterprise
    /// Server. Plain http is accepted for this machine only.
    pub api: String,
    /// The repository whose commits get statuses.
    pub repository: Repository,
    /// A token that may write commit statuses there.
    pub token: SecretString,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The root of the API is not a usable URL.
    #[error("`{api}` is not the root of GitHub's REST API: write it like https://api.github.com")]
    Api {
        /// As configured.
        api: String,
    },
    /// The token would travel in the open.
    #[error("`{api}` would send the token unencrypted: write https")]
    Unencrypted {
        /// As configured.
        api: String,
    },
    /// The token is empty or cannot stand in a header.
    #[error("the token of GitHub is empty or has characters that a token cannot have")]
    Token,
}

/// Posts statuses to one repository on GitHub. Cheap to clone.
#[derive(Clone)]
pub struct GitHub {
    client: wire::Client,
    clock: Clock,
    api: String,
    repository: Repository,
    authorization: HeaderValue,
}

#[derive(Serialize)]
struct NewStatus<'a> {
    state: &'a str,
    context: String,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_url: Option<&'a str>,
}

impl GitHub {
    /// A poster over `client`; `clock` tells how far away the end of a rate limit is.
    ///
    /// # Errors
    /// [`OptionsError`] when the options cannot work.
    pub fn new(client: wire::Client, clock: Clock, options: Options) -> Result<Self, OptionsError> {
        let api = checked_root(&options.api)?;
        let token = options.token.expose_secret().trim();
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| OptionsError::Token)?;
        if token.is_empty() {
            return Err(OptionsError::Token);
        }
        authorization.set_sensitive(true);
        Ok(Self { client, clock, api, repository: options.repository, authorization })
    }

    pub(in crate::forge) async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        let mut outcomes = Vec::with_capacity(statuses.len());
        for status in statuses {
            match self.post_one(status).await {
                Ok(()) => outcomes.push(Ok(())),
                Err((error, Reach::ThisStatus)) => outcomes.push(Err(error)),
                Err((error, Reach::Everything)) => {
                    outcomes.resize(statuses.len(), Err(error));
                    break;
                }
            }
        }
        outcomes
    }

    async fn post_one(&self, status: &Status) -> Result<(), (ForgeError, Reach)> {
        let request = self.request(status);
        match self.client.send(request).await {
            Ok(response) => answer::judge(&response, &self.repository, status, self.clock.now()),
            Err(error) => Err((answer::unreachable(&error), Reach::Everything)),
        }
    }

    fn request(&self, status: &Status) -> wire::Request {
        let body = NewStatus {
            state: status.state.as_str(),
            context: status.context.to_string(),
            description: status.description.as_str(),
            target_url: status.target_url.as_deref().filter(|url| is_web(url)),
        };
        let body = serde_json::to_vec(&body).expect("four strings are JSON");
        http::Request::post(format!("{}/repos/{}/statuses/{}", self.api, self.repository, status.commit))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, MEDIA_TYPE)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-github-api-version", API_VERSION)
            .body(Bytes::from(body))
            .expect("a checked root, a repository and a commit id make a URL")
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("api", &self.api)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

/// GitHub refuses a status whose target is anything else.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn checked_root(api: &str) -> Result<String, OptionsError> {
    let root = api.trim_end_matches('/');
    let invalid = || OptionsError::Api { api: api.to_owned() };
    let uri: Uri = root.parse().map_err(|_| invalid())?;
    let host = uri.host().ok_or_else(invalid)?;
    if uri.query().is_some()
        || root.contains('#')
        || uri.authority().is_some_and(|it| it.as_str().contains('@'))
    {
        return Err(invalid());
    }
    match uri.scheme_str() {
        Some("https") => Ok(root.to_owned()),
        Some("http") if is_this_machine(host) => Ok(root.to_owned()),
        Some("http") => Err(OptionsError::Unencrypted { api: api.to_owned() }),
        Some(_) | None => Err(invalid()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use axum::Router;
    use axum::body::to_bytes;
    use axum::extract::{Request, State as Shared};
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::IntoResponse as _;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::forge::{Class, Context, Description, Forge, State};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const NOW: &str = "2026-01-01T00:00:00Z";

    type Answer = (StatusCode, Vec<(&'static str, String)>, &'static str);

    /// A GitHub that answers what it is told to, and remembers what it was asked.
    #[derive(Clone, Default)]
    struct FakeGitHub {
        answers: Arc<Mutex<VecDeque<Answer>>>,
        requests: Arc<Mutex<Vec<(String, HeaderMap, Value)>>>,
    }

    impl FakeGitHub {
        fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
            let fake = Self::default();
            fake.answers.lock().unwrap().extend(answers);
            fake
        }

        fn forge(&self) -> Forge {
            let router = Router::new().fallback(answer).with_state(self.clone());
            let options = Options {
                api: "https://github.example/api/v3/".to_owned(),
                repository: "octo/ml".parse().unwrap(),
                token: "ghp_secret".into(),
            };
            let clock = Clock::simulated(NOW.parse().unwrap(), 1);
            Forge::GitHub(GitHub::new(wire::Client::in_process(router), clock, options).unwrap())
        }

        fn asked(&self) -> usize {
            self.requests.lock().unwrap().len()
        }
    }

    async fn answer(Shared(fake): Shared<FakeGitHub>, request: Request) -> axum::response::Response {
        let (head, body) = request.into_parts();
        let body = serde_json::from_slice(&to_bytes(body, 4096).await.unwrap()).unwrap();
        let line = format!("{} {}", head.method, head.uri.path());
        fake.requests.lock().unwrap().push((line, head.headers, body));
        let (code, headers, text) =
            fake.answers.lock().unwrap().pop_front().unwrap_or((StatusCode::CREATED, vec![], "{}"));
        let mut response = (code, text).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }

    fn status(state: State, url: Option<&str>) -> Status {
        Status {
            commit: COMMIT.parse().unwrap(),
            context: Context::apply(),
            state,
            description: Description::new("3 created"),
            target_url: url.map(str::to_owned),
        }
    }

    async fn error_of(answer: Answer) -> ForgeError {
        let fake = FakeGitHub::answering([answer]);
        fake.forge().post(&[status(State::Success, None)]).await.remove(0).unwrap_err()
    }

    #[tokio::test]
    async fn a_status_is_the_documented_request() {
        let fake = FakeGitHub::default();
        let outcome = fake.forge().post(&[status(State::Failure, Some("https://b/runs/1"))]).await;
        assert_eq!(outcome, vec![Ok(())]);
        let (line, headers, body) = fake.requests.lock().unwrap().remove(0);
        assert_eq!(line, format!("POST /api/v3/repos/octo/ml/statuses/{COMMIT}"));
        assert_eq!(headers["authorization"], "Bearer ghp_secret");
        assert_eq!(headers["x-github-api-version"], "2022-11-28");
        assert_eq!(headers["accept"], "application/vnd.github+json");
        let expected = json!({
            "state": "failure", "context": "beamline/apply", "description": "3 created",
            "target_url": "https://b/runs/1",
        });
        assert_eq!(body, expected);
    }

    /// GitHub's published description is not part of the repository: `shared/forge` beside it, or
    /// further up.
    fn contract() -> Option<Value> {
        let folders = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut files = folders.map(|folder| folder.join("shared/forge/contracts/github.json"));
        let text = std::fs::read(files.find(|file| file.is_file())?).unwrap();
        Some(serde_json::from_slice(&text).unwrap())
    }

    #[tokio::test]
    async fn every_status_is_as_github_publishes_it() {
        let Some(contract) = contract() else {
            eprintln!("skipped: the folder of the forges' published contracts is absent");
            return;
        };
        let operation = &contract["paths"]["/repos/{owner}/{repo}/statuses/{sha}"]["post"];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let known = schema["properties"].as_object().unwrap();
        let validator = jsonschema::validator_for(schema).unwrap();
        let fake = FakeGitHub::default();
        let states = [State::Pending, State::Success, State::Failure, State::Error];
        let statuses: Vec<_> = states.iter().map(|state| status(*state, Some("https://b/runs/1"))).collect();
        fake.forge().post(&statuses).await;
        for (_, _, body) in fake.requests.lock().unwrap().iter() {
            assert!(validator.is_valid(body), "{body}");
            assert!(body.as_object().unwrap().keys().all(|key| known.contains_key(key)), "{body}");
        }
        assert_eq!(fake.asked(), 4);
    }

    #[tokio::test]
    async fn only_web_addresses_are_targets() {
        let fake = FakeGitHub::default();
        fake.forge().post(&[status(State::Success, Some("file:///var/lib/beamline"))]).await;
        assert!(fake.requests.lock().unwrap()[0].2.get("target_url").is_none());
    }

    #[tokio::test]
    async fn one_refused_status_does_not_hold_up_the_next() {
        let fake = FakeGitHub::answering([(
            StatusCode::UNPROCESSABLE_ENTITY,
            vec![],
            r#"{"message":"No commit found for SHA: 0123"}"#,
        )]);
        let both = [status(State::Pending, None), status(State::Success, None)];
        let outcomes = fake.forge().post(&both).await;
        let error = outcomes[0].clone().unwrap_err();
        assert_eq!(error.class, Class::Refused);
        assert!(error.message.contains("No commit found for SHA: 0123"), "{error}");
        assert_eq!(outcomes[1], Ok(()));
    }

    #[tokio::test]
    async fn after_a_refused_token_nothing_more_is_sent() {
        let fake =
            FakeGitHub::answering([(StatusCode::UNAUTHORIZED, vec![], r#"{"message":"Bad credentials"}"#)]);
        let outcomes = fake.forge().post(&vec![status(State::Pending, None); 3]).await;
        assert_eq!(fake.asked(), 1);
        assert_eq!(outcomes.len(), 3);
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.class, Class::Refused);
            assert!(error.message.contains("token"), "{error}");
            assert!(!error.message.contains("ghp_secret"));
        }
    }

    #[tokio::test]
    async fn rate_limits_are_waited_out() {
        let now: Timestamp = NOW.parse().unwrap();
        let reset = (now.as_second() + 120).to_string();
        let cases: Vec<(Answer, u64)> = vec![
            ((StatusCode::FORBIDDEN, vec![("retry-after", "30".to_owned())], "{}"), 30),
            (
                (
                    StatusCode::FORBIDDEN,
                    vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)],
                    r#"{"message":"API rate limit exceeded"}"#,
                ),
                120,
            ),
            (
                (
                    StatusCode::FORBIDDEN,
                    vec![],
                    r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#,
                ),
                60,
            ),
            ((StatusCode::TOO_MANY_REQUESTS, vec![], ""), 60),
        ];
        for (answer, wait_secs) in cases {
            let error = error_of(answer).await;
            let Class::Retry { after: Some(after) } = error.class else { panic!("{error:?}") };
            let slack = Duration::from_secs(2);
            assert!(after + slack >= Duration::from_secs(wait_secs), "{after:?}");
            assert!(after <= Duration::from_secs(wait_secs) + slack, "{after:?}");
        }
    }

    #[tokio::test]
    async fn a_permission_and_a_repository_need_somebody_to_act() {
        for (code, word) in [
            (StatusCode::FORBIDDEN, "permission"),
            (StatusCode::NOT_FOUND, "octo/ml"),
            (StatusCode::MOVED_PERMANENTLY, "moved"),
            (StatusCode::IM_A_TEAPOT, "418"),
        ] {
            let error = error_of((code, vec![], "not json")).await;
            assert_eq!(error.class, Class::Refused, "{code}");
            assert!(error.message.contains(word), "{error}");
        }
    }

    #[tokio::test]
    async fn an_outage_is_tried_again_later() {
        for code in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY, StatusCode::REQUEST_TIMEOUT]
        {
            assert_eq!(error_of((code, vec![], "")).await.class, Class::Retry { after: None }, "{code}");
        }
        let options = Options {
            api: "http://127.0.0.1:1".to_owned(),
            repository: "octo/ml".parse().unwrap(),
            token: "t".into(),
        };
        let client = wire::Client::new(&wire::Options::default()).unwrap();
        let github = GitHub::new(client, Clock::system(), options).unwrap();
        let error = github.post(&[status(State::Success, None)]).await.remove(0).unwrap_err();
        assert_eq!(error.class, Class::Retry { after: None });
    }

    #[test]
    fn options_that_cannot_work_are_refused_before_anything_is_sent() {
        let make = |api: &str, token: &str| {
            let client = wire::Client::in_process(Router::new());
            let options =
                Options { api: api.to_owned(), repository: "octo/ml".parse().unwrap(), token: token.into() };
            GitHub::new(client, Clock::system(), options)
        };
        assert!(make("https://api.github.com", "t").is_ok());
        assert!(make("http://[::1]:8080", "t").is_ok());
        for api in ["", "github.com", "ftp://x", "https://x/?a=b", "https://user:pw@x"] {
            assert_eq!(make(api, "t").unwrap_err(), OptionsError::Api { api: api.to_owned() });
        }
        let open = "http://github.example";
        assert_eq!(make(open, "t").unwrap_err(), OptionsError::Unencrypted { api: open.to_owned() });
        for token in ["", " ", "a\nb"] {
            assert_eq!(make("https://api.github.com", token).unwrap_err(), OptionsError::Token);
        }
    }

    #[test]
    fn the_token_is_never_printed() {
        let options = Options {
            api: "https://api.github.com".to_owned(),
            repository: "octo/ml".parse().unwrap(),
            token: "ghp_secret".into(),
        };
        let client = wire::Client::in_process(Router::new());
        let github = GitHub::new(client, Clock::system(), options).unwrap();
        assert!(!format!("{github:?}").contains("ghp_secret"));
    }
}
