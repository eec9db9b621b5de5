//! Which environments a command is about, and what it knows of each: the subject of an `attempt`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::error::CliError;
use super::sources::Sources;
use crate::attempt::{Estate, Memory, Messages, Subject, expired, removed_environment};
use crate::config::{Config, ForgeKind};
use crate::definitions::{Diagnostic, Environment, Role, defaults_for, role};
use crate::git::{BranchName, CommitId, GitError, Local, RepoPath};
use crate::reconcile::plan::{Consents, Plan};
use crate::reconcile::{Declared, Neighbours, NeighboursError, Planned, Remembered};
use crate::resources::EnvironmentName;
use crate::resources::suggest::nearest;
use crate::store::{Arrivals, EnvironmentRecord, Store};

/// The environments that a command is about.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The sound ones, in the order of their files; one whose file is gone has no resources.
    pub(super) environments: Vec<Environment>,
    /// What is wrong with the others.
    pub(super) errors: Vec<Diagnostic>,
}

/// The environments with these names; all of them when no name is given. One whose file is gone has to be named, and
/// to be among those that are remembered: what is left of it in Azure is to go.
pub(super) fn select(
    sources: &Sources,
    names: &[String],
    remembered: &[EnvironmentRecord],
) -> Result<Selection, CliError> {
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
        } else if let Some(heir) = heir_of(sources, name) {
            return Err(CliError::usage(
                format!("`{name}` is called `{heir}` now, and goes on under that name"),
                format!("name `{heir}` instead"),
            ));
        } else if let Some(record) = remembered.iter().find(|record| record.environment.as_str() == name) {
            // What stands in the place of its folder hides it: it is not gone.
            match estate.failed.iter().find(|path| record.path.starts_with(&format!("{path}/"))) {
                Some(path) => selection.errors.extend(errors_of(sources, path)),
                None => selection.environments.push(removed_environment(record)),
            }
        } else {
            return Err(unknown(sources, name));
        }
    }
    Ok(selection)
}

