//! A forge that other programs use: its API, Git over HTTPS and an administrator's door behind one
//! listener, webhooks sent to whoever wants them.
//!
//! *The API is [`super::ForgeWorld`]'s; Git is the `git http-backend` of this machine, run for each request
//! (`git.rs`, `cgi.rs`), and what it pushed is taken in before the answer goes out; webhooks are sent by
//! `sending.rs`; `admin.rs` lets tests and people look and break things.*
//!
//! What is guaranteed: everything lives in a temporary folder and in memory, and is gone at the end;
//! processes and deliveries under way are bounded, and end with the forge.

mod admin;
mod cgi;
mod examples;
mod git;
mod sending;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tempfile::TempDir;
use tokio_util::task::AbortOnDropHandle;

use super::Permission;
use super::objects::Objects;
use super::options::{ForgeKind, ForgeOptions};
use super::world::ForgeWorld;
use crate::server::{Authority, Server, SimulatorError};

pub use examples::{Deed, Example, Merging, credential};
pub use sending::Target;

/// An account of a served forge.
#[derive(Clone)]
pub struct ServedAccount {
    /// The login by which the forge knows the account.
    pub login: String,
    /// What it may do.
    pub permission: Permission,
    /// Its token, for the API and for Git. A simulated one: it opens nothing but this forge.
    pub token: String,
}

impl fmt::Debug for ServedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedAccount").field("login", &self.login).finish_non_exhaustive()
    }
}

/// A forge that listens. Dropping it stops it at once.
#[derive(Debug)]
pub struct ServedForge {
    world: ForgeWorld,
    server: Server,
    accounts: [ServedAccount; 3],
    fork: String,
    _sending: AbortOnDropHandle<()>,
    _folder: TempDir,
}

/// The login of who may do everything: merge, push to the main branch.
const MAINTAINER: &str = "ada";

/// The login of who may look only, and proposes from a fork.
const CONTRIBUTOR: &str = "carl";

const BOT: &str = "beamline-bot";

impl ServedForge {
    /// Listens on `address` (port 0: any free one) with a certificate of `authority`: an empty repository
    /// and an empty fork of it, a maintainer, a contributor, an account for beamline, and webhooks to
    /// `target`.
    ///
    /// # Errors
    /// When the address cannot be bound, the repository cannot be made, or webhooks cannot be sent.
    pub async fn start(
        options: ForgeOptions,
        authority: &Authority,
        address: SocketAddr,
        target: Option<Target>,
    ) -> Result<Self, SimulatorError> {
        let folder = tempfile::Builder::new().prefix("beamline-forge-").tempdir();
        let folder = folder.map_err(|source| SimulatorError::Folder { source })?;
        let fork = fork_name(&options);
        let mut objects = Objects::create(folder.path(), &options.default_branch)?;
        objects.fork(&fork, &options.default_branch)?;
        let world = ForgeWorld::new(options);
        world.state().objects = Some(objects);
        let roles = [
            (MAINTAINER, Permission::Admin),
            (CONTRIBUTOR, Permission::Read),
            // Only administrators of the repository are told what others may do, on Gitea and Bitbucket.
            (BOT, Permission::Admin),
        ];
        let accounts = roles.map(|(login, permission)| ServedAccount {
            login: login.to_owned(),
            permission,
            token: world.add_account(login, permission),
        });
        let sent = Arc::new(sending::Sent::default());
        let faces = admin::router(world.clone(), Arc::clone(&sent)).fallback_service(world.router());
        let router = git::before(faces, world.clone(), folder.path().to_owned());
        let server = Server::serve_with(authority, router, address).await?;
        world.set_base_url(&server.base_url());
        let sending = tokio::spawn(sending::send_what_is_due(world.clone(), target, sent)?);
        let _sending = AbortOnDropHandle::new(sending);
        Ok(Self { world, server, accounts, fork, _sending, _folder: folder })
    }

    /// The forge itself, to look at what people would see.
    #[must_use]
    pub fn world(&self) -> &ForgeWorld {
        &self.world
    }

    /// The address without a path: `https://localhost:PORT`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// The root of its REST API, as `forge.api` of the settings wants it.
    #[must_use]
    pub fn api(&self) -> String {
        let base = self.base_url();
        match self.world.kind() {
            ForgeKind::GitHub => format!("{base}/api/v3"),
            ForgeKind::GitLab => format!("{base}/api/v4"),
            ForgeKind::Gitea | ForgeKind::Forgejo => format!("{base}/api/v1"),
            ForgeKind::AzureDevOps => {
                format!("{base}/{}", self.full_name().split('/').next().unwrap_or_default())
            }
            ForgeKind::Bitbucket => base,
        }
    }

    /// As the forge itself writes it, with the organization on Azure DevOps.
    fn full_name(&self) -> String {
        self.world.state().options.repository.clone()
    }

    /// The repository, as `forge.repository` of the settings wants it.
    #[must_use]
    pub fn repository(&self) -> String {
        let full = self.full_name();
        match self.world.kind() {
            ForgeKind::AzureDevOps => full.split_once('/').map_or(full.clone(), |(_, rest)| rest.to_owned()),
            ForgeKind::GitHub
            | ForgeKind::GitLab
            | ForgeKind::Gitea
            | ForgeKind::Forgejo
            | ForgeKind::Bitbucket => full,
        }
    }

    /// Where the repository is cloned from.
    #[must_use]
    pub fn clone_url(&self) -> String {
        git::clone_url(&self.base_url(), self.world.kind(), &self.full_name())
    }

    /// Where the contributor's fork is pushed to.
    #[must_use]
    pub fn fork_url(&self) -> String {
        git::clone_url(&self.base_url(), self.world.kind(), &self.fork)
    }

    /// The fork's full name.
    #[must_use]
    pub fn fork(&self) -> &str {
        &self.fork
    }

    /// The maintainer, the contributor, beamline's own.
    #[must_use]
    pub fn accounts(&self) -> &[ServedAccount; 3] {
        &self.accounts
    }

    /// Stops listening; answers under way get a second to finish.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// The contributor's fork: the repository under their own name.
fn fork_name(options: &ForgeOptions) -> String {
    match options.kind {
        // A fork lives in the same project, under another name.
        ForgeKind::AzureDevOps => format!("{}.{CONTRIBUTOR}", options.repository),
        ForgeKind::GitHub
        | ForgeKind::GitLab
        | ForgeKind::Gitea
        | ForgeKind::Forgejo
        | ForgeKind::Bitbucket => {
            let name = options.repository.rsplit('/').next().unwrap_or_default();
            format!("{CONTRIBUTOR}/{name}")
        }
    }
}
