//! A forge over real sockets: Git pushes to it, its own REST API opens and merges, webhooks arrive.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Authority;
use crate::forge::{Deed, Example, ForgeKind, ForgeOptions, Merging, ServedForge, Target, credential};
use beamline_base::clock::Clock;

struct Bench {
    forge: ServedForge,
    folder: TempDir,
    client: reqwest::Client,
}

impl Bench {
    async fn of(kind: ForgeKind) -> Self {
        Self::sending_to(kind, None).await
    }

    async fn sending_to(kind: ForgeKind, target: Option<Target>) -> Self {
        let authority = Authority::new().unwrap();
        let options = ForgeOptions::new(Clock::system(), kind);
        let address = "127.0.0.1:0".parse().unwrap();
        let forge = ServedForge::start(options, &authority, address, target).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let certificate = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().build().unwrap();
        let bench = Self { forge, folder, client };
        bench.git(&["init", "-q", "-b", "main", "."]).await.unwrap();
        bench
    }

    fn token(&self, login: &str) -> &str {
        &self.forge.accounts().iter().find(|account| account.login == login).unwrap().token
    }

    fn url(&self, login: &str, url: &str) -> String {
        url.replacen("https://", &format!("https://{login}:{}@", self.token(login)), 1)
    }

    /// Runs Git in the clone: what it printed, or what it complained of.
    async fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let (folder, arguments) = (self.folder.path().to_owned(), arguments.join("\n"));
        tokio::task::spawn_blocking(move || git(&folder, &arguments)).await.unwrap()
    }

    async fn commit(&self, file: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(file), text).unwrap();
        self.git(&["add", file]).await.unwrap();
        self.git(&["commit", "-q", "-m", &format!("{file} is {text}")]).await.unwrap();
        self.git(&["rev-parse", "HEAD"]).await.unwrap()
    }

    async fn push(&self, login: &str, refspec: &str) -> Result<String, String> {
        self.git(&["push", "-q", &self.url(login, &self.forge.clone_url()), refspec]).await
    }

    async fn branches(&self) -> String {
        self.git(&["ls-remote", &self.url("ada", &self.forge.clone_url())]).await.unwrap()
    }

    async fn ask(&self, login: &str, deed: Deed<'_>) -> (u16, Value) {
        let Example { method, url, body } = self.forge.example(&deed);
        let (name, value) = credential(self.forge.world().kind(), self.token(login));
        let answer = self.client.request(method, url).header(name, value).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// `main` with a file, and a branch `change` that changes it; the branch's head.
    async fn begin(&self) -> String {
        self.commit("a", "1").await;
        self.push("ada", "HEAD:main").await.unwrap();
        let head = self.commit("a", "2").await;
        self.push("ada", "HEAD:change").await.unwrap();
        head
    }
}

