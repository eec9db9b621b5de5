//! Definitions repositories on real servers: what works, and what people are told when it does not.
//!
//! The servers are nginx with `git http-backend` and OpenSSH's sshd with git-shell. Where they are not
//! installed, the stories say so and pass, except under `CI=true`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use beamline::git::{
    CommitId, Credentials, GitError, Heads, Merge, Mirror, NO_PULLS, Patience, Remote, register_transports,
};
use beamline::wire;

use crate::support::Repository;
use crate::support::git_servers::{
    Authority, Manner, Nginx, Relay, Sshd, TOKEN, identity, is_installed, remote_at,
};

const WEB: [&str; 2] = ["nginx", "fcgiwrap"];
const SSH: [&str; 3] = ["sshd", "ssh", "git-shell"];

/// Given to a process of its own, in which the proxy of its environment counts.
const CHILD_FOLDER: &str = "GIT_SERVERS_FOLDER";
const CHILD_PORT: &str = "GIT_SERVERS_PORT";

fn mirror(folder: &Path, remote: Remote) -> Mirror {
    Authority::trusted();
    let dir = tempfile::Builder::new().prefix("mirror-").tempdir_in(folder).unwrap().keep();
    Mirror::open(&dir, remote).unwrap()
}

fn fetched(folder: &Path, remote: Remote) -> Result<Heads, GitError> {
    mirror(folder, remote).fetch(&NO_PULLS)
}

fn main_of(heads: &Heads) -> CommitId {
    heads.branches[&"main".parse().unwrap()]
}

fn lines(commit: CommitId) -> [(CommitId, String, String); 1] {
    [(commit, "beamline/apply".to_owned(), "beamline/apply: success: done".to_owned())]
}

fn now() -> jiff::Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// An origin with one commit, and its server.
fn web() -> Option<(Repository, Nginx)> {
    if !is_installed(&WEB) {
        return None;
    }
    let repository = Repository::new();
    repository.git_of_origin(&["config", "http.receivepack", "true"]);
    repository.write("environments/dev.yaml", "beamline: 1\n");
    repository.push("first");
    let nginx = Nginx::start(repository.folder(), Authority::trusted());
    Some((repository, nginx))
}

#[test]
fn a_web_server_is_fetched_from_and_takes_notes() {
    let Some((repository, nginx)) = web() else { return };
    let mirror = mirror(repository.folder(), nginx.remote("origin.git", TOKEN));
    mirror.fetch(&NO_PULLS).unwrap();
    repository.write("environments/dev.yaml", "beamline: 1 # again\n");
    let commit = repository.push("second");
    assert_eq!(main_of(&mirror.fetch(&NO_PULLS).unwrap()), commit);
    mirror.append_notes(&lines(commit), now()).unwrap();
    assert_eq!(repository.note(&commit), "beamline/apply: success: done");
}

#[test]
fn a_web_server_gives_the_pull_requests_that_are_asked_for_and_they_can_be_merged() {
    let Some((repository, nginx)) = web() else { return };
    let folder = repository.folder();
    let base = main_of(&fetched(folder, nginx.remote("origin.git", TOKEN)).unwrap());
    repository.write("environments/new.yaml", "beamline: 1\n");
    let head = repository.commit("a proposal");
    for number in 1..=40 {
        repository.git(&["push", "-q", "origin", &format!("HEAD:refs/pull/{number}/head")]);
    }
    repository.git(&["reset", "-q", "--hard", &base.to_string()]);
    repository.write("environments/dev.yaml", "beamline: 1 # moved\n");
    let base = repository.push("main moves");
    let mirror = mirror(folder, nginx.remote("origin.git", TOKEN));
    let heads = mirror.fetch(&BTreeSet::from([7, 12, 99])).unwrap();
    assert_eq!(heads.pulls, [(7, head), (12, head)].into());
    let Merge::Result(merged) = mirror.merge(7, &base, &head).unwrap() else { panic!("a conflict") };
    let reader = mirror.reader().unwrap();
    for path in ["environments/new.yaml", "environments/dev.yaml"] {
        assert!(reader.blob_at(&merged, path).unwrap().is_some(), "{path}");
    }
}

