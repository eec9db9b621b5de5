//! Settings: embedded default < file < environment variable < flag.
//!
//! The only file that reads environment variables. `config/beamline.toml` is the annotated default
//! that is compiled in; a user's file is laid over it key by key, and an unknown key is an error with
//! file, line and column. Secrets leave this file as [`SecretString`] only.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use uuid::Uuid;

use self::mistake::{key_at, key_in, place_of_key, plainly};
use crate::resources::suggest::nearest;
use crate::wire::{Renewable, Renewal};

mod mistake;

/// The annotated default configuration.
pub const DEFAULT: &str = include_str!("../config/beamline.toml");

/// The largest configuration or secret file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The folder of the service's state, which only the service may write to.
const SERVICE_STATE_DIR: &str = "/var/lib/beamline";

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of the estate.
    pub owner: String,
    /// Where the journal and the mirror live.
    pub state_dir: PathBuf,
    /// The watched repository.
    pub repository: Repository,
    /// Where statuses go.
    pub forge: Forge,
    /// What the daemon serves.
    pub http: Http,
    /// How requests get out.
    pub network: Network,
    /// When and how many.
    pub runs: Runs,
    /// What allows destroying.
    pub consent: Consent,
    /// Aliases of subscriptions.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// Clouds beside the public ones.
    pub clouds: BTreeMap<String, Cloud>,
}

/// `[repository]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The remote.
    pub url: String,
    /// The branch that is applied.
    pub branch: String,
    /// The folder of the definitions.
    pub definitions: String,
    /// Seconds between two looks.
    pub poll_secs: u64,
    /// For https.
    pub username: String,
    /// For https.
    pub password_file: PathBuf,
    /// For ssh.
    pub identity_file: PathBuf,
    /// For ssh.
    pub known_hosts_file: PathBuf,
}

/// `[forge]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forge {
    /// Which one.
    pub kind: ForgeKind,
    /// Its API's address.
    pub api: String,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The token's file.
    pub token_file: PathBuf,
    /// Whose password the token is, for Bitbucket.
    pub user: String,
    /// Whose pull requests are planned without being asked to.
    pub forks: ForkPolicy,
    /// How much is written within an hour.
    pub writes_per_hour: WritesPerHour,
    /// The App ID or client ID of a GitHub App; empty: a token is used.
    pub app_id: String,
    /// The App's installation; 0: it is looked up.
    pub installation_id: u64,
    /// The file of the App's private key.
    pub private_key_file: PathBuf,
}

/// Which forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForgeKind {
    /// Git notes in the repository itself.
    Notes,
    /// GitHub or GitHub Enterprise Server.
    Github,
    /// GitLab.
    Gitlab,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
    /// Azure DevOps Repos.
    AzureDevops,
    /// Bitbucket Cloud.
    Bitbucket,
}

/// How much is written to the forge within an hour: a number, or one of two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum WritesPerHour {
    /// So much; 0 is any number.
    Most(u64),
    /// What the word says.
    Word(WritesWord),
}

/// See [`WritesPerHour`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WritesWord {
    /// What the kind of forge takes.
    ByKind,
    /// Any number.
    Unlimited,
}

/// Below what GitHub takes of an account, which is often shared: 500 within an hour ("Rate limits for the
/// REST API", content creation).
const HOSTED_WRITES: u64 = 400;

impl Forge {
    /// Most writes within an hour; `None`: any number. Of the hosted forges GitHub limits what is created, and
    /// Bitbucket every request to 1,000; GitLab, Azure DevOps and whatever is self-hosted say when it is too
    /// much.
    #[must_use]
    pub fn write_limit(&self) -> Option<u64> {
        match self.writes_per_hour {
            WritesPerHour::Most(0) | WritesPerHour::Word(WritesWord::Unlimited) => None,
            WritesPerHour::Most(most) => Some(most),
            WritesPerHour::Word(WritesWord::ByKind) => match self.kind {
                ForgeKind::Github => self.is_hosted_github().then_some(HOSTED_WRITES),
                ForgeKind::Bitbucket => Some(HOSTED_WRITES),
                ForgeKind::Notes
                | ForgeKind::Gitlab
                | ForgeKind::Gitea
                | ForgeKind::Forgejo
                | ForgeKind::AzureDevops => None,
            },
        }
    }

