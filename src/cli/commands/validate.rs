//! `beamline validate`: everything that is wrong with the definitions, in one go.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::arguments::Global;
use crate::cli::error::{CliError, End};
use crate::cli::output::{self, Colours};
use crate::cli::sources::{Place, Sources, file_in_tree};
use crate::config::{Config, Overrides};
use crate::definitions::{Diagnostic, load};

/// Say everything that is wrong with the definitions
///
/// Reads the files of the working tree as they are, committed or not, and reports every error and every
/// piece of advice at once, each with file, line, column, a stable code, the rule and the remedy. Nothing
/// is asked of Azure.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline validate                              everything below environments/
  beamline validate environments/production.yaml only what concerns this file
  beamline validate --commit origin/main --json  what is pushed, for a script

Exit codes:
  0  no errors (advice is none)    1  errors, no definitions, or files that cannot be read
  2  the command line is wrong")]
pub(in crate::cli) struct Validate {
    /// Report only on these files or folders; a file outside of the definitions is read by itself
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The repository, or a folder in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The folder of the definitions, relative to the repository [default: that of the settings, `environments`]
    #[arg(long, value_name = "FOLDER")]
    definitions: Option<String>,
    /// Read this commit instead of the working tree
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Print a JSON document: {"format": 1, "valid": …, "environments": […], "diagnostics": […]}
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Findings {
    environments: Vec<String>,
    files: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Findings {
    /// The folder that was asked for and has no definition in it; what is wrong in it is said first. A file that is no
    /// definition is in order: hooks name whatever was changed.
    fn nothing_in(&self, paths: &[PathBuf], root: &str) -> Option<String> {
        let is_empty = self.files == 0 && !self.diagnostics.iter().any(Diagnostic::is_error);
        match paths {
            [] => is_empty.then(|| root.to_owned()),
            paths if is_empty && paths.iter().all(|path| path.is_dir()) => {
                Some(paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))
            }
            _ => None,
        }
    }
}

pub(in crate::cli) async fn run(global: &Global, arguments: Validate) -> Result<End, CliError> {
    // Wrong settings are said here too: every other command reads them.
    let config = Config::load(&Overrides { file: global.config.clone(), ..Overrides::default() })?;
    let root = arguments.definitions.clone().unwrap_or(config.repository.definitions);
    let findings = find(&arguments, root.clone()).await?;
    let errors = findings.diagnostics.iter().filter(|found| found.is_error()).count();
    let nothing = findings.nothing_in(&arguments.paths, &root);
    if arguments.json {
        output::print_json(json!({
            "valid": errors == 0 && nothing.is_none(),
            "environments": findings.environments,
            "diagnostics": findings.diagnostics,
        }))?;
    } else {
        output::print(&report(&findings, errors, Colours::of_stdout()))?;
    }
    match nothing {
        Some(folder) => Err(CliError::Refused {
            message: format!("there are no definitions in `{folder}`"),
            hint: format!(
                "write the first one, for example {root}/dev.yaml (`beamline schema` says what it may have), or name \
                 another folder with --definitions, or as `definitions` in [repository] of the settings"
            ),
        }),
        None if errors == 0 => Ok(End::Done),
        None => Ok(End::Failed),
    }
}

fn report(findings: &Findings, errors: usize, colours: Colours) -> String {
    let rendered = findings.diagnostics.iter().map(|found| format!("{}\n\n", found.render(colours.into())));
    let mut text: String = rendered.collect();
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let advice = findings.diagnostics.len() - errors;
    let sound = match findings.environments.as_slice() {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    let environments = count(findings.files, "environment");
    let sound_count = findings.environments.len();
    let _ = writeln!(
        text,
        "{}, {} in {environments}; {sound_count} sound{sound}",
        count(errors, "error"),
        count(advice, "warning"),
    );
    text
}

async fn find(arguments: &Validate, root: String) -> Result<Findings, CliError> {
    let place = Place { dir: arguments.dir.clone(), root: root.clone(), revision: arguments.commit.clone() };
    if arguments.paths.is_empty() {
        return Ok(all(place.read().await?));
    }
    // Paths that are given need no folder of definitions around them.
    let sources = match place.read().await {
        Ok(sources) => Some(sources),
        Err(CliError::Usage { .. }) if arguments.commit.is_none() => None,
        Err(error) => return Err(error),
    };
    let mut findings = Findings { environments: Vec::new(), files: 0, diagnostics: Vec::new() };
    for path in &arguments.paths {
        match sources.as_ref().and_then(|sources| Some((sources, inside(path, sources)?))) {
            Some((sources, inner)) => {
                if !sources.has(&inner) {
                    return Err(nowhere(path, arguments.commit.as_deref()));
                }
                of_path(sources, &inner, &mut findings);
            }
            None if arguments.commit.is_some() => return Err(nowhere(path, arguments.commit.as_deref())),
            None if !path.exists() => return Err(nowhere(path, None)),
            None if path.is_dir() => return Err(elsewhere(path, &root)),
            None => by_itself(path, &mut findings)?,
        }
    }
    findings
        .diagnostics
        .sort_by(|a, b| (&a.location, a.code, &a.message).cmp(&(&b.location, b.code, &b.message)));
    findings.diagnostics.dedup();
    Ok(findings)
}

/// Nothing is at a path that somebody wants to be checked.
fn nowhere(path: &Path, commit: Option<&str>) -> CliError {
    let path = path.display();
    match commit {
        Some(commit) => CliError::usage(
            format!("there is no definition at `{path}` in {commit}"),
            "name a file or a folder below the definitions, or none to check all of them",
        ),
        None => CliError::usage(
            format!("there is nothing at `{path}`"),
            "name a file or a folder that is there, or none to check all of them",
        ),
    }
}

/// A folder that is none of the definitions: what inherits what is not known there.
fn elsewhere(path: &Path, root: &str) -> CliError {
    let absolute = plain(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let place = match (absolute.join(root).is_dir(), absolute.parent(), absolute.file_name()) {
        (true, ..) => format!("--dir {}", path.display()),
        (false, Some(parent), Some(name)) => {
            format!("--dir {} --definitions {}", parent.display(), name.display())
        }
        (false, ..) => "--dir REPOSITORY".to_owned(),
    };
    CliError::usage(
        format!("`{}` is a folder outside of the definitions", path.display()),
        format!("say where they are: beamline validate {place}"),
    )
}

fn all(sources: Sources) -> Findings {
    let environments: Vec<String> =
        sources.estate.environments.iter().map(|environment| environment.name.to_string()).collect();
    let files = environments.len() + sources.estate.failed.len();
    Findings { environments, files, diagnostics: sources.estate.diagnostics }
}

/// The path of `path` in the repository, when it lies below the definitions.
fn inside(path: &Path, sources: &Sources) -> Option<String> {
    let dir = plain(&std::path::absolute(sources.dir.as_ref()?).ok()?);
    let path = plain(&std::path::absolute(path).ok()?);
    let inner = path.strip_prefix(&dir).ok()?.to_str()?.replace('\\', "/");
    let root = sources.root.trim_matches('/');
    (root.is_empty() || inner == root || inner.starts_with(&format!("{root}/"))).then_some(inner)
}

/// A path without `.` and `..`, as it is written.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

fn of_path(sources: &Sources, path: &str, findings: &mut Findings) {
    let is_within = |file: &str| file == path || file.starts_with(&format!("{path}/"));
    let defaults = crate::definitions::defaults_for(path, &sources.root);
    let concerns =
        |found: &&Diagnostic| is_within(&found.location.file) || defaults.contains(&found.location.file);
    let estate = &sources.estate;
    let sound = estate.environments.iter().filter(|environment| is_within(&environment.path));
    findings.environments.extend(sound.map(|environment| environment.name.to_string()));
    findings.files += estate.environments.iter().filter(|environment| is_within(&environment.path)).count()
        + estate.failed.iter().filter(|failed| is_within(failed)).count();
    findings.diagnostics.extend(estate.diagnostics.iter().filter(concerns).cloned());
}

fn by_itself(path: &Path, findings: &mut Findings) -> Result<(), CliError> {
    let file = file_in_tree(path, &path.display().to_string())?;
    let loaded = load(&[file]);
    findings.files += 1;
    findings.environments.extend(loaded.environment.map(|environment| environment.name.to_string()));
    findings.diagnostics.extend(loaded.diagnostics);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_compared_as_it_is_written() {
        assert_eq!(plain(Path::new("/a/./b/../c")), Path::new("/a/c"));
    }
}