#[test]
fn a_later_fetch_brings_little_of_a_large_repository() {
    let Some((repository, nginx)) = web() else { return };
    for index in 0..3000_u64 {
        let noise = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let text = format!("beamline: 1\n# {noise:x}{:x}\n", noise.rotate_left(17).wrapping_mul(noise));
        repository.write(&format!("environments/team-{}/e{index}.yaml", index % 30), &text);
    }
    repository.push("everything");
    let relay = Relay::start(nginx.port, Manner::Open);
    let mirror = mirror(repository.folder(), remote_at(relay.port, "origin.git", TOKEN));
    mirror.fetch(&NO_PULLS).unwrap();
    let whole = relay.answered_bytes();
    for index in 0..5 {
        // Results of merges are nothing that the server knows.
        let base = main_of(&mirror.heads().unwrap());
        repository.write(&format!("environments/pull-{index}.yaml"), "beamline: 1\n");
        let head = repository.push_to(&format!("topic-{index}"), "a proposal");
        repository.git(&["reset", "-q", "--hard", &base.to_string()]);
        repository.write("environments/team-1/e1.yaml", &format!("beamline: {index}\n"));
        let base = repository.push("a change");
        mirror.fetch(&NO_PULLS).unwrap();
        assert!(matches!(mirror.merge(index, &base, &head).unwrap(), Merge::Result(_)));
    }
    let later = relay.answered_bytes() - whole;
    println!("first fetch {whole} bytes, five later ones together {later} bytes");
    assert!(whole > 100_000 && later < whole / 5, "{whole} then {later} bytes");
}

#[test]
fn a_web_server_that_refuses_says_what_to_do() {
    let Some((repository, nginx)) = web() else { return };
    let folder = repository.folder();
    let error = |remote| fetched(folder, remote).unwrap_err();
    let wrong = error(nginx.remote("origin.git", "an-old-token"));
    assert!(matches!(wrong, GitError::Authentication { .. }), "{wrong}");
    assert!(wrong.to_string().contains("check repository.username and repository.password_file"), "{wrong}");
    let anonymous = error(Remote { credentials: Credentials::None, ..nginx.remote("origin.git", TOKEN) });
    assert!(matches!(anonymous, GitError::Authentication { .. }), "{anonymous}");
    let absent = error(nginx.remote("absent.git", TOKEN));
    assert!(matches!(absent, GitError::RepositoryNotFound { .. }), "{absent}");
    let unknown = Nginx::start(folder, &Authority::unknown());
    let untrusted = error(unknown.remote("origin.git", TOKEN));
    assert!(matches!(untrusted, GitError::Certificate { .. }), "{untrusted}");
    assert!(untrusted.to_string().contains("network.ca_file"), "{untrusted}");
    // Reading is allowed, writing is not.
    repository.git_of_origin(&["config", "http.receivepack", "false"]);
    let mirror = mirror(folder, nginx.remote("origin.git", TOKEN));
    let commit = main_of(&mirror.fetch(&NO_PULLS).unwrap());
    let forbidden = mirror.append_notes(&lines(commit), now()).unwrap_err();
    assert!(matches!(forbidden, GitError::Authentication { .. }), "{forbidden}");
    for error in [wrong, anonymous, absent, untrusted, forbidden] {
        assert!(!error.to_string().contains("token-"), "{error}");
    }
}

#[test]
fn a_web_server_that_is_silent_or_breaks_off_is_left_and_tried_again() {
    let Some((repository, nginx)) = web() else { return };
    repository.write("model.bin", &"0123456789abcdef".repeat(20_000));
    repository.write("noise", &(0..40_000_u64).map(|n| format!("{:x}", n * n)).collect::<String>());
    let commit = repository.push("large enough to break off in between");
    let silent = Relay::start(nginx.port, Manner::Silent);
    let error = fetched(repository.folder(), remote_at(silent.port, "origin.git", TOKEN)).unwrap_err();
    assert!(matches!(error, GitError::TimedOut { .. } | GitError::Unreachable { .. }), "{error}");
    let broken = Relay::start(nginx.port, Manner::ResetAfter(40_000));
    let mirror = mirror(repository.folder(), remote_at(broken.port, "origin.git", TOKEN));
    let error = mirror.fetch(&NO_PULLS).unwrap_err();
    assert!(matches!(error, GitError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("safe to try again"), "{error}");
    assert_eq!(mirror.heads().unwrap(), Heads::default(), "nothing half of it");
    assert!(broken.accepted() > 0);
    let heads = fetched(repository.folder(), nginx.remote("origin.git", TOKEN)).unwrap();
    assert_eq!(main_of(&heads), commit);
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let Some((repository, nginx)) = web() else { return };
    let commit = main_of(&fetched(repository.folder(), nginx.remote("origin.git", TOKEN)).unwrap());
    std::fs::write(repository.folder().join("authority.pem"), &Authority::trusted().certificate).unwrap();
    let through = |proxy: &Relay| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "git_servers::in_a_process_of_its_own", "--ignored", "--nocapture"])
            .env("HTTPS_PROXY", format!("http://127.0.0.1:{}", proxy.port))
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .env(CHILD_FOLDER, repository.folder())
            .env(CHILD_PORT, nginx.port.to_string())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let proxy = Relay::start(nginx.port, Manner::Proxy);
    let said = through(&proxy);
    assert!(said.contains(&format!("fetched {commit}")), "{said}");
    assert!(proxy.accepted() > 0);
    let said = through(&Relay::start(nginx.port, Manner::PrivateProxy));
    assert!(said.contains("failed") && said.contains("check network, firewall and proxy"), "{said}");
}

