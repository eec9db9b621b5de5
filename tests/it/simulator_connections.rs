//! Many clients of `beamline simulate`, each with a connection of its own, as infrastructure tools open
//! them.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Clients that have a connection at the same time.
const CLIENTS: usize = 500;

/// How long a request may take while all others are under way.
const PATIENCE: Duration = Duration::from_secs(300);

/// Connections that are made at the same time. Each has 10 s for its handshake, and all are on one machine.
const WAVE: usize = 100;

/// `beamline simulate` in a process of its own, so that either side has its own file descriptors.
struct Simulator {
    process: Child,
    said: Value,
}

impl Simulator {
    fn start(folder: &std::path::Path) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("beamline"));
        command.current_dir(folder).args(["simulate", "--json", "--open", "--listen", "127.0.0.1:0"]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = process.stdout.take().unwrap();
        let said = serde_json::Deserializer::from_reader(said).into_iter().next().unwrap().unwrap();
        Self { process, said }
    }

    fn text(&self, key: &str) -> &str {
        self.said[key].as_str().unwrap()
    }

    fn client(&self) -> reqwest::Client {
        let ca = std::fs::read(self.text("ca_file")).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        let builder = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().http1_only();
        builder.timeout(PATIENCE).build().unwrap()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn five_hundred_clients_with_a_connection_each_are_served_without_errors() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path());
    let clients: Vec<reqwest::Client> = (0..CLIENTS).map(|_| simulator.client()).collect();
    let subscription = simulator.text("subscription");
    let url =
        format!("{}/subscriptions/{subscription}?api-version=2022-12-01", simulator.text("resource_manager"));
    // The second time all at once, over the connections that the clients have kept.
    for wave in [WAVE, CLIENTS] {
        let mut answers = Vec::new();
        for clients in clients.chunks(wave) {
            let asked = clients.iter().map(|client| async {
                let answer = client.get(&url).bearer_auth("opaque").send().await?.error_for_status()?;
                answer.json::<Value>().await
            });
            answers.extend(futures::future::join_all(asked).await);
        }
        let errors: Vec<String> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .map(|error| format!("{error:?}"))
            .collect();
        assert!(errors.is_empty(), "{} errors, the first: {}", errors.len(), errors[0]);
        let known = answers.iter().flatten().filter(|body| body["subscriptionId"] == subscription).count();
        assert_eq!(known, CLIENTS);
    }
}
