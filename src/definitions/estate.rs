//! All definitions of a repository together: who inherits what, and who claims the same.

use std::collections::{BTreeMap, HashMap};

use super::claims::{Collision, claims, collisions};
use super::code::Code;
use super::diagnostic::Diagnostic;
use super::environment::Environment;
use super::layout::{Overlooked, Role, defaults_for, hides_definitions, overlooked, role};
use super::load::{Parsed, load_chain, parse_all};
use super::source::{FileId, Location, SourceFile, Sources, Unreadable};
use crate::resources::Severity;

/// Every environment of a repository at one commit.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// The environments without an error, in the order of their paths.
    pub environments: Vec<Environment>,
    /// The files of environments with one.
    pub failed: Vec<String>,
    /// Everything that is wrong, and advice, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads all files below `root` that are definitions or defaults, and refuses the links and submodules
/// that hide some. Others that could be meant are named; the rest is passed over.
#[must_use]
pub fn load_all(files: Vec<SourceFile>, root: &str) -> Estate {
    let ignored: Vec<Diagnostic> = files
        .iter()
        .filter(|file| place(file, root) == Place::Elsewhere)
        .filter_map(|file| Some(ignored(file.path(), overlooked(file.path(), root)?)))
        .collect();
    let mut files: Vec<SourceFile> =
        files.into_iter().filter(|file| place(file, root) != Place::Elsewhere).collect();
    files.sort_by(|a, b| a.path().cmp(b.path()));
    let sources = Sources::new(files);
    let parsed = parse_all(&sources);
    let ids: HashMap<&str, FileId> = sources.ids().map(|id| (sources.file(id).path(), id)).collect();
    let mut estate = Estate { diagnostics: ignored, ..Estate::default() };
    for (path, id) in sources.ids().map(|id| (sources.file(id).path(), id)) {
        if place(sources.file(id), root) == Place::Environment {
            let defaults = defaults_for(path, root);
            let inherited = defaults.iter().filter_map(|path| ids.get(path.as_str()));
            let chain: Vec<FileId> = inherited.copied().chain([id]).collect();
            add(&mut estate, path, &sources, &chain, &parsed);
        }
    }
    // Defaults that nobody inherits yet are files too.
    estate.diagnostics.extend(parsed.into_values().flat_map(|parsed| parsed.diagnostics));
    collide(&mut estate);
    in_order(&mut estate.diagnostics);
    estate
}

fn ignored(path: &str, why: Overlooked) -> Diagnostic {
    Diagnostic {
        code: Code::IgnoredFile,
        severity: Severity::Warning,
        message: format!("the file is ignored: {}", why.why()),
        location: Location::of_file(path),
        rule: "Definitions are the `.yaml`, `.yml` and `.toml` files below the folder of the definitions."
            .to_owned(),
        remedy: "Rename it, delete it, or let its name begin with `_` to put it aside.".to_owned(),
        related: Vec::new(),
    }
}

/// That nothing is read of what is called `path`, as the folder of the definitions is but for casing.
#[must_use]
pub fn other_casing(path: &str, remedy: &str) -> Diagnostic {
    Diagnostic {
        code: Code::IgnoredFile,
        severity: Severity::Warning,
        message: "nothing in it is read: its name differs from that of the definitions' folder in casing"
            .to_owned(),
        location: Location::of_file(path),
        rule: "Git, and every file system that does not fold case, takes the two for different folders."
            .to_owned(),
        remedy: format!("At the top of the repository: {remedy}"),
        related: Vec::new(),
    }
}

/// What becomes of a file.
#[derive(PartialEq, Eq)]
enum Place {
    /// It is an environment, or hides some.
    Environment,
    Defaults,
    Elsewhere,
}

fn place(file: &SourceFile, root: &str) -> Place {
    let hides = match file.unreadable() {
        Some(Unreadable::SymbolicLink | Unreadable::Submodule | Unreadable::NoFolder) => {
            hides_definitions(file.path(), root)
        }
        Some(Unreadable::TooLarge(_) | Unreadable::NotUtf8(_) | Unreadable::LfsPointer) | None => false,
    };
    match role(file.path(), root) {
        Role::Environment { .. } => Place::Environment,
        Role::Defaults { .. } => Place::Defaults,
        Role::Other if hides => Place::Environment,
        Role::Other => Place::Elsewhere,
    }
}

fn add(
    estate: &mut Estate,
    path: &str,
    sources: &Sources,
    chain: &[FileId],
    parsed: &BTreeMap<FileId, Parsed>,
) {
    let loaded = load_chain(sources, chain, parsed);
    estate.diagnostics.extend(loaded.diagnostics);
    match loaded.environment {
        Some(environment) => estate.environments.push(environment),
        None => estate.failed.push(path.to_owned()),
    }
}

/// An environment that claims what another one does is as broken as one with an error of its own.
fn collide(estate: &mut Estate) {
    let claimed: Vec<_> = estate
        .environments
        .iter()
        .map(|environment| (environment.path.clone(), claims(environment)))
        .collect();
    let mut by_path: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for Collision { path, diagnostic } in collisions(&claimed) {
        estate.diagnostics.push(diagnostic.clone());
        by_path.entry(path).or_default().push(diagnostic);
    }
    let is_broken = |path: &str| {
        by_path.get(path).is_some_and(|found: &Vec<Diagnostic>| found.iter().any(Diagnostic::is_error))
    };
    estate.environments.retain(|environment| !is_broken(&environment.path));
    estate.failed.extend(by_path.keys().filter(|path| is_broken(path)).cloned());
    estate.failed.sort();
    for environment in &mut estate.environments {
        environment.advice.extend(by_path.remove(&environment.path).unwrap_or_default());
    }
}

/// By place, and what several environments inherit only once.
fn in_order(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (&a.location, a.code, &a.message).cmp(&(&b.location, b.code, &b.message)));
    diagnostics.dedup();
}
