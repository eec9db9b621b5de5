//! What transports and remotes say, as values, and what it means.
//!
//! libgit2 carries only a text from a transport's callback to its caller, so a transport leaves the
//! typed failure in a slot of its thread (libgit2 calls back on the calling thread) and the caller
//! takes it. Everything from [`explain`] on is a pure function of what was said.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::io;

use crate::text::both_ends;
use crate::wire::{Redirect, RedirectKind, WireError};

use super::error::GitError;

/// Why a transport gave up.
#[derive(Debug)]
pub(super) enum Failure {
    /// An HTTP status that is not 200.
    Status {
        status: u16,
        location: Option<String>,
    },
    /// An answer of the wrong content type, or of none.
    NotGit {
        content_type: Option<String>,
    },
    Wire(WireError),
    /// The SSH client ended before the exchange did.
    Ssh {
        code: Option<i32>,
        stderr: String,
    },
    /// The SSH client could not be run.
    SshProgram(io::Error),
    /// The server itself said why it gave up, in the middle of its answer.
    Said(String),
    /// A time limit was passed.
    TimedOut(String),
    /// More was sent than is accepted.
    TooLarge {
        limit_bytes: u64,
    },
    /// There is no password now, for this reason.
    NoPassword(String),
    /// No client has been registered.
    NoTransport,
    /// The address is not one that we would use (a `url.….insteadOf` setting can cause that).
    Address(GitError),
}

