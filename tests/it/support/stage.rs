//! `beamline simulate` and `beamline daemon` as real processes, with real Git and real HTTP between them:
//! what a user has on one machine.
//!
//! What is guaranteed: everything listens on ports of its own; every wait looks again and has an end,
//! at which it shows both logs; no process outlives the story, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use beamline::wire;
use serde_json::Value;
use tempfile::TempDir;

use super::port::Port;

/// How often a condition is looked at.
const PACE: Duration = Duration::from_millis(50);

/// How long a process may take to start, and to stop.
const START: Duration = Duration::from_secs(120);

/// How long anything else may take that a story waits for, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The binary under test.
const BEAMLINE: &str = env!("CARGO_BIN_EXE_beamline");

/// A process that ends with the story.
struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    /// Runs beamline; what it prints goes to `NAME.out`, what it logs to `NAME.log`.
    fn start(folder: &Path, name: &'static str, command: &mut Command) -> Self {
        let log = File::options().create(true).append(true).open(folder.join(format!("{name}.log"))).unwrap();
        let out = File::create(folder.join(format!("{name}.out"))).unwrap();
        command.stdin(Stdio::null()).stdout(out).stderr(log).current_dir(folder);
        Self { child: command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")), name }
    }

    /// Sends a signal by its name, as `kill` does.
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{} is gone", self.name);
    }

    /// Waits until the process has ended by itself.
    fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "{} does not stop", self.name);
            std::thread::sleep(PACE);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A status as people saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenStatus {
    pub(crate) commit: String,
    pub(crate) context: String,
    /// `unfinished`, `success`, `failure`, `neutral`.
    pub(crate) shown: String,
    pub(crate) description: String,
}

/// A simulator that serves a forge, a clone of its repository, and a daemon that may run.
pub(crate) struct Stage {
    // Before the folder, so that nobody writes into it any more when it goes.
    daemon: Option<Process>,
    _simulator: Process,
    client: reqwest::Client,
    /// What `beamline simulate --json` printed.
    pub(crate) known: Value,
    daemon_port: Port,
    folder: TempDir,
}

impl Stage {
    /// Starts the simulator with a forge of this kind; `more` are further arguments.
    pub(crate) async fn start(kind: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let daemon_port = Port::keep();
        let mut command = Command::new(BEAMLINE);
        command
            .args(["simulate", "--json", "--latency", "none", "--listen", "127.0.0.1:0", "--forge", kind])
            .args(["--forge-listen", "127.0.0.1:0", "--ca-file", "ca.pem"])
            .args(["--webhook", &format!("http://127.0.0.1:{}", daemon_port.number())])
            .args(more);
        let mut simulator = Process::start(folder.path(), "simulator", &mut command);
        let known = printed(&mut simulator, &folder.path().join("simulator.out"), folder.path()).await;
        wire::install_tls_provider();
        let pem = std::fs::read(folder.path().join("ca.pem")).unwrap();
        let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().build().unwrap();
        let stage = Self { daemon: None, _simulator: simulator, client, known, daemon_port, folder };
        std::fs::create_dir(stage.clone_folder()).unwrap();
        stage.git(&["init", "-q", "-b", "main", "."]);
        std::fs::write(stage.folder.path().join("beamline.toml"), stage.settings()).unwrap();
        stage
    }

    fn clone_folder(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    fn text(&self, pointer: &str) -> &str {
        self.known.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}"))
    }

    fn token(&self, login: &str) -> &str {
        self.text(&format!("/forge/accounts/{login}/token"))
    }

    fn settings(&self) -> String {
        let ca = self.folder.path().join("ca.pem");
        format!(
            "[repository]\nurl = {:?}\nusername = \"beamline-bot\"\n\
             [forge]\nkind = {:?}\napi = {:?}\nrepository = {:?}\n\
             [http]\nlisten = \"127.0.0.1:{}\"\n[network]\nca_file = {ca:?}\n\
             [clouds.simulator]\nresource_manager = {:?}\nca_file = {ca:?}\n\
             [subscriptions.ml]\nid = {:?}\ntenant = {:?}\ncloud = \"simulator\"\n\
             credential = \"client-secret\"\nclient_id = {:?}\n",
            self.text("/forge/clone_url"),
            self.text("/forge/kind"),
            self.text("/forge/api"),
            self.text("/forge/repository"),
            self.daemon_port.number(),
            self.text("/resource_manager"),
            self.text("/subscription"),
            self.text("/tenant"),
            self.text("/client_id"),
        )
    }

