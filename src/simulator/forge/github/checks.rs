//! GitHub's check runs, which only Apps may write ("REST API endpoints for check runs").

use serde_json::{Value, json};

use super::super::check_runs::{Annotation, CheckRun};
use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::state::State;
use super::bodies;
use super::refusals::{invalid, message, not_found};

/// "The Checks API limits the number of annotations to a maximum of 50 per API request."
const MAX_ANNOTATIONS: usize = 50;

/// What a summary and a text may have, in characters.
const MAX_TEXT: usize = 65_535;

const CONCLUSIONS: [&str; 7] =
    ["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"];

/// `POST /repos/{owner}/{repo}/check-runs`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    only_apps(call)?;
    let name = call.text("/name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid("CheckRun", "name", "name wasn't supplied"))?;
    let commit = call.text("/head_sha").unwrap_or_default();
    if !state.commits.contains(commit) {
        return Err(message(422, &format!("No commit found for SHA: {commit}")));
    }
    let run = CheckRun {
        id: state.next_id(),
        commit: commit.to_owned(),
        name: name.to_owned(),
        status: "queued".to_owned(),
        conclusion: None,
        details_url: None,
        external_id: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
        started: state.now(),
        completed: None,
    };
    let run = changed(state, call, run)?;
    Ok(Answer::json(201, bodies::check_run(state, &run)))
}

/// `PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}`: annotations are added to those before.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    only_apps(call)?;
    let run = found(state, call)?.clone();
    let run = changed(state, call, run)?;
    Ok(Answer::json(200, bodies::check_run(state, &run)))
}

fn only_apps(call: &Call) -> Result<(), Answer> {
    if call.is_app() { Ok(()) } else { Err(message(403, "You must authenticate via a GitHub App.")) }
}

fn changed(state: &mut State, call: &Call, mut run: CheckRun) -> Result<CheckRun, Answer> {
    let text = |pointer: &str| call.text(pointer).map(str::to_owned);
    run.name = text("/name").unwrap_or(run.name);
    run.details_url = text("/details_url").or(run.details_url);
    run.external_id = text("/external_id").or(run.external_id);
    if let Some(status) = text("/status") {
        if !["queued", "in_progress", "completed", "waiting", "requested", "pending"].contains(&&*status) {
            return Err(invalid("CheckRun", "status", "status is not included in the list"));
        }
        run.status = status;
    }
    if let Some(conclusion) = text("/conclusion") {
        if !CONCLUSIONS.contains(&&*conclusion) {
            return Err(invalid("CheckRun", "conclusion", "conclusion is not included in the list"));
        }
        "completed".clone_into(&mut run.status);
        run.conclusion = Some(conclusion);
        run.completed = Some(state.now());
    } else if run.status == "completed" && run.conclusion.is_none() {
        return Err(invalid("CheckRun", "conclusion", "conclusion is required when status is completed"));
    } else if run.status != "completed" {
        run.conclusion = None;
        run.completed = None;
    }
    if call.body.get("output").is_some() {
        speak(call, &mut run)?;
    }
    state.store_check_run(run.clone());
    Ok(run)
}

fn speak(call: &Call, run: &mut CheckRun) -> Result<(), Answer> {
    let text = |pointer: &str| call.text(pointer).map(str::to_owned);
    run.title = text("/output/title").or(run.title.take());
    run.summary = text("/output/summary").or(run.summary.take());
    run.text = text("/output/text").or(run.text.take());
    if run.title.is_none() || run.summary.is_none() {
        return Err(invalid("CheckRun", "output", "title and summary are required"));
    }
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT);
    if is_long(&run.summary) || is_long(&run.text) {
        return Err(invalid("CheckRun", "output", "Only 65535 characters are allowed"));
    }
    let annotations = call.body.pointer("/output/annotations").and_then(Value::as_array);
    let annotations = annotations.map_or(&[][..], Vec::as_slice);
    if annotations.len() > MAX_ANNOTATIONS {
        return Err(invalid("CheckRun", "annotations", "exceeds a maximum quantity of 50"));
    }
    for annotation in annotations {
        run.annotations.push(read(annotation).ok_or_else(|| {
            invalid("CheckRun", "annotations", "path, lines, level and message are required")
        })?);
    }
    Ok(())
}

fn read(annotation: &Value) -> Option<Annotation> {
    let text = |name: &str| annotation[name].as_str().map(str::to_owned);
    let line = |name: &str| annotation[name].as_u64().filter(|line| *line > 0);
    let level =
        text("annotation_level").filter(|word| ["notice", "warning", "failure"].contains(&&**word))?;
    let (start_line, end_line) = (line("start_line")?, line("end_line")?);
    let message = text("message").filter(|message| !message.is_empty())?;
    (start_line <= end_line).then_some(Annotation {
        path: text("path")?,
        start_line,
        end_line,
        level,
        message,
    })
}

fn found<'a>(state: &'a State, call: &Call) -> Result<&'a CheckRun, Answer> {
    let id = call.number("check_run_id");
    state.check_runs.iter().find(|run| Some(run.id) == id).ok_or_else(not_found)
}

/// `GET /repos/{owner}/{repo}/check-runs/{check_run_id}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::check_run(state, found(state, call)?)))
}

/// `GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations`
pub(super) fn annotations(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let cut = Page::of(call, "per_page", 30, 100).cut(found(state, call)?.annotations.clone());
    let body: Vec<Value> = cut
        .items
        .iter()
        .map(|annotation| {
            json!({
                "path": annotation.path, "start_line": annotation.start_line,
                "end_line": annotation.end_line, "annotation_level": annotation.level,
                "message": annotation.message,
            })
        })
        .collect();
    Ok(Answer::json(200, json!(body)))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/check-runs`, newest first.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = super::statuses::commit(state, call)?;
    let name = call.query("check_name");
    let is_wanted =
        |run: &&CheckRun| run.commit == commit && name.as_ref().is_none_or(|name| *name == run.name);
    let found: Vec<&CheckRun> = state.check_runs.iter().rev().filter(is_wanted).collect();
    let cut = Page::of(call, "per_page", 30, 100).cut(found);
    let runs: Vec<Value> = cut.items.iter().map(|run| bodies::check_run(state, run)).collect();
    Ok(Answer::json(200, json!({ "total_count": cut.total, "check_runs": runs })))
}
