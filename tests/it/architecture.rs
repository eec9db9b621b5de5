//! The dependency directions of the crate's front page, and what single files may do, as a test.
//!
//! What is below `src/base` and `src/simulator` is a package of its own: there cargo keeps the directions, and
//! only the rules about single files are checked.
//!
//! What is looked at is production code: each file up to its `#[cfg(test)]`, without files of tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each module may use, by the name that it is used under. Everybody may use `clock`; the names and ids in `resources` are words that
/// everybody speaks, except `git`, `wire` and `clock`, which know nothing of Azure.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("attempt", &["store", "reconcile", "definitions", "git", "azure", "resources"]),
    ("azure", &["wire", "resources"]),
    (
        "cli",
        &[
            "config",
            "attempt",
            "daemon",
            "store",
            "reconcile",
            "azure",
            "git",
            "forge",
            "definitions",
            "resources",
            "wire",
        ],
    ),
    (
        "config",
        &["daemon", "store", "reconcile", "azure", "git", "forge", "definitions", "resources", "wire"],
    ),
    ("daemon", &["attempt", "reconcile", "definitions", "git", "forge", "store", "azure", "resources"]),
    ("definitions", &["resources"]),
    ("forge", &["wire", "git", "resources"]),
    ("git", &["plight", "wire"]),
    ("plight", &[]),
    ("reconcile", &["definitions", "resources", "azure"]),
    ("resources", &[]),
    ("store", &["reconcile", "forge", "git", "definitions", "resources", "plight"]),
    ("wire", &[]),
];

/// What is pure: no async, no I/O, no clock of its own.
const PURE: [&str; 8] = [
    "definitions/",
    "resources/",
    "reconcile/plan/",
    "reconcile/apply/progress.rs",
    "reconcile/apply/resume.rs",
    "daemon/working/queue.rs",
    "daemon/telling/wording.rs",
    "daemon/telling/sentences.rs",
];

/// A file of production code.
struct Source {
    /// Relative to `src`.
    path: String,
    /// Without comments, and without its tests.
    code: String,
    whole: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources = files.into_iter().map(|file| {
        let whole = std::fs::read_to_string(&file).unwrap();
        let production = whole.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: String = production
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| line.to_owned() + "\n")
            .collect();
        Source { path: file.strip_prefix(&root).unwrap().display().to_string(), code, whole }
    });
    sources.collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Files that hold nothing but tests and what they need.
fn is_test(path: &str) -> bool {
    let is_fixture = path.ends_with("fixture.rs") || path.ends_with("sample.rs");
    let stem = path.trim_end_matches(".rs");
    is_fixture || stem.ends_with("tests") || path.contains("/tests/") || path.contains("stories")
}

/// The modules of the crate that a piece of code names.
fn used_modules(code: &str) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split_once('}').map_or(group, |(inside, _)| inside);
                used.extend(group.split(',').map(|item| first_word(item.trim())));
            }
            None => drop(used.insert(first_word(rest))),
        }
    }
    used
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Folders that are packages of their own.
const PACKAGES: [&str; 2] = ["base", "simulator"];

fn module_of(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn modules_use_only_what_is_below_them() {
    let modules: BTreeSet<&str> = ALLOWED.iter().map(|(module, _)| *module).collect();
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        let module = module_of(&source.path);
        if ["lib", "main"].contains(&module) || PACKAGES.contains(&module) {
            continue;
        }
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("{} is in a module that the picture in src/lib.rs does not have", source.path)
        });
        for used in used_modules(&source.code).into_iter().filter(|used| modules.contains(used)) {
            let is_allowed = used == module
                || ["clock", "errand", "pulse", "text"].contains(&used)
                || allowed.contains(&used);
            assert!(is_allowed, "{} may not use crate::{used}", source.path);
        }
    }
}

#[test]
fn only_the_command_line_serves_the_simulator() {
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        if !["cli", "simulator"].contains(&module_of(&source.path)) {
            assert!(!source.code.contains("beamline_simulator"), "{}", source.path);
        }
    }
}

#[test]
fn the_simulator_shares_only_clock_and_ids_with_what_it_tests() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/simulator/Cargo.toml");
    let ours = std::fs::read_to_string(manifest).unwrap();
    let ours: Vec<&str> = ours.lines().filter(|line| line.starts_with("beamline")).collect();
    assert_eq!(ours, ["beamline-base.workspace = true"]);
}

