//! Commit statuses, one request each.
//!
//! Contract: `repos/create-commit-status`; 140 characters of description ([`Description`]), 1,000
//! statuses of a context on one commit (GitHub's documentation of the REST API, "Commit statuses").
//!
//! [`Description`]: crate::forge::Description

use http::{Method, StatusCode};
use serde_json::json;

use super::connection::{GitHub, NAME, Request};
use crate::forge::api::{Failure, Reach, is_web, no_commit};
use crate::forge::{ForgeError, Status};

impl GitHub {
    pub(in crate::forge) async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        let mut outcomes = Vec::with_capacity(statuses.len());
        for status in statuses {
            match self.post_one(status).await {
                Ok(()) => outcomes.push(Ok(())),
                Err(Failure { reach: Reach::ThisRequest, error, .. }) => outcomes.push(Err(error)),
                Err(Failure { reach: Reach::Everything, error, .. }) => {
                    outcomes.resize(statuses.len(), Err(error));
                    break;
                }
            }
        }
        outcomes
    }

    async fn post_one(&self, status: &Status) -> Result<(), Failure> {
        let mut body = json!({
            "state": status.state.as_str(),
            "context": status.context.to_string(),
            "description": status.description.as_str(),
        });
        if let Some(url) = status.target_url.as_deref().filter(|url| is_web(url)) {
            body["target_url"] = url.into();
        }
        let path = format!("/statuses/{}", status.commit);
        let (commit, repository) = (status.commit.short(), self.repository());
        let what = format!("the status of {commit}");
        let request = Request::write(Method::POST, path, body, &what)
            .if_unprocessable(format!("Check that {commit} is in {repository}"));
        match self.send(&request).await {
            Ok(answer) => answer.confirms(&["id", "state", "context"], &what),
            Err(failure) if is_unknown_commit(&failure) => Err(no_commit(NAME, &status.commit)),
            Err(failure) => Err(failure),
        }
    }
}

