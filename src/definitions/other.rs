//! A file in another notation than its name says: one mistake, which the parser of the named one reports for every line.

use super::code::Code;
use super::document::NodeValue;
use super::layout::{Syntax, renamed};
use super::problem::{Problem, Problems};
use super::source::{FileId, SourceFile, Sources, Span};
use super::{toml, yaml};

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Yaml,
    Toml,
    Json,
}

/// What `file` is written in, which is not what its name says. To be asked of a file that is not what it says.
pub(super) fn notation(file: &SourceFile) -> Option<Written> {
    let text = file.text();
    let sources = Sources::new(vec![file.clone()]);
    let mut mistakes = Problems::new(&sources);
    match Syntax::of(file.path()) {
        Syntax::Toml if text.trim_start().starts_with('{') => Some(Written::Json),
        Syntax::Toml => {
            let node = yaml::parse(FileId(0), file, &mut mistakes);
            let is_map = node.is_some_and(|node| matches!(node.value, NodeValue::Map(_)));
            (is_map || looks_like(Written::Yaml, text)).then_some(Written::Yaml)
        }
        // JSON is YAML.
        Syntax::Yaml => {
            let node = toml::parse(FileId(0), file, &mut mistakes);
            (node.is_some() || looks_like(Written::Toml, text)).then_some(Written::Toml)
        }
    }
}

/// Whether every line that has a key has it in this notation: one that has a mistake of its own is read in neither.
fn looks_like(written: Written, text: &str) -> bool {
    let lines = text.lines().map(str::trim).filter_map(notation_of);
    let found: Vec<Written> = lines.collect();
    found.len() > 1 && found.iter().all(|one| *one == written)
}

/// The notation of a line that begins with a key; `None` for any other line.
fn notation_of(line: &str) -> Option<Written> {
    if line.starts_with('[') && line.ends_with(']') {
        return Some(Written::Toml);
    }
    let line = line.trim_start_matches("- ");
    let is_key = |c: char| c.is_ascii_alphanumeric() || "_-.\"'".contains(c);
    let end = line.find(|c| !is_key(c)).unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    match rest.trim_start() {
        _ if key.is_empty() => None,
        rest if rest.starts_with('=') => Some(Written::Toml),
        rest if rest == ":" || rest.starts_with(": ") => Some(Written::Yaml),
        _ => None,
    }
}

/// The one problem of such a file, with the command that renames it.
pub(super) fn problem(id: FileId, written: Written, sources: &Sources) -> Problem {
    let path = sources.file(id).path();
    let (is, extension, why) = match written {
        Written::Yaml => ("YAML", "yaml", ""),
        Written::Toml => ("TOML", "toml", ""),
        Written::Json => ("JSON", "yaml", ", for YAML reads JSON as it is"),
    };
    let syntax = Syntax::of(path);
    let to = renamed(path, None, extension);
    let is_taken = sources.ids().any(|id| sources.file(id).path() == to);
    let remedy = match is_taken {
        false => format!("Rename it{why}: `{}`.", move_command(path, &to)),
        true => format!("Remove it, or put what it says into `{to}`, which is there already."),
    };
    Problem::error(Code::Syntax, Span::start_of(id), format!("this is {is}, not {syntax}"))
        .rule(format!("The file's name says that it is {syntax}."))
        .remedy(remedy)
}

/// What a shell at the root of the repository renames a file with.
pub(super) fn move_command(from: &str, to: &str) -> String {
    let quoted = |path: &str| {
        let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
    };
    format!("git mv {} {}", quoted(from), quoted(to))
}