#[test]
#[ignore = "the story of the proxy starts it, with a proxy in its environment"]
fn in_a_process_of_its_own() {
    let folder = std::env::var(CHILD_FOLDER).unwrap();
    let folder = Path::new(&folder);
    let ca_bundle = std::fs::read(folder.join("authority.pem")).unwrap();
    let options = wire::Options { ca_bundle, system_roots: false, proxy: wire::Proxy::System };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let client = wire::Client::new(&options).unwrap();
    register_transports(client, runtime.handle().clone(), Patience::default());
    let port = std::env::var(CHILD_PORT).unwrap().parse().unwrap();
    let mirror =
        Mirror::open(&folder.join("mirror-of-its-own"), remote_at(port, "origin.git", TOKEN)).unwrap();
    match mirror.fetch(&NO_PULLS) {
        Ok(heads) => println!("fetched {}", main_of(&heads)),
        Err(error) => println!("failed: {error}"),
    }
}

/// An origin with one commit, on a machine with an SSH server.
fn behind_ssh() -> Option<(Repository, CommitId)> {
    if !is_installed(&SSH) {
        return None;
    }
    let repository = Repository::new();
    repository.write("environments/dev.yaml", "beamline: 1\n");
    let commit = repository.push("first");
    Some((repository, commit))
}

#[test]
fn an_ssh_server_is_fetched_from_and_takes_notes() {
    let Some((repository, first)) = behind_ssh() else { return };
    let sshd = Sshd::start();
    let mirror = mirror(repository.folder(), sshd.remote(&repository.origin()));
    assert_eq!(main_of(&mirror.fetch(&NO_PULLS).unwrap()), first);
    repository.write("environments/dev.yaml", "beamline: 1 # again\n");
    let second = repository.push("second");
    assert_eq!(main_of(&mirror.fetch(&NO_PULLS).unwrap()), second);
    mirror.append_notes(&lines(second), now()).unwrap();
    assert_eq!(repository.note(&second), "beamline/apply: success: done");
}

#[test]
fn an_ssh_server_that_refuses_or_is_not_known_says_what_to_do() {
    let Some((repository, _)) = behind_ssh() else { return };
    let (sshd, other) = (Sshd::start(), Sshd::start());
    let folder = repository.folder();
    let origin = repository.origin();
    let error = |remote| fetched(folder, remote).unwrap_err();
    let stranger = error(sshd.remote_with(&origin, identity(folder), sshd.known_hosts()));
    assert!(matches!(stranger, GitError::Authentication { .. }), "{stranger}");
    let nobody = folder.join("known_nobody");
    std::fs::write(&nobody, "").unwrap();
    let unknown = error(sshd.remote_with(&origin, sshd.identity(), nobody));
    assert!(matches!(unknown, GitError::HostKey { .. }), "{unknown}");
    let changed = folder.join("known_otherwise");
    let keys = std::fs::read_to_string(other.known_hosts()).unwrap();
    std::fs::write(&changed, keys.replace(&other.host(), &sshd.host())).unwrap();
    let changed = error(sshd.remote_with(&origin, sshd.identity(), changed));
    assert!(matches!(changed, GitError::HostKey { .. }), "{changed}");
    assert!(changed.to_string().contains("known_hosts file (ssh-keyscan)"), "{changed}");
    let absent = error(sshd.remote(&folder.join("absent.git")));
    assert!(matches!(absent, GitError::RepositoryNotFound { .. }), "{absent}");
}

#[test]
fn an_ssh_server_that_is_silent_or_breaks_off_is_left() {
    let Some((repository, _)) = behind_ssh() else { return };
    let origin = repository.origin();
    let silent = Sshd::running("sleep 600");
    let error = fetched(repository.folder(), silent.remote(&origin)).unwrap_err();
    assert!(matches!(error, GitError::TimedOut { .. }), "{error}");
    let broken = Sshd::running(&format!("git upload-pack {} </dev/null | head -c 100", origin.display()));
    let error = fetched(repository.folder(), broken.remote(&origin)).unwrap_err();
    assert!(matches!(error, GitError::Broken { .. }), "{error}");
}

#[test]
fn a_path_and_a_file_url_are_the_same_repository() {
    let repository = Repository::new();
    repository.write("environments/dev.yaml", "beamline: 1\n");
    let commit = repository.push("first");
    let path = repository.origin().display().to_string();
    for url in [path.clone(), format!("file://{path}"), format!("file://localhost{path}")] {
        let remote = Remote { url, credentials: Credentials::None, pull_refs: None };
        assert_eq!(main_of(&fetched(repository.folder(), remote).unwrap()), commit);
    }
    let remote = Remote { url: format!("{path}.absent"), credentials: Credentials::None, pull_refs: None };
    let absent = fetched(repository.folder(), remote).unwrap_err();
    assert!(matches!(absent, GitError::RepositoryNotFound { .. }), "{absent}");
}
