//! What is to be said of one environment.

use serde::{Deserialize, Serialize};

use crate::definitions::Diagnostic;
use crate::reconcile::plan::{
    Action, ConsentStanding, ConsentVerb, Part, Plan, Standing, Step, Style, Summary, render_step,
    summary_line, told, trailer,
};
use crate::resources::id::ResourceId;
use crate::resources::{Address, EnvironmentName, Target, brief};

/// Most changes of one environment that are kept; the rest is counted.
const MAX_CHANGES: usize = 300;

/// Most characters of one change; a creation lists every field.
const MAX_CHANGE_CHARS: usize = 6_000;

/// Most sentences of one kind.
const MAX_SENTENCES: usize = 50;

/// What is to be said of one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The environment.
    pub environment: EnvironmentName,
    /// The path of a file, link or submodule that cannot be read and is no environment: then the name above only stands
    /// in for one. Who says it sets this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// How its plan came out.
    pub outcome: Outcome,
    /// One line.
    pub headline: String,
    /// How many resources each action concerns.
    pub summary: Summary,
    /// What would be done, what destroys something first.
    pub changes: Vec<Change>,
    /// How many further changes there are.
    pub more_changes: usize,
    /// Lines that allow what needs consent, ready to copy.
    pub consents: Vec<String>,
    /// Lines that keep in Azure what needs consent to its end, ready to copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<String>,
    /// Why it cannot be applied, one sentence each.
    pub problems: Vec<String>,
    /// Advice and reports, one sentence each.
    pub notes: Vec<String>,
    /// Where in the files something is wrong or advised.
    pub places: Vec<Place>,
    /// What needs consent, and what it is in Azure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
    /// What is consented to by nothing but the messages of commits that it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brought: Vec<Brought>,
    /// The consent lines that bear on it, and what has become of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standings: Vec<ConsentStanding>,
}

/// Something that needs consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its address.
    pub address: Address,
    /// What it is in Azure: consent is for this and nothing else.
    pub id: ResourceId,
    /// Whether it can be released instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub releasable: bool,
}

/// What the message of a commit consents to that is not merged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// To what.
    pub verb: ConsentVerb,
    /// Of what: a comment may consent to it as well.
    pub asked: Asked,
}

/// How a plan came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is something to do.
    Changes,
    /// Azure is as declared.
    NoChanges,
    /// It must not be applied.
    Blocked,
    /// The definition has errors.
    Invalid,
    /// It could not be planned.
    Failed,
}

/// What would be done to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whether something is lost.
    pub danger: Danger,
    /// Plain text: a line for the resource, and one for every field.
    pub text: String,
}

/// Whether something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Danger {
    /// The resource is deleted or replaced.
    Destroys,
    /// It is not.
    Keeps,
}

