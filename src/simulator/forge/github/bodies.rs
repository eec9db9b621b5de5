//! What GitHub's things look like as JSON: every field that its description requires.

use serde_json::{Map, Value, json};

use super::super::check_runs::CheckRun;
use super::super::comments::Comment;
use super::super::pull_requests::{Proposal, Standing};
use super::super::state::{State, seconds};
use super::super::statuses::Status;

const USER_URLS: [&str; 9] = [
    "events_url",
    "followers_url",
    "following_url",
    "gists_url",
    "organizations_url",
    "received_events_url",
    "repos_url",
    "starred_url",
    "subscriptions_url",
];

const REPOSITORY_URLS: [&str; 38] = [
    "archive_url",
    "assignees_url",
    "blobs_url",
    "branches_url",
    "collaborators_url",
    "comments_url",
    "commits_url",
    "compare_url",
    "contents_url",
    "contributors_url",
    "deployments_url",
    "downloads_url",
    "events_url",
    "forks_url",
    "git_commits_url",
    "git_refs_url",
    "git_tags_url",
    "hooks_url",
    "issue_comment_url",
    "issue_events_url",
    "issues_url",
    "keys_url",
    "labels_url",
    "languages_url",
    "merges_url",
    "milestones_url",
    "notifications_url",
    "pulls_url",
    "releases_url",
    "stargazers_url",
    "statuses_url",
    "subscribers_url",
    "subscription_url",
    "tags_url",
    "teams_url",
    "trees_url",
    "svn_url",
    "git_url",
];

const COUNTS: [&str; 11] = [
    "forks",
    "forks_count",
    "network_count",
    "open_issues",
    "open_issues_count",
    "size",
    "stargazers_count",
    "subscribers_count",
    "watchers",
    "watchers_count",
    "id",
];

const NO_SWITCHES: [&str; 9] = [
    "private",
    "has_discussions",
    "has_pages",
    "has_projects",
    "has_wiki",
    "archived",
    "disabled",
    "is_template",
    "has_downloads",
];

/// An object's own fields over others.
fn over(mut fields: Map<String, Value>, own: Value) -> Value {
    if let Value::Object(own) = own {
        fields.extend(own);
    }
    Value::Object(fields)
}

pub(super) fn api(state: &State, name: &str) -> String {
    format!("{}/repos/{name}", state.base_url)
}

pub(super) fn user(state: &State, login: &str) -> Value {
    let url = format!("{}/users/{login}", state.base_url);
    let links = USER_URLS.iter().map(|name| {
        let part = name.trim_end_matches("_url");
        ((*name).to_owned(), json!(format!("{url}/{part}")))
    });
    let id = state.account_id(login);
    let own = json!({
        "login": login, "id": id, "node_id": format!("U_{id}"), "url": url, "gravatar_id": "",
        "avatar_url": format!("{}/avatars/{id}", state.base_url), "html_url": format!("{}/{login}", state.base_url),
        "type": if login.ends_with("[bot]") { "Bot" } else { "User" }, "site_admin": false,
    });
    over(links.collect(), own)
}

pub(super) fn repository(state: &State, name: &str) -> Value {
    let (owner, short) = name.split_once('/').unwrap_or((name, name));
    let url = api(state, name);
    let links = REPOSITORY_URLS.iter().map(|key| {
        ((*key).to_owned(), json!(format!("{url}/{}", key.trim_end_matches("_url").replace('_', "/"))))
    });
    let counts = COUNTS.iter().map(|key| ((*key).to_owned(), json!(0)));
    let switches = NO_SWITCHES.iter().map(|key| ((*key).to_owned(), json!(false)));
    let is_ours = name.eq_ignore_ascii_case(&state.options.repository);
    let html = format!("{}/{name}", state.base_url);
    let own = json!({
        "id": if is_ours { 42 } else { 43 }, "node_id": "R_42", "name": short, "full_name": name,
        "owner": user(state, owner), "private": true, "has_issues": true, "fork": !is_ours, "url": url,
        "html_url": html, "clone_url": format!("{html}.git"), "ssh_url": format!("git@github.com:{name}.git"),
        "default_branch": state.options.default_branch, "description": null, "homepage": null,
        "language": null, "license": null, "mirror_url": null, "visibility": "private",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "pushed_at": "2026-01-01T00:00:00Z",
    });
    over(links.chain(counts).chain(switches).collect(), own)
}

fn end(state: &State, repository_name: &str, branch: &str, sha: &str) -> Value {
    let owner = repository_name.split('/').next().unwrap_or_default();
    json!({
        "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha, "user": user(state, owner),
        "repo": repository(state, repository_name),
    })
}

