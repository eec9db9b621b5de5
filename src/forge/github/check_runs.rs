//! The check run of a plan: summary, annotations on lines, and GitHub's own Re-run button.
//!
//! Contract: `checks/create`, `checks/update`, `checks/list-for-ref`; only an App may write them. GitHub
//! appends the annotations of an update to those that stand there, so a run that has some is left as it
//! is and a new one of the same name takes its place (GitHub shows the newest).

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::connection::{GitHub, Request};
use crate::forge::api::{is_web, segment};
use crate::forge::{Annotation, CheckRun, ForgeError, Level, MAX_ANNOTATIONS, State};
use crate::resources::brief;

/// The name under which people see it and branch protection can require it.
const CHECK_NAME: &str = "beamline plan";

/// Our own reference, by which ours are known.
const EXTERNAL_ID: &str = "beamline/plan";

/// The longest summary. GitHub says characters and counts bytes
/// (<https://github.com/github/docs/issues/35252>).
const MAX_SUMMARY_BYTES: usize = 65_535;

/// The end of a summary that was cut.
const CUT: &str = "\n\n…";

/// The longest title and message of an annotation (`checks/create`): 255 characters and 64 KB.
const MAX_TITLE_CHARS: usize = 255;
const MAX_MESSAGE_BYTES: usize = 64 * 1000;

#[derive(Deserialize)]
struct Existing {
    check_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    external_id: Option<String>,
    conclusion: Option<String>,
    output: Output,
    app: Option<Maker>,
}

#[derive(Deserialize)]
struct Output {
    title: Option<String>,
    summary: Option<String>,
    #[serde(default)]
    annotations_count: usize,
}

#[derive(Deserialize)]
struct Maker {
    id: u64,
    client_id: Option<String>,
}

/// What becomes of the run that stands there.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Create,
    Update {
        id: u64,
    },
    /// It says the same already; saying it again ends a Re-run, and adds no annotations.
    Repeat {
        id: u64,
    },
}

impl GitHub {
    pub(in crate::forge) async fn publish(&self, check: &CheckRun) -> Result<(), ForgeError> {
        let Some(app) = self.app() else { return Ok(()) };
        let what = format!("the check run of {}", check.commit.short());
        let path = format!("/commits/{}/check-runs?check_name={}", check.commit, segment(CHECK_NAME));
        let existing: Existing = self.send(&Request::get(path, &what)).await?.json(&what)?;
        let newest = existing.check_runs.iter().filter(|run| is_ours(run, app)).max_by_key(|run| run.id);
        let summary = cut(&check.summary, MAX_SUMMARY_BYTES);
        let mut body = body_of(check, &summary);
        let (method, path) = match way(newest, check, &summary) {
            Way::Create => {
                body["head_sha"] = check.commit.to_string().into();
                (Method::POST, "/check-runs".to_owned())
            }
            Way::Update { id } => (Method::PATCH, format!("/check-runs/{id}")),
            Way::Repeat { id } => {
                body["output"]["annotations"] = json!([]);
                (Method::PATCH, format!("/check-runs/{id}"))
            }
        };
        let unprocessable = format!("Check that {} is in {}", check.commit.short(), self.repository());
        let request = Request::write(method, path, body, &what).if_unprocessable(unprocessable);
        Ok(self.send(&request).await?.confirms(&["id", "head_sha", "status"], &what)?)
    }
}

/// By its maker, where GitHub says it in the form in which the App was configured, and our reference.
fn is_ours(run: &Run, app: &App) -> bool {
    let is_number = app.id().bytes().all(|byte| byte.is_ascii_digit());
    let is_by_app = match run.app.as_ref() {
        Some(maker) if is_number => maker.id.to_string() == app.id(),
        Some(maker) => maker.client_id.as_deref().is_none_or(|id| id == app.id()),
        None => true,
    };
    is_by_app && run.external_id.as_deref() == Some(EXTERNAL_ID)
}