/// A place in a definition file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Whether it must be mended.
    pub is_error: bool,
    /// The stable code.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Section {
    /// What a plan says.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let mut steps: Vec<&Step> = plan.steps.iter().filter(|step| step.part != Part::Removal).collect();
        // A stable sort: within a kind the order of the plan.
        steps.sort_by_key(|step| danger_of(step));
        let outcome = match (plan.blockers.as_slice(), plan.steps.as_slice()) {
            ([], []) => Outcome::NoChanges,
            ([], _) => Outcome::Changes,
            (_, _) => Outcome::Blocked,
        };
        let asked = || plan.lacking();
        Self {
            outcome,
            headline: summary_line(plan),
            summary: plan.summary(),
            more_changes: steps.len().saturating_sub(MAX_CHANGES),
            changes: steps.into_iter().take(MAX_CHANGES).map(|step| change_of(plan, step)).collect(),
            consents: bounded(asked().map(|one| trailer(ConsentVerb::Destroy, one.address))),
            releases: bounded(
                asked().filter(|one| one.releasable).map(|one| trailer(ConsentVerb::Release, one.address)),
            ),
            asked: asked()
                .filter_map(|one| {
                    let (address, id) = (one.address.clone(), one.id?.clone());
                    Some(Asked { address, id, releasable: one.releasable })
                })
                .take(MAX_SENTENCES)
                .collect(),
            brought: brought(plan),
            problems: bounded(plan.blockers.iter().map(|blocker| plan.problem(blocker))),
            // What has become of consent lines is said once for all environments.
            notes: bounded(
                plan.notes
                    .iter()
                    .filter(|note| !plan.consents.iter().any(|one| one.code() == Some(note.code.as_str())))
                    .map(|note| format!("{} [{}]", note.message, note.code)),
            ),
            standings: told(&plan.consents).lines.into_iter().take(MAX_SENTENCES).cloned().collect(),
            ..Self::empty(&plan.environment)
        }
    }

    /// What a definition with errors says.
    #[must_use]
    pub fn of_diagnostics(environment: &EnvironmentName, diagnostics: &[Diagnostic]) -> Self {
        let errors = diagnostics.iter().filter(|found| found.is_error());
        let count = errors.clone().count();
        let headline = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        Self {
            outcome: Outcome::Invalid,
            headline: format!("the definition has {headline}"),
            problems: bounded(errors.map(|found| format!("{found}. {}", found.remedy))),
            places: diagnostics.iter().take(MAX_SENTENCES).map(place_of).collect(),
            ..Self::empty(environment)
        }
    }

    /// What is said of an environment of which there is nothing to do, and why.
    #[must_use]
    pub fn without_changes(environment: &EnvironmentName, headline: &str) -> Self {
        Self { headline: cut(headline), ..Self::empty(environment) }
    }

    /// What is said of a plan that could not be made.
    #[must_use]
    pub fn failed(environment: &EnvironmentName, why: &str) -> Self {
        Self {
            outcome: Outcome::Failed,
            headline: "could not be planned".to_owned(),
            problems: vec![cut(why)],
            ..Self::empty(environment)
        }
    }

    /// What cannot be read, a sentence for each error; none where it is an environment.
    #[must_use]
    pub fn of_unreadable(&self) -> Vec<String> {
        let Some(path) = &self.unreadable else { return Vec::new() };
        let placed = |said: &String| match said.contains(path.as_str()) {
            true => said.clone(),
            false => format!("{path}: {said}"),
        };
        self.problems.iter().map(placed).collect()
    }

    fn empty(environment: &EnvironmentName) -> Self {
        Self {
            environment: environment.clone(),
            unreadable: None,
            outcome: Outcome::NoChanges,
            headline: String::new(),
            summary: Summary::default(),
            changes: Vec::new(),
            more_changes: 0,
            consents: Vec::new(),
            releases: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            places: Vec::new(),
            asked: Vec::new(),
            brought: Vec::new(),
            standings: Vec::new(),
        }
    }
}

/// What would lack consent if the messages of the commits that a plan brings were dropped.
fn brought(plan: &Plan) -> Vec<Brought> {
    let allowed = |is_brought: bool| {
        let lines = plan.consents.iter().filter(move |one| one.brought == is_brought);
        lines.flat_map(|one| match &one.standing {
            Standing::InForce { addresses } => {
                addresses.iter().map(|address| (one.line.verb, address)).collect::<Vec<_>>()
            }
            Standing::MatchesNothing { .. }
            | Standing::GlobDoesNotCount { .. }
            | Standing::Malformed { .. }
            | Standing::Void { .. }
            | Standing::Elsewhere
            | Standing::Unread { .. } => Vec::new(),
        })
    };
    let kept: Vec<(ConsentVerb, &Address)> = allowed(false).collect();
    let mut found: Vec<Brought> = Vec::new();
    for (verb, address) in allowed(true).filter(|one| !kept.contains(one)) {
        let is_known = found.iter().any(|one| one.verb == verb && one.asked.address == *address);
        let going = plan.steps.iter().find_map(|step| match (&step.target, step.action) {
            (Target::Known(id), Action::Replace | Action::Delete | Action::Release)
                if step.address == *address && step.part != Part::Creation =>
            {
                Some(id.clone())
            }
            _ => None,
        });
        if let Some(id) = going.filter(|_| !is_known && found.len() < MAX_SENTENCES) {
            let releasable = verb == ConsentVerb::Release;
            found.push(Brought { verb, asked: Asked { address: address.clone(), id, releasable } });
        }
    }
    found
}

fn danger_of(step: &Step) -> Danger {
    match step.action {
        Action::Replace | Action::Delete => Danger::Destroys,
        Action::Create
        | Action::Update
        | Action::Adopt
        | Action::Recover
        | Action::Release
        | Action::Keep => Danger::Keeps,
    }
}

fn change_of(plan: &Plan, step: &Step) -> Change {
    let mut text = String::new();
    render_step(plan, step, Style::Plain, &mut text);
    Change { danger: danger_of(step), text: cut(text.trim_end()) }
}

fn place_of(found: &Diagnostic) -> Place {
    Place {
        path: found.location.file.clone(),
        line: found.location.line,
        column: found.location.column,
        is_error: found.is_error(),
        code: found.code.to_string(),
        message: cut(&format!("{}. {}", found.message, found.remedy)),
    }
}

fn bounded(sentences: impl Iterator<Item = String>) -> Vec<String> {
    sentences.take(MAX_SENTENCES).map(|sentence| cut(&sentence)).collect()
}

fn cut(text: &str) -> String {
    brief::fitting(text, MAX_CHANGE_CHARS).into_owned()
}