#[test]
fn what_is_pure_has_no_way_to_do_anything() {
    const DEEDS: [&str; 8] =
        ["async ", ".await", "tokio", "std::fs", "std::net::Tcp", "reqwest", "Instant", "SystemTime"];
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        if PURE.iter().any(|pure| source.path.starts_with(pure)) {
            for deed in DEEDS {
                assert!(!source.code.contains(deed), "{} has `{deed}`", source.path);
            }
        }
    }
}

#[test]
fn single_files_have_what_nobody_else_may_have() {
    let rules: [(&str, &[&str]); 3] = [
        ("config.rs", &["env::var(", "env::vars(", "env::var_os("]),
        ("base/", &["::now()", "Uuid::new_v4", "Uuid::now_v", "thread_rng"]),
        ("git/transport/", &["unsafe {", "unsafe fn", "unsafe impl"]),
    ];
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for (home, words) in rules {
            let found = words.iter().find(|word| source.code.contains(**word));
            assert!(
                found.is_none() || source.path.starts_with(home),
                "{} has `{}`",
                source.path,
                found.unwrap()
            );
        }
    }
}

/// What all parts of the daemon share knows none of them: a part can be read without the others.
#[test]
fn what_the_daemon_shares_knows_no_part_of_it() {
    for source in sources().iter().filter(|source| source.path.starts_with("daemon/shared/")) {
        for room in ["hearing", "http", "service", "telling", "working"] {
            let part = format!("daemon::{room}");
            assert!(!source.code.contains(&part), "{} uses {part}", source.path);
        }
    }
}

/// Where tokio's turns and permits are held, all of them in a task or a thread of its own or for a bounded time:
/// `docs/ARCHITECTURE.md` says of each why it goes on.
const HELD: [&str; 8] = [
    "azure/auth/tokens.rs",
    "daemon/http/bodies.rs",
    "daemon/http/local/plans.rs",
    "daemon/shared/listing.rs",
    "daemon/shared/recent.rs",
    "daemon/shared/rivals.rs",
    "forge/github/app.rs",
    "store/readers.rs",
];

#[test]
fn what_others_wait_for_is_held_where_it_is_known_to_go_on() {
    const HOLDS: [&str; 5] =
        ["sync::Mutex::", "tokio::sync::Mutex", "Semaphore", "tokio::sync::RwLock", "OnceCell"];
    let sources = sources();
    let ours = |source: &&Source| !is_test(&source.path) && module_of(&source.path) != "simulator";
    let mut holders = BTreeSet::new();
    for source in sources.iter().filter(ours) {
        let code = source.code.replace("std::sync::Mutex", "");
        let is_import = |line: &str| line.contains("use tokio::sync::") && line.contains("Mutex");
        if HOLDS.iter().any(|word| code.contains(word)) || code.lines().any(is_import) {
            holders.insert(source.path.as_str());
        }
    }
    assert_eq!(holders, HELD.into_iter().collect(), "say in docs/ARCHITECTURE.md why it goes on");
}

#[test]
fn every_file_says_why_it_exists() {
    for source in sources() {
        let is_entry = source.path == "main.rs" && source.whole.lines().count() < 3;
        assert!(is_entry || source.whole.starts_with("//!"), "{} does not open with //!", source.path);
    }
}

/// Types say everything of themselves: the rest of the product asks the table and names none of them.
#[test]
fn what_is_outside_the_catalog_names_hardly_any_type() {
    const MOST: usize = 10;
    let kinds: Vec<String> =
        beamline::resources::Kind::ALL.iter().map(|kind| format!("Kind::{kind:?}")).collect();
    let modules: Vec<String> = beamline::resources::all()
        .iter()
        .flat_map(|of| {
            [of.spec().key.trim_end_matches('s').to_owned(), of.spec().noun.to_lowercase().replace(' ', "_")]
        })
        .map(|module| format!("{module}::"))
        .collect();
    let mut named = Vec::new();
    for source in sources() {
        let is_outside =
            !["resources/", "simulator/", "base/"].iter().any(|own| source.path.starts_with(own));
        if is_outside && !is_test(&source.path) {
            let names = |line: &&str| {
                kinds.iter().any(|kind| has_word(line, kind))
                    || modules.iter().any(|module| has_word(line, module))
            };
            named.extend(
                source.code.lines().filter(names).map(|line| format!("{}: {}", source.path, line.trim())),
            );
        }
    }
    assert!(named.len() <= MOST, "{} lines name a resource type:\n{}", named.len(), named.join("\n"));
}

/// Whether `line` has `word`, and not as the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !goes_on(before) && (word.ends_with(':') || !goes_on(after))
    })
}
