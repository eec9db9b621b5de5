//! `beamline simulate --forge`: a forge on this machine, and how people are told to use it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::paste::{OfForge, shell, toml};
use crate::cli::error::CliError;
use crate::clock::Clock;
use beamline_simulator::Authority;
use beamline_simulator::forge::{
    Deed, Disorder, ForgeKind, ForgeOptions, Merging, Permission, ServedAccount, ServedForge, Target,
    credential,
};

/// What is pushed first.
const DEFINITION: &str = include_str!("../../../../environments/dev.toml");

/// The port on which a daemon serves unless its settings say otherwise.
const DAEMON: &str = "127.0.0.1:8750";

#[derive(Debug, Args)]
#[command(next_help_heading = "Forge")]
pub(super) struct ForgeArguments {
    /// Serve a forge, too: its REST API, Git over HTTPS, webhooks
    #[arg(long, value_name = "KIND", value_enum)]
    forge: Option<Kind>,
    /// Where the forge listens; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8444", requires = "forge")]
    forge_listen: SocketAddr,
    /// Where webhooks go: the root of a daemon, or a whole URL; without it none are sent
    #[arg(long, value_name = "URL", requires = "forge", value_parser = Target::parse)]
    webhook: Option<Target>,
    /// What webhooks are signed with (Azure DevOps: the user and the password that they bring)
    #[arg(long, value_name = "TEXT", default_value = "simulator:secret", requires = "forge")]
    webhook_secret: String,
    /// When webhooks are sent: as late as that forge was seen to (Gitea, Forgejo: 0.7 to 3.3 s, out of
    /// order), or at once
    #[arg(long, value_enum, default_value_t = Pace::Real, requires = "forge")]
    webhook_pace: Pace,
    /// Serve the forge alone, without Azure
    #[arg(long, requires = "forge", conflicts_with = "state")]
    no_azure: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Github,
    Gitlab,
    Gitea,
    Forgejo,
    AzureDevops,
    Bitbucket,
}

impl Kind {
    fn of_the_world(self) -> ForgeKind {
        match self {
            Self::Github => ForgeKind::GitHub,
            Self::Gitlab => ForgeKind::GitLab,
            Self::Gitea => ForgeKind::Gitea,
            Self::Forgejo => ForgeKind::Forgejo,
            Self::AzureDevops => ForgeKind::AzureDevOps,
            Self::Bitbucket => ForgeKind::Bitbucket,
        }
    }

    /// Its name in the settings, and for people.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Github => ("github", "GitHub"),
            Self::Gitlab => ("gitlab", "GitLab"),
            Self::Gitea => ("gitea", "Gitea"),
            Self::Forgejo => ("forgejo", "Forgejo"),
            Self::AzureDevops => ("azure-devops", "Azure DevOps"),
            Self::Bitbucket => ("bitbucket", "Bitbucket"),
        }
    }
}

/// When webhooks are sent.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pace {
    Real,
    AtOnce,
}

/// A running forge and what it was asked to be.
pub(super) struct Running {
    kind: Kind,
    forge: ServedForge,
    secret: String,
    webhooks: Webhooks,
}

/// Whether anybody is told.
#[derive(Clone)]
enum Webhooks {
    /// To a daemon that listens there, below this URL.
    Sent {
        listen: String,
        root: String,
    },
    NotSent,
}

impl ForgeArguments {
    pub(super) fn stands_alone(&self) -> bool {
        self.no_azure
    }

