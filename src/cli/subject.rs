//! An environment and everything that a plan of it needs: what the command line and the daemon both
//! hand to `reconcile`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::error::CliError;
use super::sources::Sources;
use crate::config::{Config, ForgeKind};
use crate::daemon::{Account, Estate};
use crate::definitions::{Diagnostic, Environment, InputDigest, Role, defaults_for, role};
use crate::git::{CommitId, CommitInfo, GitError, Local};
use crate::reconcile::plan::{Blocker, Consents, Globs, Plan, Reach, Revision};
use crate::reconcile::{Planned, Wanted, make_plan};
use crate::resources::Site;
use crate::resources::id::ResourceId;
use crate::store::EnvironmentRecord;

/// The environments that a command is about.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The sound ones, in the order of their files.
    pub(super) environments: Vec<Environment>,
    /// What is wrong with the others.
    pub(super) errors: Vec<Diagnostic>,
}

/// The environments with these names; all of them when no name is given.
pub(super) fn select(sources: &Sources, names: &[String]) -> Result<Selection, CliError> {
    let estate = &sources.estate;
    if names.is_empty() {
        let errors = estate.diagnostics.iter().filter(|found| found.is_error()).cloned().collect();
        return Ok(Selection { environments: estate.environments.clone(), errors });
    }
    let mut selection = Selection::default();
    for name in names.iter().collect::<BTreeSet<_>>() {
        if let Some(environment) = estate.environments.iter().find(|found| found.name.as_str() == name) {
            selection.environments.push(environment.clone());
        } else if let Some(path) = estate.failed.iter().find(|path| stem(path, &sources.root) == *name) {
            selection.errors.extend(errors_of(sources, path));
        } else {
            return Err(unknown(sources, name));
        }
    }
    Ok(selection)
}

fn stem(path: &str, root: &str) -> String {
    match role(path, root) {
        Role::Environment { stem } => stem,
        Role::Defaults { .. } | Role::Other => String::new(),
    }
}

/// The errors in a file and in what it inherits.
fn errors_of(sources: &Sources, path: &str) -> Vec<Diagnostic> {
    let mut files = defaults_for(path, &sources.root);
    files.push(path.to_owned());
    let of_file = |found: &&Diagnostic| found.is_error() && files.contains(&found.location.file);
    sources.estate.diagnostics.iter().filter(of_file).cloned().collect()
}

fn unknown(sources: &Sources, name: &str) -> CliError {
    let known: Vec<&str> = sources.estate.environments.iter().map(|found| found.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let broken = match sources.estate.failed.len() {
        0 => String::new(),
        count => format!("; {count} definitions have errors, which `beamline validate` shows"),
    };
    CliError::usage(
        format!("there is no environment `{name}` in `{}`", sources.root),
        format!("the environments are: {known}{broken}"),
    )
}

/// An environment that can be planned.
#[derive(Clone)]
pub(super) struct Subject {
    /// Its definition.
    pub(super) environment: Environment,
    /// Its subscription.
    pub(super) account: Account,
    site: Site,
    consents: Consents,
    revision: Option<Revision>,
    pub(super) digest: Option<InputDigest>,
    former_groups: Vec<ResourceId>,
}

impl Subject {
    /// Everything that belongs to `environment`, which is one of `sources`. `record` is what a journal
    /// remembers of it.
    pub(super) async fn new(
        environment: Environment,
        sources: &Sources,
        estate: &Estate,
        record: Option<&EnvironmentRecord>,
    ) -> Result<Self, CliError> {
        let account = estate.account(&environment.subscription);
        let failed = |source| CliError::Estate { environment: environment.name.clone(), source };
        let account = account.map_err(failed)?.clone();
        let since = record.and_then(|record| record.last_complete.as_ref()).map(|applied| applied.commit);
        let former_groups = record
            .filter(|record| {
                record.subscription == environment.subscription
                    && record.resource_group != environment.resource_group
            })
            .map(|record| ResourceId::resource_group(account.subscription, &record.resource_group));
        Ok(Self {
            site: environment.site(&estate.owner, account.subscription, account.tenant),
            consents: consents(sources, estate.globs, since, account.arm.clock().now()).await?,
            revision: sources.commit.map(|commit| Revision(commit.to_string())),
            digest: sources.digests.get(&environment.path).cloned(),
            former_groups: former_groups.into_iter().collect(),
            environment,
            account,
        })
    }

    /// What is to be reconciled.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            environment: &self.environment,
            site: &self.site,
            former_groups: &self.former_groups,
            consents: &self.consents,
            commit: self.revision.as_ref(),
            input_digest: self.digest.as_ref(),
        }
    }

    /// Observes and plans. Sends reads only.
    pub(super) async fn plan(&self) -> Result<Planned, CliError> {
        make_plan(&self.wanted(), &self.account.arm).await.map_err(|source| CliError::Reconcile {
            environment: self.environment.name.clone(),
            verb: "planned",
            source,
        })
    }
}

