//! Settings → the forge: which one, where, and who we are there.
//!
//! Guarantees: what a forge needs and the settings lack is an error that names the setting; nothing is
//! sent before the first request is needed.

use secrecy::ExposeSecret as _;

use super::error::CliError;
use super::wiring::{is_loopback, public_client};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, ForgeKind};
use crate::daemon::ForgeChoice;
use crate::forge::{
    AzureDevOps, Bitbucket, Forge, GitHub, GitLab, Gitea, Repository, azure_devops, bitbucket, gitea, github,
    gitlab,
};
use crate::git::{BranchName, Credentials, PasswordSource, PullRefs};
use crate::wire::{self, Proxy, Renewable};

/// The user name that GitHub takes an App's token with, over https.
const APP_USER: &str = "x-access-token";

/// The forge of the settings; `branch` is the one that is applied.
pub(super) fn choose(config: &Config, clock: &Clock, branch: &BranchName) -> Result<ForgeChoice, CliError> {
    let kind = config.forge.kind;
    if kind == ForgeKind::Notes {
        return Ok(ForgeChoice::Notes);
    }
    let (client, clock) = (client(config)?, clock.clone());
    let (api, repository) = (root(config)?, repository(config)?);
    Ok(ForgeChoice::Forge(match kind {
        ForgeKind::Notes => return Ok(ForgeChoice::Notes),
        ForgeKind::Github => {
            let options = github::Options { api, repository, access: github_access(config)? };
            Forge::GitHub(GitHub::new(client, clock, options)?)
        }
        ForgeKind::Gitlab => {
            let options = gitlab::Options { api, repository, branch: branch.clone(), token: token(config)? };
            Forge::GitLab(GitLab::new(client, clock, options)?)
        }
        ForgeKind::Gitea | ForgeKind::Forgejo => {
            let options = gitea::Options { api, repository, token: token(config)? };
            Forge::Gitea(Gitea::new(client, clock, options)?)
        }
        ForgeKind::AzureDevops => {
            let options = azure_devops::Options { api, repository, token: token(config)? };
            Forge::AzureDevOps(AzureDevOps::new(client, clock, options)?)
        }
        ForgeKind::Bitbucket => {
            let user = config.forge.user.clone();
            let password = token(config)?;
            let credential = match user.is_empty() {
                true => bitbucket::Credential::AccessToken(password),
                false => bitbucket::Credential::Basic { user, password },
            };
            let options = bitbucket::Options { api, repository, credential };
            Forge::Bitbucket(Bitbucket::new(client, clock, options)?)
        }
    }))
}

/// Where the forge keeps the heads of pull requests.
pub(super) fn pull_refs(forge: &ForgeChoice) -> Result<Option<PullRefs>, CliError> {
    let ForgeChoice::Forge(forge) = forge else { return Ok(None) };
    let parsed = forge.head_refs().map(|pattern| pattern.parse::<PullRefs>()).transpose();
    parsed.map_err(|error| CliError::Other(format!("the forge's references are unusable: {error}")))
}

/// A GitHub App's way into its repository over https; its token is renewed every hour.
pub(super) fn app_credentials(forge: &ForgeChoice) -> Option<Credentials> {
    let ForgeChoice::Forge(Forge::GitHub(github)) = forge else { return None };
    if !github.is_app() {
        return None;
    }
    let github = github.clone();
    let password = move || {
        let github = github.clone();
        async move { github.git_password().await.map_err(|error| error.to_string()) }
    };
    Some(Credentials::Dynamic { username: APP_USER.to_owned(), password: PasswordSource::new(password) })
}

/// A forge on this machine is reached without a proxy, and without certificates of public authorities.
fn client(config: &Config) -> Result<wire::Client, CliError> {
    if !is_loopback(&config.forge.api) {
        return public_client(config);
    }
    let ca_bundle = config.ca_bundle()?;
    Ok(wire::Client::new(&wire::Options { ca_bundle, system_roots: false, proxy: Proxy::Never })?)
}

