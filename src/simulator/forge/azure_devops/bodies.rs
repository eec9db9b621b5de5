//! What Azure DevOps' things look like as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::comments::{Comment, Presence};
use super::super::pull_requests::{Proposal, Standing};
use super::super::state::State;
use super::super::statuses::Status;
use super::{names, project_id, repository_id};

/// The service's moments have seven decimals.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f0Z").to_string()
}

fn escaped(text: &str) -> String {
    text.replace(' ', "%20")
}

pub(super) fn identity(state: &State, login: &str) -> Value {
    let id = state.named_uuid(login);
    json!({
        "id": id, "displayName": login, "uniqueName": format!("{login}@example.com"),
        "url": format!("{}/_apis/Identities/{id}", state.base_url), "descriptor": format!("aad.{login}"),
    })
}

pub(super) fn root(state: &State) -> String {
    let names = names(state);
    format!(
        "{}/{}/{}/_apis/git/repositories/{}",
        state.base_url,
        names.organization,
        project_id(state),
        repository_id(state)
    )
}

pub(super) fn repository(state: &State) -> Value {
    let names = names(state);
    let project = json!({
        "id": project_id(state), "name": names.project, "state": "wellFormed", "visibility": "private",
        "url": format!("{}/{}/_apis/projects/{}", state.base_url, names.organization, project_id(state)),
    });
    let page = format!(
        "{}/{}/{}/_git/{}",
        state.base_url,
        names.organization,
        escaped(names.project),
        escaped(names.repository)
    );
    json!({
        "id": repository_id(state), "name": names.repository, "url": root(state), "project": project,
        "defaultBranch": format!("refs/heads/{}", state.options.default_branch), "remoteUrl": page,
        "webUrl": page, "isDisabled": false, "size": 0,
    })
}

fn commit(state: &State, sha: &str) -> Value {
    json!({ "commitId": sha, "url": format!("{}/commits/{sha}", root(state)) })
}

pub(super) fn state_word(proposal: &Proposal) -> &'static str {
    match proposal.standing {
        Standing::Open => "active",
        Standing::Closed { .. } => "abandoned",
        Standing::Merged { .. } => "completed",
    }
}

pub(super) fn pull_request(state: &State, proposal: &Proposal) -> Value {
    let url = format!("{}/pullRequests/{}", root(state), proposal.number);
    let mut body = json!({
        "repository": repository(state), "pullRequestId": proposal.number, "codeReviewId": proposal.number,
        "status": state_word(proposal), "createdBy": identity(state, &proposal.what.author),
        "creationDate": moment(proposal.created), "title": proposal.what.title, "description": "",
        "sourceRefName": format!("refs/heads/{}", proposal.what.branch),
        "targetRefName": format!("refs/heads/{}", proposal.what.target), "mergeStatus": "succeeded",
        "isDraft": proposal.is_draft(), "mergeId": state.named_uuid(&format!("merge {}", proposal.number)),
        "lastMergeSourceCommit": commit(state, &proposal.what.head),
        "lastMergeTargetCommit": commit(state, &state.base_of(proposal)), "reviewers": [],
        "supportsIterations": true, "url": url,
    });
    if let Some(at) = proposal.standing.ended() {
        body["closedDate"] = json!(moment(at));
    }
    if let Some(sha) = proposal.standing.merge_commit() {
        body["lastMergeCommit"] = commit(state, sha);
    }
    if let Some(fork) = &proposal.what.fork {
        let name = fork.rsplit('/').next().unwrap_or_default();
        let repository = json!({
            "id": state.named_uuid(fork), "name": name, "isFork": true, "url": format!("{}/forks", root(state)),
        });
        body["forkSource"] =
            json!({ "name": format!("refs/heads/{}", proposal.what.branch), "repository": repository });
    }
    body
}

pub(super) fn iteration(state: &State, proposal: &Proposal, at: usize) -> Option<Value> {
    let (head, created) = proposal.iterations.get(at)?;
    let base = state.base_of(proposal);
    Some(json!({
        "id": at + 1, "description": "", "author": identity(state, &proposal.what.author),
        "createdDate": moment(*created), "updatedDate": moment(*created),
        "sourceRefCommit": { "commitId": head }, "targetRefCommit": { "commitId": base },
        "commonRefCommit": { "commitId": base }, "hasMoreCommits": false, "reason": "push",
    }))
}

/// `context` is kept as `genre/name`.
pub(super) fn status(state: &State, status: &Status) -> Value {
    let (genre, name) =
        status.context.rsplit_once('/').map_or((None, &*status.context), |(g, n)| (Some(g), n));
    let mut body = json!({
        "id": status.id, "state": status.state, "description": status.description.clone().unwrap_or_default(),
        "context": { "name": name }, "creationDate": moment(status.created),
        "updatedDate": moment(status.updated), "createdBy": identity(state, &status.creator),
    });
    if let Some(genre) = genre {
        body["context"]["genre"] = json!(genre);
    }
    if let Some(target) = &status.target {
        body["targetUrl"] = json!(target);
    }
    if let Some((_, Some(iteration))) = status.proposal {
        body["iterationId"] = json!(iteration);
    }
    body
}

pub(super) fn comment(state: &State, comment: &Comment) -> Value {
    let mut body = json!({
        "id": comment.thread.1, "parentCommentId": u64::from(comment.thread.1 > 1),
        "author": identity(state, &comment.author), "content": comment.body, "commentType": "text",
        "publishedDate": moment(comment.created), "lastUpdatedDate": moment(comment.updated),
        "lastContentUpdatedDate": moment(comment.updated), "usersLiked": [],
    });
    if comment.presence == Presence::Deleted {
        body["isDeleted"] = json!(true);
        if let Some(fields) = body.as_object_mut() {
            fields.remove("content");
        }
    }
    body
}
