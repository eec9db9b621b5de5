//! The face of Azure DevOps Repos. Facts: the Swagger description of Git (7.1) and the documentation
//! pages "Access Control Lists - Query", "Read Identities", "Pull Request Iterations", "Service hooks
//! events", "Rate and usage limits".

mod access;
mod bodies;
mod events;
mod pulls;
mod statuses;
mod threads;
mod writing;

use http::Method;
use serde_json::{Value, json};

use super::accounts::Permission::{Read, Write};
use super::face::{Bodies, Face, Needs, Refused, Route, Scheme, Validators, route};
use super::http::{Answer, Call};
use super::limits::Budget;
use super::state::State;

pub(super) static FACE: Face = Face {
    prefix: "",
    routes: ROUTES,
    schemes: &[Scheme::Basic, Scheme::Bearer],
    names_repository,
    refuse,
    budget,
    bodies: Bodies::Json,
    validators: Validators::None,
    events: events::events,
    sign: events::sign,
};

macro_rules! below {
    ($rest:literal) => {
        concat!("/{organization}/{project}/_apis/git/repositories/{repositoryId}", $rest)
    };
}

static ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        template: "/{organization}/_apis/identities",
        needs: Needs::Account,
        handler: access::identities,
    },
    Route {
        method: Method::GET,
        template: "/{organization}/_apis/accesscontrollists/{securityNamespaceId}",
        needs: Needs::Account,
        handler: access::lists,
    },
    Route {
        method: Method::GET,
        template: "/{organization}/_apis/connectionData",
        needs: Needs::Account,
        handler: access::connection,
    },
    route(Method::GET, below!(""), Read, repository),
    route(Method::GET, below!("/commits/{commitId}/statuses"), Read, statuses::of_commit),
    route(Method::POST, below!("/commits/{commitId}/statuses"), Write, statuses::post_to_commit),
    route(Method::GET, below!("/pullRequests"), Read, pulls::list),
    route(Method::POST, below!("/pullRequests"), Read, writing::open),
    route(Method::GET, below!("/pullRequests/{pullRequestId}"), Read, pulls::get),
    route(Method::PATCH, below!("/pullRequests/{pullRequestId}"), Read, writing::update),
    route(Method::GET, below!("/pullRequests/{pullRequestId}/iterations"), Read, pulls::iterations),
    route(
        Method::GET,
        below!("/pullRequests/{pullRequestId}/iterations/{iterationId}"),
        Read,
        pulls::iteration,
    ),
    route(
        Method::GET,
        below!("/pullRequests/{pullRequestId}/iterations/{iterationId}/changes"),
        Read,
        pulls::changes,
    ),
    route(
        Method::GET,
        below!("/pullRequests/{pullRequestId}/iterations/{iterationId}/statuses"),
        Read,
        statuses::of_iteration,
    ),
    route(
        Method::POST,
        below!("/pullRequests/{pullRequestId}/iterations/{iterationId}/statuses"),
        Write,
        statuses::post_to_iteration,
    ),
    route(Method::GET, below!("/pullRequests/{pullRequestId}/statuses"), Read, statuses::of_pull_request),
    route(
        Method::POST,
        below!("/pullRequests/{pullRequestId}/statuses"),
        Write,
        statuses::post_to_pull_request,
    ),
    route(Method::GET, below!("/pullRequests/{pullRequestId}/threads"), Read, threads::list),
    route(Method::POST, below!("/pullRequests/{pullRequestId}/threads"), Read, threads::create),
    route(Method::GET, below!("/pullRequests/{pullRequestId}/threads/{threadId}"), Read, threads::get),
    route(Method::PATCH, below!("/pullRequests/{pullRequestId}/threads/{threadId}"), Read, threads::update),
    route(
        Method::GET,
        below!("/pullRequests/{pullRequestId}/threads/{threadId}/comments"),
        Read,
        threads::comments,
    ),
    route(
        Method::POST,
        below!("/pullRequests/{pullRequestId}/threads/{threadId}/comments"),
        Read,
        threads::reply,
    ),
    route(
        Method::GET,
        below!("/pullRequests/{pullRequestId}/threads/{threadId}/comments/{commentId}"),
        Read,
        threads::comment,
    ),
    route(
        Method::PATCH,
        below!("/pullRequests/{pullRequestId}/threads/{threadId}/comments/{commentId}"),
        Read,
        threads::edit,
    ),
    route(
        Method::DELETE,
        below!("/pullRequests/{pullRequestId}/threads/{threadId}/comments/{commentId}"),
        Read,
        threads::delete,
    ),
];

