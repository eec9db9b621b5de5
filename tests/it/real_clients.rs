//! Microsoft's own clients, unmodified, against the simulator over HTTPS: the management SDKs for Python,
//! azure-ai-ml and the Azure CLI. `tests/clients/install` makes the virtual environments that they need;
//! without them the test says so and passes, except under `CI=true`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use beamline::clock::Clock;
use beamline_simulator::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, Server, World, WorldOptions};

use crate::support::in_ci;

/// Where the virtual environments are: `BEAMLINE_CLIENTS_VENV`, or `clients-venv` in the target folder.
fn environments() -> Option<PathBuf> {
    let folder = std::env::var_os("BEAMLINE_CLIENTS_VENV").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
            target.unwrap_or_else(own).join("clients-venv")
        },
        PathBuf::from,
    );
    if folder.join("sdk/bin/python").exists() && folder.join("cli/bin/python").exists() {
        return Some(folder);
    }
    assert!(!in_ci(), "{} is missing: run tests/clients/install", folder.display());
    println!("skipped: {} is not there; tests/clients/install makes it", folder.display());
    None
}

/// Serves a fresh world and runs a script of `tests/clients` against it.
async fn run(environment: &str, script: &str) {
    let Some(folder) = environments() else { return };
    let mut options = WorldOptions::new(Clock::system());
    options.latency = Latency::Realistic { factor: 1000.0 };
    let server = Server::start(World::new(options), SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let ca = scratch.path().join("ca.pem");
    std::fs::write(&ca, server.ca_pem()).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let output = tokio::process::Command::new(folder.join(environment).join("bin/python"))
        .arg(scripts.join(script))
        .env("SIMULATOR_URL", server.base_url())
        .env("SIMULATOR_CA", &ca)
        .env("SIMULATOR_SUBSCRIPTION", DEFAULT_SUBSCRIPTION)
        .env("SIMULATOR_TENANT", DEFAULT_TENANT)
        .env("SIMULATOR_SCRATCH", scratch.path())
        .env("HOME", scratch.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    server.stop().await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}");
    assert!(output.status.success(), "{script} failed:\n{out}\n{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_management_sdks_are_content() {
    run("sdk", "management.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_ai_ml_is_content() {
    run("sdk", "machine_learning.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_azure_cli_is_content() {
    run("cli", "azure_cli.py").await;
}