    /// The forge that is asked for, listening.
    pub(super) async fn start(&self, authority: &Authority) -> Result<Option<Running>, CliError> {
        let Some(kind) = self.forge else { return Ok(None) };
        let disorder = match (self.webhook_pace, kind) {
            (Pace::Real, Kind::Gitea | Kind::Forgejo) => Disorder::late(),
            (Pace::Real, Kind::Github | Kind::Gitlab | Kind::AzureDevops | Kind::Bitbucket)
            | (Pace::AtOnce, _) => Disorder::none(),
        };
        // Tokens of another run must not open this one.
        let options = ForgeOptions::new(Clock::system(), kind.of_the_world())
            .with_seed(fastrand::u64(..))
            .with_webhook_secret(&self.webhook_secret)
            .with_disorder(disorder);
        let forge = ServedForge::start(options, authority, self.forge_listen, self.webhook.clone()).await?;
        let webhooks = match &self.webhook {
            Some(target) => Webhooks::Sent {
                // Behind a TLS proxy it listens where it likes.
                listen: target.listener().unwrap_or_else(|| DAEMON.to_owned()),
                root: target.root(),
            },
            None => Webhooks::NotSent,
        };
        Ok(Some(Running { kind, forge, secret: self.webhook_secret.clone(), webhooks }))
    }
}

impl Running {
    pub(super) async fn stop(self) {
        self.forge.stop().await;
    }

    fn bot(&self) -> &ServedAccount {
        let [_, _, bot] = self.forge.accounts();
        bot
    }

    /// What another program has to know. In `requests` the words in capitals are to be replaced.
    pub(super) fn document(&self) -> Value {
        let accounts: serde_json::Map<String, Value> = self
            .forge
            .accounts()
            .iter()
            .map(|account| {
                let (header, value) = credential(self.forge.world().kind(), &account.token);
                let known = json!({
                    "token": account.token, "may": word(account.permission), "header": [header, value],
                });
                (account.login.clone(), known)
            })
            .collect();
        let requests: serde_json::Map<String, Value> = deeds("BRANCH", "TITLE", "NUMBER", "HEAD", "TEXT")
            .into_iter()
            .map(|(name, deed)| {
                let asked = self.forge.example(&deed);
                let (method, url) = (asked.method.as_str(), asked.url);
                (name.to_owned(), json!({ "method": method, "url": url, "body": asked.body }))
            })
            .collect();
        json!({
            "kind": self.kind.names().0, "base_url": self.forge.base_url(), "api": self.forge.api(),
            "repository": self.forge.repository(), "clone_url": self.forge.clone_url(),
            "fork_url": self.forge.fork_url(), "webhook_secret": self.secret, "accounts": accounts,
            "requests": requests,
        })
    }

    /// Where it listens, and who may do what there.
    pub(super) fn introduction(&self) -> String {
        let (_, name) = self.kind.names();
        let (base, repository) = (self.forge.base_url(), self.forge.repository());
        let mut text = format!(
            "{name} listens on {base} until Ctrl-C: the empty repository {repository}, and a fork of it. Everything in \
             it is forgotten at the end.\nIts accounts, with tokens for the API and as the password of Git:\n"
        );
        for account in self.forge.accounts() {
            let (login, token, may) = (&account.login, &account.token, word(account.permission));
            // Writing into a String cannot fail.
            writeln!(text, "    {login:<13} {token}   {may}").ok();
        }
        text
    }

    /// What a daemon has to be told.
    pub(super) fn settings(&self, ca: &Path) -> OfForge {
        let (bot, forge) = (self.bot(), &self.forge);
        let (url, api, repository) = (forge.clone_url(), forge.api(), forge.repository());
        let (kind, ca) = (self.kind.names().0, toml(&ca.display().to_string()));
        let (listen, public_url, heard) = match &self.webhooks {
            Webhooks::Sent { listen, root } => (listen.as_str(), root.clone(), ""),
            Webhooks::NotSent => (
                DAEMON,
                format!("http://{DAEMON}"),
                "# No webhooks are sent: start with --webhook http://127.0.0.1:8750\n",
            ),
        };
        let settings = format!(
            r#"{heard}[repository]
url = "{url}"
username = "{login}"
[forge]
kind = "{kind}"
api = "{api}"
repository = "{repository}"
[http]
listen = "{listen}"
public_url = "{public_url}"
[network]
ca_file = {ca}
"#,
            login = bot.login,
        );
        let secrets = vec![
            ("BEAMLINE_FORGE_TOKEN", bot.token.clone()),
            ("BEAMLINE_GIT_PASSWORD", bot.token.clone()),
            ("BEAMLINE_WEBHOOK_SECRET", self.secret.clone()),
            // The forge is on this machine.
            ("NO_PROXY", "localhost,127.0.0.1".to_owned()),
        ];
        OfForge { settings, secrets }
    }