    /// An Enterprise Server sets its own limits, none at first.
    fn is_hosted_github(&self) -> bool {
        let host = self.api.trim_start_matches("https://").split('/').next().unwrap_or_default();
        host.is_empty() || host.ends_with("api.github.com") || host.ends_with(".ghe.com")
    }
}

/// What happens to pull requests from forks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForkPolicy {
    /// They are planned when somebody who may push asks for it.
    Ask,
    /// They are planned.
    Plan,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The address to listen on; empty: it does not listen.
    pub listen: String,
    /// Where people reach it; empty: nowhere.
    pub public_url: String,
    /// Files of webhook secrets.
    pub webhook_secret_files: Vec<PathBuf>,
}

/// `[network]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A PEM bundle beside the system's.
    pub ca_file: PathBuf,
}

/// `[runs]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Environments at the same time.
    pub parallel: usize,
    /// Six-field cron expression, UTC.
    pub sweep: String,
}

/// `[consent]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Whether a consent line may have a `*`.
    pub globs: bool,
}

/// The parts of a file whose keys are the user's names.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "subscriptions")]
    _subscriptions: Option<BTreeMap<String, Subscription>>,
    #[serde(rename = "clouds")]
    _clouds: Option<BTreeMap<String, Cloud>>,
}

/// `[subscriptions.<alias>]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The subscription.
    pub id: Uuid,
    /// Its directory.
    pub tenant: Uuid,
    /// `public`, `us-government`, `china` or a key of `[clouds]`.
    #[serde(default = "public_cloud")]
    pub cloud: String,
    /// How to sign in.
    pub credential: CredentialKind,
    /// The identity's client id.
    #[serde(default)]
    pub client_id: String,
    /// What the credential kind needs.
    #[serde(default)]
    pub secret_file: PathBuf,
}

/// How to sign in: chosen, not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// The identity of the machine.
    ManagedIdentity,
    /// A federated token in a file.
    WorkloadIdentity,
    /// A client secret.
    ClientSecret,
    /// A client certificate.
    ClientCertificate,
    /// Whoever is signed in to the Azure CLI.
    AzureCli,
}

/// `[clouds.<name>]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// The address of its Resource Manager.
    pub resource_manager: String,
    /// A PEM bundle trusted for this cloud only.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// Below which limits requests to it stay.
    #[serde(default)]
    pub request_limits: RequestLimits,
}

/// How many requests a cloud takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestLimits {
    /// As many as Azure, by principal and subscription.
    #[default]
    Azure,
    /// It does not count them.
    None,
}

