//! Which forge a world is, and how its webhooks travel.

use secrecy::SecretString;

use super::disorder::Disorder;
use beamline_base::clock::Clock;

/// The forges, as far as they differ on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ForgeKind {
    /// github.com; its paths also answer below `/api/v3`, as on GitHub Enterprise Server.
    GitHub,
    /// GitLab, API version 4.
    GitLab,
    /// Gitea, API version 1.
    Gitea,
    /// Forgejo: Gitea's API with webhook headers of its own.
    Forgejo,
    /// Azure DevOps Repos, API version 7.1.
    AzureDevOps,
    /// Bitbucket Cloud, API version 2.0.
    Bitbucket,
}

impl ForgeKind {
    /// All forges, in the order in which documents name them.
    pub const ALL: [Self; 6] =
        [Self::GitHub, Self::GitLab, Self::Gitea, Self::Forgejo, Self::AzureDevOps, Self::Bitbucket];

    /// The path that this forge's webhooks are posted to.
    #[must_use]
    pub fn webhook_path(self) -> &'static str {
        match self {
            Self::GitHub => "/webhooks/github",
            Self::GitLab => "/webhooks/gitlab",
            Self::Gitea => "/webhooks/gitea",
            Self::Forgejo => "/webhooks/forgejo",
            Self::AzureDevOps => "/webhooks/azure-devops",
            Self::Bitbucket => "/webhooks/bitbucket",
        }
    }
}

/// How a world is made. [`ForgeOptions::new`] gives the defaults; the `with_…` methods change one thing.
#[derive(Clone, Debug)]
pub struct ForgeOptions {
    /// The clock that everything goes by, so that tests own time.
    pub clock: Clock,
    /// From which every token, id and disorder is drawn.
    pub seed: u64,
    /// Which forge it is.
    pub kind: ForgeKind,
    /// The repository's name as the forge writes it: `owner/name`, `group/sub/name` (GitLab),
    /// `organization/project/repository` (Azure DevOps), `workspace/slug` (Bitbucket).
    pub repository: String,
    /// The branch that clones get and pull requests go into.
    pub default_branch: String,
    /// With which webhooks are signed. For Azure DevOps `user:password` of the basic authentication.
    pub webhook_secret: SecretString,
    /// What happens to webhooks on their way.
    pub disorder: Disorder,
}

impl ForgeOptions {
    /// Seed 1, repository `octo/infra` (Azure DevOps: `octo/platform team/infra`), branch `main`, the
    /// secret `webhook:secret`, webhooks in order and at once.
    #[must_use]
    pub fn new(clock: Clock, kind: ForgeKind) -> Self {
        let repository = match kind {
            ForgeKind::GitLab => "octo/cloud/infra",
            ForgeKind::AzureDevOps => "octo/platform team/infra",
            ForgeKind::GitHub | ForgeKind::Gitea | ForgeKind::Forgejo | ForgeKind::Bitbucket => "octo/infra",
        };
        Self {
            clock,
            seed: 1,
            kind,
            repository: repository.to_owned(),
            default_branch: "main".to_owned(),
            webhook_secret: "webhook:secret".into(),
            disorder: Disorder::none(),
        }
    }

    /// The same with another seed, from which everything drawn follows.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// With another repository name.
    #[must_use]
    pub fn with_repository(self, repository: &str) -> Self {
        Self { repository: repository.to_owned(), ..self }
    }

    /// With another main branch.
    #[must_use]
    pub fn with_default_branch(self, branch: &str) -> Self {
        Self { default_branch: branch.to_owned(), ..self }
    }

    /// With another webhook secret.
    #[must_use]
    pub fn with_webhook_secret(self, secret: &str) -> Self {
        Self { webhook_secret: secret.into(), ..self }
    }

    /// With webhooks that do not simply arrive.
    #[must_use]
    pub fn with_disorder(self, disorder: Disorder) -> Self {
        Self { disorder, ..self }
    }
}