fn root(config: &Config) -> Result<String, CliError> {
    let configured = &config.forge.api;
    if !configured.is_empty() {
        return Ok(configured.clone());
    }
    Ok(match config.forge.kind {
        ForgeKind::Github => "https://api.github.com".to_owned(),
        ForgeKind::Gitlab => "https://gitlab.com/api/v4".to_owned(),
        ForgeKind::Bitbucket => "https://api.bitbucket.org".to_owned(),
        ForgeKind::Gitea | ForgeKind::Forgejo => return Err(missing("api", "https://HOST/api/v1").into()),
        ForgeKind::AzureDevops => return Err(missing("api", "https://dev.azure.com/ORGANIZATION").into()),
        ForgeKind::Notes => String::new(),
    })
}

fn repository(config: &Config) -> Result<Repository, CliError> {
    let wrong = |error| ConfigError::Setting {
        key: "forge.repository".to_owned(),
        problem: format!("is wrong: {error}"),
    };
    Ok(config.forge.repository.parse().map_err(wrong)?)
}

fn token(config: &Config) -> Result<Renewable, CliError> {
    let token = config.forge_token()?.filter(|token| !token.current().expose_secret().is_empty());
    Ok(token.ok_or_else(|| missing("token_file", "a file, or the variable BEAMLINE_FORGE_TOKEN"))?)
}

/// An App where one is configured, otherwise a token.
fn github_access(config: &Config) -> Result<github::Access, CliError> {
    if config.forge.app_id.is_empty() {
        return Ok(github::Access::Token(token(config)?));
    }
    let key = config.forge_private_key()?.filter(|key| !key.current().expose_secret().is_empty());
    let advice = "a file, or the variable BEAMLINE_FORGE_PRIVATE_KEY";
    Ok(github::Access::App {
        app_id: config.forge.app_id.clone(),
        installation_id: Some(config.forge.installation_id).filter(|id| *id > 0),
        private_key: key.ok_or_else(|| missing("private_key_file", advice))?,
    })
}

fn missing(key: &str, example: &str) -> ConfigError {
    let problem = format!("is needed for this forge: {example}");
    ConfigError::Setting { key: format!("forge.{key}"), problem }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn chosen(text: &str) -> Result<ForgeChoice, CliError> {
        let config = Config::over_default("x", text).unwrap();
        choose(&config, &Clock::system(), &"main".parse().unwrap())
    }

    #[test]
    fn every_forge_says_what_it_needs() {
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/azure/auth/test_certificate.pem");
        let token = format!("token_file = {:?}\n", key.display().to_string());
        for (kind, api, repository) in [
            ("github", "", "octo/ml"),
            ("gitlab", "", "group/sub/ml"),
            ("gitea", "https://git.example/api/v1", "octo/ml"),
            ("forgejo", "https://git.example/api/v1", "octo/ml"),
            ("azure-devops", "https://dev.azure.com/contoso", "ML Platform/environments"),
            ("bitbucket", "", "team/ml"),
        ] {
            let text = format!("[forge]\nkind = \"{kind}\"\napi = \"{api}\"\n");
            let error = chosen(&format!("{text}repository = \"{repository}\"\n")).err().unwrap();
            assert!(error.to_string().contains("forge.token_file"), "{kind}: {error}");
            let error = chosen(&format!("{text}{token}")).err().unwrap();
            assert!(error.to_string().contains("forge.repository"), "{kind}: {error}");
        }
        for kind in ["gitea", "azure-devops"] {
            let error = chosen(&format!("[forge]\nkind = \"{kind}\"\nrepository = \"a/b\"\n")).err().unwrap();
            assert!(error.to_string().contains("forge.api"), "{kind}: {error}");
        }
    }

    #[test]
    fn an_app_needs_its_private_key_and_may_publish_check_runs() {
        let text = "[forge]\nkind = \"github\"\nrepository = \"octo/ml\"\napp_id = \"29310\"\n";
        let error = chosen(text).err().unwrap();
        assert!(error.to_string().contains("forge.private_key_file"), "{error}");
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/azure/auth/test_certificate.pem");
        let text = format!("{text}private_key_file = {:?}\n", key.display().to_string());
        let chosen = chosen(&text).unwrap();
        assert!(matches!(chosen, ForgeChoice::Forge(forge) if forge.has_check_runs()));
    }
}
