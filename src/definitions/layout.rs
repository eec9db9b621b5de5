//! Which role a path plays: inheritance is by place, so everything about it is a question of paths.
//!
//! Below the definitions root, `*.yaml`, `*.yml` and `*.toml` are environments, except `defaults.*`,
//! which every environment in that folder and below it inherits. Names that begin with `.` or `_`, for
//! files as for folders, and all other files are ignored. Paths are relative to the repository's root
//! and use `/`; an empty root is the repository itself.
//!
//! Guarantee: what somebody may have meant as a definition is never ignored without a word. It is an
//! environment that is refused ([`misnamed`]), or it is named as left out ([`overlooked`]).

use serde::{Deserialize, Serialize};

use crate::resources::EnvironmentName;
use crate::resources::suggest::nearest;

/// The extensions of definition files, in the order in which defaults files are looked for.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "toml"];

/// Slips of the pen in those; no list of near words, which would find `.xml` near `.yml`.
const SLIPS: [&str; 12] =
    ["ymal", "yam", "yal", "aml", "yaaml", "yamll", "ylm", "ymll", "tml", "tmol", "tom", "tomll"];

/// The stem of the files that others inherit.
const DEFAULTS: &str = "defaults";

/// The notation of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// What plans of earlier versions say nothing of.
    #[default]
    Yaml,
    /// `.toml`
    Toml,
}

impl Syntax {
    /// By extension; what is not TOML is YAML.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        if extension.eq_ignore_ascii_case("toml") { Self::Toml } else { Self::Yaml }
    }
}

impl std::fmt::Display for Syntax {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Toml => "TOML",
        })
    }
}

/// What a file is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// An environment; the stem of the file is its name unless it says another.
    Environment {
        /// The file's name without its extension.
        stem: String,
    },
    /// What the environments in `folder` and below it inherit.
    Defaults {
        /// The folder, without a slash at the end; empty for the repository itself.
        folder: String,
    },
    /// Nothing that is read.
    Other,
}

/// What a changed file may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The environment of that file.
    Environment(String),
    /// Every environment in this folder and below it.
    Below(String),
    /// No environment.
    Nothing,
}

/// The role of a file, by its path.
#[must_use]
pub fn role(path: &str, root: &str) -> Role {
    let Some(below) = below_root(path, root) else { return Role::Other };
    if is_passed_over(below) {
        return Role::Other;
    }
    let file = below.rsplit('/').next().unwrap_or(below);
    let Some((stem, extension)) = file.rsplit_once('.') else { return Role::Other };
    if stem.is_empty() || !is_extension(extension) {
        return Role::Other;
    }
    if stem == DEFAULTS && EXTENSIONS.contains(&extension) {
        Role::Defaults { folder: folder_of(path).to_owned() }
    } else {
        Role::Environment { stem: stem.to_owned() }
    }
}

fn is_extension(extension: &str) -> bool {
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// A file whose name says that it is a definition, and that must have another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misnamed {
    /// What is wrong.
    pub message: String,
    /// The rule.
    pub rule: &'static str,
    /// What to do.
    pub remedy: String,
}

/// Why an environment file cannot have the name it has, whatever stands in it.
#[must_use]
pub fn misnamed(path: &str) -> Option<Misnamed> {
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return Some(Misnamed {
            message: "the name of this file, or of a folder that it is in, is not UTF-8".to_owned(),
            rule: "Paths are UTF-8: others cannot be told apart in a message.",
            remedy: "Rename it.".to_owned(),
        });
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, extension) = file.rsplit_once('.')?;
    let lower = extension.to_ascii_lowercase();
    if stem != DEFAULTS && stem.eq_ignore_ascii_case(DEFAULTS) || stem == DEFAULTS && lower != extension {
        return Some(Misnamed {
            message: format!("a file that others inherit is called `{DEFAULTS}.{lower}`, not `{file}`"),
            rule: "Names are in lower case: only so it is the same file on every machine.",
            remedy: format!("Rename it to `{DEFAULTS}.{lower}`."),
        });
    }
    (lower != extension).then(|| Misnamed {
        message: format!("the extension is `.{extension}`, not `.{lower}`"),
        rule: "The extension of a definition is `.yaml`, `.yml` or `.toml`, in lower case.",
        remedy: format!("Rename it to `{}.{lower}`.", nameable(stem)),
    })
}

/// What a file was meant to be called whose name is nearly that of what others inherit. An environment may have such a
/// name; whether this is one, only its content tells.
pub(super) fn nearly_defaults(path: &str) -> Option<String> {
    let extension = path.rsplit_once('.')?.1.to_ascii_lowercase();
    let stem = stem(path);
    let is_near = stem != DEFAULTS && nearest(stem, [DEFAULTS]).is_some();
    is_near.then(|| renamed(path, Some(DEFAULTS), &extension))
}

/// A stem that an environment may be called by: this one, or one like it.
fn nameable(stem: &str) -> String {
    if stem.parse::<EnvironmentName>().is_ok() {
        return stem.to_owned();
    }
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let word: String = stem.chars().map(legal).take(40).collect();
    let word = word.trim_matches('-');
    if word.is_empty() { "environment".to_owned() } else { word.to_owned() }
}

