//! The simulator and the daemon, running.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use crate::attempt::Estate;
use crate::cli::error::CliError;
use crate::cli::wiring;
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::daemon::{self, DaemonError, Happening};
use beamline_simulator::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, Server, World, WorldOptions};

/// The alias that the shipped definitions name.
const ALIAS: &str = "ml";

/// A running demo.
pub(super) struct Stage {
    server: Server,
    daemon: JoinHandle<Result<(), DaemonError>>,
    /// The way into the simulated subscription.
    pub(super) estate: Estate,
    /// What the daemon tells.
    pub(super) happenings: broadcast::Receiver<Happening>,
}

impl Stage {
    /// Starts both. When it returns, the daemon watches the origin.
    pub(super) async fn start(
        folder: &Folder,
        clock: &Clock,
        speed: f64,
        stop: CancellationToken,
    ) -> Result<Self, CliError> {
        let latency = Latency::Realistic { factor: speed };
        let world = World::new(WorldOptions { latency, ..WorldOptions::new(clock.clone()) });
        let server = Server::start(world, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let ca_file = folder.path().join("simulator-ca.pem");
        let secret_file = folder.path().join("secret");
        folder.write(&ca_file, server.ca_pem())?;
        folder.write(&secret_file, "any secret signs in to the simulator\n")?;
        folder.write(&folder.settings(), &settings(folder, &server.base_url(), &ca_file, &secret_file))?;
        let config = Config::load(&Overrides {
            file: Some(folder.settings()),
            state_dir: Some(folder.path().join("state")),
            repository: Some(folder.origin().display().to_string()),
        })?;
        let watchers = daemon::watchers();
        let happenings = watchers.subscribe();
        let parts = wiring::parts(&config, "beamline demo", clock, watchers).await?;
        let estate = parts.estate.clone();
        let (sender, ready) = oneshot::channel();
        let tell = move || {
            // Somebody waits below.
            let _ = sender.send(());
        };
        let daemon = tokio::spawn(async move { daemon::run(parts, stop, tell).await });
        let mut stage = Self { server, daemon, estate, happenings };
        match ready.await {
            Ok(()) => Ok(stage),
            // It ended instead.
            Err(_) => Err(stage.ended().await.err().unwrap_or_else(stopped)),
        }
    }

    /// The address of the simulator.
    pub(super) fn address(&self) -> String {
        self.server.base_url()
    }

    /// Waits until the daemon has ended.
    pub(super) async fn ended(&mut self) -> Result<(), CliError> {
        let ended = (&mut self.daemon).await;
        Ok(ended.map_err(|error| CliError::Other(format!("the daemon broke down: {error}")))??)
    }

    /// Waits for the daemon, which was asked to stop, and stops the simulator.
    pub(super) async fn close(mut self) -> Result<(), CliError> {
        let ended = self.ended().await;
        self.server.stop().await;
        ended
    }
}

fn stopped() -> CliError {
    CliError::Other("the daemon stopped before it had begun".to_owned())
}

/// The settings of the demo's daemon, which `beamline plan --config` takes too.
fn settings(folder: &Folder, resource_manager: &str, ca_file: &Path, secret_file: &Path) -> String {
    let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    format!(
        r#"# The settings of the demo's daemon.
owner = "demo"
state_dir = {state}

[repository]
url = {origin}

[http]
listen = ""

[clouds.simulator]
resource_manager = "{resource_manager}"
ca_file = {ca}

[subscriptions.{ALIAS}]
id = "{DEFAULT_SUBSCRIPTION}"
tenant = "{DEFAULT_TENANT}"
cloud = "simulator"
credential = "client-secret"
client_id = "11111111-1111-1111-1111-111111111111"
secret_file = {secret}
"#,
        state = quoted(&folder.path().join("state")),
        origin = quoted(&folder.origin()),
        ca = quoted(ca_file),
        secret = quoted(secret_file),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_right_and_know_every_shipped_alias() {
        let folder = Folder::make(None).unwrap();
        let text = settings(&folder, "https://localhost:1", Path::new("/a b/ca"), Path::new("/s"));
        let config = Config::over_default("demo", &text).unwrap();
        assert_eq!(config.clouds["simulator"].ca_file, Path::new("/a b/ca"));
        for text in [
            include_str!("../../../environments/production.yaml"),
            include_str!("../../../environments/staging.yaml"),
            include_str!("../../../environments/dev.toml"),
        ] {
            let alias = text.lines().find(|line| line.starts_with("subscription")).unwrap();
            assert!(alias.contains(ALIAS), "{alias}");
        }
    }
}
