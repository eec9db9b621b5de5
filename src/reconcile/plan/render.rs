//! A plan as text for people, in the notation that Terraform has taught everybody: `+` made, `~`
//! changed in place, `-/+` replaced, `-` deleted, `<=` recovered or adopted, `=>` released.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::action::{Action, Reason};
use super::step::{Part, Plan, Step, Summary};
use super::wording::sentence;
use crate::resources::field::{self, WhenAbsent};
use crate::resources::{self, Difference, Placeholder, Target, brief, vm_size};

/// Longest value that is printed whole, in characters. Of two longer ones what differs is shown.
const MAX_VALUE_CHARS: usize = 120;

/// How to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours.
    Coloured,
}

/// The plan as text, ending with the summary line.
#[must_use]
pub fn render(plan: &Plan, style: Style) -> String {
    let mut text = String::new();
    for step in plan.steps.iter().filter(|step| step.part != Part::Removal) {
        render_step(plan, step, style, &mut text);
    }
    if !plan.steps.is_empty() {
        text.push('\n');
    }
    for note in &plan.notes {
        let _ = writeln!(text, "{} {} [{}]", paint("note:", Tone::Quiet, style), note.message, note.code);
    }
    for one in plan.consents.iter().filter(|one| one.is_in_force()) {
        let _ = writeln!(text, "{} {}", paint("consent:", Tone::Changed, style), one.sentence());
    }
    for blocker in &plan.blockers {
        let _ = writeln!(text, "{} {}", paint("blocked:", Tone::Bad, style), plan.problem(blocker));
    }
    let _ = writeln!(text, "{}: {}", plan.environment, summary_line(plan));
    text
}

/// One line: `20 to create, 1 to change, 0 to replace, 0 to delete`, or `no changes`.
#[must_use]
pub fn summary_line(plan: &Plan) -> String {
    let Summary { create, update, replace, delete, release, keep } = plan.summary();
    let counts = if plan.steps.is_empty() {
        match (plan.as_declared(), plan.unchangeable().len(), plan.dangling().count()) {
            (declared, 0, 0) if declared == keep => format!("no changes ({keep} resources as declared)"),
            (declared, 0, _) => format!("no changes ({declared} resources as declared; see the notes)"),
            (declared, stays, _) => format!(
                "no changes ({declared} resources as declared, {stays} not, where Azure changes nothing: see \
                 the notes)"
            ),
        }
    } else {
        let counts = [
            (create, "to create"),
            (update, "to change"),
            (replace, "to replace"),
            (delete, "to delete"),
            (release, "to release"),
        ];
        let named =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        named.collect::<Vec<_>>().join(", ")
    };
    match plan.blockers.len() {
        0 => counts,
        1 => format!("blocked: {}", plan.problem(&plan.blockers[0])),
        more => format!("blocked by {more} problems; {counts}"),
    }
}

/// One step of `plan`: a line for the resource, and one for every field.
pub(in crate::reconcile) fn render_step(plan: &Plan, step: &Step, style: Style, text: &mut String) {
    let (sign, tone) = sign(step.action);
    let name = match &step.target {
        Target::Known(id) => id.name().to_owned(),
        Target::RoleAssignment { .. } => "(known after apply)".to_owned(),
    };
    let reasons = step.reasons.iter().filter(|reason| worth_saying(reason)).map(sentence);
    let gap = plan.is_freed_first(step).then(|| "gone until the new one is made".to_owned());
    let because: Vec<String> = reasons.chain(gap).collect();
    let because = if because.is_empty() { String::new() } else { format!("  # {}", because.join("; ")) };
    let _ = writeln!(
        text,
        "{} {}  {}{}",
        paint(&format!("{sign:>3}"), tone, style),
        step.address.local(),
        paint(&name, Tone::Quiet, style),
        paint(&because, Tone::Quiet, style),
    );
    for difference in &step.differences {
        if is_default(step, difference) {
            continue;
        }
        let (before, after) = (value(&difference.before), value(&difference.after));
        let (before, after) = (vm_size::spelled(&before), vm_size::spelled(&after));
        let whole = |text: &str| brief::fitting(text, MAX_VALUE_CHARS).into_owned();
        let line = if difference.before.is_null() {
            format!("{}: {}", difference.field, whole(&after))
        } else if difference.after.is_null() {
            format!("{}: {} → (removed)", difference.field, whole(&before))
        } else {
            let (before, after) = brief::differing(&before, &after, MAX_VALUE_CHARS);
            format!("{}: {before} → {after}", difference.field)
        };
        let _ = writeln!(text, "        {line}");
    }
}

/// Whether a resource is made with something that the definition need not say and the table does: nothing that a
/// reader has to look at.
fn is_default(step: &Step, difference: &Difference) -> bool {
    let is_made = step.action == Action::Create || step.part == Part::Creation;
    let fields = resources::of(step.address.kind()).spec().fields;
    let absent = field::row(fields, &difference.field).map(|row| row.absent);
    let Some(WhenAbsent::Default(default)) = absent else { return false };
    is_made && difference.before.is_null() && difference.after == default.to_value()
}

/// The signs say most reasons already.
fn worth_saying(reason: &Reason) -> bool {
    match reason {
        Reason::Missing | Reason::Differs { .. } => false,
        Reason::Immutable { .. }
        | Reason::Undeclared
        | Reason::Follows { .. }
        | Reason::Renamed { .. }
        | Reason::Inner { .. }
        | Reason::AdoptionRequested
        | Reason::SoftDeleted { .. }
        | Reason::ProvisioningFailed { .. }
        | Reason::HandedOver { .. }
        | Reason::Released => true,
    }
}

fn value(value: &Value) -> String {
    if Placeholder::from_value(value).is_some() {
        return "(known after apply)".to_owned();
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "(none)".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Changed,
    Bad,
    Quiet,
}

fn sign(action: Action) -> (&'static str, Tone) {
    match action {
        Action::Create => ("+", Tone::Good),
        Action::Update => ("~", Tone::Changed),
        Action::Replace => ("-/+", Tone::Bad),
        Action::Delete => ("-", Tone::Bad),
        Action::Adopt | Action::Recover => ("<=", Tone::Changed),
        Action::Release => ("=>", Tone::Changed),
        Action::Keep => ("", Tone::Quiet),
    }
}

fn paint(text: &str, tone: Tone, style: Style) -> String {
    match (style, tone) {
        (Style::Plain, _) => text.to_owned(),
        (Style::Coloured, Tone::Good) => text.green().to_string(),
        (Style::Coloured, Tone::Changed) => text.yellow().to_string(),
        (Style::Coloured, Tone::Bad) => text.red().to_string(),
        (Style::Coloured, Tone::Quiet) => text.dimmed().to_string(),
    }
}