/// Settings that stand above the file: flags, else environment variables.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`
    pub file: Option<PathBuf>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--repository`
    pub repository: Option<String>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: check that it exists and that this user may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is too large to be what it should be.
    #[error("{} is larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file is not a configuration.
    #[error("{place}: {message}")]
    Invalid {
        /// `file:line:column`.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A secret that the settings name is not there.
    #[error(
        "the secret of `{key}` {problem}: put it into {}, or into systemd's credential of that name \
         (LoadCredential=), or into the variable {variable}",
        path.display()
    )]
    Secret {
        /// The setting that names its file.
        key: String,
        /// The variable that may hold it instead.
        variable: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with that.
        problem: &'static str,
        /// What the system said.
        #[source]
        source: Option<std::io::Error>,
    },
    /// A setting is missing or does not fit.
    #[error("the setting `{key}` {problem}")]
    Setting {
        /// Its key.
        key: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl Config {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and column, or the setting.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = overrides.file.clone().or_else(|| variable("BEAMLINE_CONFIG").map(PathBuf::from));
        let mut config = match file {
            Some(path) => Self::over_default(&path.display().to_string(), &read_text(&path)?)?,
            None => Self::over_default("(built-in default)", "")?,
        };
        if let Some(dir) =
            overrides.state_dir.clone().or_else(|| variable("BEAMLINE_STATE_DIR").map(PathBuf::from))
        {
            config.state_dir = dir;
        }
        if let Some(url) = overrides.repository.clone().or_else(|| variable("BEAMLINE_REPOSITORY_URL")) {
            config.repository.url = url;
        }
        if let Some(username) = variable("BEAMLINE_GIT_USERNAME") {
            config.repository.username = username;
        }
        config.validate()?;
        Ok(config)
    }

    /// Lays the text of a file over the default.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn over_default(name: &str, text: &str) -> Result<Self, ConfigError> {
        let invalid = |text: &str, offset: usize, message: String| ConfigError::Invalid {
            place: place_of(name, text, offset),
            message,
        };
        let refused = |error: &toml::de::Error| {
            invalid(text, error.span().map_or(0, |span| span.start), error.message().to_owned())
        };
        let default: toml::Table = toml::from_str(DEFAULT).map_err(|error| refused(&error))?;
        let spanned = DeTable::parse(text).map_err(|error| refused(&error))?;
        if let Some((offset, message)) = first_mistake(spanned.get_ref(), &default, "") {
            return Err(invalid(text, offset, message));
        }
        let of_value = |error: &toml::de::Error| {
            // Of a merged table the error knows the key, of a text the place.
            let own = spanned.get_ref();
            let (key, offset) = match error.span() {
                Some(span) => (key_at(own, span.start, ""), span.start),
                None => {
                    let key = key_in(&error.to_string());
                    let offset = key.as_ref().and_then(|key| place_of_key(own, key)).unwrap_or(0);
                    (key, offset)
                }
            };
            let message = plainly(error.message());
            invalid(text, offset, key.map_or_else(|| message.clone(), |key| format!("{key}: {message}")))
        };
        let _: Named = toml::from_str(text).map_err(|error| of_value(&error))?;
        let mut merged = default;
        lay_over(&mut merged, toml::from_str(text).map_err(|error| refused(&error))?);
        merged.try_into().map_err(|error: toml::de::Error| of_value(&error))
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let fail = |key: &str, problem: &str| {
            Err(ConfigError::Setting { key: key.to_owned(), problem: problem.to_owned() })
        };
        let owner_fits = (1..=40).contains(&self.owner.len())
            && self.owner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !owner_fits {
            return fail("owner", "has 1 to 40 letters, digits and hyphens");
        }
        if self.runs.parallel == 0 || self.runs.parallel > 256 {
            return fail("runs.parallel", "is a number from 1 to 256");
        }
        if self.repository.poll_secs < 5 {
            return fail("repository.poll_secs", "is at least 5, so that a remote is not hammered");
        }
        for (alias, subscription) in &self.subscriptions {
            let known = ["public", "us-government", "china"].contains(&subscription.cloud.as_str())
                || self.clouds.contains_key(&subscription.cloud);
            if !known {
                let problem =
                    format!("is `{}`, which is neither a public cloud nor in [clouds]", subscription.cloud);
                return fail(&format!("subscriptions.{alias}.cloud"), &problem);
            }
        }
        self.listen_address().map(|_| ())
    }

    /// Where a person's own journal goes: the configured folder, unless that is the service's and this
    /// user may not write there; then `$XDG_STATE_HOME/beamline` or `~/.local/state/beamline`.
    #[must_use]
    pub fn personal_state_dir(&self) -> PathBuf {
        if self.state_dir != Path::new(SERVICE_STATE_DIR) || is_writable(&self.state_dir) {
            return self.state_dir.clone();
        }
        let state_home = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || variable("HOME").map(|home| Path::new(&home).join(".local/state"));
        state_home.or_else(home).map_or_else(|| self.state_dir.clone(), |home| home.join("beamline"))
    }

    /// Whether the state folder is the one of the built-in settings.
    #[must_use]
    pub fn names_no_state_dir(&self) -> bool {
        self.state_dir == Path::new(SERVICE_STATE_DIR)
    }

    /// The address that the daemon listens on; `None` when it does not listen.
    ///
    /// # Errors
    /// [`ConfigError::Setting`] when it is not an address.
    pub fn listen_address(&self) -> Result<Option<SocketAddr>, ConfigError> {
        if self.http.listen.is_empty() {
            return Ok(None);
        }
        self.http.listen.parse().map(Some).map_err(|_| ConfigError::Setting {
            key: "http.listen".to_owned(),
            problem: format!("is `{}`; it looks like 127.0.0.1:8750", self.http.listen),
        })
    }

    /// The password or token for Git over https.
    ///
    /// # Errors
    /// [`ConfigError`] when its file cannot be read.
    pub fn git_password(&self) -> Result<Option<Renewable>, ConfigError> {
        let (repository, variable) = (&self.repository, "BEAMLINE_GIT_PASSWORD");
        let password = secret(variable, &repository.password_file, "repository.password_file")?;
        if password.is_none() && !repository.username.is_empty() && repository.url.starts_with("http") {
            let problem = format!("(or the variable {variable}) is needed beside repository.username");
            return Err(ConfigError::Setting { key: "repository.password_file".to_owned(), problem });
        }
        Ok(password)
    }

    /// The token for the forge.
    ///
    /// # Errors
    /// [`ConfigError`] when its file cannot be read.
    pub fn forge_token(&self) -> Result<Option<Renewable>, ConfigError> {
        // The older name is still read.
        let names = ["BEAMLINE_FORGE_TOKEN", "BEAMLINE_GITHUB_TOKEN"];
        match names.into_iter().find_map(of_variable) {
            Some(token) => Ok(Some(token)),
            None => optional_secret(&self.forge.token_file, "forge.token_file", names[0]),
        }
    }

    /// The private key of the GitHub App.
    ///
    /// # Errors
    /// [`ConfigError`] when its file cannot be read.
    pub fn forge_private_key(&self) -> Result<Option<Renewable>, ConfigError> {
        secret("BEAMLINE_FORGE_PRIVATE_KEY", &self.forge.private_key_file, "forge.private_key_file")
    }

    /// The webhook secrets that are valid now.
    ///
    /// # Errors
    /// [`ConfigError`] when a file cannot be read.
    pub fn webhook_secrets(&self) -> Result<Vec<Renewable>, ConfigError> {
        let variable = "BEAMLINE_WEBHOOK_SECRET";
        let files = self.http.webhook_secret_files.iter();
        let from_files = files.map(|path| read_secret(path, "http.webhook_secret_files", variable));
        let mut secrets = from_files.collect::<Result<Vec<_>, _>>()?;
        secrets.extend(of_variable(variable));
        Ok(secrets)
    }

    /// The PEM bundle of `[network]`; empty without one.
    ///
    /// # Errors
    /// [`ConfigError`] when its file cannot be read.
    pub fn ca_bundle(&self) -> Result<Vec<u8>, ConfigError> {
        optional_file(&self.network.ca_file)
    }
}

impl Subscription {
    /// The secret that the credential kind needs.
    ///
    /// # Errors
    /// [`ConfigError`] when there is none, or its file cannot be read.
    pub fn secret(&self, alias: &str) -> Result<Renewable, ConfigError> {
        let name = format!("BEAMLINE_SECRET_{}", alias.to_ascii_uppercase().replace('-', "_"));
        let key = format!("subscriptions.{alias}.secret_file");
        secret(&name, &self.secret_file, &key)?.ok_or_else(|| ConfigError::Setting {
            key,
            problem: format!("is needed for this credential (or the variable {name})"),
        })
    }
}

impl Cloud {
    /// The PEM bundle that is trusted for this cloud; empty without one.
    ///
    /// # Errors
    /// [`ConfigError`] when its file cannot be read.
    pub fn ca_bundle(&self) -> Result<Vec<u8>, ConfigError> {
        optional_file(&self.ca_file)
    }
}

/// Whether people asked for no colours (<https://no-color.org>).
#[must_use]
pub fn no_color() -> bool {
    variable("NO_COLOR").is_some()
}

/// The filter for log lines: `BEAMLINE_LOG`, for example `info` or `beamline::azure=debug`.
#[must_use]
pub fn log_filter() -> Option<String> {
    variable("BEAMLINE_LOG")
}

/// Whether systemd's journal reads our standard error.
#[must_use]
pub fn under_systemd() -> bool {
    variable("JOURNAL_STREAM").is_some()
}

/// Whether files can be made in `dir`, which is tried: permissions alone do not tell.
fn is_writable(dir: &Path) -> bool {
    std::fs::create_dir_all(dir).is_ok() && tempfile::tempfile_in(dir).is_ok()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn secret(name: &str, file: &Path, key: &str) -> Result<Option<Renewable>, ConfigError> {
    if let Some(value) = of_variable(name) {
        return Ok(Some(value));
    }
    optional_secret(file, key, name)
}

/// A variable is as it was when the process began.
fn of_variable(name: &str) -> Option<Renewable> {
    let secret = SecretString::from(variable(name)?);
    Some(Renewable::new(secret, Renewal::ByRestart(format!("the variable {name}")), || None))
}

fn optional_secret(file: &Path, key: &str, variable: &str) -> Result<Option<Renewable>, ConfigError> {
    if file.as_os_str().is_empty() { Ok(None) } else { read_secret(file, key, variable).map(Some) }
}

/// The secret in the file that `key` names; `variable` may hold it instead.
fn read_secret(path: &Path, key: &str, variable: &str) -> Result<Renewable, ConfigError> {
    let (place, name) = (place_of_file(path), path.display());
    let renewal = match &place {
        Place::Credential(_) => {
            Renewal::ByRestart(format!("systemd's copy of the credential `{name}`, made at the start"))
        }
        Place::File(file) => Renewal::WhenRefused(file.display().to_string()),
    };
    let text = |file: &Path| read_file(file).map(|text| SecretString::from(text.trim_end().to_owned()));
    let file = place.path().to_owned();
    let missing = |problem, source| {
        let (key, variable) = (key.to_owned(), variable.to_owned());
        ConfigError::Secret { key, variable, path: file.clone(), problem, source }
    };
    let first = match text(&file) {
        Ok(first) if first.expose_secret().is_empty() => return Err(missing("is empty", None)),
        Ok(first) => first,
        Err(ConfigError::Unreadable { source, .. }) => return Err(missing("cannot be read", Some(source))),
        Err(error) => return Err(error),
    };
    Ok(Renewable::new(first, renewal, move || text(&file).ok()))
}

fn optional_file(path: &Path) -> Result<Vec<u8>, ConfigError> {
    if path.as_os_str().is_empty() { Ok(Vec::new()) } else { read_text(path).map(String::into_bytes) }
}

/// Where a file of the settings is.
enum Place {
    /// In systemd's credentials directory: a copy, made when the service started.
    Credential(PathBuf),
    /// Where its path says.
    File(PathBuf),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Credential(path) | Self::File(path) => path,
        }
    }
}

/// A relative path that systemd's credentials directory holds is that of a credential.
fn place_of_file(path: &Path) -> Place {
    let dir = variable("CREDENTIALS_DIRECTORY").filter(|_| path.is_relative());
    let credential = dir.map(|dir| Path::new(&dir).join(path)).filter(|path| path.exists());
    credential.map_or_else(|| Place::File(path.to_owned()), Place::Credential)
}

/// Reads a text file of bounded size.
fn read_text(path: &Path) -> Result<String, ConfigError> {
    read_file(place_of_file(path).path())
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn lay_over(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn place_of(name: &str, text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    let mut place = name.to_owned();
    let _ = write!(place, ":{line}:{column}");
    place
}

/// The setting that is a number or a word.
const NUMBER_OR_WORD: &str = "forge.writes_per_hour";

fn public_cloud() -> String {
    "public".to_owned()
}

/// Finds the first key of `own` that the default does not have, or whose value is of another type.
/// Tables that are empty in the default are maps with names of the user's choice: their content is
/// checked by their own types.
fn first_mistake(own: &DeTable<'_>, default: &toml::Table, path: &str) -> Option<(usize, String)> {
    own.iter().find_map(|(key, value)| {
        let name = key.get_ref().as_ref();
        let Some(expected) = default.get(name) else {
            let known: Vec<&str> = default.keys().map(String::as_str).collect();
            let remedy = match nearest(name, known.iter().copied()) {
                Some(meant) => format!(". Did you mean `{path}{meant}`?"),
                None => format!(", known are {}", known.join(", ")),
            };
            return Some((key.span().start, format!("unknown key `{path}{name}`{remedy}")));
        };
        match (value.get_ref(), expected) {
            (DeValue::Table(_), toml::Value::Table(expected)) if expected.is_empty() => None,
            (DeValue::Table(own), toml::Value::Table(expected)) => {
                first_mistake(own, expected, &format!("{path}{name}."))
            }
            (own, expected) if own.type_str() == expected.type_str() => None,
            (DeValue::Integer(_), _) if format!("{path}{name}") == NUMBER_OR_WORD => None,
            (own, expected) => Some((
                value.span().start,
                format!("`{path}{name}` is a {}, not a {}", expected.type_str(), own.type_str()),
            )),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_complete() {
        let config = Config::over_default("x", "").unwrap();
        assert_eq!(config.repository.branch, "main");
        assert_eq!(config.forge.kind, ForgeKind::Notes);
        assert!(config.validate().is_ok());
    }

    #[test]
    fn a_secret_that_is_missing_or_empty_is_named_with_everywhere_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let text = format!(
            "[repository]\nurl = \"https://git.example/x\"\nusername = \"bot\"\npassword_file = {file:?}\n\
             [forge]\ntoken_file = {file:?}\nprivate_key_file = {file:?}\n\
             [http]\nwebhook_secret_files = [{file:?}]\n[subscriptions.ml-prod]\n\
             id = \"00000000-0000-0000-0000-000000000001\"\ntenant = \"00000000-0000-0000-0000-000000000002\"\n\
             credential = \"client-secret\"\nclient_id = \"x\"\nsecret_file = {file:?}\n"
        );
        let config = Config::over_default("x", &text).unwrap();
        for problem in ["cannot be read", "is empty"] {
            let said = [
                (config.git_password().err(), "repository.password_file", "BEAMLINE_GIT_PASSWORD"),
                (config.forge_token().err(), "forge.token_file", "BEAMLINE_FORGE_TOKEN"),
                (config.forge_private_key().err(), "forge.private_key_file", "BEAMLINE_FORGE_PRIVATE_KEY"),
                (config.webhook_secrets().err(), "http.webhook_secret_files", "BEAMLINE_WEBHOOK_SECRET"),
                (
                    config.subscriptions["ml-prod"].secret("ml-prod").err(),
                    "subscriptions.ml-prod.secret_file",
                    "BEAMLINE_SECRET_ML_PROD",
                ),
            ];
            for (error, key, variable) in said {
                let error = error.unwrap().to_string();
                for words in [problem, key, variable, "LoadCredential=", &file.display().to_string()] {
                    assert!(error.contains(words), "no {words} in {error}");
                }
            }
            std::fs::write(&file, "\n").unwrap();
        }
        let text = "[repository]\nurl = \"https://git.example/x\"\nusername = \"bot\"\n";
        let error = Config::over_default("x", text).unwrap().git_password().unwrap_err().to_string();
        assert!(
            error.contains("repository.password_file") && error.contains("BEAMLINE_GIT_PASSWORD"),
            "{error}"
        );
    }

    #[test]
    fn a_file_sets_only_what_it_names() {
        let config = Config::over_default("x", "owner = \"ops\"\n[repository]\nurl = \"/r\"\n").unwrap();
        assert_eq!(config.owner, "ops");
        assert_eq!(config.repository.url, "/r");
        assert_eq!(config.repository.poll_secs, 60);
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let error = Config::over_default("b.toml", "owner = \"x\"\n[runs]\n  paralel = 3\n").unwrap_err();
        assert!(error.to_string().starts_with("b.toml:3:3: unknown key `runs.paralel`"), "{error}");
        assert!(error.to_string().ends_with(". Did you mean `runs.parallel`?"), "{error}");
        let error = Config::over_default("b.toml", "[repository]\nuser-name = \"x\"\n").unwrap_err();
        assert!(error.to_string().ends_with("Did you mean `repository.username`?"), "{error}");
        let error = Config::over_default("b.toml", "owner = 3\n").unwrap_err();
        assert!(error.to_string().starts_with("b.toml:1:9: "), "{error}");
        let error = Config::over_default("b.toml", "owner = \"x\"\n[forge]\nkind = \"githb\"\n").unwrap_err();
        assert_eq!(error.to_string(), "b.toml:3:8: forge.kind: `githb` is not known. Did you mean `github`?");
        let text = "[subscriptions.ml]\nidd = \"x\"\n";
        let error = Config::over_default("b.toml", text).unwrap_err().to_string();
        assert!(error.ends_with("unknown key `idd`. Did you mean `id`?"), "{error}");
        let subscription = |id: &str, credential: &str| {
            let text = format!(
                "[subscriptions.ml]\ntenant = \"{}\"\nid = \"{id}\"\ncredential = \"{credential}\"\n",
                Uuid::nil()
            );
            Config::over_default("b.toml", &text).unwrap_err().to_string()
        };
        let error = subscription("SUBSCRIPTION", "managed-identity");
        let said =
            "b.toml:3:6: subscriptions.ml.id: it is an id such as 00000000-0000-0000-0000-000000000000 (";
        assert!(error.starts_with(said), "{error}");
        let error = subscription(&Uuid::nil().to_string(), "client-secrets");
        assert_eq!(
            error,
            "b.toml:4:14: subscriptions.ml.credential: `client-secrets` is not known. Did you mean `client-secret`?"
        );
    }

    #[test]
    fn what_may_be_written_within_an_hour_belongs_to_the_forge() {
        let limit =
            |text: &str| Config::over_default("x", &format!("[forge]\n{text}")).unwrap().forge.write_limit();
        assert_eq!(limit("kind = \"github\""), Some(400));
        assert_eq!(limit("kind = \"github\"\napi = \"https://github.example/api/v3\""), None);
        assert_eq!(limit("kind = \"bitbucket\""), Some(400));
        for kind in ["gitlab", "gitea", "forgejo", "azure-devops", "notes"] {
            assert_eq!(limit(&format!("kind = \"{kind}\"")), None, "{kind}");
        }
        assert_eq!(limit("kind = \"gitea\"\nwrites_per_hour = 50"), Some(50));
        assert_eq!(limit("kind = \"github\"\nwrites_per_hour = 0"), None);
        assert_eq!(limit("kind = \"github\"\nwrites_per_hour = \"unlimited\""), None);
        assert!(Config::over_default("x", "[forge]\nwrites_per_hour = \"many\"\n").is_err());
        assert!(Config::over_default("x", "[forge]\nwrites_per_hour = -1\n").is_err());
    }

    #[test]
    fn a_configured_state_folder_is_used_by_people_too() {
        let config = Config::over_default("x", "state_dir = \"/srv/beamline\"\n").unwrap();
        assert_eq!(config.personal_state_dir(), Path::new("/srv/beamline"));
        assert_eq!(Config::over_default("x", "").unwrap().state_dir, Path::new(SERVICE_STATE_DIR));
    }

    #[test]
    fn an_unknown_cloud_is_refused() {
        let text = "[subscriptions.ml]\nid = \"00000000-0000-0000-0000-000000000001\"\n\
                    tenant = \"00000000-0000-0000-0000-000000000002\"\ncloud = \"mars\"\ncredential = \"azure-cli\"\n";
        let error = Config::over_default("x", text).unwrap().validate().unwrap_err();
        assert!(error.to_string().contains("subscriptions.ml.cloud"), "{error}");
    }
}