/// Why a file that is ignored could still have been meant as a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlooked {
    /// A copy that an editor or a tool has left, such as `dev.yaml~` or `dev.yaml.orig`.
    Leftover,
    /// Its name, or that of a folder that it is in, begins with `.`. One that begins with `_` was put aside
    /// on purpose.
    Hidden,
    /// Its extension is nearly one of a definition, such as `.ymal`.
    Slip,
    /// JSON.
    Json,
    /// It is in a folder that is named as a definition.
    InFolder,
}

impl Overlooked {
    /// Why it is ignored, as a clause.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Leftover | Self::Slip => "its name does not end in .yaml, .yml or .toml",
            Self::Hidden => "its name, or that of its folder, begins with a dot",
            Self::Json => "JSON is not read: YAML reads the same text, so name it .yaml",
            Self::InFolder => "it is in a folder that is named as a definition",
        }
    }
}

/// Whether the file at `path`, which nothing reads, could have been meant as a definition.
#[must_use]
pub fn overlooked(path: &str, root: &str) -> Option<Overlooked> {
    let below = below_root(path, root)?;
    if role(path, root) != Role::Other {
        return None;
    }
    let (folders, file) = below.rsplit_once('/').unwrap_or(("", below));
    let extension = |name: &str| name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let lower = file.to_ascii_lowercase();
    let is_definition = extension(file).is_some_and(|extension| is_extension(&extension));
    if below.split('/').any(|segment| segment.starts_with('_')) {
        return None;
    }
    if is_definition && is_passed_over(below) {
        return Some(Overlooked::Hidden);
    }
    let goes_on = |rest: &str| rest.starts_with(|c: char| !c.is_ascii_alphanumeric());
    let mut after_dots = lower.match_indices('.').map(|(at, _)| &lower[at + 1..]);
    if after_dots.any(|rest| EXTENSIONS.iter().filter_map(|known| rest.strip_prefix(known)).any(goes_on)) {
        return Some(Overlooked::Leftover);
    }
    if extension(file).is_some_and(|extension| SLIPS.contains(&extension.as_str())) {
        return Some(Overlooked::Slip);
    }
    if extension(file).as_deref() == Some("json") && !lower.ends_with(".schema.json") {
        return Some(Overlooked::Json);
    }
    let is_named_so = |folder: &str| extension(folder).is_some_and(|extension| is_extension(&extension));
    folders.split('/').any(is_named_so).then_some(Overlooked::InFolder)
}

/// Whether a link or a submodule at `path` hides what could be definitions: below the root, unless it is
/// passed over, and on the way to the root.
#[must_use]
pub fn hides_definitions(path: &str, root: &str) -> bool {
    match below_root(path, root) {
        Some(below) => !is_passed_over(below),
        None => format!("{}/", trimmed(root)).starts_with(&format!("{path}/")),
    }
}

fn is_passed_over(below: &str) -> bool {
    below.split('/').any(|segment| segment.is_empty() || segment.starts_with(['.', '_']))
}

/// The paths where the defaults of an environment file may stand, outermost folder first. At most one
/// of each folder may exist.
#[must_use]
pub fn defaults_for(path: &str, root: &str) -> Vec<String> {
    let root = trimmed(root);
    let mut folders = vec![folder_of(path)];
    while let Some(&inner) = folders.last() {
        if inner == root || inner.is_empty() {
            break;
        }
        folders.push(folder_of(inner));
    }
    folders.iter().rev().flat_map(|folder| candidates(folder)).collect()
}

/// The paths where the defaults file of one folder may stand.
fn candidates(folder: &str) -> impl Iterator<Item = String> + '_ {
    EXTENSIONS.iter().map(move |extension| match folder {
        "" => format!("{DEFAULTS}.{extension}"),
        folder => format!("{folder}/{DEFAULTS}.{extension}"),
    })
}

/// What a change of the file at `path` may touch.
#[must_use]
pub fn touched_by(path: &str, root: &str) -> Touched {
    match role(path, root) {
        Role::Environment { .. } => Touched::Environment(path.to_owned()),
        Role::Defaults { folder } => Touched::Below(folder),
        Role::Other => Touched::Nothing,
    }
}

/// The folder of a path; empty at the top.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The file's name without its extension.
pub(super) fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// The path with another extension, and another stem where one is given.
pub(super) fn renamed(path: &str, to: Option<&str>, extension: &str) -> String {
    let name = format!("{}.{extension}", to.unwrap_or(stem(path)));
    match folder_of(path) {
        "" => name,
        folder => format!("{folder}/{name}"),
    }
}

fn trimmed(root: &str) -> &str {
    root.trim_start_matches("./").trim_matches('/')
}

