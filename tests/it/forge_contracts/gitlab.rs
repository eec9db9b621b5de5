//! GitLab.

use beamline::clock::Clock;
use beamline::forge::gitlab::Options;
use beamline::forge::{Author, Forge, GitLab};
use serde_json::json;

use super::{counts, number, statuses, told};
use crate::support::description::Description;
use crate::support::prism::{Prism, Undescribed};

/// The service lists in arrays, counts in numbers, dates with dates and names the authors of notes, as the
/// examples of its documentation do.
fn corrected(description: Description) -> Description {
    const PROJECT: &str = "/paths/~1api~1v4~1projects~1{id}~1merge_requests";
    let list = |name: &str| json!({ "type": "array", "items": { "$ref": format!("#/definitions/API_Entities_{name}") } });
    let author = json!({ "$ref": "#/definitions/API_Entities_UserBasic" });
    let moment = json!({ "type": "string", "format": "date-time" });
    let count = |name: &str| format!("/definitions/API_Entities_{name}/properties/user_notes_count/type");
    description
        .corrected(&format!("{PROJECT}/get/responses/200/schema"), list("MergeRequestBasic"))
        .corrected(&format!("{PROJECT}~1{{merge_request_iid}}~1diffs/get/responses/200/schema"), list("Diff"))
        .corrected("/definitions/AcceptanceNote/properties/author", author)
        .corrected("/definitions/AcceptanceNote/properties/created_at", moment.clone())
        .corrected("/definitions/AcceptanceNote/properties/updated_at", moment)
        .corrected(&count("MergeRequest"), json!("integer"))
        .corrected(&count("MergeRequestBasic"), json!("integer"))
}

fn undescribed() -> Vec<Undescribed> {
    vec![
        Undescribed {
            operation: "POST /api/v4/projects/{id}/merge_requests/{iid}/notes/{note_id}/award_emoji",
            reason: "GitLab's generated description lacks what belongs to notes; documented as \"Emoji reactions API\"",
            status: 201,
            answer: json!({ "id": 1, "name": "eyes" }),
        },
        Undescribed {
            operation: "GET /api/v4/projects/{id}/members/all/{user_id}",
            reason: "the excerpt lacks members; documented as \"Project members API\"",
            status: 200,
            answer: json!({ "id": 1, "state": "active", "access_level": 30 }),
        },
    ]
}

#[tokio::test]
async fn gitlab_accepts_every_request() {
    let Some(description) = Description::published("gitlab") else { return };
    let description = corrected(description);
    let Some(prism) = Prism::start(description.with_schemas(counts).closed(), undescribed()).await else {
        return;
    };
    let options = Options {
        api: format!("{}/api/v4", prism.url),
        repository: "group/sub/ml".parse().unwrap(),
        branch: "main".parse().unwrap(),
        token: "glpat-secret".into(),
    };
    let forge = Forge::GitLab(GitLab::new(prism.client(), Clock::system(), options).unwrap());
    told(&prism, &forge, &Author::new("1", "octo"), "12").await;

    let looked = "GET /api/v4/projects/{id}/merge_requests/{merge_request_iid}";
    prism.once(looked, 404, json!({ "message": "404 Not found" }));
    forge.fate(number()).await.unwrap();

    let set = "POST /api/v4/projects/{id}/statuses/{sha}";
    let waiting = json!([{ "id": 2, "status": "pending", "ref": "main", "pipeline_id": 3 }]);
    prism.once(set, 201, json!({ "id": 1, "status": "success", "pipeline_id": 4 }));
    prism.once("GET /api/v4/projects/{id}/repository/commits/{sha}/statuses", 200, waiting);
    assert_eq!(forge.post(&statuses()[1..2]).await, [Ok(())]);
    prism.approves_of(&[
        "GET /api/v4/projects/{id}",
        "GET /api/v4/projects/{id}/merge_requests",
        "GET /api/v4/projects/{id}/merge_requests/{merge_request_iid}",
        "GET /api/v4/projects/{id}/merge_requests/{merge_request_iid}/diffs",
        "GET /api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes",
        "GET /api/v4/projects/{id}/repository/commits/{sha}/statuses",
        "POST /api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes",
        "POST /api/v4/projects/{id}/statuses/{sha}",
        "PUT /api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}",
    ]);
    prism.reads_bodies().await;
}
