//! `GET /commits/<id>`: where a status leads: everything that was done about a commit, as one plain page.
//!
//! Guarantees: it only reads the store; whatever it shows is text, never markup; it loads nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::{Path, State};
use axum::response::Html;
use http::{HeaderName, StatusCode, header};

use super::web::Web;
use crate::daemon::shared::Shared;
use crate::daemon::telling::nameless::path_of;
use crate::forge::{self, Context};
use crate::git::{CommitId, GitError};
use crate::reconcile::apply::{RunEnd, RunId, RunKind};
use crate::reconcile::deeds::Deeds;
use crate::reconcile::plan::{Part, Style, render};
use crate::reconcile::report::{Report, StepEnd, StepReport};
use crate::reconcile::review::Section;
use crate::store::{Outgoing, Store, StoreError, Work, WorkState};

/// Nothing but our own style sheet may be loaded or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color-scheme:light dark}pre{overflow:auto;padding:1rem;border:1px solid #8884;border-radius:6px}\
h2{margin-top:2.5rem}.success{color:#1a7f37}.failure,.error{color:#cf222e}.pending{color:#9a6700}";

type Page = (StatusCode, [(HeaderName, &'static str); 5], Html<String>);

/// The page of a commit.
pub(super) async fn commit(State(web): State<Web>, Path(id): Path<String>) -> Page {
    let Ok(commit) = id.parse::<CommitId>() else {
        return page(StatusCode::NOT_FOUND, "No such commit", "<p>A commit has 40 hexadecimal digits.</p>");
    };
    match told(&web.shared.store, &commit).await {
        Ok(Some(body)) => page(StatusCode::OK, &format!("Commit {}", commit.short()), &body),
        Ok(None) => match overtaken_by(&web.shared, commit).await {
            Some(head) => {
                page(StatusCode::OK, &format!("Commit {}", commit.short()), &overtaken(&commit, &head))
            }
            None => page(
                StatusCode::NOT_FOUND,
                "Nothing is known",
                "<p>Nothing was done about this commit, or long ago.</p>",
            ),
        },
        Err(error) => {
            tracing::error!(%error, "the page of a commit cannot be made");
            page(StatusCode::SERVICE_UNAVAILABLE, "Not now", "<p>The journal cannot be read.</p>")
        }
    }
}

/// What is served here, for whoever has cut an address short.
pub(super) async fn served() -> Page {
    let body = "<p>This is beamline's own server. It answers forges at <code>/webhooks/…</code>, supervisors at \
                <a href=\"/healthz\">/healthz</a> and <a href=\"/readyz\">/readyz</a>, and people at \
                <code>/commits/</code> followed by the 40 digits of a commit: what was planned and applied for \
                it. The status of a commit on the forge leads there.</p>";
    page(StatusCode::OK, "beamline", body)
}

fn page(code: StatusCode, title: &str, body: &str) -> Page {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}: beamline</title>\
         <style>{STYLE}</style><h1>{title}</h1>{body}"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (code, headers, Html(html))
}

/// The head with which, or before which, a commit came to the watched branch without being its head at any look.
async fn overtaken_by(shared: &Shared, commit: CommitId) -> Option<CommitId> {
    let head = shared.store.compared_head(&shared.branch).await.ok().flatten()?;
    let mirror = shared.mirror.clone();
    let is_in = tokio::task::spawn_blocking(move || {
        let reader = mirror.reader()?;
        Ok::<_, GitError>(reader.has(&commit)? && reader.is_ancestor(&commit, &head)?)
    });
    matches!(is_in.await, Ok(Ok(true))).then_some(head)
}

fn overtaken(commit: &CommitId, head: &CommitId) -> String {
    if commit == head {
        return "<p>It is the head of the watched branch. Nothing was to be done for it, or that was long ago.</p>".to_owned();
    }
    let short = head.short();
    format!(
        "<p>Nothing is remembered of it by itself: it came to the watched branch together with newer commits, or long \
         ago. It is part of the head, <a href=\"{head}\">{short}</a>.</p>"
    )
}

async fn told(store: &Store, commit: &CommitId) -> Result<Option<String>, StoreError> {
    let mut body = String::new();
    let applied = store.sections_of_commit(commit, RunKind::Apply).await?;
    if applied.is_empty() {
        refused(store, commit, &Context::apply(), &mut body).await?;
    }
    let applied = readable(applied, "apply", &mut body);
    for (work, section) in applied {
        heading(&work, "apply", &mut body);
        runs(store, &work, &mut body).await?;
        let is_blocked = matches!(work.state, WorkState::Ended { end: RunEnd::Blocked, .. });
        if let Some(section) = section.filter(|_| is_blocked) {
            planned(&section, said(&work), &mut body);
        }
    }
    let plans = store.sections_of_commit(commit, RunKind::Plan).await?;
    if plans.is_empty() {
        refused(store, commit, &Context::plan(), &mut body).await?;
    }
    for (work, section) in readable(plans, "plan", &mut body) {
        heading(&work, "plan", &mut body);
        if let Some(section) = section {
            planned(&section, said(&work), &mut body);
        }
    }
    unaccepted(&store.unaccepted(commit).await?, &mut body);
    Ok((!body.is_empty()).then_some(body))
}

/// The work on environments, after what cannot be read is told by its path: that is no environment.
fn readable(
    work: Vec<(Work, Option<Section>)>,
    verb: &str,
    body: &mut String,
) -> Vec<(Work, Option<Section>)> {
    let (unread, readable): (Vec<_>, Vec<_>) =
        work.into_iter().partition(|(work, _)| path_of(work).is_some());
    if !unread.is_empty() {
        let _ = write!(body, "<h2>Files that cannot be read: no {verb} of what they hold</h2>");
    }
    for (work, section) in unread {
        let unreadable = path_of(&work).map(str::to_owned);
        let section = section.unwrap_or_else(|| Section::failed(&work.environment, said(&work)));
        let lines = Section { unreadable, ..section }.of_unreadable();
        let lines: String = lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        let _ = write!(body, "<ul id=\"{verb}-{}\" class=\"failure\">{lines}</ul>", work.environment);
    }
    readable
}

/// Why nothing was done about a commit that was not taken, as its status says it.
async fn refused(
    store: &Store,
    commit: &CommitId,
    context: &Context,
    body: &mut String,
) -> Result<(), StoreError> {
    let Some((state, why)) = store.newest_status(commit, context).await? else { return Ok(()) };
    if state.is_final() && state != forge::State::Success {
        let (verb, class) = (context.check().as_str(), state.as_str());
        let why = escape(why.as_str());
        let _ = write!(body, "<h2>No {verb} of this commit</h2><p class=\"{class}\">{why}</p>");
    }
    Ok(())
}

/// What the forge does not show of this commit, and why.
fn unaccepted(waiting: &[Outgoing], body: &mut String) {
    if waiting.is_empty() {
        return;
    }
    body.push_str("<h2>Not accepted by the forge</h2><ul>");
    for outgoing in waiting {
        let status = &outgoing.status;
        let _ = write!(
            body,
            "<li>{}: {}: {} ({}; tried {})</li>",
            escape(&status.context.to_string()),
            status.state.as_str(),
            escape(status.description.as_str()),
            escape(outgoing.last_error.as_deref().unwrap_or("not yet tried")),
            outgoing.attempts,
        );
    }
    body.push_str("</ul>");
}

fn heading(work: &Work, verb: &str, body: &mut String) {
    let (class, text) = match &work.state {
        WorkState::Queued => ("pending", "queued"),
        WorkState::Running { .. } => ("pending", "under way"),
        WorkState::Ended { end, summary } => {
            (crate::daemon::telling::wording::state_of(*end).as_str(), summary.as_str())
        }
    };
    let environment = &work.environment;
    let _ = write!(
        body,
        "<h2 id=\"{verb}-{environment}\">{verb} of {environment}</h2><p class=\"{class}\">{}</p><p>queued {}{}</p>",
        escape(text),
        work.queued_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        work.ended_at.map(|at| at.strftime(", ended %Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default(),
    );
}

/// What the heading says of work that has ended.
fn said(work: &Work) -> &str {
    match &work.state {
        WorkState::Ended { summary, .. } => summary,
        WorkState::Queued | WorkState::Running { .. } => "",
    }
}

/// What a plan would do; not what was `said` of it already.
fn planned(section: &Section, said: &str, body: &mut String) {
    let list =
        |lines: &[String]| lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect::<String>();
    if !said.contains(&section.headline) {
        let _ = write!(body, "<p>{}</p>", escape(&section.headline));
    }
    let unsaid: Vec<String> = section.problems.iter().filter(|line| line.as_str() != said).cloned().collect();
    let _ = write!(body, "<ul>{}{}</ul>", list(&unsaid), list(&section.notes));
    if !section.consents.is_empty() {
        let _ = write!(body, "<p>To consent:</p><pre>{}</pre>", escape(&section.consents.join("\n")));
    }
    let changes: Vec<&str> = section.changes.iter().map(|change| change.text.as_str()).collect();
    if !changes.is_empty() {
        let _ = write!(body, "<pre>{}</pre>", escape(&changes.join("\n")));
    }
}

/// All runs that the work took, oldest first: of a run that was interrupted and resumed all it did.
async fn runs(store: &Store, work: &Work, body: &mut String) -> Result<(), StoreError> {
    let runs = store.runs_of(work).await?;
    let reports = store.reports_of(&runs).await?;
    let gone = Deeds::of(&reports);
    let mut reports: BTreeMap<RunId, Report> =
        reports.into_iter().map(|report| (report.run, report)).collect();
    for run in runs.into_iter().rev() {
        let id = run.record.id;
        let plan = escape(&render(&run.record.plan, Style::Plain));
        let _ = write!(body, "<p>run {id}</p><pre>{plan}</pre>");
        // A report that was kept knows why steps were given up; the journal knows what came after it.
        let kept = store.report(id).await?.filter(|kept| Some(kept.end) == run.ended.map(|(_, end)| end));
        if let Some(report) = kept.or_else(|| reports.remove(&id)) {
            let _ = write!(body, "<pre>{}</pre>", escape(&steps(&report)));
        }
    }
    if !gone.gone().is_empty() {
        let names: Vec<String> = gone.gone().iter().map(|address| address.to_string()).collect();
        let _ = write!(
            body,
            "<p class=\"failure\">deleted to be replaced, and not made again: {}</p>",
            escape(&names.join(", "))
        );
    }
    Ok(())
}

/// A line for each resource. The two halves of a replacement are one, as in the plan above it, and told apart where
/// they ended otherwise.
fn steps(report: &Report) -> String {
    let half = |of: &StepReport, part: Part| {
        let is_half =
            |one: &&StepReport| one.part == part && one.action == of.action && one.address == of.address;
        report.steps.iter().find(is_half)
    };
    let line = |step: &StepReport| {
        let end = match step.part {
            Part::Whole => ended(&step.end),
            Part::Removal if half(step, Part::Creation).is_some() => return None,
            Part::Removal => format!("the old one: {}", ended(&step.end)),
            Part::Creation => match half(step, Part::Removal) {
                Some(old) if old.end == step.end => ended(&step.end),
                Some(old) => format!("the old one: {}; the new one: {}", ended(&old.end), ended(&step.end)),
                None => ended(&step.end),
            },
        };
        Some(format!("{}: {end}\n", step.address.local()))
    };
    report.steps.iter().filter_map(line).collect()
}

fn ended(end: &StepEnd) -> String {
    match end {
        StepEnd::Done => "done".to_owned(),
        StepEnd::Failed { message } => format!("failed: {message}"),
        StepEnd::Skipped { because } => format!("skipped, because {} failed", because.local()),
        StepEnd::Unknown { message } => format!("unknown: {message}"),
        StepEnd::Moved { message } => format!("moved: {message}"),
        StepEnd::Underway => "under way".to_owned(),
        StepEnd::NotReached => "not reached".to_owned(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::Action;

    #[test]
    fn a_replacement_is_one_line() {
        let step = |ordinal, name: &str, part, end| StepReport {
            ordinal,
            address: format!("dev/{name}").parse().unwrap(),
            action: if part == Part::Whole { Action::Create } else { Action::Replace },
            part,
            end,
            began: None,
            ended: None,
        };
        let failed = || StepEnd::Failed { message: "no quota".to_owned() };
        let report = Report {
            run: RunId(uuid::Uuid::nil()),
            environment: "dev".parse().unwrap(),
            end: RunEnd::Failed,
            steps: vec![
                step(0, "key_vaults/main", Part::Whole, StepEnd::Done),
                step(1, "compute_clusters/gpu", Part::Removal, StepEnd::Done),
                step(2, "compute_clusters/cpu", Part::Removal, StepEnd::Done),
                step(3, "compute_clusters/gpu", Part::Creation, StepEnd::Done),
                step(4, "compute_clusters/cpu", Part::Creation, failed()),
            ],
            began: jiff::Timestamp::UNIX_EPOCH,
            ended: jiff::Timestamp::UNIX_EPOCH,
        };
        assert_eq!(
            steps(&report),
            "key_vaults/main: done\ncompute_clusters/gpu: done\ncompute_clusters/cpu: the old one: done; the new one: \
             failed: no quota\n"
        );
    }

    #[test]
    fn whatever_is_shown_is_text() {
        assert_eq!(escape("<script>\"a\" & 'b'"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
    }
}
