//! Every remedy that an error of Git names, followed to the letter, helps.
//!
//! Others are followed where the trouble itself is told: credentials and proxies in `git_servers.rs`, what a
//! server has lost in `damaged_remotes.rs`, limits in `refused_heads.rs`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use beamline::git::{Credentials, GitError, Mirror, NO_PULLS, Remote, open_local};
use jiff::Timestamp;

use crate::support::Repository;
use crate::support::git_servers::{Authority, Nginx, Sshd, TOKEN, is_installed};

fn made() -> Repository {
    let repository = Repository::new();
    repository.write("environments/dev.yaml", "beamline: 1\n");
    repository.push("first");
    repository
}

fn of(path: &Path) -> Remote {
    Remote { url: path.display().to_string(), credentials: Credentials::None, pull_refs: None }
}

fn mirror(repository: &Repository) -> Mirror {
    let mirror = Mirror::open(&repository.folder().join("mirror"), of(&repository.origin())).unwrap();
    mirror.fetch(&NO_PULLS).unwrap();
    mirror
}

/// Runs what a message says, in a shell, as the user of the story.
fn follow(repository: &Repository, command: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(repository.folder()).env("HOME", repository.folder());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What stands between two words of a message.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).unwrap_or_else(|| panic!("{text}")).1;
    rest.split_once(to).map_or(rest, |(found, _)| found)
}

#[test]
fn a_host_key_that_ssh_keyscan_gives_is_accepted() {
    if !is_installed(&["sshd", "ssh", "git-shell", "ssh-keyscan"]) {
        return;
    }
    Authority::trusted();
    let (repository, sshd) = (made(), Sshd::start());
    let known = repository.folder().join("known_hosts");
    std::fs::write(&known, "").unwrap();
    let remote = sshd.remote_with(&repository.origin(), sshd.identity(), known.clone());
    let mirror = Mirror::open(&repository.folder().join("mirror"), remote).unwrap();
    let error = mirror.fetch(&NO_PULLS).unwrap_err().to_string();
    assert!(error.contains("put it into the known_hosts file (ssh-keyscan)"), "{error}");
    let (place, known) = (sshd.host(), known.display());
    let (host, port) = place.trim_start_matches('[').split_once("]:").unwrap();
    follow(&repository, &format!("ssh-keyscan -p {port} {host} > {known}"));
    mirror.fetch(&NO_PULLS).unwrap();
}

#[test]
fn a_folder_that_is_no_mirror_is_one_once_it_is_emptied() {
    let repository = made();
    let dir = repository.folder().join("mirror");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("notes.txt"), "mine").unwrap();
    let error = Mirror::open(&dir, of(&repository.origin())).unwrap_err().to_string();
    assert!(error.contains("choose another folder, or empty it"), "{error}");
    Mirror::open(&repository.folder().join("another"), of(&repository.origin())).unwrap();
    std::fs::remove_file(dir.join("notes.txt")).unwrap();
    Mirror::open(&dir, of(&repository.origin())).unwrap().fetch(&NO_PULLS).unwrap();
}

#[test]
fn a_file_in_the_way_of_a_mirror_is_named_and_moved_away() {
    let repository = made();
    let folder = repository.folder();
    for place in ["state", "state/mirror.git"] {
        let (in_the_way, dir) = (folder.join(place), folder.join("state/mirror.git"));
        std::fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
        std::fs::write(&in_the_way, "mine").unwrap();
        let error = Mirror::open(&dir, of(&repository.origin())).unwrap_err().to_string();
        let dir = dir.display();
        let remedy = format!("something else stands at {dir} or above it: move it away, or choose another");
        assert!(error.contains(&remedy) && !error.contains("empty it"), "{error}");
        follow(&repository, &format!("mv '{}' aside", in_the_way.display()));
        Mirror::open(&folder.join("state/mirror.git"), of(&repository.origin())).unwrap();
        std::fs::remove_dir_all(folder.join("state")).unwrap();
    }
}

#[test]
fn what_is_not_in_the_mirror_yet_is_there_after_another_fetch() {
    let repository = made();
    let mirror = mirror(&repository);
    repository.write("environments/dev.yaml", "beamline: 2\n");
    let second = repository.push("second");
    let error = mirror.reader().unwrap().commit(&second).unwrap_err().to_string();
    assert!(error.contains("fetch again"), "{error}");
    mirror.fetch(&NO_PULLS).unwrap();
    assert_eq!(mirror.reader().unwrap().commit(&second).unwrap().id, second);
}