/// `organization/project/repository`.
struct Names<'a> {
    organization: &'a str,
    project: &'a str,
    repository: &'a str,
}

fn names(state: &State) -> Names<'_> {
    let full = state.options.repository.as_str();
    let (organization, rest) = full.split_once('/').unwrap_or((full, full));
    let (project, repository) = rest.split_once('/').unwrap_or((rest, rest));
    Names { organization, project, repository }
}

fn project_id(state: &State) -> String {
    state.named_uuid("the project").to_string()
}

fn repository_id(state: &State) -> String {
    state.named_uuid("the repository").to_string()
}

fn names_repository(state: &State, call: &Call) -> bool {
    let names = names(state);
    let is = |param: &str, name: &str, id: &str| {
        call.param(param).eq_ignore_ascii_case(name) || call.param(param).eq_ignore_ascii_case(id)
    };
    is("organization", names.organization, names.organization)
        && is("project", names.project, &project_id(state))
        && is("repositoryId", names.repository, &repository_id(state))
}

/// The service's shape of an error.
fn error(status: u16, type_key: &str, text: &str) -> Answer {
    let body = json!({
        "$id": "1", "innerException": null, "message": text, "typeKey": type_key, "errorCode": 0,
        "typeName": format!("Microsoft.TeamFoundation.Git.Server.{type_key}, Microsoft.TeamFoundation.Git.Server"),
        "eventId": 3000,
    });
    Answer::json(status, body)
}

/// A list as the service wraps it.
fn list(values: Vec<Value>) -> Answer {
    Answer::json(200, json!({ "count": values.len(), "value": values }))
}

fn refuse(state: &State, call: &Call, refused: Refused) -> Answer {
    match refused {
        // Whoever does not say who they are is shown the page to sign in.
        Refused::NoCredential => {
            let page =
                "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head></html>";
            Answer::text(203, "text/html; charset=utf-8", page)
        }
        Refused::WrongCredential | Refused::RevokedToken => {
            let page = "<html><head><title>Access Denied: The Personal Access Token used has expired.</title></head></html>";
            Answer::text(401, "text/html; charset=utf-8", page)
                .with("www-authenticate", "Basic realm=\"https://dev.azure.com/\"")
        }
        Refused::NoRepository => error(
            404,
            "GitRepositoryNotFoundException",
            &format!(
                "TF401019: The Git repository with name or identifier {} does not exist or you do not have \
                 permissions for the operation you are attempting.",
                call.param("repositoryId")
            ),
        ),
        Refused::NoEndpoint => {
            error(404, "VssResourceNotFoundException", "VS402906: The controller for path was not found.")
        }
        Refused::Forbidden | Refused::Archived => error(
            403,
            "GitNeedsPermissionException",
            &format!(
                "TF401027: You need the Git 'GenericContribute' permission to perform this action. Details: \
                 identity '{}', scope 'repository'.",
                names(state).organization
            ),
        ),
        Refused::Malformed => {
            error(400, "InvalidArgumentValueException", "TF400898: The body is not valid JSON.")
        }
        Refused::Limited { exceeded, now } => {
            let wait = exceeded.until.duration_since(now).as_secs().max(1);
            error(
                429,
                "RequestBlockedException",
                "TF400733: The request has been canceled: Request was blocked \
                 due to exceeding usage of resource 'Concurrency' in namespace 'User'.",
            )
            .with("retry-after", wait)
            .with("x-ratelimit-resource", "Concurrency")
            .with("x-ratelimit-remaining", 0)
            .with("x-ratelimit-reset", exceeded.until.as_second())
        }
    }
}

fn budget(_: Budget) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// Writing without a version is refused ("REST API versioning").
fn versioned(call: &Call) -> Result<(), Answer> {
    let in_accept = call.header("accept").is_some_and(|accept| accept.contains("api-version="));
    if in_accept || call.query("api-version").is_some() {
        return Ok(());
    }
    let text = format!(
        "No api-version was supplied for the \"{}\" request. The version must be supplied either as part of \
         the Accept header or as a query parameter.",
        call.method
    );
    Err(error(400, "VssVersionNotSpecifiedException", &text))
}

fn repository(state: &mut State, _: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::repository(state)))
}