/// As in lists.
pub(super) fn pull_request(state: &State, proposal: &Proposal) -> Value {
    let ours = &state.options.repository;
    let number = proposal.number;
    let url = format!("{}/pulls/{number}", api(state, ours));
    let issue = format!("{}/issues/{number}", api(state, ours));
    let html = format!("{}/{ours}/pull/{number}", state.base_url);
    let statuses = format!("{}/statuses/{}", api(state, ours), proposal.what.head);
    let ended = proposal.standing.ended().map(seconds);
    let merged = matches!(proposal.standing, Standing::Merged { .. });
    let link = |href: String| json!({ "href": href });
    let links = json!({
        "self": link(url.clone()), "html": link(html.clone()), "issue": link(issue.clone()),
        "comments": link(format!("{issue}/comments")), "commits": link(format!("{url}/commits")),
        "review_comments": link(format!("{url}/comments")), "statuses": link(statuses.clone()),
        "review_comment": link(format!("{}/pulls/comments/{{number}}", api(state, ours))),
    });
    json!({
        "id": proposal.id, "node_id": format!("PR_{}", proposal.id), "number": number, "url": url,
        "html_url": html, "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "issue_url": issue, "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{}/pulls/comments/{{number}}", api(state, ours)),
        "comments_url": format!("{issue}/comments"), "statuses_url": statuses,
        "state": if proposal.standing.is_open() { "open" } else { "closed" }, "locked": false,
        "title": proposal.what.title, "user": user(state, &proposal.what.author), "body": null,
        "created_at": seconds(proposal.created), "updated_at": seconds(proposal.updated),
        "closed_at": ended, "merged_at": if merged { ended.clone() } else { None },
        "merge_commit_sha": proposal.standing.merge_commit(), "assignee": null, "assignees": [],
        "requested_reviewers": [], "requested_teams": [], "labels": [], "milestone": null,
        "draft": proposal.is_draft(), "author_association": "CONTRIBUTOR", "auto_merge": null,
        "head": end(state, proposal.what.fork.as_ref().unwrap_or(ours), &proposal.what.branch, &proposal.what.head),
        "base": end(state, ours, &proposal.what.target, &state.base_of(proposal)),
        "_links": links,
    })
}

/// As it is answered alone and in webhooks.
pub(super) fn whole_pull_request(state: &State, proposal: &Proposal) -> Value {
    let merged = matches!(proposal.standing, Standing::Merged { .. });
    let own = json!({
        "merged": merged, "mergeable": if merged { Value::Null } else { json!(true) },
        "mergeable_state": "clean", "rebaseable": true,
        "merged_by": if merged { user(state, &proposal.what.author) } else { Value::Null },
        "comments": state.comments_of(proposal.number).len(), "review_comments": 0,
        "maintainer_can_modify": false, "commits": proposal.iterations.len(),
        "additions": proposal.what.files.len(), "deletions": 0, "changed_files": proposal.what.files.len(),
    });
    let mut whole = pull_request(state, proposal);
    if let (Value::Object(fields), Value::Object(own)) = (&mut whole, own) {
        fields.extend(own);
    }
    whole
}

pub(super) fn comment(state: &State, comment: &Comment) -> Value {
    let ours = api(state, &state.options.repository);
    let page = format!("{}/{}/pull/{}", state.base_url, state.options.repository, comment.number);
    json!({
        "id": comment.id, "node_id": format!("IC_{}", comment.id), "body": comment.body,
        "url": format!("{ours}/issues/comments/{}", comment.id),
        "html_url": format!("{page}#issuecomment-{}", comment.id),
        "issue_url": format!("{ours}/issues/{}", comment.number), "user": user(state, &comment.author),
        "created_at": seconds(comment.created), "updated_at": seconds(comment.updated),
        "author_association": "CONTRIBUTOR",
    })
}

pub(super) fn status(state: &State, status: &Status) -> Value {
    json!({
        "id": status.id, "node_id": format!("SC_{}", status.id), "state": status.state,
        "url": format!("{}/statuses/{}", api(state, &state.options.repository), status.commit),
        "avatar_url": format!("{}/avatars/1", state.base_url), "context": status.context,
        "description": status.description, "target_url": status.target,
        "created_at": seconds(status.created), "updated_at": seconds(status.updated),
        "creator": user(state, &status.creator),
    })
}

pub(super) fn check_run(state: &State, run: &CheckRun) -> Value {
    let url = format!("{}/check-runs/{}", api(state, &state.options.repository), run.id);
    let (app_id, slug) = state.app.as_ref().map_or((0, ""), |app| (app.id, app.slug.as_str()));
    json!({
        "id": run.id, "node_id": format!("CR_{}", run.id), "head_sha": run.commit, "name": run.name,
        "url": url, "html_url": format!("{}/runs/{}", state.base_url, run.id),
        "details_url": run.details_url, "external_id": run.external_id, "status": run.status,
        "conclusion": run.conclusion, "started_at": seconds(run.started),
        "completed_at": run.completed.map(seconds), "pull_requests": [],
        "check_suite": { "id": 1, "head_sha": run.commit },
        "output": {
            "title": run.title, "summary": run.summary, "text": run.text,
            "annotations_count": run.annotations.len(), "annotations_url": format!("{url}/annotations"),
        },
        "app": {
            "id": app_id, "slug": slug, "node_id": "A_1", "name": slug, "description": null,
            "owner": user(state, "octo"), "external_url": state.base_url, "html_url": state.base_url,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "permissions": { "checks": "write", "statuses": "write", "pull_requests": "write" }, "events": [],
        },
    })
}
