//! Gitea and Forgejo, which speak alike and publish a description each.

use beamline::clock::Clock;
use beamline::forge::gitea::Options;
use beamline::forge::{Author, Forge, Gitea};
use serde_json::json;

use super::{counts, number, statuses, told};
use crate::support::description::Description;
use crate::support::prism::{Prism, Undescribed};

fn undescribed() -> Vec<Undescribed> {
    vec![
        Undescribed {
            operation: "POST /api/v1/repos/{owner}/{repo}/issues/comments/{id}/reactions",
            reason: "the excerpt lacks reactions; the server's own description has issuePostCommentReaction",
            status: 201,
            answer: json!({ "content": "eyes" }),
        },
        Undescribed {
            operation: "GET /api/v1/repos/{owner}/{repo}/collaborators/{collaborator}/permission",
            reason: "the excerpt lacks collaborators; the server's own description has repoGetRepoPermissions",
            status: 200,
            answer: json!({ "permission": "write", "user": { "id": 1, "login": "octo" } }),
        },
        Undescribed {
            operation: "GET /api/v1/repos/{owner}/{repo}/git/commits/{sha}",
            reason: "the excerpt lacks single commits; the server's own description has repoGetSingleCommit",
            status: 200,
            answer: json!({ "sha": "0123456789abcdef0123456789abcdef01234567" }),
        },
        Undescribed {
            operation: "GET /api/v1/repos/{owner}/{repo}/pulls/{index}/reviews",
            reason: "the excerpt lacks reviews; the server's own description has repoListPullReviews",
            status: 200,
            answer: json!([]),
        },
    ]
}

async fn accepts_every_request(name: &str) {
    let Some(description) = Description::published(name) else { return };
    let Some(prism) = Prism::start(description.with_schemas(counts).closed(), undescribed()).await else {
        return;
    };
    let options = Options {
        api: format!("{}/api/v1", prism.url),
        repository: "octo/ml".parse().unwrap(),
        token: "secret-token".into(),
    };
    let forge = Forge::Gitea(Gitea::new(prism.client(), Clock::system(), options).unwrap());
    told(&prism, &forge, &Author::new("1", "octo"), "12").await;

    prism.once("GET /api/v1/repos/{owner}/{repo}/pulls/{index}", 404, json!({ "message": "not found" }));
    forge.fate(number()).await.unwrap();
    prism.once("POST /api/v1/repos/{owner}/{repo}/statuses/{sha}", 500, json!({ "message": "no such sha" }));
    forge.post(&statuses()[..1]).await.remove(0).unwrap_err();
    prism.approves_of(&[
        "GET /api/v1/repos/{owner}/{repo}",
        "GET /api/v1/repos/{owner}/{repo}/issues/{index}/comments",
        "GET /api/v1/repos/{owner}/{repo}/pulls",
        "GET /api/v1/repos/{owner}/{repo}/pulls/{index}",
        "GET /api/v1/repos/{owner}/{repo}/pulls/{index}/files",
        "PATCH /api/v1/repos/{owner}/{repo}/issues/comments/{id}",
        "POST /api/v1/repos/{owner}/{repo}/issues/{index}/comments",
        "POST /api/v1/repos/{owner}/{repo}/statuses/{sha}",
    ]);
    prism.reads_bodies().await;
}

#[tokio::test]
async fn gitea_accepts_every_request() {
    accepts_every_request("gitea").await;
}

#[tokio::test]
async fn forgejo_accepts_every_request() {
    accepts_every_request("forgejo").await;
}
