//! `beamline simulate`: an Azure Resource Manager on this machine, for any client.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::error::{CliError, End};
use crate::cli::output;
use crate::cli::signals::stop_on_signals;
use crate::clock::Clock;
use crate::simulator::{
    Access, Casing, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, Scenario, Server, Throttling, VmSizes,
    World, WorldOptions,
};

/// By how much `--latency fast` compresses Azure's times.
const FAST_FACTOR: f64 = 20.0;

/// How often `--state` is written.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// Any client id and any secret sign in, unless access is enforced.
const CLIENT: &str = "11111111-1111-1111-1111-111111111111";
const SECRET: &str = "simulator";

/// Run the embedded Azure, for beamline, Terraform, the Azure CLI and SDKs
///
/// Serves Azure Resource Manager and Entra over HTTPS until Ctrl-C, with one subscription, nothing in it,
/// and a certificate authority made for this run. It prints the variables that make other programs use
/// it, and the settings for beamline. Everything is forgotten at the end, unless --state names a file.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline simulate
  beamline simulate --latency realistic --listen 127.0.0.1:9443
  beamline simulate --state world.json --faults scenario.yaml
  beamline simulate --json > simulator.json

A scenario file scripts faults, quota, and applications with roles: docs/simulator.md has its shape.

Exit codes:
  0  stopped as asked    1  could not start    2  the command line is wrong")]
pub(in crate::cli) struct Simulate {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// How long operations take
    #[arg(long, value_enum, default_value_t = Pace::Fast)]
    latency: Pace,
    /// Keep the world in this file: read at the start, written every few seconds and at the end
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// A scenario: faults, quota, applications (YAML)
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Let registered applications do what their role assignments allow, and nothing else
    #[arg(long)]
    enforce: bool,
    /// Enforce ARM's request limits, multiplied by this (1 is Azure)
    #[arg(long, value_name = "SCALE")]
    throttle: Option<f64>,
    /// Spell ids and locations as the documentation does, not as Azure does
    #[arg(long)]
    tidy: bool,
    /// Offer only VM sizes that can still be had
    #[arg(long)]
    current_sizes: bool,
    /// From which ids and variations are drawn: the same seed and requests give the same answers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the certificate authority is written (PEM)
    #[arg(long, value_name = "FILE", default_value = "simulator-ca.pem")]
    ca_file: PathBuf,
    /// Print a JSON document: {\"format\": 1, \"resource_manager\": …, \"ca_file\": …, …}
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pace {
    /// An operation has ended when it is first looked at
    None,
    /// Twenty times faster than Azure
    Fast,
    /// As long as in Azure
    Realistic,
}

pub(in crate::cli) async fn run(arguments: Simulate) -> Result<End, CliError> {
    let stop = stop_on_signals("")?;
    let latency = match arguments.latency {
        Pace::None => Latency::None,
        Pace::Fast => Latency::Realistic { factor: FAST_FACTOR },
        Pace::Realistic => Latency::Realistic { factor: 1.0 },
    };
    let world = World::new(arguments.options(latency));
    if let Some(file) = arguments.state.as_deref().filter(|file| file.exists()) {
        let text = read(file)?;
        world.load(&text).map_err(|error| unusable(file, &error))?;
    }
    if let Some(file) = &arguments.faults {
        let scenario = Scenario::parse(&read(file)?).map_err(|error| unusable(file, &error))?;
        world.play(scenario).map_err(|error| unusable(file, &error))?;
    }
    let server = Server::start(world.clone(), arguments.listen).await?;
    let written = |source| CliError::io(format!("write {}", arguments.ca_file.display()), source);
    let ca_file = std::path::absolute(&arguments.ca_file).map_err(written)?;
    std::fs::write(&ca_file, server.ca_pem()).map_err(written)?;
    let base = server.base_url();
    if arguments.json {
        output::print_json(json!({
            "resource_manager": base, "ca_file": ca_file, "subscription": DEFAULT_SUBSCRIPTION,
            "tenant": DEFAULT_TENANT, "client_id": CLIENT, "client_secret": SECRET,
        }))?;
    } else {
        output::print(&instructions(&base, &ca_file))?;
    }
    while stop.run_until_cancelled(tokio::time::sleep(SAVE_INTERVAL)).await.is_some() {
        save(&world, arguments.state.as_deref())?;
    }
    server.stop().await;
    save(&world, arguments.state.as_deref())?;
    Ok(End::Done)
}

impl Simulate {
    fn options(&self, latency: Latency) -> WorldOptions {
        let options = WorldOptions::new(Clock::system()).with_seed(self.seed).with_latency(latency);
        let access = if self.enforce { Access::Enforced } else { Access::Open };
        let throttling = self.throttle.map_or(Throttling::Off, |scale| Throttling::On { scale });
        let casing = if self.tidy { Casing::Tidy } else { Casing::Azure };
        let sizes = if self.current_sizes { VmSizes::Current } else { VmSizes::Listed };
        options.with_access(access).with_throttling(throttling).with_casing(casing).with_vm_sizes(sizes)
    }
}

/// A file that cannot be used, with its causes in one line.
fn unusable(file: &Path, error: &dyn std::error::Error) -> CliError {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let why = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    CliError::usage(format!("{}: {why}", file.display()), "docs/simulator.md has the shape of these files")
}

fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|source| CliError::io(format!("read {}", file.display()), source))
}