    /// Starts the daemon, on the state that the last one left.
    pub(crate) fn start_daemon(&mut self) {
        let bot = self.token("beamline-bot").to_owned();
        let mut command = Command::new(BEAMLINE);
        command
            .args(["daemon", "--config", "beamline.toml", "--state-dir", "state"])
            .env("BEAMLINE_FORGE_TOKEN", &bot)
            .env("BEAMLINE_GIT_PASSWORD", &bot)
            .env("BEAMLINE_WEBHOOK_SECRET", self.text("/forge/webhook_secret"))
            .env("BEAMLINE_SECRET_ML", self.text("/client_secret"))
            // Half of what its threads have otherwise: a path that grows is seen here, before it overflows there.
            .env("RUST_MIN_STACK", "1048576")
            .env("NO_PROXY", "localhost,127.0.0.1");
        self.daemon = Some(Process::start(self.folder.path(), "daemon", &mut command));
    }

    /// Ends the daemon where it stands.
    pub(crate) fn kill_daemon(&mut self) {
        self.daemon = None;
    }

    /// Runs Git in the clone.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.clone_folder())
            .args(arguments)
            .env("GIT_SSL_CAINFO", self.folder.path().join("ca.pem"))
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "ada"), ("GIT_COMMITTER_NAME", "ada")])
            .envs([("GIT_AUTHOR_EMAIL", "ada@example.com"), ("GIT_COMMITTER_EMAIL", "ada@example.com")])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn remote(&self, login: &str, pointer: &str) -> String {
        let token = self.token(login);
        self.text(pointer).replacen("https://", &format!("https://{login}:{token}@"), 1)
    }

    /// Writes a file and commits it; the commit.
    pub(crate) fn commit(&self, path: &str, text: &str, message: &str) -> String {
        let file = self.clone_folder().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self.git(&["add", "."]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The maintainer pushes what stands in the clone to a branch.
    pub(crate) fn push(&self, branch: &str) {
        let remote = self.remote("ada", "/forge/clone_url");
        self.git(&["push", "-q", &remote, &format!("+HEAD:refs/heads/{branch}")]);
    }

    /// The contributor pushes it to a branch of the fork.
    pub(crate) fn push_to_fork(&self, branch: &str) {
        let remote = self.remote("carl", "/forge/fork_url");
        self.git(&["push", "-q", &remote, &format!("+HEAD:refs/heads/{branch}")]);
    }

    /// Where a branch of the repository stands.
    pub(crate) fn head_of(&self, branch: &str) -> String {
        let remote = self.remote("ada", "/forge/clone_url");
        let line = self.git(&["ls-remote", &remote, &format!("refs/heads/{branch}")]);
        line.split('\t').next().unwrap().to_owned()
    }

    /// Sends one of the requests that the simulator prints, with its words replaced: `open`, `comment`,
    /// `merge`, `squash`, `close`, `open-from-fork`.
    pub(crate) async fn ask(&self, login: &str, what: &str, words: &[(&str, &str)]) -> (u16, Value) {
        let request = &self.known["forge"]["requests"][what];
        let replaced = |value: &Value| {
            words.iter().fold(value.to_string(), |text, (word, with)| text.replace(word, with))
        };
        let url: String = serde_json::from_str(&replaced(&request["url"])).unwrap();
        let method: reqwest::Method = request["method"].as_str().unwrap().parse().unwrap();
        let header = &self.known["forge"]["accounts"][login]["header"];
        let answer = self
            .client
            .request(method, url)
            .header(header[0].as_str().unwrap(), header[1].as_str().unwrap())
            .header("content-type", "application/json")
            .body(replaced(&request["body"]))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// As [`Self::ask`], where it must succeed.
    pub(crate) async fn done(&self, login: &str, what: &str, words: &[(&str, &str)]) {
        let (status, said) = self.ask(login, what, words).await;
        assert!((200..300).contains(&status), "{what}: {status} {said}\n{}", self.logs());
    }

    /// Asks the administrator's door of the forge: `history`, `deliveries` …
    pub(crate) async fn door(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/_simulator/{path}", self.text("/forge/base_url"));
        let answer = self.client.request(method, url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    }

    async fn history(&self, kind: &str) -> Vec<Value> {
        let history = self.door(reqwest::Method::GET, "history", &Value::Null).await;
        history.as_array().unwrap().iter().filter(|seen| seen["kind"] == kind).cloned().collect()
    }

    /// All statuses that people saw, oldest first.
    pub(crate) async fn statuses(&self) -> Vec<SeenStatus> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let seen = self.history("status").await.into_iter().map(|seen| SeenStatus {
            commit: text(&seen["commit"]),
            context: text(&seen["context"]),
            shown: text(&seen["shown"]),
            description: text(&seen["description"]),
        });
        seen.collect()
    }

    /// The newest status of a commit in a context.
    pub(crate) async fn status(&self, commit: &str, context: &str) -> Option<SeenStatus> {
        let all = self.statuses().await;
        all.into_iter().rfind(|seen| seen.commit == commit && seen.context == context)
    }

    /// What an account has commented on a pull request, each comment as it reads now.
    pub(crate) async fn comments_by(&self, author: &str) -> Vec<String> {
        let mut newest = std::collections::BTreeMap::new();
        for seen in self.history("comment").await {
            if seen["author"] == author {
                newest.insert(seen["id"].as_u64(), seen["body"].as_str().unwrap().to_owned());
            }
        }
        newest.into_values().collect()
    }

    /// Waits until a context of a commit has ended, and answers how.
    pub(crate) async fn ended(&self, commit: &str, context: &str) -> SeenStatus {
        let what = format!("{context} of {commit} ends");
        self.until(&what, async || {
            self.status(commit, context).await.filter(|seen| seen.shown != "unfinished")
        })
        .await
    }

    /// Looks again until there is an answer; panics with `what` and the logs when there never is one.
    pub(crate) async fn until<T>(&self, what: &str, answer: impl AsyncFn() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = answer().await {
                return answer;
            }
            assert!(Instant::now() < end, "does not happen in time: {what}\n{}", self.logs());
            tokio::time::sleep(PACE).await;
        }
    }

    /// What `/readyz` of the daemon answers; `None` where nobody listens.
    pub(crate) async fn readyz(&self) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{}/readyz", self.daemon_port.number());
        let answer = self.client.get(url).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.unwrap_or_default()))
    }

    /// What the daemon has logged.
    pub(crate) fn daemon_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default()
    }

    fn logs(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("daemon:\n{}\nsimulator:\n{}", read("daemon.log"), read("simulator.log"))
    }

    /// Stops the daemon as systemd does, and sees that it stopped in order and left no status unfinished.
    pub(crate) async fn finish(mut self) {
        let mut last = std::collections::BTreeMap::new();
        for seen in self.statuses().await {
            last.insert((seen.commit.clone(), seen.context.clone()), seen);
        }
        let open: Vec<_> = last.values().filter(|seen| seen.shown == "unfinished").collect();
        assert!(open.is_empty(), "these pend for ever: {open:#?}\n{}", self.logs());
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal("-TERM");
            let status = daemon.ended();
            assert!(status.success(), "the daemon ended with {status}\n{}", self.logs());
        }
    }
}

/// The document that the simulator prints once it listens.
async fn printed(process: &mut Process, file: &Path, folder: &Path) -> Value {
    let end = Instant::now() + START;
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Ok(document) = serde_json::from_str(&text) {
            return document;
        }
        let ended = process.child.try_wait().unwrap();
        let log = std::fs::read_to_string(folder.join("simulator.log")).unwrap_or_default();
        assert!(ended.is_none() && Instant::now() < end, "the simulator does not start: {ended:?}\n{log}");
        tokio::time::sleep(PACE).await;
    }
}