/// The environment that had this name before.
fn heir_of<'a>(sources: &'a Sources, name: &str) -> Option<&'a EnvironmentName> {
    let mut environments = sources.estate.environments.iter();
    let heir =
        environments.find(|one| one.renamed_from.as_ref().is_some_and(|former| former.as_str() == name));
    heir.map(|heir| &heir.name)
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
    let Sources { estate, root, .. } = sources;
    let sound = estate.environments.iter().map(|found| found.name.to_string());
    // What an invalid one is called is what its file is called, as far as can be said.
    let failed = estate.failed.iter().map(|path| stem(path, root)).filter(|stem| !stem.is_empty());
    let known: BTreeSet<String> = sound.chain(failed).collect();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`? "),
        None => String::new(),
    };
    let listed = known.into_iter().collect::<Vec<_>>().join(", ");
    let known =
        if listed.is_empty() { "there is none yet".to_owned() } else { format!("there are: {listed}") };
    let broken = match estate.failed.len() {
        0 => "",
        1 => "; one definition has errors, which `beamline validate` shows",
        _ => "; some definitions have errors, which `beamline validate` shows",
    };
    CliError::usage(format!("there is no environment `{name}` in `{root}`"), format!("{hint}{known}{broken}"))
}

/// What a command knows beside the definitions.
#[derive(Clone, Copy)]
pub(super) struct Knowledge<'a> {
    /// The subscriptions.
    pub(super) estate: &'a Estate,
    /// The journal, where there is one.
    pub(super) journal: Option<Journal<'a>>,
}

/// What is declared beside the environment that a command is about.
struct Beside(Arc<Declared>);

#[async_trait]
impl Neighbours for Beside {
    async fn declared(&self) -> Result<Arc<Declared>, NeighboursError> {
        Ok(Arc::clone(&self.0))
    }
}

/// What is remembered.
#[derive(Clone, Copy)]
pub(super) struct Journal<'a> {
    /// Where.
    pub(super) store: &'a Store,
    /// The branch that is applied.
    pub(super) branch: &'a BranchName,
}

impl Knowledge<'_> {
    /// Everything that belongs to `environment`, which is one of `sources`, or has no file there any more.
    pub(super) async fn subject(
        &self,
        environment: Environment,
        sources: &Sources,
    ) -> Result<Subject, CliError> {
        let memory = match self.journal {
            Some(journal) => Memory::of(journal.store, &environment).await?,
            None => Memory::default(),
        };
        let name = environment.name.clone();
        let digest = sources.digests.get(&environment.path).cloned();
        let subject = Subject::new(environment, sources.commit, digest, &memory, self.estate);
        let subject = subject.map_err(CliError::Estate)?;
        let has_file = sources.estate.environments.iter().any(|one| one.name == name);
        let mut subject = if has_file { subject } else { subject.gone() };
        subject.remembered = self.declared_before(memory, sources).await?;
        subject.consents = self.consents(&subject, sources).await?;
        subject.neighbours = Some(Arc::new(Beside(self.declared(sources).await?)));
        Ok(subject)
    }

    /// What earlier definitions of the environment declared.
    async fn declared_before(&self, memory: Memory, sources: &Sources) -> Result<Remembered, CliError> {
        let Some(repository) = sources.repository.clone() else { return Ok(Remembered::NOTHING) };
        let Ok(root) = sources.root.parse::<RepoPath>() else { return Ok(Remembered::NOTHING) };
        let estate = self.estate.clone();
        let read = move || {
            let reader = repository.reader()?;
            Ok::<_, GitError>(memory.declared_before(&reader, &root, &estate))
        };
        let read = tokio::task::spawn_blocking(read).await;
        Ok(read.map_err(|error| CliError::Other(format!("reading was cut short: {error}")))??)
    }

    /// What all environments of `sources` declare. One whose subscription is not configured declares nothing that
    /// could be in sight.
    async fn declared(&self, sources: &Sources) -> Result<Arc<Declared>, CliError> {
        if let Some(known) = sources.declared.get() {
            return Ok(Arc::clone(known));
        }
        let mut declared = Declared::default();
        for environment in &sources.estate.environments {
            if let Some(site) = self.estate.site(environment) {
                declared.add(environment, &site);
            }
        }
        sources.broken().for_each(|(path, text)| declared.add_broken(path, text));
        if let Some(Journal { store, .. }) = self.journal {
            declared.remember(store.environments().await?.into_iter().map(|record| record.environment));
        }
        Ok(Arc::clone(sources.declared.get_or_init(|| Arc::new(declared))))
    }

    /// What the messages of the commits since the last complete apply consent to; of a working tree those up to
    /// its HEAD.
    async fn consents(&self, subject: &Subject, sources: &Sources) -> Result<Consents, CliError> {
        let now = subject.account.arm.clock().now();
        let mut names: BTreeSet<String> =
            sources.estate.environments.iter().map(|environment| environment.name.to_string()).collect();
        let mut heads = Arrivals::default();
        if let Some(Journal { store, branch }) = self.journal {
            names.extend(store.names_ever().await?);
            heads = store.arrivals(branch, expired(now)).await?;
        }
        let consents = Consents::new(self.estate.globs).among(Arc::new(names));
        let Some(repository) = sources.repository.clone() else { return Ok(consents) };
        let (commit, since) = (sources.commit, subject.since);
        let read = move || {
            let Some(to) = commit.map_or_else(|| head_of(&repository), |commit| Ok(Some(commit)))? else {
                return Ok(consents);
            };
            // Nobody has seen when a commit arrived: it is as old as it says, and one of tomorrow is of now.
            heads.first.get_or_insert((to, now));
            let messages = Messages { from: since, to, main: None, heads, now };
            messages.read(&repository.reader()?, consents)
        };
        let read = tokio::task::spawn_blocking(read).await;
        Ok(read.map_err(|error| CliError::Other(format!("reading was cut short: {error}")))??)
    }
}

/// The commit of a working tree; `None` while nothing is committed.
fn head_of(repository: &Local) -> Result<Option<CommitId>, GitError> {
    match repository.head() {
        Ok(head) => Ok(Some(head)),
        Err(GitError::UnknownRevision { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Observes and plans. Sends reads only.
pub(super) async fn plan_of(subject: &Subject) -> Result<Planned, CliError> {
    subject.plan(&subject.account.arm).await.map_err(|source| CliError::Reconcile {
        environment: subject.environment.name.clone(),
        verb: "planned",
        source,
    })
}

/// The subscriptions that environments name.
pub(super) fn aliases(environments: &[Environment]) -> BTreeSet<String> {
    environments.iter().map(|environment| environment.subscription.clone()).collect()
}

/// What is said where consent is missing and may have been given where this cannot look.
pub(super) fn unknown_comments<'a>(
    config: &Config,
    mut plans: impl Iterator<Item = &'a Plan>,
) -> Option<&'static str> {
    let has_forge = config.forge.kind != ForgeKind::Notes;
    let lacks = has_forge && plans.any(|plan| plan.lacking().next().is_some());
    lacks.then_some(
        "note: only commit messages count here; a consent that was given in a comment on a pull request is \
         known to the daemon alone",
    )
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sources::Place;
    use crate::clock::Clock;

    #[tokio::test]
    async fn an_environment_whose_folder_is_hidden_is_not_removed() {
        let here = tempfile::tempdir().unwrap();
        std::fs::create_dir(here.path().join("environments")).unwrap();
        std::os::unix::fs::symlink("/", here.path().join("environments/eu")).unwrap();
        let place = Place { dir: here.path().to_owned(), root: "environments".to_owned(), revision: None };
        let sources = place.read().await.unwrap();
        let now = Clock::system().now();
        for (path, errors) in [("environments/eu/b.yaml", 1), ("environments/b.yaml", 0)] {
            let record = EnvironmentRecord::new(&"b".parse().unwrap(), path, now);
            let selection = select(&sources, &["b".to_owned()], &[record]).unwrap();
            assert_eq!(
                (selection.errors.len(), selection.environments.len()),
                (errors, 1 - errors),
                "{path}"
            );
        }
    }
}
