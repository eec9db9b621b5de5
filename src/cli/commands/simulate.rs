//! `beamline simulate`: an Azure Resource Manager on this machine, for any client.

mod forge;
mod paste;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use self::paste::{Folder, shell};
use crate::cli::arguments::NoSettings;
use crate::cli::error::{CliError, End};
use crate::cli::output;
use crate::cli::signals::stop_on_signals;
use crate::clock::Clock;
use crate::resources::id::ResourceId;
use beamline_simulator::{
    Access, Application, Authority, Casing, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, LatencyProfile,
    RoleGrant, Scenario, Server, StateFile, Throttling, VmSizes, World, WorldOptions,
};

/// How often `--state` is written.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// Who may do everything; with `--open` any other client id and any secret do as well.
const CLIENT: &str = "11111111-1111-1111-1111-111111111111";
const SECRET: &str = "simulator";

/// Run the embedded Azure, for beamline, Terraform, the Azure CLI and SDKs; and a forge
///
/// Serves Azure Resource Manager and Entra over HTTPS until Ctrl-C, with one subscription, nothing in it,
/// and a certificate authority made for this run. It prints what to paste into another terminal, so that
/// beamline and other programs use it. Everything is forgotten at the end, unless --state names a file;
/// what beamline remembers of it stays in simulator-state: delete that too.
///
/// With --forge a GitHub, GitLab, Gitea, Forgejo, Azure DevOps or Bitbucket is served, too: an empty
/// repository with Git over HTTPS, pull requests, comments, statuses and webhooks, so that a whole pull
/// request can be tried on one machine. It prints the accounts' tokens, the settings of a daemon, and
/// the commands to propose and merge a change. The forge is always forgotten at the end.
///
/// As in Azure, a caller may do what its role assignments allow: the printed client is Owner of the
/// subscription, and a scenario (--faults) registers others. With --open every caller may do everything.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline simulate
  beamline simulate --latency realistic --listen 127.0.0.1:9443
  beamline simulate --latency times.yaml --sizes current
  beamline simulate --open
  beamline simulate --state world.json --faults scenario.yaml
  beamline simulate --json > simulator.json
  beamline simulate --forge github --webhook http://127.0.0.1:8750
  beamline simulate --forge gitea --no-azure --forge-listen 127.0.0.1:9444

A scenario scripts faults, quota, and applications with roles; a latency file says how long each
type takes. docs/simulator.md has the shapes of both.

Exit codes:
  0  stopped as asked    1  could not start    2  the command line is wrong
  130  ended by a second signal")]
pub(in crate::cli) struct Simulate {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// How long operations take: none (ended when first looked at), fast (twenty times faster than
    /// Azure), realistic (as long as in Azure), or a file with the times of each type (YAML)
    #[arg(long, value_name = "none|fast|realistic|FILE", default_value = "fast")]
    latency: Pace,
    /// Keep the world in this file: read at the start, written every few seconds and at the end
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// A scenario: faults, quota, applications (YAML)
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Let every caller do everything, with any token
    #[arg(long, conflicts_with = "enforce")]
    open: bool,
    /// Let callers do what their role assignments allow, and nothing else (the default)
    #[arg(long)]
    enforce: bool,
    /// Enforce ARM's request limits, multiplied by this (1 is Azure)
    #[arg(long, value_name = "SCALE")]
    throttle: Option<f64>,
    /// Spell ids and locations as the documentation does, not as Azure does
    #[arg(long)]
    tidy: bool,
    /// Which VM sizes to offer: all that Azure lists, or only the current ones (without retired series)
    #[arg(long, value_enum, default_value_t = Sizes::All)]
    sizes: Sizes,
    /// From which ids and variations are drawn: the same seed and requests give the same answers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the certificate authority is written (PEM) [default: simulator-state/ca.pem]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Print a JSON document: {"format": 1, "resource_manager": …, "ca_file": …, "forge": …, …}
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    forge: forge::ForgeArguments,
    #[command(flatten)]
    none: NoSettings,
}

/// How long operations take.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pace {
    None,
    Fast,
    Realistic,
    /// As this file says.
    File(PathBuf),
}

impl FromStr for Pace {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" => Self::None,
            "fast" => Self::Fast,
            "realistic" => Self::Realistic,
            file => Self::File(file.into()),
        })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sizes {
    Current,
    All,
}

