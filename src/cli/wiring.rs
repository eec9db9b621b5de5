//! Settings → everything that talks: HTTP clients, clouds, credentials, the mirror, the forge, the store.
//!
//! Guarantees: a subscription gets exactly the credential that its alias names; a cloud with a CA file of
//! its own trusts that file and nothing else, so that no system authorities are needed where no public
//! service is used; a cloud on this machine is reached without a proxy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use uuid::Uuid;

use super::error::CliError;
use super::forges;
use super::output::remark;
use crate::attempt::{Account, Estate};
use crate::azure::{Arm, Budget, Cloud, CloudError, Credential, Tokens};
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, CredentialKind, ForkPolicy, RequestLimits};
use crate::daemon::api::SOCKET;
use crate::daemon::{ForgeChoice, Forks, Happening, HttpOptions, Parts, Rhythm, Tally};
use crate::git::{
    BranchName, Credentials, Mirror, PasswordSource, Patience, Remote, RepoPath, open_local,
    register_transports,
};
use crate::reconcile::plan::Globs;
use crate::resources::id::{SubscriptionId, TenantId};
use crate::resources::suggest::nearest;
use crate::store::{FolderLock, Store};
use crate::wire::{self, Proxy};

/// The journal's file in the state folder.
pub(super) const JOURNAL: &str = "journal.sqlite";

/// How long something is waited for without a word.
const QUICK: Duration = Duration::from_millis(700);

/// The mirror's folder in the state folder.
const MIRROR: &str = "mirror.git";

/// The subscriptions of the settings; only those in `aliases`, where some are given.
pub(super) async fn estate(
    config: &Config,
    clock: &Clock,
    aliases: Option<&BTreeSet<String>>,
    description: Description,
) -> Result<Estate, CliError> {
    let mut clouds = Clouds { config, known: BTreeMap::new(), description };
    let mut budgets: BTreeMap<Uuid, Budget> = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for (alias, subscription) in &config.subscriptions {
        if aliases.is_some_and(|aliases| !aliases.contains(alias)) {
            continue;
        }
        let (wire, cloud) = clouds.get(&subscription.cloud).await?;
        let credential = credential(alias, subscription)?;
        let failed = |source| CliError::Credential { alias: alias.clone(), source };
        let is_described =
            description == Description::Now || !config.clouds.contains_key(&subscription.cloud);
        let tokens = match is_described {
            true => Tokens::new(credential, &cloud, &wire, clock.clone(), None),
            false => Tokens::described_later(credential, &cloud, &wire, clock.clone()),
        };
        let tokens = tokens.map_err(failed)?;
        let limits =
            config.clouds.get(&subscription.cloud).map_or(RequestLimits::Azure, |cloud| cloud.request_limits);
        let budget = budgets.entry(subscription.id).or_insert_with(|| match limits {
            RequestLimits::Azure => Budget::new(clock.clone()),
            RequestLimits::None => Budget::unlimited(clock.clone()),
        });
        let budget = budget.clone();
        let account = Account {
            subscription: SubscriptionId(subscription.id),
            tenant: TenantId(subscription.tenant),
            arm: Arm::new(wire, cloud, Arc::new(tokens), budget, clock.clone()),
        };
        accounts.insert(alias.clone(), account);
    }
    let globs = if config.consent.globs { Globs::Count } else { Globs::DoNotCount };
    let aliases = config.subscriptions.keys().cloned().collect();
    Ok(Estate { owner: config.owner.clone(), accounts, aliases, globs })
}

/// When a cloud of the settings is asked what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Description {
    /// At once: who waits at a terminal wants to know.
    Now,
    /// When it is needed, and again until it answers.
    Later,
}

/// Clouds by name, each described once.
struct Clouds<'a> {
    config: &'a Config,
    description: Description,
    known: BTreeMap<String, (wire::Client, Cloud)>,
}