/// Writes the world beside its file and moves it there, so that a kill leaves the old or the new one.
fn save(world: &World, file: Option<&Path>) -> Result<(), CliError> {
    let Some(file) = file else { return Ok(()) };
    let written = |source| CliError::io(format!("write {}", file.display()), source);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder).map_err(written)?;
    fresh.write_all(world.save().as_bytes()).map_err(written)?;
    fresh.as_file().sync_all().map_err(written)?;
    fresh.persist(file).map_err(|error| written(error.error))?;
    Ok(())
}

/// What to set in another terminal.
fn instructions(base: &str, ca_file: &Path) -> String {
    let host = base.trim_start_matches("https://");
    let ca = ca_file.display();
    format!(
        r#"The simulator listens on {base} until Ctrl-C. Its certificate authority is in {ca}.

# beamline (in a file for --config; any secret signs in: export BEAMLINE_SECRET_ML={SECRET})
[clouds.simulator]
resource_manager = "{base}"
ca_file = "{ca}"
[subscriptions.ml]
id = "{DEFAULT_SUBSCRIPTION}"
tenant = "{DEFAULT_TENANT}"
cloud = "simulator"
credential = "client-secret"
client_id = "{CLIENT}"

# Terraform (azurerm) and the SDKs
export ARM_METADATA_HOSTNAME={host}
export SSL_CERT_FILE={ca} REQUESTS_CA_BUNDLE={ca} NODE_EXTRA_CA_CERTS={ca}
export ARM_TENANT_ID={DEFAULT_TENANT} ARM_SUBSCRIPTION_ID={DEFAULT_SUBSCRIPTION}
export ARM_CLIENT_ID={CLIENT} ARM_CLIENT_SECRET={SECRET} ARM_USE_CLI=false
export AZURE_AUTHORITY_HOST={base} AZURE_TENANT_ID={DEFAULT_TENANT}
export AZURE_CLIENT_ID={CLIENT} AZURE_CLIENT_SECRET={SECRET}

# Azure CLI
export AZURE_CONFIG_DIR=$(mktemp -d) AZURE_CORE_INSTANCE_DISCOVERY=false
az cloud register --name simulator --endpoint-resource-manager {base}
az cloud set --name simulator
az login --service-principal --username {CLIENT} --password {SECRET} --tenant {DEFAULT_TENANT}
"#
    )
}