pub(in crate::cli) async fn run(arguments: Simulate) -> Result<End, CliError> {
    let stop = stop_on_signals("")?;
    let authority = Authority::new()?;
    let azure = match arguments.forge.stands_alone() {
        true => None,
        false => {
            let world = arguments.world()?;
            let server = Server::start_with(&authority, world.clone(), arguments.listen).await?;
            Some((world, server))
        }
    };
    let forge = arguments.forge.start(&authority).await?;
    let folder = Folder::make()?;
    let ca_file = arguments.ca_file.clone().unwrap_or_else(|| folder.ca_file());
    let written = |source| CliError::io(format!("write {}", ca_file.display()), source);
    let ca_file = std::path::absolute(&ca_file).map_err(written)?;
    std::fs::write(&ca_file, authority.pem()).map_err(written)?;
    let base = azure.as_ref().map(|(_, server)| server.base_url());
    if arguments.json {
        let mut document = Map::new();
        document.insert("ca_file".to_owned(), json!(ca_file));
        document.extend(base.as_deref().map(azure_document).unwrap_or_default());
        if let Some(forge) = &forge {
            document.insert("forge".to_owned(), forge.document());
        }
        output::print_json(Value::Object(document))?;
    } else {
        output::print(&instructions(&folder, base.as_deref(), forge.as_ref(), &ca_file))?;
    }
    let mut file = arguments.state.map(StateFile::new);
    while stop.run_until_cancelled(tokio::time::sleep(SAVE_INTERVAL)).await.is_some() {
        if let Some((world, _)) = &azure {
            file = save(world, file).await?;
        }
    }
    if let Some(forge) = forge {
        forge.stop().await;
    }
    if let Some((world, server)) = azure {
        server.stop().await;
        save(&world, file).await?;
    }
    Ok(End::Done)
}

impl Simulate {
    /// The world as the files leave it, with somebody who may do everything in it.
    fn world(&self) -> Result<World, CliError> {
        let world = World::new(self.options()?);
        if let Some(file) = self.state.as_deref().filter(|file| file.exists()) {
            let text = read(file)?;
            world.load(&text).map_err(|error| unusable(file, &error))?;
        }
        if self.access() == Access::Enforced {
            let subscription: ResourceId = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}")
                .parse()
                .expect("the id of the default subscription is one");
            let owner = RoleGrant { role: "Owner".to_owned(), scope: subscription };
            let client = Application {
                client_id: CLIENT.to_owned(),
                secret: Some(SECRET.to_owned().into()),
                grants: vec![owner],
            };
            world.register(&client).expect("Owner is a role of every world");
        }
        if let Some(file) = &self.faults {
            let scenario = Scenario::parse(&read(file)?).map_err(|error| unusable(file, &error))?;
            world.play(scenario).map_err(|error| unusable(file, &error))?;
        }
        Ok(world)
    }

    /// `--enforce` says what is the case without it, too.
    fn access(&self) -> Access {
        if self.open { Access::Open } else { Access::Enforced }
    }

    fn options(&self) -> Result<WorldOptions, CliError> {
        let options = WorldOptions::new(Clock::system()).with_seed(self.seed).with_access(self.access());
        let options = match &self.latency {
            Pace::None => options.with_latency(Latency::None),
            Pace::Fast => options.with_latency(Latency::FAST),
            Pace::Realistic => options.with_latency(Latency::REALISTIC),
            Pace::File(file) => options.with_profile(profile(file)?),
        };
        let throttling = self.throttle.map_or(Throttling::Off, |scale| Throttling::On { scale });
        let casing = if self.tidy { Casing::Tidy } else { Casing::Azure };
        let sizes = match self.sizes {
            Sizes::Current => VmSizes::Current,
            Sizes::All => VmSizes::Listed,
        };
        Ok(options.with_throttling(throttling).with_casing(casing).with_vm_sizes(sizes))
    }
}

/// The latency profile of a file, or why the word is none of the known ones.
fn profile(file: &Path) -> Result<LatencyProfile, CliError> {
    if !file.exists() {
        let problem = format!("--latency {}: there is no such file", file.display());
        return Err(CliError::usage(problem, "say none, fast or realistic, or name a file with times"));
    }
    LatencyProfile::parse(&read(file)?).map_err(|error| unusable(file, &error))
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

/// Saves the world on a thread of its own: the disk must not keep requests waiting.
async fn save(world: &World, file: Option<StateFile>) -> Result<Option<StateFile>, CliError> {
    let Some(mut file) = file else { return Ok(None) };
    let (world, path) = (world.clone(), file.path().to_owned());
    let saving = tokio::task::spawn_blocking(move || file.save(&world).map(|_| file));
    let saved = saving.await.map_err(std::io::Error::other).flatten();
    saved.map(Some).map_err(|source| CliError::io(format!("write {}", path.display()), source))
}

/// What another program has to know of Azure.
fn azure_document(base: &str) -> Map<String, Value> {
    let known = [
        ("resource_manager", base),
        ("subscription", DEFAULT_SUBSCRIPTION),
        ("tenant", DEFAULT_TENANT),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    known.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// What runs where, and what to set in another terminal.
fn instructions(folder: &Folder, azure: Option<&str>, forge: Option<&forge::Running>, ca: &Path) -> String {
    let listens = azure.map(|base| format!("The simulator listens on {base} until Ctrl-C.\n"));
    let accounts = forge.map(forge::Running::introduction);
    let authority = format!("The certificate authority is in {}.\n", ca.display());
    let of_forge = forge.map(|forge| forge.settings(ca));
    let settings = paste::lines(folder, azure.map(|base| (base, ca)), of_forge.as_ref());
    let others = azure.map(|base| for_others(base, ca));
    let change = forge.map(|forge| forge.commands(ca));
    [listens, accounts, Some(authority), Some(settings), others, change].into_iter().flatten().collect()
}

fn for_others(base: &str, ca: &Path) -> String {
    let host = base.trim_start_matches("https://");
    let ca = shell(&ca.display().to_string());
    format!(
        r"
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
"
    )
}