fn way(newest: Option<&Run>, check: &CheckRun, summary: &str) -> Way {
    let Some(run) = newest else { return Way::Create };
    let is_same = run.conclusion.as_deref() == conclusion(check.state)
        && run.output.title.as_deref() == Some(check.title.as_str())
        && run.output.summary.as_deref() == Some(summary)
        && run.output.annotations_count == check.annotations.len().min(MAX_ANNOTATIONS);
    match run.output.annotations_count {
        0 => Way::Update { id: run.id },
        _ if is_same => Way::Repeat { id: run.id },
        _ => Way::Create,
    }
}

/// What ended badly is a failure whoever is to blame: branch protection lets `neutral` pass.
fn conclusion(state: State) -> Option<&'static str> {
    match state {
        State::Pending => None,
        State::Success => Some("success"),
        State::Failure | State::Error => Some("failure"),
    }
}

fn body_of(check: &CheckRun, summary: &str) -> Value {
    let annotations: Vec<Value> = check.annotations.iter().take(MAX_ANNOTATIONS).map(annotation_of).collect();
    let mut body = json!({
        "name": CHECK_NAME,
        "external_id": EXTERNAL_ID,
        "output": { "title": check.title.as_str(), "summary": summary, "annotations": annotations },
    });
    match conclusion(check.state) {
        None => body["status"] = "in_progress".into(),
        Some(conclusion) => {
            body["status"] = "completed".into();
            body["conclusion"] = conclusion.into();
        }
    }
    if let Some(url) = check.target_url.as_deref().filter(|url| is_web(url)) {
        body["details_url"] = url.into();
    }
    body
}

fn annotation_of(annotation: &Annotation) -> Value {
    let line = annotation.line.max(1);
    let level = match annotation.level {
        Level::Failure => "failure",
        Level::Warning => "warning",
    };
    let title = brief::fitting(&annotation.title, MAX_TITLE_CHARS);
    let mut json = json!({
        "path": annotation.path, "start_line": line, "end_line": line, "annotation_level": level,
        "title": title, "message": cut(&annotation.message, MAX_MESSAGE_BYTES),
    });
    if let Some(column) = annotation.column {
        json["start_column"] = column.max(1).into();
        json["end_column"] = column.max(1).into();
    }
    json
}

