//! Azure DevOps Repos.

use beamline::clock::Clock;
use beamline::forge::azure_devops::Options;
use beamline::forge::{Author, AzureDevOps, Forge};
use serde_json::{Value, json};

use super::{COMMIT, counts, told};
use crate::support::description::Description;
use crate::support::prism::{Prism, Undescribed};

const REPOSITORY: &str = "/{organization}/{project}/_apis/git/repositories/{repositoryId}";

/// What Azure DevOps publishes in other documents than the excerpt was made from, or not in it.
fn undescribed() -> Vec<Undescribed> {
    let (project, repository) =
        ("6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c", "2f3d611a-f012-4b39-b157-8db63f380226");
    let iteration = json!({ "id": 2, "sourceRefCommit": { "commitId": COMMIT } });
    let identity =
        json!({ "id": "d6245f20-2af8-44f4-9451-8107cb2767db", "descriptor": "d;1", "memberOf": ["d;2"] });
    let lacking = |operation, reason, answer| Undescribed { operation, reason, status: 200, answer };
    vec![
        lacking(
            "GET /contoso/{project}/_apis/git/repositories/{repository}",
            "the excerpt lacks repositories; documented as \"Repositories - Get Repository\"",
            json!({ "id": repository, "project": { "id": project } }),
        ),
        lacking(
            "GET /contoso/{project}/_apis/git/repositories/{repository}/pullRequests/{number}/iterations",
            "the excerpt lacks iterations; documented as \"Pull Request Iterations - List\"",
            json!({ "value": [iteration] }),
        ),
        lacking(
            "GET /contoso/{project}/_apis/git/repositories/{repository}/pullRequests/{number}/iterations/{id}/changes",
            "the excerpt lacks iterations; documented as \"Pull Request Iteration Changes - Get\"",
            json!({ "changeEntries": [{ "item": { "path": "/a.yaml" } }] }),
        ),
        lacking(
            "GET /contoso/_apis/identities",
            "another service's description; documented as \"Identities - Read Identities\"",
            json!({ "value": [identity] }),
        ),
        lacking(
            "GET /contoso/_apis/accesscontrollists/{namespace}",
            "another service's description; documented as \"Access Control Lists - Query\"",
            json!({ "value": [] }),
        ),
    ]
}

/// The description calls lists arrays; the service puts each into the field `value` of an object, as its
/// reference pages show it.
fn lists_have_a_frame(schema: &mut Value) {
    if schema["type"] == "array" {
        let count = json!({ "type": "integer" });
        *schema = json!({ "type": "object", "properties": { "count": count, "value": schema.take() } });
    }
}

#[tokio::test]
async fn azure_devops_accepts_every_request() {
    let Some(description) = Description::published("azuredevops") else { return };
    let description = description.with_answers(lists_have_a_frame).with_schemas(counts).closed();
    let Some(prism) = Prism::start(description, undescribed()).await else { return };
    let options = Options {
        api: format!("{}/contoso", prism.url),
        repository: "ML Platform/azure estate".parse().unwrap(),
        token: "pat-secret".into(),
    };
    let forge = Forge::AzureDevOps(AzureDevOps::new(prism.client(), Clock::system(), options).unwrap());
    let author = Author::new("d6245f20-2af8-44f4-9451-8107cb2767db", "Octo");
    told(&prism, &forge, &author, "12/1").await;
    let used = [
        ("GET", "/pullRequests/{pullRequestId}/threads"),
        ("GET", "/pullrequests"),
        ("GET", "/pullrequests/{pullRequestId}"),
        ("PATCH", "/pullRequests/{pullRequestId}/threads/{threadId}/comments/{commentId}"),
        ("POST", "/commits/{commitId}/statuses"),
        ("POST", "/pullRequests/{pullRequestId}/statuses"),
        ("POST", "/pullRequests/{pullRequestId}/threads"),
    ];
    let used = used.map(|(method, path)| format!("{method} {REPOSITORY}{path}"));
    prism.approves_of(&used.each_ref().map(String::as_str));
    prism.reads_bodies().await;
}