impl Clouds<'_> {
    async fn get(&mut self, name: &str) -> Result<(wire::Client, Cloud), CliError> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let found = match (name, self.config.clouds.get(name)) {
            (name, Some(cloud)) => self.described(name, cloud).await?,
            ("us-government", None) => (public_client(self.config)?, Cloud::azure_us_government()),
            ("china", None) => (public_client(self.config)?, Cloud::azure_china()),
            (_, None) => (public_client(self.config)?, Cloud::azure_public()),
        };
        self.known.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    async fn described(&self, name: &str, cloud: &config::Cloud) -> Result<(wire::Client, Cloud), CliError> {
        let own = cloud.ca_bundle()?;
        let system_roots = own.is_empty();
        let ca_bundle = [own, self.config.ca_bundle()?].join(&b'\n');
        let proxy = if is_loopback(&cloud.resource_manager) { Proxy::Never } else { Proxy::System };
        let wire = wire::Client::new(&wire::Options { ca_bundle: trimmed(ca_bundle), system_roots, proxy })?;
        let described = match self.description {
            Description::Now => discovered(&wire, name, &cloud.resource_manager).await,
            Description::Later => Cloud::undescribed(name, &cloud.resource_manager),
        };
        let described = described.map_err(|source| CliError::Cloud { name: name.to_owned(), source })?;
        Ok((wire, Cloud { name: name.to_owned(), ..described }))
    }
}

/// Asks a cloud what it is; whoever waits for that is told.
async fn discovered(wire: &wire::Client, name: &str, resource_manager: &str) -> Result<Cloud, CloudError> {
    let mut asking = std::pin::pin!(Cloud::discover(wire, resource_manager));
    match tokio::time::timeout(QUICK, &mut asking).await {
        Ok(described) => described,
        Err(_) => {
            remark(&format!("Waiting for {resource_manager} (clouds.{name}.resource_manager) …"));
            asking.await
        }
    }
}

/// Two empty bundles are none.
fn trimmed(bundle: Vec<u8>) -> Vec<u8> {
    if bundle.iter().all(u8::is_ascii_whitespace) { Vec::new() } else { bundle }
}

/// A client for what has a certificate that everybody trusts.
pub(super) fn public_client(config: &Config) -> Result<wire::Client, CliError> {
    let ca_bundle = config.ca_bundle()?;
    Ok(wire::Client::new(&wire::Options { ca_bundle, system_roots: true, proxy: Proxy::System })?)
}