/// `text`, at most `limit` bytes, cut between characters.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit - CUT.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{CUT}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::Description;
    use crate::forge::github::fixture::{COMMIT, FakeGitHub, Recorded, Reply};

    fn check(state: State, annotations: usize) -> CheckRun {
        let annotation = Annotation {
            path: "environments/dev.yaml".to_owned(),
            line: 3,
            column: Some(7),
            level: Level::Failure,
            title: "unknown-field".to_owned(),
            message: "`skuu` is not a field of a cluster: write `sku`".to_owned(),
        };
        CheckRun {
            commit: COMMIT.parse().unwrap(),
            state,
            title: Description::new("1 error"),
            summary: "**dev** cannot be planned".to_owned(),
            annotations: vec![annotation; annotations],
            target_url: Some("https://b/runs/1".to_owned()),
        }
    }

    /// A GitHub on whose commit `runs` stand.
    fn standing(runs: Value) -> FakeGitHub {
        FakeGitHub::answering(move |request| match request.method.as_str() {
            "GET" => Reply::json(&json!({ "total_count": 1, "check_runs": runs })),
            _ if request.path.ends_with("/access_tokens") => Reply::token("ghs_1"),
            _ => Reply::json(&json!({ "id": 1 })),
        })
    }

    fn run(id: u64, annotations: usize) -> Value {
        json!({
            "id": id, "external_id": "beamline/plan", "conclusion": "failure", "app": { "id": 29310 },
            "output": {
                "title": "1 error", "summary": "**dev** cannot be planned", "annotations_count": annotations,
            },
        })
    }

    /// The writing request that publishes `check` beside `runs`.
    async fn published(check: &CheckRun, runs: Value) -> Recorded {
        let fake = standing(runs);
        fake.app("29310").publish(check).await.unwrap();
        fake.holds_to_the_contract();
        let list = fake.requests().remove(1);
        assert_eq!(list.line(), format!("GET /api/v3/repos/octo/ml/commits/{COMMIT}/check-runs"));
        assert_eq!(list.parameter("check_name"), "beamline%20plan");
        fake.requests().pop().unwrap()
    }

    #[tokio::test]
    async fn the_first_check_run_of_a_commit_is_created() {
        let request = published(&check(State::Failure, 1), json!([])).await;
        assert_eq!(request.line(), "POST /api/v3/repos/octo/ml/check-runs");
        let expected = json!({
            "name": "beamline plan", "head_sha": COMMIT, "external_id": "beamline/plan",
            "status": "completed", "conclusion": "failure", "details_url": "https://b/runs/1",
            "output": {
                "title": "1 error", "summary": "**dev** cannot be planned",
                "annotations": [{
                    "path": "environments/dev.yaml", "start_line": 3, "end_line": 3, "start_column": 7,
                    "end_column": 7, "annotation_level": "failure", "title": "unknown-field",
                    "message": "`skuu` is not a field of a cluster: write `sku`",
                }],
            },
        });
        assert_eq!(request.body, expected);
    }

    #[tokio::test]
    async fn a_pending_check_run_becomes_the_final_one() {
        let pending = published(&check(State::Pending, 0), json!([])).await;
        assert_eq!(pending.body["status"], "in_progress");
        assert!(pending.body.get("conclusion").is_none());
        let last = published(&check(State::Success, 0), json!([run(4, 0), run(5, 0)])).await;
        assert_eq!(last.line(), "PATCH /api/v3/repos/octo/ml/check-runs/5");
        assert_eq!(last.body["conclusion"], "success");
        assert_eq!(published(&check(State::Error, 0), json!([])).await.body["conclusion"], "failure");
    }

    #[tokio::test]
    async fn annotations_never_pile_up() {
        let mended = published(&check(State::Success, 0), json!([run(5, 1)])).await;
        assert_eq!(mended.method.as_str(), "POST");
        let again = published(&check(State::Failure, 1), json!([run(5, 1)])).await;
        assert_eq!(again.line(), "PATCH /api/v3/repos/octo/ml/check-runs/5");
        assert_eq!(again.body["output"]["annotations"], json!([]));
    }

    #[tokio::test]
    async fn what_others_made_is_left_alone() {
        let mut foreign = run(5, 0);
        foreign["external_id"] = Value::Null;
        let mut of_another_app = run(6, 0);
        of_another_app["app"] = json!({ "id": 1, "client_id": "Iv1.other" });
        let request = published(&check(State::Success, 0), json!([foreign, of_another_app])).await;
        assert_eq!(request.method.as_str(), "POST");
    }

    #[tokio::test]
    async fn what_is_too_long_for_github_is_cut() {
        let mut long = check(State::Failure, 70);
        long.summary = "é".repeat(MAX_SUMMARY_BYTES);
        let request = published(&long, json!([])).await;
        let output = &request.body["output"];
        assert_eq!(output["annotations"].as_array().unwrap().len(), 50);
        let summary = output["summary"].as_str().unwrap();
        assert!(summary.len() <= MAX_SUMMARY_BYTES && summary.ends_with("é\n\n…"));
    }

    #[tokio::test]
    async fn what_only_looks_like_success_is_tried_again() {
        let fake = FakeGitHub::answering(|request| match request.method.as_str() {
            "GET" => Reply::json(&json!({ "total_count": 0, "check_runs": [] })),
            _ if request.path.ends_with("/access_tokens") => Reply::token("ghs_1"),
            _ => Reply::new(http::StatusCode::OK, "<html>Sign in</html>"),
        });
        let error = fake.app("29310").publish(&check(State::Failure, 1)).await.unwrap_err();
        assert!(error.message.contains("with something else than it documents"), "{error}");
    }

    #[tokio::test]
    async fn a_token_publishes_nothing() {
        let fake = FakeGitHub::default();
        fake.github().publish(&check(State::Success, 0)).await.unwrap();
        assert_eq!(fake.requests().len(), 0);
    }
}
