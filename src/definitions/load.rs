//! One definition with the defaults it inherits → one environment, or everything that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::acknowledge::{self, Acknowledged};
use super::checks::{self, Found, Subject};
use super::code::Code;
use super::decode::{self, Header, Scope};
use super::diagnostic::Diagnostic;
use super::document::{self, Document, get};
use super::environment::{Environment, SpanTable};
use super::layout::{self, Misnamed, Role};
use super::merge::merge;
use super::other;
use super::problem::{Problem, Problems, quoted};
use super::source::{FileId, SourceFile, Sources, Span};
use super::substitute::substitute;
use crate::resources::{Address, EnvironmentName, Kind, Resources};

/// What a definition turned out to be.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The environment's name, where that much could be read.
    pub name: Option<EnvironmentName>,
    /// The environment; `None` while anything is an error.
    pub environment: Option<Environment>,
    /// Everything that is wrong, and advice, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads one environment: the defaults files that it inherits, outermost first, and its own file last.
/// An empty slice is nothing at all.
#[must_use]
pub fn load(input: &[SourceFile]) -> Loaded {
    let sources = Sources::new(input.to_vec());
    let chain: Vec<FileId> = sources.ids().collect();
    load_chain(&sources, &chain, &parse_all(&sources))
}

/// Reads a single file as it is, without inheritance and without asking what it means.
///
/// # Errors
/// What is wrong with its syntax.
pub fn read_document(file: &SourceFile) -> Result<Document, Vec<Diagnostic>> {
    let sources = Sources::new(vec![file.clone()]);
    let parsed = parse_all(&sources).into_values().next();
    match parsed {
        Some(Parsed { document: Some(document), .. }) => Ok(document),
        Some(Parsed { document: None, diagnostics }) => Err(diagnostics),
        None => Ok(Document::new()),
    }
}