pub(super) fn is_loopback(address: &str) -> bool {
    let Ok(uri) = address.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn credential(alias: &str, subscription: &config::Subscription) -> Result<Credential, CliError> {
    let tenant = subscription.tenant.to_string();
    let optional = Some(subscription.client_id.clone()).filter(|id| !id.is_empty());
    let client_id = || {
        optional.clone().ok_or_else(|| ConfigError::Setting {
            key: format!("subscriptions.{alias}.client_id"),
            problem: "is needed for this credential".to_owned(),
        })
    };
    Ok(match subscription.credential {
        CredentialKind::ManagedIdentity => Credential::ManagedIdentity { client_id: optional },
        CredentialKind::WorkloadIdentity => {
            if subscription.secret_file.as_os_str().is_empty() {
                let key = format!("subscriptions.{alias}.secret_file");
                let problem = "names the file with the federated token for this credential".to_owned();
                return Err(ConfigError::Setting { key, problem }.into());
            }
            let token_file = subscription.secret_file.clone();
            Credential::WorkloadIdentity { tenant, client_id: client_id()?, token_file }
        }
        CredentialKind::ClientSecret => {
            Credential::ClientSecret { tenant, client_id: client_id()?, secret: subscription.secret(alias)? }
        }
        CredentialKind::ClientCertificate => Credential::ClientCertificate {
            tenant,
            client_id: client_id()?,
            pem: subscription.secret(alias)?,
        },
        CredentialKind::AzureCli => Credential::AzureCli { tenant: Some(tenant) },
    })
}

/// The journal of the settings, and the lock without which nobody writes to it. `command` is what others
/// are told about who has it.
pub(super) async fn state(
    state_dir: &Path,
    command: &str,
    clock: &Clock,
) -> Result<(Store, FolderLock), CliError> {
    let lock = FolderLock::take(state_dir, command, clock.now())?;
    if let Some(doubt) = lock.doubt() {
        tracing::warn!("{doubt}: after a crash, what was interrupted goes on once its lease has expired");
    }
    let store = Store::open(&state_dir.join(JOURNAL)).await?;
    let voided = store.void_leases(&lock).await?;
    if voided > 0 {
        tracing::info!(voided, "the process before this one was killed; its leases end now");
    }
    Ok((store, lock))
}

/// Everything that a daemon is made of. `command` is what others are told about who has its state folder.
pub(super) async fn parts(
    config: &Config,
    command: &str,
    clock: &Clock,
    watchers: broadcast::Sender<Happening>,
) -> Result<Parts, CliError> {
    let repository = &config.repository;
    if repository.url.is_empty() {
        let problem = "is empty: name the repository to watch, there or with --repository".to_owned();
        return Err(ConfigError::Setting { key: "repository.url".to_owned(), problem }.into());
    }
    let invalid = |key: &str, problem: String| ConfigError::Setting { key: key.to_owned(), problem };
    let branch = branch(config)?;
    let root: RepoPath = repository
        .definitions
        .parse()
        .map_err(|error| invalid("repository.definitions", format!("is wrong: {error}")))?;
    let (store, lock) = state(&config.state_dir, command, clock).await?;
    let forge = forges::choose(config, clock, &branch)?;
    Ok(Parts {
        estate: estate(config, clock, None, Description::Later).await?,
        mirror: mirror(config, &forge).await?,
        forge,
        branch,
        root,
        store,
        lock: Some(lock),
        forks: match config.forge.forks {
            ForkPolicy::Ask => Forks::Ask,
            ForkPolicy::Plan => Forks::Plan,
        },
        write_limit: config.forge.write_limit(),
        public_url: Some(config.http.public_url.clone()).filter(|url| !url.is_empty()),
        clock: clock.clone(),
        parallel: config.runs.parallel,
        poll: Duration::from_secs(repository.poll_secs),
        sweep: Some(config.runs.sweep.clone()).filter(|expression| !expression.is_empty()),
        requests: None,
        http: http_options(config)?,
        socket: Some(config.state_dir.join(SOCKET)),
        watchers,
        tally: Tally::default(),
        rhythm: Rhythm::default(),
        supervisor: None,
    })
}

/// The branch that is applied.
pub(super) fn branch(config: &Config) -> Result<BranchName, CliError> {
    config.repository.branch.parse().map_err(|error| {
        let (key, problem) = ("repository.branch".to_owned(), format!("is wrong: {error}"));
        ConfigError::Setting { key, problem }.into()
    })
}

/// Says that the branch of the settings is not one of the clone around `dir`, where that is a clone of the
/// repository of the settings.
pub(super) async fn unknown_branch(config: &Config, dir: &Path) -> Option<String> {
    let dir = dir.to_owned();
    let read = move || {
        let local = open_local(&dir).ok()?;
        Some((local.origin().ok()??, local.branches().ok()?))
    };
    let (origin, there) = tokio::task::spawn_blocking(read).await.ok()??;
    let plain = |url: &str| url.trim_end_matches('/').trim_end_matches(".git").to_owned();
    if plain(&origin) != plain(&config.repository.url) || there.is_empty() {
        return None;
    }
    let branch = branch(config).ok().filter(|branch| !there.contains(branch))?;
    let near = nearest(branch.as_str(), there.iter().map(BranchName::as_str));
    let meant = near.map_or_else(|| "fetch, or".to_owned(), |near| format!("did you mean {near}? Else"));
    Some(format!(
        "note: the daemon applies the branch {branch} (repository.branch), which this clone does not know: {meant} \
         correct the setting"
    ))
}

async fn mirror(config: &Config, forge: &ForgeChoice) -> Result<Mirror, CliError> {
    let repository = &config.repository;
    let url = repository.url.clone();
    let is_local = Path::new(&url).is_absolute() || url.starts_with("file://") || Path::new(&url).is_dir();
    if !is_local {
        let runtime = tokio::runtime::Handle::current();
        register_transports(public_client(config)?, runtime, Patience::default());
    }
    let url = match Path::new(&url) {
        folder if folder.is_relative() && folder.is_dir() => std::path::absolute(folder)
            .map_err(|source| CliError::unreadable(folder, source))?
            .display()
            .to_string(),
        _ => url,
    };
    let (credentials, pull_refs) = (git_credentials(config, forge)?, forges::pull_refs(forge)?);
    let remote = Remote { url, credentials, pull_refs };
    let dir = config.state_dir.join(MIRROR);
    let opened = tokio::task::spawn_blocking(move || Mirror::open(&dir, remote)).await;
    Ok(opened.map_err(|error| CliError::Other(format!("opening the mirror was cut short: {error}")))??)
}

/// The credentials of the settings; without any, a GitHub App's for its own repository.
fn git_credentials(config: &Config, forge: &ForgeChoice) -> Result<Credentials, CliError> {
    let repository = &config.repository;
    if let Some(password) = config.git_password()? {
        let username =
            if repository.username.is_empty() { "x-access-token" } else { repository.username.as_str() };
        // Whoever fetches does not come back with what was refused: so a replaced file is taken at once.
        let present = move || {
            let _ = password.renew(&password.current());
            std::future::ready(Ok(password.current()))
        };
        let password = PasswordSource::new(present);
        return Ok(Credentials::Dynamic { username: username.to_owned(), password });
    }
    let given = |path: &Path| Some(path.to_owned()).filter(|path| !path.as_os_str().is_empty());
    let (identity_file, known_hosts) =
        (given(&repository.identity_file), given(&repository.known_hosts_file));
    if identity_file.is_none() && known_hosts.is_none() {
        return Ok(forges::app_credentials(forge).unwrap_or(Credentials::None));
    }
    Ok(Credentials::Ssh { identity_file, known_hosts, program: None })
}

fn http_options(config: &Config) -> Result<Option<HttpOptions>, CliError> {
    let Some(address) = config.listen_address()? else { return Ok(None) };
    let repository = config.forge.repository.parse().ok();
    let spool = config.state_dir.clone();
    Ok(Some(HttpOptions { address, secrets: config.webhook_secrets()?, spool, repository }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for address in ["https://localhost:8443", "https://127.0.0.1", "https://[::1]:1/"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["https://management.azure.com", "https://localhost.example", "not a url"] {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_branch_of_the_settings_that_the_clone_does_not_know_is_said() {
        let world = crate::git::fixture::Fixture::new();
        world.push("environments/dev.yaml", "1");
        let said = async |url: &str, branch: &str| {
            let text = format!("[repository]\nurl = {url:?}\nbranch = {branch:?}\n");
            unknown_branch(&Config::over_default("x", &text).unwrap(), &world.work).await
        };
        let origin = world.origin.display().to_string();
        let remark = said(&origin, "mian").await.unwrap();
        assert!(remark.contains("mian (repository.branch)") && remark.contains("mean main?"), "{remark}");
        assert_eq!(said(&origin, "main").await, None);
        assert_eq!(said("/elsewhere.git", "mian").await, None);
    }

    #[tokio::test]
    async fn a_credential_without_its_secret_is_a_wrong_setting() {
        let text = "[subscriptions.ml]\nid = \"00000000-0000-0000-0000-000000000001\"\n\
                    tenant = \"00000000-0000-0000-0000-000000000002\"\ncredential = \"workload-identity\"\nclient_id = \"x\"\n";
        let config = Config::over_default("x", text).unwrap();
        let error = estate(&config, &Clock::system(), None, Description::Now).await.err().unwrap();
        assert!(error.to_string().contains("subscriptions.ml.secret_file"), "{error}");
    }
}
