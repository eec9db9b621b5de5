//! Objects that a real Git server has lost: only the heads that need them go without.
//!
//! Over a network, the server only finds out in the middle of its answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use beamline::daemon::Rhythm;
use beamline::daemon::event::{Because, Event};
use beamline::git::{CommitId, GitError, Heads, Mirror, NO_PULLS, Remote};
use beamline::wire;

use crate::support::git_servers::{Authority, Nginx, Sshd, TOKEN, is_installed};
use crate::support::{DaemonWorld, Repository, Setup, small};

const WEB: [&str; 2] = ["nginx", "fcgiwrap"];
const SSH: [&str; 3] = ["sshd", "ssh", "git-shell"];

fn mirror(repository: &Repository, remote: Remote) -> Mirror {
    Authority::trusted();
    let dir = tempfile::Builder::new().prefix("mirror-").tempdir_in(repository.folder()).unwrap().keep();
    Mirror::open(&dir, remote).unwrap().favouring(&"main".parse().unwrap())
}

fn branch(heads: &Heads, name: &str) -> Option<CommitId> {
    heads.branches.get(&name.parse().unwrap()).copied()
}

/// Takes what `revision` names out of the origin, and answers where it was and what.
fn lose(repository: &Repository, revision: &str) -> (PathBuf, Vec<u8>) {
    let id = repository.git(&["rev-parse", revision]);
    let file = repository.origin().join("objects").join(&id[..2]).join(&id[2..]);
    let content = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    (file, content)
}

/// A commit on `base` whose tree is bytes that are none.
fn garbage(repository: &Repository, base: &CommitId) -> String {
    let file = repository.folder().join("garbage");
    std::fs::write(&file, b"this is no tree").unwrap();
    let file = file.display().to_string();
    let tree = repository.git_of_origin(&["hash-object", "-t", "tree", "-w", "--literally", &file]);
    let id = git2::Oid::from_str(&tree).unwrap();
    let text = format!(
        "tree {id}\nparent {base}\nauthor a <a@localhost> 1 +0000\ncommitter a <a@localhost> 1 +0000\n\nodd\n"
    );
    std::fs::write(&file, text).unwrap();
    repository.git_of_origin(&["hash-object", "-t", "commit", "-w", "--literally", &file])
}

/// An origin on which a head of each kind is damaged, beside sound ones, and the heads of `main` and `whole`.
fn damaged() -> (Repository, [CommitId; 2]) {
    let repository = Repository::new();
    repository.git_of_origin(&["config", "http.receivepack", "true"]);
    repository.write("environments/dev.yaml", &small(1));
    let base = repository.push("first");
    for name in ["blob", "tree", "whole", "pull"] {
        repository.git(&["checkout", "-q", "-B", name, &base.to_string()]);
        repository.write(&format!("environments/{name}/x.yaml"), &format!("# {name}\n"));
        repository.push_to(name, name);
    }
    repository.git_of_origin(&["update-ref", "refs/pull/7/head", "refs/heads/pull"]);
    repository.git_of_origin(&["update-ref", "-d", "refs/heads/pull"]);
    repository.git_of_origin(&["update-ref", "refs/heads/garbage", &garbage(&repository, &base)]);
    lose(&repository, "blob:environments/blob/x.yaml");
    lose(&repository, "tree:environments/tree");
    lose(&repository, "pull:environments/pull/x.yaml");
    repository.git(&["checkout", "-q", "-B", "main", &base.to_string()]);
    repository.write("environments/dev.yaml", &small(2));
    let main = repository.push("main goes on");
    let whole = repository.git(&["rev-parse", "whole"]).parse().unwrap();
    (repository, [main, whole])
}

fn only_the_damaged_heads_stay_away(repository: &Repository, [main, whole]: [CommitId; 2], remote: Remote) {
    let mirror =
        mirror(repository, Remote { pull_refs: Some("refs/pull/*/head".parse().unwrap()), ..remote });
    for _ in 0..2 {
        let heads = mirror.fetch(&BTreeSet::from([7])).unwrap();
        assert_eq!([branch(&heads, "main"), branch(&heads, "whole")], [Some(main), Some(whole)]);
        let lost: Vec<String> = heads.lost.branches.keys().map(ToString::to_string).collect();
        assert_eq!(lost, ["blob", "garbage", "tree"], "{:?}", heads.late);
        let [blob, tree] = ["blob:environments/blob/x.yaml", "tree:environments/tree"]
            .map(|revision| repository.git(&["rev-parse", revision]));
        for (name, id) in [("blob", blob), ("tree", tree)] {
            let why = &heads.lost.branches[&name.parse().unwrap()].1;
            assert!(why.contains(&id) && why.contains("is damaged") && why.contains("git fsck"), "{why}");
        }
        assert!(heads.lost.pulls[&7].1.contains("is damaged"), "{:?}", heads.lost.pulls);
    }
}

#[test]
fn damage_on_a_web_server_keeps_only_its_own_heads_away() {
    if !is_installed(&WEB) {
        return;
    }
    let (repository, sound) = damaged();
    let nginx = Nginx::start(repository.folder(), Authority::trusted());
    only_the_damaged_heads_stay_away(&repository, sound, nginx.remote("origin.git", TOKEN));
}

