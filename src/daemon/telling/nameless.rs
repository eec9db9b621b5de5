//! PURE: what is spoken of like an environment and is none: a link or a submodule that hides definitions, a file
//! whose name no environment may have.
//!
//! Why: its error needs work, a context and a place in the journal, which all go by the name of an environment. It
//! gets a name that nobody else has; where environments are counted, it is left out and called by its path.

use crate::definitions::{Role, role};
use crate::resources::EnvironmentName;
use crate::store::{NewWork, Work};

/// Whether work on `environment`, whose file is at `path`, only carries the error of what stands there.
fn is_nameless(environment: &EnvironmentName, path: &str) -> bool {
    environment.as_str().starts_with(BEGINNING) && *environment == hidden_name(path)
}

/// The work on environments among `work`, and that which only carries an error.
pub(in crate::daemon) fn apart<'a>(
    work: impl IntoIterator<Item = &'a Work>,
) -> (Vec<&'a Work>, Vec<&'a Work>) {
    work.into_iter().partition(|one| !is_nameless(&one.environment, &one.path))
}

/// The environments that new work is about; where all of it only carries errors, the names that those go by.
pub(in crate::daemon) fn names_of_new(work: &[NewWork]) -> Vec<&EnvironmentName> {
    let is_real = |one: &&NewWork| !is_nameless(&one.environment, &one.path);
    let real: Vec<&EnvironmentName> = work.iter().filter(is_real).map(|one| &one.environment).collect();
    if real.is_empty() { work.iter().map(|one| &one.environment).collect() } else { real }
}

/// The path of what `work` carries the error of, where that is no environment.
pub(in crate::daemon) fn path_of(work: &Work) -> Option<&str> {
    is_nameless(&work.environment, &work.path).then_some(work.path.as_str())
}

/// What a piece of work is called in a sentence.
pub(in crate::daemon) fn called(work: &Work) -> &str {
    if is_nameless(&work.environment, &work.path) { &work.path } else { work.environment.as_str() }
}

const BEGINNING: &str = "unreadable-";

/// A name for what cannot have one (a link or submodule that hides definitions, a file whose name no
/// environment may have), so that it can be spoken of. Not that of an environment which somebody could
/// have, and another one for another path.
pub(in crate::daemon) fn hidden_name(path: &str) -> EnvironmentName {
    let segment = path.rsplit('/').next().unwrap_or(path);
    let stem = match role(segment, "") {
        Role::Environment { stem } => stem,
        Role::Defaults { .. } | Role::Other => segment.to_owned(),
    };
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let word: String = stem.chars().map(legal).take(40).collect();
    let plain = format!("{BEGINNING}{}", word.trim_matches('-'));
    let name = if word == stem { plain } else { format!("{plain}-{:04x}", sum(path)) };
    name.parse().expect("letters, digits and dashes after a letter, 60 at most")
}

/// A short number that tells paths apart which look alike once their letters are replaced (FNV-1a, folded).
fn sum(path: &str) -> u16 {
    let hash =
        path.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u16::try_from((hash >> 16) ^ (hash & 0xffff)).unwrap_or(0)
}