/// A file after its syntax.
#[derive(Debug)]
pub(super) struct Parsed {
    document: Option<Document>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads every file once, however many environments inherit it.
pub(super) fn parse_all(sources: &Sources) -> BTreeMap<FileId, Parsed> {
    let parse = |id: FileId| {
        let mut problems = Problems::new(sources);
        let document = document::parse(id, &mut problems);
        (id, Parsed { document, diagnostics: problems.finish(id) })
    };
    sources.ids().map(parse).collect()
}

/// Reads the environment of the last file of `chain`.
pub(super) fn load_chain(sources: &Sources, chain: &[FileId], parsed: &BTreeMap<FileId, Parsed>) -> Loaded {
    let Some(&file) = chain.last() else { return Loaded::default() };
    let mut problems = Problems::new(sources);
    report_two_defaults(sources, chain, &mut problems);
    if let Some(Misnamed { message, rule, remedy }) = layout::misnamed(sources.file(file).path()) {
        // What stands in it is not asked: nothing may come of it under this name.
        let problem = Problem::error(Code::InvalidName, Span::start_of(file), message);
        problems.push(problem.rule(rule).remedy(remedy));
        return Loaded { diagnostics: problems.finish(file), ..Loaded::default() };
    }
    let mut merged = Document::new();
    let mut syntax = Vec::new();
    for one in chain.iter().filter_map(|id| parsed.get(id)) {
        syntax.extend(one.diagnostics.iter().cloned());
        merged = merge(merged, one.document.clone().unwrap_or_default());
    }
    if !syntax.is_empty() {
        // What the tree says without its unreadable parts would only be wrong in other ways.
        syntax.extend(problems.finish(file));
        return Loaded { diagnostics: syntax, ..Loaded::default() };
    }
    if let Some(problem) = meant_as_defaults(sources, file, &merged) {
        problems.push(problem);
        return Loaded { diagnostics: problems.finish(file), ..Loaded::default() };
    }
    let is_ours = decode::version_is_ours(&merged, file, &mut problems);
    let read = if is_ours { read(merged, file, &mut problems) } else { None };
    finish(read, file, problems)
}

/// An environment as far as it could be read.
type Read = Option<(EnvironmentName, Environment)>;

fn finish(read: Read, file: FileId, problems: Problems<'_>) -> Loaded {
    let failed = problems.has_errors();
    let diagnostics = problems.finish(file);
    let (name, environment) = read.unzip();
    let advice = diagnostics.clone();
    let environment =
        environment.filter(|_| !failed).map(|environment| Environment { advice, ..environment });
    Loaded { name, environment, diagnostics }
}

/// The problem of a file that is called nearly as one that others inherit, and that is no environment: that it lacks all
/// that one must have is not what is wrong.
fn meant_as_defaults(sources: &Sources, file: FileId, merged: &[document::Entry]) -> Option<Problem> {
    let path = sources.file(file).path();
    let to = layout::nearly_defaults(path)?;
    let mut lacking = Kind::ALL.into_iter().filter(|kind| kind.is_single());
    let lacking = lacking.find(|kind| decode::entry_of(merged, kind.key()).is_none())?;
    let stem = layout::stem(path);
    let name = to.rsplit('/').next().unwrap_or(&to);
    let others = defaults_beside(sources, path);
    let remedy = match others.as_slice() {
        [] => format!("Did you mean `{name}`? Rename it: `{}`.", other::move_command(path, &to)),
        [there, ..] => {
            format!("Did you mean `{name}`? Put what it says into `{there}`, which is there already.")
        }
    };
    let message = format!("this is an environment called {}, which lacks `{lacking}`", quoted(stem));
    let rule = format!(
        "What the environments of a folder inherit is in `{name}`; every other file is an environment of its own."
    );
    Some(Problem::error(Code::MissingField, Span::start_of(file), message).rule(rule).remedy(remedy))
}

/// The files of the same folder that others inherit.
fn defaults_beside(sources: &Sources, path: &str) -> Vec<String> {
    let folder = layout::folder_of(path);
    let is_beside = |path: &str| match layout::role(path, "") {
        Role::Defaults { folder: one } => one == folder,
        Role::Environment { .. } | Role::Other => false,
    };
    let paths = sources.ids().map(|id| sources.file(id).path());
    paths.filter(|path| is_beside(path)).map(str::to_owned).collect()
}

fn report_two_defaults(sources: &Sources, chain: &[FileId], problems: &mut Problems<'_>) {
    let folder = |id: FileId| match layout::role(sources.file(id).path(), "") {
        Role::Defaults { folder } => Some(folder),
        Role::Environment { .. } | Role::Other => None,
    };
    for pair in chain.windows(2) {
        let [first, second] = pair else { continue };
        if folder(*first).is_some() && folder(*first) == folder(*second) {
            problems.push(
                Problem::error(
                    Code::TwoDefaults,
                    Span::start_of(*second),
                    "this folder has two defaults files",
                )
                .related(Span::start_of(*first), "the other one")
                .rule("A folder has at most one defaults file; it could not be said which of two wins.")
                .remedy("Put both into one file."),
            );
        }
    }
}

fn read(mut document: Document, file: FileId, problems: &mut Problems<'_>) -> Read {
    let sources = problems.sources();
    let path = sources.file(file).path();
    let stem = match layout::role(path, "") {
        Role::Environment { stem } => stem,
        Role::Defaults { .. } | Role::Other => layout::stem(path).to_owned(),
    };
    let name = decode::name(&document, &stem, file, problems)?;
    if get(&document, decode::NAME).is_some_and(|entry| entry.key.span.file() != file) {
        report_inherited_name(&document, problems);
    }
    substitute(&mut document, name.as_str(), problems);
    let mut spans = SpanTable::new(sources, file);
    let header = Header::decode(&document, file, &mut spans, problems);
    let Resolved { resources, sound, acknowledged, mut found } =
        resolve(&document, &name, file, &header, &mut spans, problems);
    found.extend(checks::run(Subject { resources: &resources, sound: &sound, spans: &spans }));
    let acknowledged = Acknowledged { environment: &header.acknowledged, resources: &acknowledged, file };
    acknowledge::report(found, &acknowledged, problems);
    let environment = assemble(name.clone(), path, header, resources, spans);
    Some((name, environment))
}

fn report_inherited_name(document: &[document::Entry], problems: &mut Problems<'_>) {
    if let Some(entry) = get(document, decode::NAME) {
        problems.push(
            Problem::error(Code::InvalidName, entry.key.span, "`name` is inherited from a defaults file")
                .rule("Each environment has a name of its own.")
                .remedy("Move `name` to the environment's own file, or leave it out: the file's name is its default."),
        );
    }
}

/// All resources of a definition, read.
struct Resolved {
    resources: Resources,
    sound: BTreeSet<Address>,
    acknowledged: BTreeMap<Address, BTreeMap<String, Span>>,
    found: Found,
}

fn resolve(
    document: &[document::Entry],
    name: &EnvironmentName,
    file: FileId,
    header: &Header,
    spans: &mut SpanTable,
    problems: &mut Problems<'_>,
) -> Resolved {
    let drafts = decode::outline(document, name, file, spans, problems);
    let declared = decode::declared(name, &drafts);
    let mut resolved = Resolved {
        resources: Resources::new(),
        sound: BTreeSet::new(),
        acknowledged: BTreeMap::new(),
        found: Found::new(),
    };
    for draft in &drafts {
        let mut scope = Scope {
            header,
            declared: &declared,
            done: &resolved.resources,
            spans,
            problems,
            advice: &mut resolved.found,
        };
        let decoded = decode::decode(draft, &mut scope);
        if decoded.is_sound {
            resolved.sound.insert(draft.address.clone());
        }
        resolved.acknowledged.insert(draft.address.clone(), decoded.acknowledged);
        resolved.resources.insert(draft.address.clone(), decoded.resource);
    }
    resolved
}

fn assemble(
    name: EnvironmentName,
    path: &str,
    header: Header,
    resources: Resources,
    spans: SpanTable,
) -> Environment {
    let group = resources.get(&Address::single(&name, Kind::ResourceGroup));
    Environment {
        resource_group: group.map(|group| group.name.clone()).unwrap_or_default(),
        name,
        path: path.to_owned(),
        subscription: header.subscription,
        location: header.location,
        tags: header.tags,
        ignore_tags: header.ignore_tags,
        renamed_from: header.renamed_from,
        resources,
        acknowledged: header.acknowledged.into_keys().collect(),
        advice: Vec::new(),
        spans,
    }
}