/// The subscriptions that environments name.
pub(super) fn aliases(environments: &[Environment]) -> BTreeSet<String> {
    environments.iter().map(|environment| environment.subscription.clone()).collect()
}

/// Of a commit: what its message, and those since the last complete apply, consent to. Of a working
/// tree: what the message of its HEAD does. When a commit reached the main branch is not known here: it
/// is as old as it says, and one that says it is of tomorrow is of now.
async fn consents(
    sources: &Sources,
    globs: Globs,
    since: Option<CommitId>,
    now: Timestamp,
) -> Result<Consents, CliError> {
    let names = sources.estate.environments.iter().map(|environment| environment.name.to_string());
    let mut consents = Consents::new(globs).among(names);
    let Some(repository) = sources.repository.clone() else { return Ok(consents) };
    let commit = sources.commit;
    let read = tokio::task::spawn_blocking(move || commits(&repository, commit, since));
    let commits =
        read.await.map_err(|error| CliError::Other(format!("reading was cut short: {error}")))??;
    for commit in commits {
        let reach = Reach::since(commit.committed.min(now), now);
        consents.read_message(&commit.id.to_string(), &commit.author, &commit.message, &reach);
    }
    Ok(consents)
}

/// What is said where consent is missing and may have been given where this cannot look.
pub(super) fn unknown_comments<'a>(
    config: &Config,
    mut plans: impl Iterator<Item = &'a Plan>,
) -> Option<&'static str> {
    let is_missing = |blocker: &Blocker| matches!(blocker, Blocker::NeedsConsent { .. });
    let has_forge = config.forge.kind != ForgeKind::Notes;
    let lacks = has_forge && plans.any(|plan| plan.blockers.iter().any(is_missing));
    lacks.then_some(
        "note: only commit messages count here; a consent that was given in a comment on a pull request is \
         known to the daemon alone",
    )
}

fn commits(
    repository: &Local,
    commit: Option<CommitId>,
    since: Option<CommitId>,
) -> Result<Vec<CommitInfo>, GitError> {
    let to = match commit {
        Some(commit) => commit,
        None => match repository.head() {
            Ok(head) => head,
            // Nothing is committed yet.
            Err(GitError::UnknownRevision { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        },
    };
    repository.reader()?.commits_between(since.as_ref(), &to)
}

/// What a resource tells pipelines: `compute_clusters.cpu-cluster.name` → its value in `body`.
pub(super) fn outputs_of<'a>(
    bodies: impl Iterator<Item = (&'a crate::resources::Address, &'a serde_json::Value)>,
) -> BTreeMap<String, serde_json::Value> {
    let mut outputs = BTreeMap::new();
    for (address, body) in bodies {
        let place = address.local().replace('/', ".");
        for (name, pointer) in crate::resources::of(address.kind()).outputs() {
            if let Some(value) = body.pointer(pointer).filter(|value| !value.is_null()) {
                outputs.insert(format!("{place}.{name}"), value.clone());
            }
        }
    }
    outputs
}