fn git(folder: &Path, arguments: &str) -> Result<String, String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments.split('\n'))
        .env("GIT_SSL_CAINFO", folder.join("ca.pem"))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "ada"), ("GIT_COMMITTER_NAME", "ada")])
        .envs([("GIT_AUTHOR_EMAIL", "ada@example.com"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_pushed_proposed_and_merged_on_every_forge() {
    for kind in ForgeKind::ALL {
        let bench = Bench::of(kind).await;
        let head = bench.begin().await;
        let (status, opened) = bench.ask("ada", Deed::Open { branch: "change", title: "two" }).await;
        assert_eq!(status, 201, "{kind:?}: {opened}");
        let again = bench.ask("ada", Deed::Open { branch: "change", title: "two" }).await;
        assert_eq!(again.0 >= 400, kind != ForgeKind::Bitbucket, "{kind:?}: {again:?}");
        let (status, said) = bench.ask("carl", Deed::Comment { number: "1", text: "good" }).await;
        assert!([200, 201].contains(&status), "{kind:?}: {said}");
        let merge = Deed::Merge { number: "1", head: &head, how: Merging::Commit };
        let (status, refused) = bench.ask("carl", merge.clone()).await;
        assert_eq!(status, 403, "{kind:?}: {refused}");
        let (status, merged) = bench.ask("ada", merge.clone()).await;
        assert_eq!(status, 200, "{kind:?}: {merged}");
        bench.git(&["fetch", "-q", &bench.url("ada", &bench.forge.clone_url()), "main"]).await.unwrap();
        let parents = bench.git(&["log", "-1", "--format=%P", "FETCH_HEAD"]).await.unwrap();
        assert!(parents.ends_with(&head) && parents.len() == 81, "{kind:?}: {parents}");
        assert!(bench.ask("ada", merge).await.0 >= 400, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squash_keeps_the_title_only() {
    for kind in ForgeKind::ALL {
        let bench = Bench::of(kind).await;
        let head = bench.begin().await;
        bench.ask("ada", Deed::Open { branch: "change", title: "the title" }).await;
        let squash = Deed::Merge { number: "1", head: &head, how: Merging::Squash };
        assert_eq!(bench.ask("ada", squash).await.0, 200, "{kind:?}");
        bench.git(&["fetch", "-q", &bench.url("ada", &bench.forge.clone_url()), "main"]).await.unwrap();
        let told = bench.git(&["log", "-1", "--format=%B %P", "FETCH_HEAD"]).await.unwrap();
        assert!(told.contains("the title") && !told.contains("a is 2"), "{kind:?}: {told}");
        assert_eq!(bench.git(&["show", "FETCH_HEAD:a"]).await.unwrap(), "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_conflicts_is_not_merged_and_changes_nothing() {
    for kind in ForgeKind::ALL {
        let bench = Bench::of(kind).await;
        let head = bench.begin().await;
        bench.ask("ada", Deed::Open { branch: "change", title: "two" }).await;
        bench.git(&["reset", "-q", "--hard", "HEAD~1"]).await.unwrap();
        bench.commit("a", "3").await;
        bench.push("ada", "HEAD:main").await.unwrap();
        let before = bench.branches().await;
        let merge = Deed::Merge { number: "1", head: &head, how: Merging::Commit };
        let (status, said) = bench.ask("ada", merge).await;
        assert!((400..500).contains(&status), "{kind:?}: {said}");
        assert_eq!(bench.branches().await, before);
        assert_eq!(bench.ask("ada", Deed::Close { number: "1" }).await.0 / 100, 2, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_its_owners_and_proposes_to_the_repository() {
    for kind in ForgeKind::ALL {
        let bench = Bench::of(kind).await;
        bench.begin().await;
        let refused = bench.push("carl", "HEAD:evil").await.unwrap_err();
        assert!(refused.contains("403"), "{kind:?}: {refused}");
        let fork = bench.url("carl", &bench.forge.fork_url());
        let head = bench.commit("b", "carl's").await;
        bench.git(&["push", "-q", &fork, "HEAD:idea"]).await.unwrap();
        let (status, said) = bench.ask("carl", Deed::OpenFromFork { branch: "idea", title: "b" }).await;
        assert_eq!(status, 201, "{kind:?}: {said}");
        let merge = Deed::Merge { number: "1", head: &head, how: Merging::Commit };
        assert_eq!(bench.ask("ada", merge).await.0, 200, "{kind:?}");
        bench.git(&["fetch", "-q", &bench.url("ada", &bench.forge.clone_url()), "main"]).await.unwrap();
        assert_eq!(bench.git(&["show", "FETCH_HEAD:b"]).await.unwrap(), "carl's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn git_is_for_who_has_a_token_and_the_forges_own_references_are_its_own() {
    let bench = Bench::of(ForgeKind::GitHub).await;
    bench.begin().await;
    let anonymous = bench.git(&["ls-remote", &bench.forge.clone_url()]).await.unwrap_err();
    assert!(anonymous.contains("could not read Username"), "{anonymous}");
    let unknown = bench.forge.clone_url().replace("infra", "other");
    let unknown = bench.git(&["ls-remote", &bench.url("ada", &unknown)]).await.unwrap_err();
    assert!(unknown.contains("not found"), "{unknown}");
    let hidden = bench.push("ada", "HEAD:refs/pull/1/head").await.unwrap_err();
    assert!(hidden.contains("deny updating a hidden ref"), "{hidden}");
    let main = bench.push("ada", ":main").await.unwrap_err();
    assert!(main.contains("deletion of the current branch prohibited"), "{main}");
    assert!(bench.push("ada", ":change").await.is_ok());
    assert!(!bench.branches().await.contains("change"));
}

/// What arrived: the header with the event's name, and the body.
type Arrived = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

async fn receiver() -> (Target, Arrived) {
    let arrived = Arrived::default();
    let take = |State(arrived): State<Arrived>, headers: HeaderMap, body: String| async move {
        arrived.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
        StatusCode::ACCEPTED
    };
    let router = axum::Router::new().fallback(take).with_state(Arc::clone(&arrived));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (target, arrived)
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_tell_of_real_commits_and_the_door_shows_what_became_of_them() {
    let (target, arrived) = receiver().await;
    let bench = Bench::sending_to(ForgeKind::GitHub, Some(target)).await;
    let head = bench.begin().await;
    bench.ask("ada", Deed::Open { branch: "change", title: "two" }).await;
    let door = format!("{}/_simulator/deliveries", bench.forge.base_url());
    let mut tries = 0;
    let told = loop {
        let told: Value = bench.client.get(&door).send().await.unwrap().json().await.unwrap();
        if told.as_array().unwrap().len() == 3 {
            break told;
        }
        tries += 1;
        assert!(tries < 6000, "three webhooks arrive: {told}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(told.as_array().unwrap().iter().all(|one| one["status"] == 202), "{told}");
    let arrived = arrived.lock().unwrap();
    let named = |name: &str| arrived.iter().filter(|(head, _)| head["x-github-event"] == *name).count();
    assert_eq!((named("push"), named("pull_request")), (2, 1));
    let push = arrived.iter().find(|(_, body)| body["after"] == json!(head)).unwrap();
    assert_eq!(push.1["head_commit"]["message"], "a is 2\n");
    assert!(push.0.contains_key("x-hub-signature-256"));
}
