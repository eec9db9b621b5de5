//! What GitLab's things look like as JSON.

use serde_json::{Value, json};

use super::super::comments::Comment;
use super::super::http::{Answer, Call};
use super::super::paging::Cut;
use super::super::pull_requests::{ChangedFile, FileChange, Proposal, Standing};
use super::super::state::{State, seconds};
use super::super::statuses::Status;
use super::PROJECT;

/// A page of a list with GitLab's paging headers ("REST API pagination").
pub(super) fn page<T>(state: &State, call: &Call, cut: &Cut<T>, body: &[Value]) -> Answer {
    let number = |page: Option<usize>| page.map(|page| page.to_string()).unwrap_or_default();
    let answer = Answer::json(200, json!(body))
        .with("x-page", cut.page.number)
        .with("x-per-page", cut.page.size)
        .with("x-total", cut.total)
        .with("x-total-pages", cut.last())
        .with("x-next-page", number(cut.next()))
        .with("x-prev-page", number(cut.previous()));
    match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    }
}

pub(super) fn user(state: &State, login: &str) -> Value {
    json!({
        "id": state.account_id(login), "username": login, "name": login, "state": "active", "locked": false,
        "avatar_url": null, "web_url": format!("{}/{login}", state.base_url),
    })
}

pub(super) fn state_word(proposal: &Proposal) -> &'static str {
    match proposal.standing {
        Standing::Open => "opened",
        Standing::Closed { .. } => "closed",
        Standing::Merged { .. } => "merged",
    }
}

/// The number of the project that the branch of a merge request is in.
pub(super) fn source_project(proposal: &Proposal) -> u64 {
    if proposal.what.fork.is_some() { PROJECT + 1 } else { PROJECT }
}

pub(super) fn merge_request(state: &State, proposal: &Proposal) -> Value {
    let merged = matches!(proposal.standing, Standing::Merged { .. });
    let closed = matches!(proposal.standing, Standing::Closed { .. });
    let ended = proposal.standing.ended().map(seconds);
    json!({
        "id": proposal.id, "iid": proposal.number, "project_id": PROJECT, "title": title(proposal),
        "description": null, "state": state_word(proposal), "draft": proposal.is_draft(),
        "work_in_progress": proposal.is_draft(), "source_branch": proposal.what.branch,
        "target_branch": proposal.what.target, "source_project_id": source_project(proposal),
        "target_project_id": PROJECT, "sha": proposal.what.head, "author": user(state, &proposal.what.author),
        "assignees": [], "reviewers": [], "labels": [], "created_at": seconds(proposal.created),
        "updated_at": seconds(proposal.updated), "merged_at": if merged { ended.clone() } else { None },
        "closed_at": if closed { ended } else { None }, "merge_commit_sha": proposal.standing.merge_commit(),
        "squash_commit_sha": null, "merge_status": "can_be_merged", "detailed_merge_status": "mergeable",
        "has_conflicts": false, "user_notes_count": state.comments_of(proposal.number).len(),
        "web_url": format!("{}/{}/-/merge_requests/{}", state.base_url, state.options.repository, proposal.number),
    })
}

/// The whole of one, with what lists leave out.
pub(super) fn whole_merge_request(state: &State, proposal: &Proposal) -> Value {
    let mut body = merge_request(state, proposal);
    let base = state.base_of(proposal);
    body["diff_refs"] = json!({ "base_sha": base, "start_sha": base, "head_sha": proposal.what.head });
    body["changes_count"] = json!(proposal.what.files.len().to_string());
    body
}

/// GitLab marks drafts in the title as well.
pub(super) fn title(proposal: &Proposal) -> String {
    let title = &proposal.what.title;
    if proposal.is_draft() { format!("Draft: {title}") } else { title.clone() }
}

pub(super) fn diff(file: &ChangedFile) -> Value {
    json!({
        "old_path": file.old_path().unwrap_or(&file.path), "new_path": file.new_path().unwrap_or(&file.path),
        "a_mode": "100644", "b_mode": "100644", "diff": "@@ -1 +1 @@\n-a\n+b\n", "collapsed": false,
        "too_large": false, "generated_file": false, "new_file": file.change == FileChange::Added,
        "deleted_file": file.change == FileChange::Removed,
        "renamed_file": matches!(file.change, FileChange::RenamedFrom(_)),
    })
}

pub(super) fn note(state: &State, comment: &Comment) -> Value {
    let proposal = state.proposals.get(&comment.number).map(|proposal| proposal.id);
    json!({
        "id": comment.id, "body": comment.body, "author": user(state, &comment.author),
        "created_at": seconds(comment.created), "updated_at": seconds(comment.updated), "system": false,
        "internal": false, "noteable_id": proposal, "noteable_iid": comment.number,
        "noteable_type": "MergeRequest",
    })
}

pub(super) fn status(state: &State, status: &Status) -> Value {
    let finished = !["pending", "running"].contains(&status.state.as_str());
    json!({
        "id": status.id, "sha": status.commit, "ref": state.options.default_branch, "status": status.state,
        "name": status.context, "target_url": status.target, "description": status.description,
        "created_at": seconds(status.created), "started_at": null,
        "finished_at": finished.then(|| seconds(status.updated)), "allow_failure": false, "coverage": null,
        "pipeline_id": 1, "author": user(state, &status.creator),
    })
}