thread_local! {
    static SLOT: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

impl Failure {
    /// Leaves the failure for [`take`] and returns what libgit2 is told.
    pub(super) fn leave(self) -> io::Error {
        SLOT.with_borrow_mut(|slot| *slot = Some(self));
        io::Error::other("the transport failed")
    }
}

/// Takes what the last transport on this thread left.
pub(super) fn take() -> Option<Failure> {
    SLOT.with_borrow_mut(Option::take)
}

/// Leaves what the server said about its own failure in the middle of an answer. libgit2 only notices that
/// the answer ends too early. What a transport has left is kept.
pub(super) fn heard(said: &[u8]) {
    let text = String::from_utf8_lossy(said);
    // Progress ends its lines with a carriage return.
    let complaints =
        text.split(['\n', '\r']).filter(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let complaints: Vec<&str> = complaints.collect();
    if complaints.is_empty() {
        return;
    }
    let complaints = complaints.join("\n");
    SLOT.with_borrow_mut(|slot| match slot {
        None => *slot = Some(Failure::Said(complaints)),
        Some(Failure::Ssh { stderr, .. }) => {
            stderr.push('\n');
            stderr.push_str(&complaints);
        }
        Some(_) => {}
    });
}

/// What the failure of an exchange with `remote` means.
pub(super) fn explain(remote: &str, error: &git2::Error, failure: Option<Failure>) -> GitError {
    let remote = remote.to_owned();
    match failure {
        Some(Failure::Status { status, location }) => explain_status(remote, status, location.as_deref()),
        Some(Failure::NotGit { content_type }) => {
            let detail = match content_type {
                Some(text) => format!("the content type of its answer is {:?}", printable(&text)),
                None => "its answer has no content type".to_owned(),
            };
            GitError::NotGit { remote, detail }
        }
        Some(Failure::Wire(source)) => explain_wire(remote, source),
        Some(Failure::Ssh { code, stderr }) => explain_ssh(remote, code, &stderr),
        Some(Failure::SshProgram(source)) => GitError::SshProgram { remote, source },
        Some(Failure::Said(text)) => {
            let detail = printable(last_line(&text));
            match is_damage_there(&text) {
                true => GitError::RemoteDamaged { remote, detail },
                false => GitError::Broken { remote, detail, source: None },
            }
        }
        Some(Failure::TimedOut(detail)) => GitError::TimedOut { remote, detail },
        Some(Failure::NoPassword(reason)) => GitError::NoPassword { remote, reason: printable(&reason) },
        Some(Failure::TooLarge { limit_bytes }) => too_large(&remote, limit_bytes),
        Some(Failure::NoTransport) => GitError::NoTransport { remote },
        Some(Failure::Address(error)) => error,
        None if error.code() == git2::ErrorCode::User => too_large(&remote, MAX_FETCH_BYTES),
        None if is_damage_there(error.message()) => {
            GitError::RemoteDamaged { remote, detail: printable(error.message()) }
        }
        None => GitError::Broken { remote, detail: printable(error.message()), source: None },
    }
}

/// Whether `git upload-pack`, or a forge in its place, names what of its repository is not whole. That it
/// guesses so ("possible repository corruption") because its helper died, for whatever reason, does not count.
fn is_damage_there(said: &str) -> bool {
    [
        "unable to read ",
        "unable to parse ",
        "bad object",
        "bad tree object",
        "missing blob",
        "is corrupt",
        "malformed mode in tree entry",
        "too-short tree",
        "truncated tree",
        "empty filename in tree entry",
        "failed to parse tree",
        "bogus commit object",
        "ailed to traverse parents",
    ]
    .iter()
    .any(|text| said.contains(text))
}

fn last_line(text: &str) -> &str {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message")
}

/// The most that one fetch may bring, in bytes. A repository of definitions is far below it.
pub(super) const MAX_FETCH_BYTES: u64 = 4 * 1024 * 1024 * 1024;

fn too_large(remote: &str, limit_bytes: u64) -> GitError {
    GitError::Limit { what: format!("the answer of {remote}"), limit: format!("{limit_bytes} bytes") }
}

fn explain_status(remote: String, status: u16, location: Option<&str>) -> GitError {
    let host = remote.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(rest));
    let code = http::StatusCode::from_u16(status).unwrap_or_default();
    if let Some(redirect) = Redirect::of(code, location, host) {
        return explain_redirect(remote, &redirect);
    }
    match status {
        // Azure DevOps answers 203 with its sign-in page, or redirects to it, without credentials.
        203 | 401 | 403 => GitError::Authentication { remote },
        404 | 410 => GitError::RepositoryNotFound { remote },
        407 => {
            GitError::Unreachable { remote, detail: "the proxy asks for credentials (HTTP 407)".to_owned() }
        }
        _ => GitError::Broken { remote, detail: format!("HTTP status {status}"), source: None },
    }
}

fn explain_redirect(remote: String, redirect: &Redirect) -> GitError {
    let target = redirect.target().map(|target| target.split("/info/refs").next().unwrap_or(target));
    match redirect.kind() {
        // Azure DevOps' own, for wrong credentials.
        RedirectKind::SignIn
            if target.is_some_and(|target| target.trim_end_matches('/').ends_with("/_signin")) =>
        {
            GitError::Authentication { remote }
        }
        RedirectKind::Moved => GitError::Moved { remote, location: target.unwrap_or("elsewhere").to_owned() },
        RedirectKind::SignIn | RedirectKind::OtherHost | RedirectKind::SameHost => {
            GitError::Redirected { remote, detail: redirect.to_string() }
        }
    }
}

fn explain_wire(remote: String, source: WireError) -> GitError {
    let said = chain(&source);
    match &source {
        WireError::Connect { .. } => match connect_problem(&said) {
            ConnectProblem::Name => GitError::HostNotFound { remote },
            ConnectProblem::Certificate => GitError::Certificate { remote, source },
            ConnectProblem::Other => GitError::Unreachable { remote, detail: said },
        },
        WireError::Silent { .. } => GitError::TimedOut { remote, detail: source.to_string() },
        WireError::TooLarge { limit_bytes, .. } => {
            too_large(&remote, u64::try_from(*limit_bytes).unwrap_or(u64::MAX))
        }
        WireError::Broken { .. } | WireError::Invalid { .. } | WireError::Setup(_) => {
            GitError::Broken { remote, detail: source.to_string(), source: Some(source) }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectProblem {
    Name,
    Certificate,
    Other,
}

/// Which step of opening a connection failed, by the texts of hyper, rustls and the C library's resolver.
fn connect_problem(said: &str) -> ConnectProblem {
    if said.contains("certificate") || said.contains("UnknownIssuer") {
        ConnectProblem::Certificate
    } else if said.contains("dns error") || said.contains("failed to lookup address") {
        ConnectProblem::Name
    } else {
        ConnectProblem::Other
    }
}

/// What OpenSSH and the program behind it say on their error output, by what it means. First match wins.
const SSH_TEXTS: &[(&str, SshProblem)] = &[
    ("Host key verification failed", SshProblem::HostKey),
    ("HOST IDENTIFICATION HAS CHANGED", SshProblem::HostKey),
    ("Could not resolve hostname", SshProblem::Name),
    ("Permission denied (", SshProblem::Authentication),
    ("Too many authentication failures", SshProblem::Authentication),
    ("Connection refused", SshProblem::Unreachable),
    ("Connection timed out", SshProblem::Unreachable),
    ("No route to host", SshProblem::Unreachable),
    ("Network is unreachable", SshProblem::Unreachable),
    ("does not appear to be a git repository", SshProblem::Repository),
    ("epository not found", SshProblem::Repository),
    ("ould not be found", SshProblem::Repository),
    ("project you were looking for", SshProblem::Repository),
    ("denied to", SshProblem::Authentication),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SshProblem {
    HostKey,
    Name,
    Authentication,
    Unreachable,
    Repository,
}

fn explain_ssh(remote: String, code: Option<i32>, stderr: &str) -> GitError {
    let problem = SSH_TEXTS.iter().find(|(text, _)| stderr.contains(text)).map(|(_, problem)| *problem);
    let last = || printable(last_line(stderr));
    match problem {
        Some(SshProblem::HostKey) => GitError::HostKey { remote },
        Some(SshProblem::Name) => GitError::HostNotFound { remote },
        Some(SshProblem::Authentication) => GitError::Authentication { remote },
        Some(SshProblem::Unreachable) => GitError::Unreachable { remote, detail: last() },
        Some(SshProblem::Repository) => GitError::RepositoryNotFound { remote },
        None if is_damage_there(stderr) => GitError::RemoteDamaged { remote, detail: last() },
        None => {
            let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
            GitError::Broken { remote, detail: format!("ssh ended with {code}: {}", last()), source: None }
        }
    }
}

/// What a rejected change of a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Somebody else was faster: fetch and do it again.
    Overtaken,
    /// The remote does not want it.
    Forbidden,
}

/// The meaning of what `git receive-pack` (or a forge in its place) reports for a reference.
pub(super) fn rejection(reason: &str) -> Rejection {
    let overtaken = [
        "non-fast-forward",
        "fetch first",
        "failed to update ref",
        "failed to lock",
        "cannot lock ref",
        "already exists",
        "stale info",
        "incorrect old value",
        "atomic transaction failed",
    ];
    if overtaken.iter().any(|text| reason.contains(text)) {
        Rejection::Overtaken
    } else {
        Rejection::Forbidden
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn StdError) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !parts.contains(&text) {
            parts.push(text);
        }
        cause = error.source();
    }
    printable(&parts.join(": "))
}

/// Foreign text, fit for one line of a message.
pub(super) fn printable(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    both_ends(line.trim(), 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(error: &GitError) -> String {
        let debug = format!("{error:?}");
        debug.split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    fn explained(failure: Failure) -> GitError {
        explain("https://host/a", &git2::Error::from_str("the transport failed"), Some(failure))
    }

    #[test]
    fn http_statuses_mean_what_the_forges_mean() {
        for (status, location, name) in [
            (401, None, "Authentication"),
            (403, None, "Authentication"),
            (203, None, "Authentication"),
            (302, Some("https://login/_signin?x"), "Authentication"),
            (302, Some("https://sso.example/signin?x"), "Redirected"),
            (307, Some("https://host/b.git/info/refs?service=git-upload-pack"), "Redirected"),
            (302, None, "Redirected"),
            (404, None, "RepositoryNotFound"),
            (301, Some("https://u:p@host/b.git/info/refs?service=git-upload-pack"), "Moved"),
            (407, None, "Unreachable"),
            (500, None, "Broken"),
            (429, None, "Broken"),
        ] {
            let error = explained(Failure::Status { status, location: location.map(str::to_owned) });
            assert_eq!(named(&error), name, "{status}");
            assert!(!error.to_string().contains("u:p"), "{error}");
        }
        let moved = Failure::Status { status: 301, location: Some("https://h/b.git/info/refs?x".into()) };
        assert_eq!(
            explained(moved).to_string().split(": ").next(),
            Some("https://host/a moved to https://h/b.git")
        );
        let proxy =
            Failure::Status { status: 302, location: Some("https://u:p@sso.example/login?t=x".into()) };
        let error = explained(proxy);
        assert_eq!(
            error.to_string().split(": ").next(),
            Some(
                "https://host/a answered with a redirect to a page to sign in, https://sso.example/login (302)"
            )
        );
        assert!(!error.is_refusal(), "a proxy's page passes");
    }

    #[test]
    fn a_page_in_the_place_of_git_s_answer_is_trouble_and_perhaps_a_wrong_url() {
        for (content_type, said) in [
            (Some("text/html"), "(the content type of its answer is \"text/html\")"),
            (None, "(its answer has no content type)"),
        ] {
            let error = explained(Failure::NotGit { content_type: content_type.map(str::to_owned) });
            assert!(!error.is_refusal(), "a maintenance page passes: {error}");
            let text = error.to_string();
            assert!(text.contains(said) && text.contains("it is tried again; if that goes on"), "{text}");
        }
    }

    #[test]
    fn what_ssh_says_becomes_a_next_step() {
        for (stderr, name) in [
            (
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.\n",
                "HostKey",
            ),
            ("ssh: Could not resolve hostname h: Name or service not known\r\n", "HostNotFound"),
            ("git@h: Permission denied (publickey).\n", "Authentication"),
            ("ERROR: Permission to o/r.git denied to deploy-key.\n", "Authentication"),
            ("ssh: connect to host h port 22: Connection refused\n", "Unreachable"),
            ("fatal: '/x' does not appear to be a git repository\n", "RepositoryNotFound"),
            (
                "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n",
                "RepositoryNotFound",
            ),
            ("ERROR: The project you were looking for could not be found\n", "RepositoryNotFound"),
            ("", "Broken"),
            ("kex_exchange_identification: read: Connection reset by peer\n", "Broken"),
        ] {
            assert_eq!(
                named(&explained(Failure::Ssh { code: Some(255), stderr: stderr.into() })),
                name,
                "{stderr}"
            );
        }
    }

    #[test]
    fn what_a_server_says_beside_its_pack_tells_damage_from_trouble() {
        for (said, name, detail) in [
            (
                "Counting objects: 1\rfatal: unable to read 61780798\n",
                "RemoteDamaged",
                "unable to read 61780798",
            ),
            ("fatal: bad tree object 6be660\n", "RemoteDamaged", "bad tree object 6be660"),
            ("error: x\nfatal: loose object 6b (stored in a) is corrupt\n", "RemoteDamaged", "is corrupt"),
            ("fatal: Out of memory, malloc failed\n", "Broken", "Out of memory"),
            ("Counting objects: 100% (1/1), done.\n", "Broken", "could not read from remote repository"),
        ] {
            drop(take());
            heard(said.as_bytes());
            let error = git2::Error::from_str("could not read from remote repository");
            let error = explain("https://host/a", &error, take());
            assert_eq!(named(&error), name, "{said}");
            assert!(error.to_string().contains(detail), "{error}");
        }
        let died =
            "fatal: git upload-pack: aborting due to possible repository corruption on the remote side.";
        let stderr = || died.to_owned();
        assert_eq!(named(&explained(Failure::Ssh { code: Some(128), stderr: stderr() })), "Broken");
        Failure::Ssh { code: Some(128), stderr: stderr() }.leave();
        heard(b"fatal: unable to read 61780798\n");
        assert_eq!(named(&explained(take().unwrap())), "RemoteDamaged");
    }

    #[test]
    fn connection_problems_are_told_apart() {
        for (said, problem) in [
            (
                "dns error: failed to lookup address information: Name or service not known",
                ConnectProblem::Name,
            ),
            ("client error (Connect): invalid peer certificate: UnknownIssuer", ConnectProblem::Certificate),
            ("tcp connect error: Connection refused (os error 111)", ConnectProblem::Other),
        ] {
            assert_eq!(connect_problem(said), problem, "{said}");
        }
    }

    #[test]
    fn only_a_lost_race_is_worth_another_try() {
        for (reason, meaning) in [
            ("non-fast-forward", Rejection::Overtaken),
            ("failed to update ref", Rejection::Overtaken),
            ("cannot lock ref 'refs/notes/beamline': is at a but expected b", Rejection::Overtaken),
            ("pre-receive hook declined", Rejection::Forbidden),
            ("protected branch hook declined", Rejection::Forbidden),
        ] {
            assert_eq!(rejection(reason), meaning, "{reason}");
        }
    }
}
