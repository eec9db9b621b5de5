//! GitHub, asked with a token and by an App. What the excerpt of its description lacks is taken from the
//! whole one (npm @octokit/openapi).

use beamline::clock::Clock;
use beamline::forge::github::{Access, Options};
use beamline::forge::{Author, Forge, GitHub, PullRequests};
use serde_json::{Value, json};

use super::{checks, counts, told};
use crate::support::description::Description;
use crate::support::prism::Prism;

/// A key for tests: RSA in PKCS#8.
const KEY: &str = include_str!("../../../src/azure/auth/test_certificate.pem");

/// What an App uses; a token uses less.
const USED: [&str; 16] = [
    "GET /repos/{owner}/{repo}/collaborators/{username}/permission",
    "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
    "GET /repos/{owner}/{repo}/installation",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "GET /repos/{owner}/{repo}/pulls",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/comments",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/files",
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
    "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "POST /app/installations/{installation_id}/access_tokens",
    "POST /repos/{owner}/{repo}/check-runs",
    "POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "POST /repos/{owner}/{repo}/statuses/{sha}",
];

async fn prism() -> Option<Prism> {
    let description = Description::published("github")?.with_more_of_github(&[
        "/repos/{owner}/{repo}/collaborators/{username}/permission",
        "/repos/{owner}/{repo}/commits/{ref}/check-runs",
        "/repos/{owner}/{repo}/installation",
        "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
        "/repos/{owner}/{repo}/pulls/{pull_number}/comments",
        "/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    ])?;
    // Examples that lack what their own schemas require, of teams and of a collaborator; and the end of a
    // token, which is a moment and not any text.
    let user = "/components/examples/repository-collaborator-permission-response-if-user-has-admin-permissions/value/user";
    let moment = json!({ "type": "string", "format": "date-time" });
    let description = description
        .corrected(user, Value::Null)
        .corrected("/components/schemas/installation-token/properties/expires_at", moment)
        .corrected("/components/examples/pull-request/value/requested_teams", json!([]))
        .corrected("/components/examples/pull-request-simple-items/value/0/requested_teams", json!([]));
    Prism::start(description.with_schemas(counts).closed(), Vec::new()).await
}

fn github(prism: &Prism, access: Access) -> Forge {
    let options = Options { api: prism.url.clone(), repository: "octo/ml".parse().unwrap(), access };
    Forge::GitHub(GitHub::new(prism.client(), Clock::system(), options).unwrap())
}

#[tokio::test]
async fn github_accepts_every_request_with_a_token() {
    let Some(prism) = prism().await else { return };
    let forge = github(&prism, Access::Token("ghp_secret".into()));
    told(&prism, &forge, &Author::new("1", "octo[bot]"), "12").await;
    let listed = prism.accepted(forge.open_pull_requests(None).await);
    let PullRequests::Open { pull_requests, .. } = listed else { panic!("{listed:?}") };
    let of_the_example: Vec<_> = pull_requests.iter().map(|it| (it.number.get(), it.base.as_str())).collect();
    assert_eq!(of_the_example, [(1347, "master")]);
    let of_an_app = ["check-run", "installation"];
    let used: Vec<&str> =
        USED.into_iter().filter(|operation| !of_an_app.iter().any(|part| operation.contains(part))).collect();
    prism.approves_of(&used);
    prism.reads_bodies().await;
}

#[tokio::test]
async fn github_accepts_every_request_of_an_app() {
    let Some(prism) = prism().await else { return };
    let app = |installation_id| Access::App {
        app_id: "29310".to_owned(),
        installation_id,
        private_key: KEY.into(),
    };
    told(&prism, &github(&prism, app(None)), &Author::new("1", "octo[bot]"), "12").await;
    let run = json!({
        "id": 5, "external_id": "beamline/plan", "conclusion": null, "app": { "id": 29310 },
        "output": { "title": null, "summary": null, "annotations_count": 0 },
    });
    let standing = json!({ "total_count": 1, "check_runs": [run] });
    for check in checks() {
        let operation = "GET /repos/{owner}/{repo}/commits/{ref}/check-runs";
        prism.once(operation, 200, standing.clone());
        github(&prism, app(Some(12))).publish(&check).await.unwrap();
    }
    prism.approves_of(&USED);
    prism.reads_bodies().await;
}
