//! One machine as an operator has it: `beamline simulate`, a repository, a state folder, and `beamline` as a
//! process of its own, with real files, real signals and a real clock.
//!
//! Everything ends with the value: processes are killed, folders removed, mounts undone. Waiting is bounded
//! and looks at what it waits for; nothing is assumed after a pause.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How often something that is waited for is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Where Debian's package puts the library that lies about the wall clock.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// An application that may do nothing until it is granted something.
const GUEST: &str = "22222222-2222-2222-2222-222222222222";

/// What a process said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<ExitStatus>,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// A `beamline` that runs.
pub(crate) struct Running {
    process: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(sent.is_ok());
    }

    /// What it has said so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Waits for its end; after `patience` without one its status is `None`, and it is killed.
    pub(crate) fn wait(mut self, patience: Duration) -> Said {
        let ended = wait_until(patience, || self.has_ended());
        let status = ended.then(|| self.process.wait().unwrap());
        let log = self.log.clone();
        drop(self);
        Said { status, text: String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether `done` came true within `patience`.
pub(crate) fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if done() {
            return true;
        }
        if started.elapsed() > patience {
            return false;
        }
        std::thread::sleep(GLANCE);
    }
}

/// A machine with everything on it.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
    simulator: Child,
    azure: Azure,
    mounted: bool,
    runs: std::cell::Cell<u32>,
}

/// The way to the simulator's admin API.
struct Azure {
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    root: String,
    subscription: String,
    tenant: String,
    ca_file: PathBuf,
    owner: (String, String),
}