#[test]
fn damage_on_an_ssh_server_keeps_only_its_own_heads_away() {
    if !is_installed(&SSH) {
        return;
    }
    let (repository, sound) = damaged();
    let sshd = Sshd::start();
    only_the_damaged_heads_stay_away(&repository, sound, sshd.remote(&repository.origin()));
}

/// A server whose packing program is killed, without a word, whenever it is asked for one of `ids`.
fn dying_at(repository: &Repository, ids: &Path) -> Sshd {
    let hook = repository.folder().join("pack");
    let script = format!(
        "#!/bin/sh\nasked=$(mktemp)\ncat > $asked\ngrep -q -F -f {} $asked && kill -9 $$\nexec \"$@\" < $asked\n",
        ids.display()
    );
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let origin = repository.origin();
    Sshd::running(&format!(
        "git -c uploadpack.packObjectsHook={} upload-pack {}",
        hook.display(),
        origin.display()
    ))
}

#[test]
fn a_head_at_which_the_server_dies_is_damaged_when_others_come_through_thrice() {
    if !is_installed(&SSH) {
        return;
    }
    let repository = Repository::new();
    repository.write("environments/dev.yaml", &small(1));
    let main = repository.push("first");
    repository.write("environments/other.yaml", &small(1));
    let bad = repository.push_to("bad", "a branch");
    let ids = repository.folder().join("ids");
    std::fs::write(&ids, format!("{main}\n{bad}\n")).unwrap();
    let sshd = dying_at(&repository, &ids);
    let mirror = mirror(&repository, sshd.remote(&repository.origin()));
    for _ in 0..4 {
        let error = mirror.fetch(&NO_PULLS).unwrap_err();
        assert!(matches!(error, GitError::Broken { .. }), "it may be the network: {error}");
    }
    std::fs::write(&ids, format!("{bad}\n")).unwrap();
    for lost in [0, 0, 1, 1] {
        let heads = mirror.fetch(&NO_PULLS).unwrap();
        assert_eq!(branch(&heads, "main"), Some(main));
        let found = (heads.lost.branches.len(), heads.late.branches.len());
        assert_eq!(found, (lost, 1 - lost), "{heads:?}");
        if let Some((commit, why)) = heads.lost.branches.get(&"bad".parse().unwrap()) {
            assert!(*commit == bad && why.contains("3 times while others came through"), "{why}");
        }
    }
    std::fs::write(&ids, "nothing\n").unwrap();
    assert_eq!(branch(&mirror.fetch(&NO_PULLS).unwrap(), "bad"), Some(bad), "it comes when it can");
}

async fn readiness(world: &DaemonWorld) -> String {
    wire::install_tls_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(world.address("/readyz")).send().await.unwrap().text().await.unwrap()
}

async fn ready_with(world: &DaemonWorld, word: &str, reason: &str) {
    let is_said = async || {
        let said = readiness(world).await;
        said.starts_with(&format!("{word}\n")) && said.contains(reason)
    };
    world.soon(&format!("{word}: {reason}"), is_said).await;
}

#[tokio::test]
async fn damage_of_the_main_branch_on_a_server_is_said_plainly_and_ends_with_the_next_push() {
    if !is_installed(&WEB) {
        return;
    }
    let rhythm = Rhythm { beat: Duration::from_millis(50), ..Rhythm::default() };
    let setup = Setup { secrets: Some(vec!["secret"]), rhythm, ..Setup::real_time() };
    let mut world = DaemonWorld::with(setup);
    world.repository.git_of_origin(&["config", "http.receivepack", "true"]);
    world.repository.write("environments/dev.yaml", &small(1));
    world.repository.push("first");
    let nginx = Nginx::start(world.repository.folder(), Authority::trusted());
    world.remote(nginx.remote("origin.git", TOKEN));
    world.start().await;
    ready_with(&world, "ready", "").await;
    world.repository.write("environments/dev.yaml", &small(2));
    let commit = world.repository.commit("a commit that the server will not have whole");
    world.repository.git(&["push", "-q", "origin", "HEAD:refs/elsewhere/bad"]);
    let (file, content) = lose(&world.repository, "HEAD:environments/dev.yaml");
    world.repository.git_of_origin(&["update-ref", "refs/heads/main", &commit.to_string()]);
    world.ask(Event::Look(Because::Webhook)).await;
    let lost = world.repository.git(&["rev-parse", "HEAD:environments/dev.yaml"]);
    ready_with(&world, "degraded", &format!("main at {}: ", commit.short())).await;
    let said = readiness(&world).await;
    assert!(said.contains(&lost) && said.contains("is damaged") && said.contains("git fsck"), "{said}");
    let is_on_the_commit = async || {
        let note = world.repository.note(&commit);
        note.contains("beamline/apply: failure: ") && note.contains("is damaged")
    };
    world.soon("the commit says it", is_on_the_commit).await;
    std::fs::write(&file, content).unwrap();
    let commit = world.repository.push("once more");
    world.ask(Event::Look(Because::Webhook)).await;
    ready_with(&world, "ready", "").await;
    let is_applied = async || world.repository.note(&commit).contains("beamline/apply: dev: success");
    world.soon("it is applied", is_applied).await;
    world.finish().await;
}