/// 422 with `No commit found for SHA: …`.
fn is_unknown_commit(failure: &Failure) -> bool {
    failure.status == Some(StatusCode::UNPROCESSABLE_ENTITY)
        && failure.error.message.contains("No commit found")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;
    use crate::forge::github::fixture::{COMMIT, FakeGitHub, NOW, Reply};
    use crate::forge::github::{Access, Options};
    use crate::forge::{Class, Context, Description, State};
    use crate::wire;

    fn status(state: State, url: Option<&str>) -> Status {
        Status {
            commit: COMMIT.parse().unwrap(),
            context: Context::apply(),
            state,
            description: Description::new("3 created"),
            target_url: url.map(str::to_owned),
            pull_request: None,
        }
    }

    async fn error_of(reply: Reply) -> ForgeError {
        let fake = FakeGitHub::scripted([reply]);
        fake.github().post(&[status(State::Success, None)]).await.remove(0).unwrap_err()
    }

    #[tokio::test]
    async fn a_status_is_the_documented_request() {
        let fake = FakeGitHub::default();
        let outcome = fake.github().post(&[status(State::Failure, Some("https://b/runs/1"))]).await;
        assert_eq!(outcome, vec![Ok(())]);
        let request = fake.requests().remove(0);
        assert_eq!(request.line(), format!("POST /api/v3/repos/octo/ml/statuses/{COMMIT}"));
        assert_eq!(request.headers["authorization"], "Bearer ghp_secret");
        assert_eq!(request.headers["x-github-api-version"], "2022-11-28");
        assert_eq!(request.headers["accept"], "application/vnd.github+json");
        let expected = json!({
            "state": "failure", "context": "beamline/apply", "description": "3 created",
            "target_url": "https://b/runs/1",
        });
        assert_eq!(request.body, expected);
    }

    #[tokio::test]
    async fn every_status_is_as_github_publishes_it() {
        let fake = FakeGitHub::default();
        let states = [State::Pending, State::Success, State::Failure, State::Error];
        let statuses: Vec<_> = states.iter().map(|state| status(*state, Some("https://b/runs/1"))).collect();
        fake.github().post(&statuses).await;
        assert_eq!(fake.requests().len(), 4);
        fake.holds_to_the_contract();
    }

    #[tokio::test]
    async fn only_web_addresses_are_targets() {
        let fake = FakeGitHub::default();
        fake.github().post(&[status(State::Success, Some("file:///var/lib/beamline"))]).await;
        assert!(fake.requests()[0].body.get("target_url").is_none());
    }

    #[tokio::test]
    async fn one_refused_status_does_not_hold_up_the_next() {
        let reply =
            Reply::new(StatusCode::UNPROCESSABLE_ENTITY, r#"{"message":"No commit found for SHA: 0123"}"#);
        let fake = FakeGitHub::scripted([reply]);
        let both = [status(State::Pending, None), status(State::Success, None)];
        let outcomes = fake.github().post(&both).await;
        let error = outcomes[0].clone().unwrap_err();
        assert_eq!(error.class, Class::NoCommit);
        assert!(error.message.starts_with("GitHub does not have the commit 0123456: "), "{error}");
        assert_eq!(outcomes[1], Ok(()));
    }

    #[tokio::test]
    async fn a_context_that_is_full_says_what_to_do() {
        let text = r#"{"message":"Validation Failed","errors":[{"resource":"Status","code":"custom",
            "message":"This SHA and context has reached the maximum number of statuses."}]}"#;
        let error = error_of(Reply::new(StatusCode::UNPROCESSABLE_ENTITY, text)).await;
        assert_eq!(error.class, Class::Refused);
        assert!(error.message.contains("has reached the maximum number of statuses"), "{error}");
        assert!(error.message.ends_with("push another commit"), "{error}");
    }

    #[tokio::test]
    async fn after_a_refused_token_nothing_more_is_sent() {
        let reply = Reply::new(StatusCode::UNAUTHORIZED, r#"{"message":"Bad credentials"}"#);
        let fake = FakeGitHub::scripted([reply]);
        let outcomes = fake.github().post(&vec![status(State::Pending, None); 3]).await;
        assert_eq!(fake.requests().len(), 1);
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
        let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#;
        let forbidden = |text| Reply::new(StatusCode::FORBIDDEN, text);
        let primary = forbidden(r#"{"message":"API rate limit exceeded"}"#);
        let cases = [
            (forbidden("{}").with("retry-after", "30"), 30),
            (primary.with("x-ratelimit-remaining", "0").with("x-ratelimit-reset", &reset), 120),
            (forbidden(secondary), 60),
            (Reply::new(StatusCode::TOO_MANY_REQUESTS, ""), 60),
        ];
        for (reply, wait_secs) in cases {
            let error = error_of(reply).await;
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
            let error = error_of(Reply::new(code, "not json")).await;
            assert_eq!(error.class, Class::Refused, "{code}");
            assert!(error.message.contains(word), "{error}");
        }
    }

    #[tokio::test]
    async fn an_outage_is_tried_again_later() {
        for code in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY, StatusCode::REQUEST_TIMEOUT]
        {
            let error = error_of(Reply::new(code, "")).await;
            assert_eq!(error.class, Class::Retry { after: None }, "{code}");
        }
        let options = Options {
            api: "http://127.0.0.1:1".to_owned(),
            repository: "octo/ml".parse().unwrap(),
            access: Access::Token("t".into()),
        };
        let client = wire::Client::new(&wire::Options::default()).unwrap();
        let github = GitHub::new(client, Clock::system(), options).unwrap();
        let error = github.post(&[status(State::Success, None)]).await.remove(0).unwrap_err();
        assert_eq!(error.class, Class::Retry { after: None });
    }

    #[tokio::test]
    async fn what_only_looks_like_success_is_tried_again() {
        for body in ["", "null", "{}", "<html>Sign in</html>"] {
            let fake = FakeGitHub::scripted([Reply::new(StatusCode::OK, body)]);
            let error = fake.github().post(&[status(State::Success, None)]).await.remove(0).unwrap_err();
            assert_eq!(error.class, Class::Retry { after: None });
            assert!(error.message.contains("with something else than it documents"), "{error}");
        }
    }
}
