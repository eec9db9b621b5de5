//! GitHub's reviews of pull requests, and their comments on lines ("REST API endpoints for pull request
//! reviews", "… review comments").

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::reviews::{OnLine, Review, Verdict, Writing};
use super::super::state::{State, seconds};
use super::bodies;
use super::refusals::{invalid, not_found};

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews`, oldest first.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = state.proposal(call.number("pull_number")).ok_or_else(not_found)?.number;
    let cut = Page::of(call, "per_page", 30, 100).cut(state.reviews_of(number, call.login()));
    let body: Vec<Value> = cut.items.iter().map(|review| body_of(state, review)).collect();
    let answer = Answer::json(200, json!(body));
    Ok(match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    })
}

/// `POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews`: without `event` it is only begun.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = state.proposal(call.number("pull_number")).ok_or_else(not_found)?;
    let (number, is_own) = (proposal.number, proposal.what.author == call.login());
    let body = call.text("/body").unwrap_or_default();
    let verdict = match call.text("/event") {
        None => Verdict::Pending,
        Some("COMMENT") => Verdict::Comment,
        Some("APPROVE") if is_own => return Err(refused("Can not approve your own pull request")),
        Some("APPROVE") => Verdict::Approved,
        Some("REQUEST_CHANGES") if is_own => {
            return Err(refused("Can not request changes on your own pull request"));
        }
        Some("REQUEST_CHANGES") => Verdict::ChangesRequested,
        Some(_) => return Err(refused("event is not included in the list")),
    };
    let on_lines: Vec<(String, u64, String)> = lines_of(&call.body).ok_or_else(|| refused("comments"))?;
    let needs_text = matches!(verdict, Verdict::Comment | Verdict::ChangesRequested);
    if needs_text && body.trim().is_empty() && on_lines.is_empty() {
        return Err(refused("body can't be blank"));
    }
    let written = Writing { author: call.login(), body, verdict, on_lines };
    let review = state.write_review(number, written).ok_or_else(not_found)?;
    Ok(Answer::json(200, body_of(state, &review)))
}

fn refused(why: &str) -> Answer {
    invalid("PullRequestReview", "base", why)
}

fn lines_of(body: &Value) -> Option<Vec<(String, u64, String)>> {
    let Some(comments) = body.get("comments") else { return Some(Vec::new()) };
    let one = |comment: &Value| {
        let line = comment.get("line").or_else(|| comment.get("position"))?.as_u64()?;
        Some((comment["path"].as_str()?.to_owned(), line, comment["body"].as_str()?.to_owned()))
    };
    comments.as_array()?.iter().map(one).collect()
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}/comments`: those on lines, of all reviews.
pub(super) fn on_lines(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = state.proposal(call.number("pull_number")).ok_or_else(not_found)?.number;
    let reviews = state.reviews_of(number, call.login());
    let mut found: Vec<(&Review, &OnLine)> = reviews
        .into_iter()
        .flat_map(|review| review.on_lines.iter().map(move |line| (review, line)))
        .collect();
    if call.query("direction").as_deref() == Some("desc") && call.query("sort").is_some() {
        found.reverse();
    }
    let cut = Page::of(call, "per_page", 30, 100).cut(found);
    let body: Vec<Value> = cut.items.iter().map(|(review, line)| body_of_line(state, review, line)).collect();
    let answer = Answer::json(200, json!(body));
    Ok(match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    })
}

fn urls(state: &State, review: &Review) -> (String, String) {
    let pull = format!("{}/pulls/{}", bodies::api(state, &state.options.repository), review.number);
    (pull, format!("{}/{}/pull/{}", state.base_url, state.options.repository, review.number))
}

pub(super) fn body_of(state: &State, review: &Review) -> Value {
    let (pull, page) = urls(state, review);
    let page = format!("{page}#pullrequestreview-{}", review.id);
    let word = match review.verdict {
        Verdict::Pending => "PENDING",
        Verdict::Comment => "COMMENTED",
        Verdict::Approved => "APPROVED",
        Verdict::ChangesRequested => "CHANGES_REQUESTED",
    };
    let mut body = json!({
        "id": review.id, "node_id": format!("PRR_{}", review.id), "user": bodies::user(state, &review.author),
        "body": review.body, "state": word, "html_url": page, "pull_request_url": pull,
        "author_association": "CONTRIBUTOR", "commit_id": review.commit,
        "_links": { "html": { "href": page }, "pull_request": { "href": pull } },
    });
    if review.verdict != Verdict::Pending {
        body["submitted_at"] = json!(seconds(review.submitted));
    }
    body
}

fn body_of_line(state: &State, review: &Review, line: &OnLine) -> Value {
    let (pull, page) = urls(state, review);
    let ours = bodies::api(state, &state.options.repository);
    let (url, page) =
        (format!("{ours}/pulls/comments/{}", line.id), format!("{page}#discussion_r{}", line.id));
    json!({
        "id": line.id, "node_id": format!("PRRC_{}", line.id), "pull_request_review_id": review.id,
        "url": url, "html_url": page, "pull_request_url": pull, "path": line.path, "line": line.line,
        "diff_hunk": "", "commit_id": review.commit, "original_commit_id": review.commit, "body": line.body,
        "user": bodies::user(state, &review.author), "author_association": "CONTRIBUTOR",
        "created_at": seconds(review.submitted), "updated_at": seconds(review.submitted),
        "_links": { "self": { "href": url }, "html": { "href": page }, "pull_request": { "href": pull } },
    })
}
