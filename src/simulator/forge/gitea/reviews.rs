//! Reviews of pull requests on Gitea and Forgejo, and their comments on lines (`repoCreatePullReview`,
//! `repoListPullReviews`, `repoGetPullReviewComments`).

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::reviews::{OnLine, Review, Verdict, Writing};
use super::super::state::{State, seconds};
use super::{bodies, message, not_found, page, pulls, writable};

/// `GET …/pulls/{index}/reviews`, oldest first.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = pulls::found(state, call)?.number;
    let cut = Page::of(call, "limit", 30, 50).cut(state.reviews_of(number, call.login()));
    let body: Vec<Value> = cut.items.iter().map(|review| body_of(state, review)).collect();
    Ok(page(state, call, &cut, json!(body)))
}

/// `POST …/pulls/{index}/reviews`: without `event` it is only begun.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    writable(state)?;
    let proposal = pulls::found(state, call)?;
    let (number, is_own) = (proposal.number, proposal.what.author == call.login());
    let body = call.text("/body").unwrap_or_default();
    let on_lines = lines_of(&call.body).ok_or_else(|| message(state, 422, "[Comments]: invalid"))?;
    let verdict = match call.text("/event").unwrap_or_default() {
        "" | "PENDING" => Verdict::Pending,
        "COMMENT" => Verdict::Comment,
        "APPROVED" => Verdict::Approved,
        "REQUEST_CHANGES" => Verdict::ChangesRequested,
        other => return Err(message(state, 422, &format!("unknown review type {other}"))),
    };
    let needs_text = matches!(verdict, Verdict::Comment | Verdict::ChangesRequested);
    if needs_text && body.trim().is_empty() && on_lines.is_empty() {
        return Err(message(state, 422, "review event COMMENT requires a body or a comment"));
    }
    if is_own && matches!(verdict, Verdict::Approved | Verdict::ChangesRequested) {
        return Err(message(state, 422, "approve your own pull is not allowed"));
    }
    let written = Writing { author: call.login(), body, verdict, on_lines };
    let review = state.write_review(number, written).ok_or_else(|| not_found(state))?;
    Ok(Answer::json(200, body_of(state, &review)))
}

fn lines_of(body: &Value) -> Option<Vec<(String, u64, String)>> {
    let Some(comments) = body.get("comments").filter(|them| !them.is_null()) else { return Some(Vec::new()) };
    let one = |comment: &Value| {
        let line = comment["new_position"].as_u64().or_else(|| comment["old_position"].as_u64())?;
        Some((comment["path"].as_str()?.to_owned(), line, comment["body"].as_str()?.to_owned()))
    };
    comments.as_array()?.iter().map(one).collect()
}

/// `GET …/pulls/{index}/reviews/{id}/comments`
pub(super) fn on_lines(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = pulls::found(state, call)?.number;
    let wanted = call.number("id");
    let reviews = state.reviews_of(number, call.login());
    let review = reviews.into_iter().find(|review| Some(review.id) == wanted);
    let review = review.ok_or_else(|| not_found(state))?;
    let body: Vec<Value> = review.on_lines.iter().map(|line| body_of_line(state, review, line)).collect();
    Ok(Answer::json(200, json!(body)))
}

fn page_of(state: &State, review: &Review) -> String {
    format!("{}/{}/pulls/{}", state.base_url, state.options.repository, review.number)
}

fn body_of(state: &State, review: &Review) -> Value {
    let page = page_of(state, review);
    let word = match review.verdict {
        Verdict::Pending => "PENDING",
        Verdict::Comment => "COMMENT",
        Verdict::Approved => "APPROVED",
        Verdict::ChangesRequested => "REQUEST_CHANGES",
    };
    json!({
        "id": review.id, "user": bodies::user(state, &review.author), "team": null, "state": word,
        "body": review.body, "commit_id": review.commit, "stale": false, "official": false,
        "dismissed": false, "comments_count": review.on_lines.len(),
        "submitted_at": seconds(review.submitted), "updated_at": seconds(review.submitted),
        "html_url": format!("{page}#issuecomment-{}", review.id), "pull_request_url": page,
    })
}

fn body_of_line(state: &State, review: &Review, line: &OnLine) -> Value {
    let page = page_of(state, review);
    json!({
        "id": line.id, "body": line.body, "user": bodies::user(state, &review.author), "resolver": null,
        "pull_request_review_id": review.id, "created_at": seconds(review.submitted),
        "updated_at": seconds(review.submitted), "path": line.path, "commit_id": review.commit,
        "original_commit_id": "", "diff_hunk": "", "position": line.line, "original_position": 0,
        "html_url": format!("{page}#issuecomment-{}", line.id), "pull_request_url": page,
    })
}