#[test]
fn notes_that_others_keep_changing_are_written_later() {
    let repository = made();
    let mirror = mirror(&repository);
    let head = mirror.heads().unwrap().branches[&"main".parse().unwrap()];
    let line = "beamline/plan: success: Nothing changes".to_owned();
    let notes = [(head, "beamline/plan".to_owned(), line.clone())];
    // Whoever changes the reference has this file meanwhile.
    let lock = repository.origin().join("refs/notes/beamline.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    let error = mirror.append_notes(&notes, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
    assert!(error.contains("kept changing, or was locked, during 8 tries"), "{error}");
    std::fs::remove_file(&lock).unwrap();
    mirror.append_notes(&notes, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(repository.note(&head).trim(), line);
}

#[test]
fn a_page_about_a_repository_is_told_from_its_clone_url() {
    if !is_installed(&["nginx", "fcgiwrap"]) {
        return;
    }
    let repository = made();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/team/definitions", listener.local_addr().unwrap());
    let nginx = Nginx::start(repository.folder(), Authority::trusted());
    let page = std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let mut request = BufReader::new(client.try_clone().unwrap()).lines();
        while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\nconnection: close";
        write!(client, "{head}\r\n\r\n<p>hi").unwrap();
    });
    let dir = repository.folder().join("mirror");
    let web = Remote { url, credentials: Credentials::None, pull_refs: None };
    let error = Mirror::open(&dir, web).unwrap().fetch(&NO_PULLS).unwrap_err().to_string();
    page.join().unwrap();
    assert!(error.contains("check that the URL is the clone URL"), "{error}");
    Mirror::open(&dir, nginx.remote("origin.git", TOKEN)).unwrap().fetch(&NO_PULLS).unwrap();
}

#[test]
fn a_repository_of_another_format_is_read_once_it_is_converted() {
    let repository = made();
    let other = repository.folder().join("reftable.git");
    follow(&repository, "git init -q --bare --ref-format=reftable reftable.git");
    repository.git(&["push", "-q", "../reftable.git", "main"]);
    let mirror = Mirror::open(&repository.folder().join("mirror"), of(&other)).unwrap();
    let error = mirror.fetch(&NO_PULLS).unwrap_err().to_string();
    let command = between(&error, "convert it with ", ", or use");
    follow(&repository, &format!("cd reftable.git && {command}"));
    assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.len(), 1);
}

#[test]
fn a_lock_that_was_left_in_the_mirror_keeps_nobody_waiting() {
    let repository = made();
    let mirror = mirror(&repository);
    let lock = repository.folder().join("mirror/refs/remotes/origin/main.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    repository.write("environments/dev.yaml", "beamline: 2\n");
    let second = repository.push("second");
    assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches[&"main".parse().unwrap()], second);
    assert!(!lock.exists());
}

#[test]
fn a_mirror_that_cannot_be_read_or_has_lost_objects_is_fetched_again_once_it_is_deleted() {
    let broken: [fn(&Path); 2] = [
        |dir| std::fs::write(dir.join("config"), "[core\n").unwrap(),
        |dir| std::fs::remove_dir_all(dir.join("objects/pack")).unwrap(),
    ];
    for harm in broken {
        let repository = made();
        let mirror = mirror(&repository);
        let head = mirror.heads().unwrap().branches[&"main".parse().unwrap()];
        let dir = repository.folder().join("mirror");
        harm(&dir);
        let read = || mirror.reader().and_then(|reader| reader.commits_between(None, &head));
        let error = read().unwrap_err();
        let is_told = matches!(
            error,
            GitError::Repository { .. } | GitError::Damaged { .. } | GitError::UnknownCommit { .. }
        );
        assert!(is_told, "{error:?}");
        std::fs::remove_dir_all(&dir).unwrap();
        mirror.fetch(&NO_PULLS).unwrap();
        read().unwrap();
    }
}

#[test]
fn where_there_is_no_repository_a_clone_is_the_place() {
    let repository = made();
    let error = open_local(&std::env::temp_dir()).unwrap_err().to_string();
    assert!(error.contains("run this inside a clone, or give the path of one"), "{error}");
    let local = open_local(&repository.folder().join("clone/environments")).unwrap();
    let error = local.resolve("no-such-branch").unwrap_err().to_string();
    assert!(error.contains("give a branch, a tag or a commit id"), "{error}");
    repository.git(&["tag", "v1"]);
    let head = local.resolve("main").unwrap();
    assert_eq!([local.resolve("v1").unwrap(), local.resolve(&head.to_string()).unwrap()], [head, head]);
}

/// Gives a repository to somebody else, where the user of the story may; answers whether that was so.
fn given_away(path: &Path) -> bool {
    let given = Command::new("chown").args(["-R", "12345:12345"]).arg(path).output();
    given.is_ok_and(|output| output.status.success())
}

/// Given to a process of its own, whose home is the story's.
const CHILD_PATH: &str = "REMEDIES_PATH";

#[test]
fn a_repository_of_somebody_else_is_read_once_it_is_called_safe() {
    let repository = made();
    for path in ["clone", "clone/environments", "clone/environments/dev.yaml", "origin.git"] {
        let path = repository.folder().join(path);
        if !given_away(&repository.folder().join("clone")) || !given_away(&repository.origin()) {
            return;
        }
        let _ = std::fs::remove_file(repository.folder().join(".gitconfig"));
        let opened = || {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "remedies::in_a_process_of_its_own", "--ignored", "--nocapture"])
                .env("HOME", repository.folder())
                .env_remove("SUDO_UID")
                .env(CHILD_PATH, &path)
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let said = opened();
        let command = between(&said, "if you trust it, run ", "\n");
        follow(&repository, command);
        assert!(opened().contains("it opens"), "{} after {command}: {}", path.display(), opened());
    }
}

#[test]
#[ignore = "the story of a repository of somebody else starts it, with a home of its own"]
fn in_a_process_of_its_own() {
    match open_local(Path::new(&std::env::var_os(CHILD_PATH).unwrap())) {
        Ok(_) => println!("it opens"),
        Err(error) => println!("{error}"),
    }
}
