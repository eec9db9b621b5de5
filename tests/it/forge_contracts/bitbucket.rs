//! Bitbucket Cloud.

use beamline::clock::Clock;
use beamline::forge::bitbucket::{Credential, Options};
use beamline::forge::{Author, Bitbucket, Forge};
use serde_json::{Map, Value, json};

use super::{COMMIT, counts, told};
use crate::support::description::Description;
use crate::support::prism::{Prism, Undescribed};

const REPOSITORY: &str = "/2.0/repositories/{workspace}/{repo_slug}";

fn undescribed() -> Vec<Undescribed> {
    let uuid = "{d301aafa-d676-4ee0-88be-962be7417567}";
    let lacking = |operation, reason, status, answer| Undescribed { operation, reason, status, answer };
    vec![
        lacking(
            "GET /2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/commits",
            "the excerpt lacks it; documented as \"List commits on a pull request\"",
            200,
            json!({ "values": [{ "hash": COMMIT }] }),
        ),
        lacking(
            "GET /2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/diffstat",
            "the excerpt lacks it; documented as \"Get the diff stat for a pull request\"",
            200,
            json!({ "values": [{ "old": null, "new": { "path": "a.yaml" } }] }),
        ),
        lacking(
            "GET /2.0/workspaces/{workspace}/permissions/repositories/{repo_slug}",
            "the excerpt lacks it; documented as \"List a repository permissions for a workspace\"",
            403,
            json!({ "error": { "message": "Forbidden" } }),
        ),
        lacking(
            "GET /2.0/repositories/{workspace}/{repo_slug}/permissions-config/users/{selected_user_id}",
            "the excerpt lacks it; documented as \"Get an explicit user permission for a repository\"",
            200,
            json!({ "permission": "write", "user": { "uuid": uuid } }),
        ),
    ]
}

/// What Prism would put into `next` is the address of another host, where we rightly do not go.
fn every_page_is_the_last(schema: &mut Map<String, Value>) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut)
        && properties.contains_key("values")
    {
        properties.remove("next");
    }
}

/// Swagger 2 has no `null`; a branch is of a commit of a repository of a branch, without end, which Prism
/// cuts short of what is required; and what all lists take is documented apart from them ("Pagination",
/// "Filter and sort API objects", "Partial responses").
fn corrected(description: Description) -> Description {
    description
        .corrected(
            "/definitions/participant/allOf/1/properties/state/enum",
            json!(["approved", "changes_requested"]),
        )
        .corrected("/definitions/repository/allOf/1/properties/mainbranch", json!({ "type": "object" }))
        .with_parameters_of_get(&["pagelen", "sort", "fields"])
        .with_schemas(every_page_is_the_last)
}

#[tokio::test]
async fn bitbucket_accepts_every_request() {
    let Some(description) = Description::published("bitbucket") else { return };
    let description = corrected(description).with_schemas(counts).closed();
    let Some(prism) = Prism::start(description, undescribed()).await else { return };
    let options = Options {
        api: prism.url.clone(),
        repository: "octo/ml".parse().unwrap(),
        credential: Credential::AccessToken("token-secret".into()),
    };
    let forge = Forge::Bitbucket(Bitbucket::new(prism.client(), Clock::system(), options).unwrap());
    let author = Author::new("{d301aafa-d676-4ee0-88be-962be7417567}", "Octo");
    told(&prism, &forge, &author, "12").await;

    let source = json!({ "commit": { "hash": COMMIT[..12] }, "branch": { "name": "topic" } });
    let listed = json!({ "id": 7, "source": source, "destination": { "branch": { "name": "main" } } });
    let list = "GET /2.0/repositories/{workspace}/{repo_slug}/pullrequests";
    prism.once(list, 200, json!({ "values": [listed] }));
    prism.accepted(forge.open_pull_requests(None).await);
    let used = [
        ("GET", "/pullrequests"),
        ("GET", "/pullrequests/{pull_request_id}"),
        ("GET", "/pullrequests/{pull_request_id}/comments"),
        ("POST", "/commit/{commit}/statuses/build"),
        ("POST", "/pullrequests/{pull_request_id}/comments"),
        ("PUT", "/pullrequests/{pull_request_id}/comments/{comment_id}"),
    ];
    let used = used.map(|(method, path)| format!("{method} {REPOSITORY}{path}"));
    prism.approves_of(&used.each_ref().map(String::as_str));
    prism.reads_bodies().await;
}