impl Machine {
    /// A machine whose Azure takes the times of `latency` (a latency file's text). `disk` is the size of
    /// the state folder's own file system; `None` leaves it on the machine's.
    pub(crate) fn start(latency: &str, disk: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("latency.yaml"), latency).unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("beamline"));
        command.current_dir(&folder).args(["simulate", "--json", "--listen", "127.0.0.1:0"]);
        command.args(["--latency", "latency.yaml"]).stdout(Stdio::piped());
        let mut simulator = command.spawn().unwrap();
        let stdout = simulator.stdout.take().unwrap();
        let mut documents = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
        let azure = Azure::of(&documents.next().unwrap().unwrap());
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        if let Some(size) = disk {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"]).arg(&state);
            assert!(mount.status().unwrap().success(), "a small file system needs root");
        }
        let machine =
            Self { folder, simulator, azure, mounted: disk.is_some(), runs: std::cell::Cell::default() };
        machine.git(machine.path(), &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        machine.git(machine.path(), &["clone", "-q", "origin.git", "clone"]);
        let (client, _) = machine.azure.owner.clone();
        machine.write_settings("beamline.toml", &client, "state");
        machine.write_settings("guest.toml", GUEST, "state");
        machine.write_settings("witness.toml", &client, "witness");
        machine.move_clock("+0");
        machine
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write_settings(&self, file: &str, client: &str, state: &str) {
        let Azure { root, ca_file, subscription, tenant, .. } = &self.azure;
        let state = self.path().join(state);
        let origin = self.path().join("origin.git");
        let text = format!(
            "owner = \"hang\"\nstate_dir = {state:?}\n[repository]\nurl = {origin:?}\npoll_secs = 5\n[http]\n\
             listen = \"\"\n[runs]\nsweep = \"*/5 * * * * *\"\n[clouds.simulator]\nresource_manager = {root:?}\n\
             ca_file = {ca_file:?}\n[subscriptions.ml]\nid = {subscription:?}\ntenant = {tenant:?}\n\
             cloud = \"simulator\"\ncredential = \"client-secret\"\nclient_id = {client:?}\n"
        );
        std::fs::write(self.path().join(file), text).unwrap();
    }

    /// Rewrites the settings in `file`.
    pub(crate) fn change_settings(&self, file: &str, change: impl Fn(String) -> String) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, change(text)).unwrap();
    }

    fn git(&self, dir: &Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(dir).args(["-c", "user.name=operator", "-c", "user.email=operator@localhost"]);
        git.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = git.output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes the definition, commits and pushes it; the commit.
    pub(crate) fn push(&self, definition: &str) -> String {
        self.push_to("environments/production.yaml", definition)
    }

    /// The same at another place of the repository.
    pub(crate) fn push_to(&self, path: &str, definition: &str) -> String {
        self.push_saying(path, definition, "As wanted")
    }

    /// The same with a commit message.
    pub(crate) fn push_saying(&self, path: &str, definition: &str, message: &str) -> String {
        let clone = self.path().join("clone");
        let file = clone.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, definition).unwrap();
        self.git(&clone, &["add", "."]);
        self.git(&clone, &["commit", "-q", "-m", message]);
        self.git(&clone, &["push", "-q", "origin", "HEAD:main"]);
        self.git(&clone, &["rev-parse", "HEAD"])
    }

    /// What the notes say of `commit`, a status a line; empty when nothing.
    pub(crate) fn notes(&self, commit: &str) -> String {
        let mut git = Command::new("git");
        git.current_dir(self.path().join("origin.git")).args(["notes", "--ref=beamline", "show", commit]);
        String::from_utf8(git.output().unwrap().stdout).unwrap()
    }

    /// Starts `beamline` with `arguments` and the settings of `file`, in the clone.
    pub(crate) fn beamline(&self, file: &str, arguments: &[&str]) -> Running {
        let run = self.runs.replace(self.runs.get() + 1);
        let log = self.path().join(format!("log-{run}"));
        let out = File::create(&log).unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("beamline"));
        command.args(arguments).current_dir(self.path().join("clone")).stdin(Stdio::null());
        command.stdout(out.try_clone().unwrap()).stderr(out);
        for variable in ["BEAMLINE_STATE_DIR", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        command.env("HOME", self.path()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("BEAMLINE_CONFIG", self.path().join(file)).env("BEAMLINE_LOG", "info");
        command.env("BEAMLINE_SECRET_ML", &self.azure.owner.1);
        if Path::new(FAKETIME).exists() {
            command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_NO_CACHE", "1");
            command.env("FAKETIME_TIMESTAMP_FILE", self.path().join("clock"));
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        }
        Running { process: command.spawn().unwrap(), log }
    }

    /// Sets the wall clock of every `beamline` off by `offset`, such as `+2h`.
    pub(crate) fn move_clock(&self, offset: &str) {
        let clock = self.path().join("clock");
        let new = self.path().join("clock.new");
        std::fs::write(&new, format!("{offset}\n")).unwrap();
        std::fs::rename(new, clock).unwrap();
    }

    /// Whether the wall clock can be moved here.
    pub(crate) fn has_movable_clock() -> bool {
        Path::new(FAKETIME).exists()
    }

    /// Leaves no byte on the state folder's own file system.
    pub(crate) fn fill_disk(&self) {
        assert!(self.mounted);
        let mut file = File::create(self.path().join("state/ballast")).unwrap();
        for block in [64 * 1024, 1024, 1] {
            let zeros = vec![0u8; block];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    /// Leaves `bytes` on it.
    pub(crate) fn fill_disk_but(&self, bytes: u64) {
        self.fill_disk();
        let file = File::options().write(true).open(self.path().join("state/ballast")).unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    }

    /// Makes the state folder's own file system read-only, or writable again. Nobody may have a file open there.
    pub(crate) fn remount(&self, option: &str) {
        assert!(self.mounted);
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{option}")]).arg(self.path().join("state"));
        assert!(mount.status().unwrap().success(), "mount -o remount,{option}");
    }

    /// Whether file systems can be mounted here; says why not.
    pub(crate) fn may_mount() -> bool {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(folder.path()).output();
        let is_mounted = mounted.as_ref().is_ok_and(|output| output.status.success());
        if is_mounted {
            assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
        } else {
            println!("skipped: no file system can be mounted here: {mounted:?}");
        }
        is_mounted
    }

    /// Takes away what [`Self::fill_disk`] wrote.
    pub(crate) fn free_disk(&self) {
        // It is not there when nothing was filled.
        let _ = std::fs::remove_file(self.path().join("state/ballast"));
    }

    /// What the simulator's admin API answers.
    pub(crate) fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let Azure { client, runtime, root, .. } = &self.azure;
        let url = format!("{root}/_simulator/{path}");
        runtime.block_on(async {
            let mut request = client.request(method.parse().unwrap(), &url);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{method} {path}: {status} {text}");
            serde_json::from_str(&text).unwrap_or(Value::Null)
        })
    }

    /// From now on Azure accepts connections and never answers.
    pub(crate) fn silence_azure(&self) {
        self.signal_azure("STOP");
    }

    /// It answers again, also what was asked meanwhile.
    pub(crate) fn wake_azure(&self) {
        self.signal_azure("CONT");
    }

    fn signal_azure(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([&format!("-{name}"), &self.simulator.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }

    /// Registers the guest with these roles on the subscription, beside those that it has.
    pub(crate) fn grant_guest(&self, role: &str) {
        let (_, secret) = &self.azure.owner;
        let scope = format!("/subscriptions/{}", self.azure.subscription);
        let guest =
            json!({ "client_id": GUEST, "secret": secret, "grants": [{ "role": role, "scope": scope }] });
        self.admin("POST", "applications", Some(&guest));
    }

    /// The secret of the owner is not what `beamline` has any more.
    pub(crate) fn replace_secret(&self) {
        let scope = format!("/subscriptions/{}", self.azure.subscription);
        let (client, _) = &self.azure.owner;
        let owner = json!({ "client_id": client, "secret": "another", "grants": [{ "role": "Owner", "scope": scope }] });
        self.admin("POST", "applications", Some(&owner));
    }

    pub(crate) fn subscription(&self) -> &str {
        &self.azure.subscription
    }
}

impl Azure {
    fn of(said: &Value) -> Self {
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        rustls::crypto::ring::default_provider().install_default().ok();
        let ca_file = PathBuf::from(text("ca_file"));
        let ca = reqwest::Certificate::from_pem(&std::fs::read(&ca_file).unwrap()).unwrap();
        Self {
            client: reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            root: text("resource_manager"),
            subscription: text("subscription"),
            tenant: text("tenant"),
            ca_file,
            owner: (text("client_id"), text("client_secret")),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Each is tried, whatever became of the others.
        let _ = self.simulator.kill();
        let _ = self.simulator.wait();
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.path().join("state")).status();
        }
    }
}