fn below_root<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    match trimmed(root) {
        "" | "." => Some(path),
        root => path.strip_prefix(root)?.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_an_environment_defaults_or_nothing() {
        let environment = |stem: &str| Role::Environment { stem: stem.into() };
        let defaults = |folder: &str| Role::Defaults { folder: folder.into() };
        for (path, expected) in [
            ("environments/production.yaml", environment("production")),
            ("environments/eu/a.b.toml", environment("a.b")),
            ("environments/eu/x.yml", environment("x")),
            ("environments/defaults.toml", defaults("environments")),
            ("environments/eu/defaults.yaml", defaults("environments/eu")),
            ("environments/_draft.yaml", Role::Other),
            ("environments/.hidden/x.yaml", Role::Other),
            ("environments/beamline.schema.json", Role::Other),
            ("environments/README", Role::Other),
            ("environments/.yaml", Role::Other),
            ("environments-old/x.yaml", Role::Other),
            ("x.yaml", Role::Other),
        ] {
            assert_eq!(role(path, "environments"), expected, "{path}");
        }
        assert_eq!(role("x.yaml", ""), environment("x"));
        assert_eq!(role("environments/x.yaml", "./environments/"), environment("x"));
    }

    #[test]
    fn what_could_be_a_definition_is_refused_or_named_as_left_out() {
        let root = "environments";
        for (path, remedy) in [
            ("environments/dev.TOML", Some("Rename it to `dev.toml`.")),
            ("environments/eu/x.YAML", Some("Rename it to `x.yaml`.")),
            ("environments/x.Yml", Some("Rename it to `x.yml`.")),
            ("environments/defaults.YAML", Some("Rename it to `defaults.yaml`.")),
            ("environments/Defaults.toml", Some("Rename it to `defaults.toml`.")),
            ("environments/con fig.YML", Some("Rename it to `con-fig.yml`.")),
            ("environments/é.YML", Some("Rename it to `environment.yml`.")),
            ("environments/caf\u{fffd}.yaml", Some("Rename it.")),
            ("environments/Prod West.yaml", None),
            ("environments/a.b.toml", None),
        ] {
            assert!(matches!(role(path, root), Role::Environment { .. }), "{path}");
            assert_eq!(misnamed(path).map(|found| found.remedy).as_deref(), remedy, "{path}");
            assert_eq!(overlooked(path, root), None, "{path}");
            // Whoever does as told is not told again.
            if let Some(name) = remedy.and_then(|remedy| remedy.split('`').nth(1)) {
                let path = format!("environments/{name}");
                assert_eq!(misnamed(&path), None, "{path}");
                let Role::Environment { stem } = role(&path, root) else { continue };
                assert!(stem.parse::<EnvironmentName>().is_ok(), "{stem}");
            }
        }
        for (path, why) in [
            ("environments/dev.yaml~", Some(Overlooked::Leftover)),
            ("environments/dev.YAML.orig", Some(Overlooked::Leftover)),
            ("environments/#dev.toml#", Some(Overlooked::Leftover)),
            ("environments/prod.yml.txt", Some(Overlooked::Leftover)),
            ("environments/prod.yaml.bak", Some(Overlooked::Leftover)),
            ("environments/prod.tml", Some(Overlooked::Slip)),
            ("environments/eu/prod.YMAL", Some(Overlooked::Slip)),
            ("environments/prod.yam", Some(Overlooked::Slip)),
            ("environments/prod.tmol", Some(Overlooked::Slip)),
            ("environments/_prod.tml", None),
            ("environments/prod.xml", None),
            ("environments/.#dev.yaml", Some(Overlooked::Hidden)),
            ("environments/.hidden/dev.yaml", Some(Overlooked::Hidden)),
            ("environments/_drafts/dev.yaml", None),
            ("environments/_draft.yaml", None),
            ("environments/dev.json", Some(Overlooked::Json)),
            ("environments/dev.yaml/notes.md", Some(Overlooked::InFolder)),
            ("environments/beamline.schema.json", None),
            ("environments/README.md", None),
            ("environments/dev.yamlish", None),
            ("elsewhere/dev.yaml~", None),
        ] {
            assert_eq!(role(path, root), Role::Other, "{path}");
            assert_eq!(overlooked(path, root), why, "{path}");
        }
    }

    #[test]
    fn defaults_are_looked_for_from_the_root_inwards() {
        assert_eq!(
            defaults_for("environments/eu/x.yaml", "environments/"),
            [
                "environments/defaults.yaml",
                "environments/defaults.yml",
                "environments/defaults.toml",
                "environments/eu/defaults.yaml",
                "environments/eu/defaults.yml",
                "environments/eu/defaults.toml",
            ]
        );
        assert_eq!(defaults_for("x.yaml", "").first().unwrap(), "defaults.yaml");
        assert_eq!(defaults_for("a/x.yaml", "").len(), 6);
    }

    #[test]
    fn defaults_touch_what_lies_below_them() {
        let root = "environments";
        assert_eq!(
            touched_by("environments/eu/defaults.yaml", root),
            Touched::Below("environments/eu".into())
        );
        assert_eq!(
            touched_by("environments/x.toml", root),
            Touched::Environment("environments/x.toml".into())
        );
        assert_eq!(touched_by("README.md", root), Touched::Nothing);
    }
}