    /// A change from the first push to the merge, by hand.
    pub(super) fn commands(&self, ca: &Path) -> String {
        let ca = shell(&ca.display().to_string());
        let [maintainer, contributor, _] = self.forge.accounts();
        let with_token = |url: &str, account: &ServedAccount| {
            url.replacen("https://", &format!("https://{}:{}@", account.login, account.token), 1)
        };
        let (url, fork) = (
            with_token(&self.forge.clone_url(), maintainer),
            with_token(&self.forge.fork_url(), contributor),
        );
        let mut text = format!(
            "\n# A change, by the maintainer; the daemon applies what is pushed to main\n\
             export GIT_SSL_CAINFO={ca} NO_PROXY=localhost,127.0.0.1\n\
             git clone {url} infra && cd infra\n\
             git config user.name {login} && git config user.email {login}@localhost\n\
             mkdir environments && cat > environments/dev.toml <<'END'\n{DEFINITION}END\n\
             git add . && git commit -qm 'The first environment'\n\
             git push origin HEAD:main\n\
             # and another, to be proposed\n\
             sed -i.bak 's/max_node_count = 1/max_node_count = 3/' environments/dev.toml\n\
             git commit -qam 'Three nodes'\n\
             git push origin HEAD:change\n",
            login = maintainer.login,
        );
        for (name, deed) in deeds("change", "A change", "1", "$(git rev-parse HEAD)", "/beamline plan") {
            let account = if name == "open-from-fork" { contributor } else { maintainer };
            if name == "open-from-fork" {
                writeln!(text, "# … and from a fork\ngit push {fork} HEAD:change").ok();
            }
            writeln!(text, "# {name}\n{}", self.curl(&deed, account, &ca)).ok();
        }
        let base = self.forge.base_url();
        writeln!(text, "# what people have seen\ncurl --cacert {ca} {base}/_simulator/history").ok();
        text
    }

    fn curl(&self, deed: &Deed<'_>, account: &ServedAccount, ca: &str) -> String {
        let asked = self.forge.example(deed);
        let (header, value) = credential(self.forge.world().kind(), &account.token);
        // Double quotes, so that the shell fills in $(git rev-parse HEAD).
        let body = asked.body.to_string().replace('"', "\\\"");
        format!(
            "curl --cacert {ca} -X {} -H '{header}: {value}' -H 'content-type: application/json' '{}' -d \"{body}\"",
            asked.method, asked.url
        )
    }
}

fn word(permission: Permission) -> &'static str {
    match permission {
        Permission::None => "nothing",
        Permission::Read => "look, comment, propose from the fork",
        Permission::Write => "push, set statuses",
        Permission::Admin => "everything",
    }
}

/// Everything that is shown, in the order in which it makes sense.
fn deeds<'a>(
    branch: &'a str,
    title: &'a str,
    number: &'a str,
    head: &'a str,
    text: &'a str,
) -> [(&'static str, Deed<'a>); 6] {
    [
        ("open", Deed::Open { branch, title }),
        ("comment", Deed::Comment { number, text }),
        ("merge", Deed::Merge { number, head, how: Merging::Commit }),
        ("squash", Deed::Merge { number, head, how: Merging::Squash }),
        ("close", Deed::Close { number }),
        ("open-from-fork", Deed::OpenFromFork { branch, title }),
    ]
}
