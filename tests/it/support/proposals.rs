//! A daemon whose repository is on a forge: a real repository for the objects, the forge simulator for
//! what people see and say.

use std::time::Duration;

use beamline::clock::Clock;
use beamline::daemon::Forks;
use beamline::daemon::event::{Because, Event};
use beamline::forge::{
    AzureDevOps, Bitbucket, Forge, GitHub, GitLab, Gitea, Incoming, Source, azure_devops, bitbucket, gitea,
    github, gitlab, receive,
};
use beamline::git::{CommitId, Credentials, Remote};
use beamline::store::{About, Delivery};
use beamline::wire::{self, Renewable};
use beamline_simulator::Latency;
use beamline_simulator::forge::{
    Disorder, ForgeKind, ForgeOptions, ForgeWorld, Permission, Problem, PullRequest, Seen, Shown,
};

use super::daemon_world::{DaemonWorld, Setup};
use super::gate::Gate;

/// The account that the daemon has.
pub(crate) const BOT: &str = "beamline-bot";

/// A daemon and the forge that its repository is on.
pub(crate) struct Proposals {
    pub(crate) daemon: DaemonWorld,
    pub(crate) forge: ForgeWorld,
    /// What stands between the daemon and the forge.
    pub(crate) forge_gate: Gate,
    kind: ForgeKind,
}

/// What differs from story to story.
pub(crate) struct Choices {
    pub(crate) kind: ForgeKind,
    pub(crate) forks: Forks,
    pub(crate) disorder: Disorder,
    pub(crate) seed: u64,
    /// The id, the installation and the key of a GitHub App that is used instead of a token.
    pub(crate) app: Option<(u64, u64, &'static str)>,
    /// How often the daemon looks.
    pub(crate) poll: Duration,
    /// How long Azure takes.
    pub(crate) latency: Latency,
    /// Whether the daemon has pages.
    pub(crate) has_pages: bool,
    /// Most writes to the forge within an hour that the daemon is set to.
    pub(crate) write_limit: Option<u64>,
}

impl Choices {
    pub(crate) fn of(kind: ForgeKind) -> Self {
        Self {
            kind,
            forks: Forks::Ask,
            disorder: Disorder::none(),
            seed: 1,
            app: None,
            poll: Duration::from_secs(60),
            latency: Latency::None,
            has_pages: false,
            write_limit: Some(400),
        }
    }
}

impl Proposals {
    /// A running daemon, after a push of `files` to the main branch that has been dealt with. `ada` may
    /// push, `eve` may read.
    pub(crate) async fn running(kind: ForgeKind, files: &[(&str, &str)]) -> Self {
        Self::with(Choices::of(kind), files).await
    }

    pub(crate) async fn with(choices: Choices, files: &[(&str, &str)]) -> Self {
        let mut setup = Setup { poll: choices.poll, latency: choices.latency, ..Setup::new() };
        setup.write_limit = choices.write_limit;
        setup.secrets = choices.has_pages.then(Vec::new);
        let options = ForgeOptions::new(setup.clock.apart(), choices.kind)
            .with_seed(choices.seed)
            .with_disorder(choices.disorder);
        let (forge, forge_gate) = (ForgeWorld::new(options), Gate::default());
        let token = forge.add_account(BOT, Permission::Admin);
        forge.add_account("ada", Permission::Write);
        forge.add_account("eve", Permission::Read);
        if let Some((id, installation, key)) = choices.app {
            forge.install_app(id, installation, key).unwrap();
        }
        setup.forge = Some(client(&forge, &forge_gate, &setup.clock, token.into(), choices.app));
        setup.forks = choices.forks;
        let mut daemon = DaemonWorld::with(setup);
        let pull_refs = match choices.kind {
            ForgeKind::GitLab => Some("refs/merge-requests/*/head"),
            ForgeKind::GitHub | ForgeKind::Gitea | ForgeKind::Forgejo => Some("refs/pull/*/head"),
            ForgeKind::AzureDevOps | ForgeKind::Bitbucket => None,
        };
        daemon.remote(Remote {
            url: daemon.repository.origin().display().to_string(),
            credentials: Credentials::None,
            pull_refs: pull_refs.map(|pattern| pattern.parse().unwrap()),
        });
        let mut story = Self { daemon, forge, forge_gate, kind: choices.kind };
        for (path, text) in files {
            story.daemon.repository.write(path, text);
        }
        let commit = story.commit_to_main("the beginning");
        story.daemon.start().await;
        story.daemon.settled("main", &commit).await;
        story
    }

    /// Pushes what was written to the main branch.
    pub(crate) fn commit_to_main(&self, message: &str) -> CommitId {
        let commit = self.daemon.repository.push(message);
        self.forge.pushed("main", &commit.to_string());
        commit
    }

    /// As [`Self::commit_to_main`], and waits until the daemon has come to rest.
    pub(crate) async fn push_to_main(&self, message: &str) -> CommitId {
        let commit = self.commit_to_main(message);
        self.daemon.settled("main", &commit).await;
        self.at_rest().await;
        commit
    }

    /// Begins a branch at the head of the main branch.
    pub(crate) fn branch(&self, branch: &str) {
        self.daemon.repository.git(&["fetch", "-q", "origin", "main"]);
        self.daemon.repository.git(&["checkout", "-q", "-B", branch, "FETCH_HEAD"]);
    }

    /// Goes back to the main branch.
    pub(crate) fn main(&self) {
        self.branch("main");
    }

    /// Writes a file, commits it to `branch` and pushes that; the forge hears of it.
    pub(crate) fn push(&self, branch: &str, path: &str, text: &str, message: &str) -> CommitId {
        self.daemon.repository.write(path, text);
        let commit = self.daemon.repository.push_to(branch, message);
        self.forge.pushed(branch, &commit.to_string());
        commit
    }

    /// Proposes what `path` is to become: a branch, a commit, a pull request by `ada`. Its number and head.
    pub(crate) fn propose(&self, branch: &str, path: &str, text: &str) -> (u64, CommitId) {
        self.branch(branch);
        let head = self.push(branch, path, text, &format!("change {path}"));
        let number = self.open(PullRequest::new("ada", branch, &head.to_string()).changing(&[path]), &head);
        (number, head)
    }

    /// Opens a pull request, with the ref that the forge keeps of it.
    pub(crate) fn open(&self, what: PullRequest, head: &CommitId) -> u64 {
        let number = self.forge.open(what);
        self.keep_ref(number, head);
        number
    }

    /// Makes the ref that the forge keeps of a pull request's head.
    pub(crate) fn keep_ref(&self, number: u64, head: &CommitId) {
        let folder = match self.kind {
            ForgeKind::GitLab => "merge-requests",
            ForgeKind::GitHub | ForgeKind::Gitea | ForgeKind::Forgejo => "pull",
            ForgeKind::AzureDevOps | ForgeKind::Bitbucket => return,
        };
        let refspec = format!("+{head}:refs/{folder}/{number}/head");
        self.daemon.repository.git(&["push", "-q", "origin", &refspec]);
    }

    /// Pushes another commit to a pull request's branch.
    pub(crate) fn amend(&self, number: u64, branch: &str, path: &str, text: &str) -> CommitId {
        let head = self.push(branch, path, text, "change it again");
        self.forge.push(number, &head.to_string());
        self.keep_ref(number, &head);
        head
    }

    /// Another client of the forge, with a token.
    pub(crate) fn client(&self, token: &str) -> Forge {
        self.client_with(token.into())
    }

    /// Another client of the forge, with a token that may be replaced.
    pub(crate) fn client_with(&self, token: Renewable) -> Forge {
        client(&self.forge, &self.forge_gate, &self.daemon.clock, token, None)
    }

    /// The page of a commit.
    pub(crate) async fn page(&self, commit: &CommitId) -> String {
        wire::install_tls_provider();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let address = self.daemon.address(&format!("/commits/{commit}"));
        client.get(address).send().await.unwrap().text().await.unwrap()
    }

    /// How often the forge was asked for anything.
    pub(crate) fn requests(&self) -> u64 {
        self.forge.requests().values().sum()
    }

    /// Waits until all work has ended with `branch` at `commit`, whatever the forge has heard of it.
    pub(crate) async fn worked(&self, branch: &str, commit: &CommitId) {
        let is_worked = async || {
            let store = self.daemon.store();
            let seen = store.seen_heads().await.unwrap().get(&branch.parse().unwrap()).copied();
            seen == Some(*commit) && store.open_work().await.unwrap().is_empty()
        };
        self.daemon.until(&format!("{branch} is worked on"), is_worked).await;
    }

    /// Brings the webhooks that are due to the daemon: verified, stored, and a reason to look.
    pub(crate) async fn bring_webhooks(&self) {
        for hook in self.forge.deliveries() {
            let source = Source::from_path(hook.path.trim_start_matches("/webhooks/")).unwrap();
            let received =
                receive(source, &["webhook:secret".into()], &hook.header_map(), &hook.body).unwrap();
            let about = match received.incoming {
                Incoming::PullRequest { number, .. } => Some(About::PullRequest(number)),
                Incoming::Rerun { commit, .. } => Some(About::Rerun(commit)),
                Incoming::Push(_) => None,
                Incoming::Ping | Incoming::Ignored => continue,
            };
            let delivery = Delivery {
                forge: source.as_str().to_owned(),
                delivery_id: received.delivery,
                event: received.event,
                body_digest: String::new(),
                about,
                received_at: self.daemon.clock.now(),
            };
            self.daemon.store().store_deliveries(&[delivery]).await.unwrap();
            self.daemon.ask(Event::Look(Because::Webhook)).await;
        }
    }

    /// Merges a pull request on the forge, as a merge commit, and waits until it is applied.
    pub(crate) async fn merge(&self, number: u64, branch: &str) -> CommitId {
        let commit = self.merge_now(number, branch);
        self.daemon.settled("main", &commit).await;
        self.at_rest().await;
        commit
    }

    /// Merges a pull request on the forge, as a merge commit.
    pub(crate) fn merge_now(&self, number: u64, branch: &str) -> CommitId {
        self.main();
        let repository = &self.daemon.repository;
        repository.git(&["merge", "-q", "--no-ff", "-m", &format!("merge #{number}"), branch]);
        let commit: CommitId = repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
        repository.git(&["push", "-q", "origin", "HEAD:main"]);
        self.forge.merge(number, &commit.to_string());
        commit
    }

    /// Waits until the daemon has planned this head of a pull request and said so.
    pub(crate) async fn planned(&self, number: u64, head: &CommitId) {
        let what = format!("#{number} at {} is planned", head.short());
        self.daemon.until(&what, async || self.is_planned(number, head).await).await;
    }

    async fn is_planned(&self, number: u64, head: &CommitId) -> bool {
        let open = self.daemon.store().open_pull_requests().await.unwrap();
        let known = open.values().any(|one| one.number.get() == number && one.head == *head);
        known && self.daemon.is_at_rest().await
    }

    /// Waits a poll interval and more, until nothing is to be done.
    pub(crate) async fn at_rest(&self) {
        self.daemon.clock.sleep(Duration::from_secs(130)).await;
        self.daemon.until("rest", async || self.daemon.is_at_rest().await).await;
    }

    /// The statuses of a commit under a context, as a person saw them come: `pending: text`.
    pub(crate) fn statuses(&self, commit: &CommitId, context: &str) -> Vec<String> {
        let word = |shown: Shown| match shown {
            Shown::Unfinished => "pending",
            Shown::Success => "success",
            Shown::Failure => "failure",
            Shown::Neutral => "neutral",
        };
        let history = self.forge.history();
        let seen = history.statuses(&commit.to_string(), &self.context(context));
        seen.into_iter().map(|(shown, text)| format!("{}: {text}", word(shown))).collect()
    }

    /// The last status of a commit under a context.
    pub(crate) fn status(&self, commit: &CommitId, context: &str) -> String {
        self.statuses(commit, context).pop().unwrap_or_default()
    }

    /// The comments of a pull request that the daemon has written, without their markers.
    pub(crate) fn said(&self, number: u64) -> Vec<String> {
        let ours = self.forge.comments(number).into_iter().filter(|(_, author, _)| self.is_bot(author));
        ours.map(|(_, _, body)| body.split_once('\n').map_or(body.clone(), |(_, rest)| rest.to_owned()))
            .collect()
    }

    /// The comment with the plan.
    pub(crate) fn plan_comment(&self, number: u64) -> String {
        let plans: Vec<String> =
            self.said(number).into_iter().filter(|body| body.contains("### beamline")).collect();
        assert_eq!(plans.len(), 1, "one comment holds the plan: {plans:#?}");
        plans.into_iter().next().unwrap()
    }

    /// How often each comment of the daemon was written anew.
    pub(crate) fn edits(&self, number: u64) -> usize {
        let history = self.forge.history();
        let of = |seen: &&Seen| matches!(seen, Seen::Comment { pull_request, author, .. } if *pull_request == number && self.is_bot(author));
        history.sights().iter().map(|sight| &sight.seen).filter(of).count()
    }

    fn is_bot(&self, author: &str) -> bool {
        author == BOT || author.starts_with("app-")
    }

    /// The name under which the forge shows a context of beamline.
    fn context(&self, context: &str) -> String {
        context.to_owned()
    }

    /// Sees that nothing is left over and that no history shows what must not be shown, and stops.
    pub(crate) async fn finish(self) {
        self.at_rest().await;
        let mut problems = self.forge.history().problems(BOT, 400);
        // Without an address of its own a status on Bitbucket leads to its commit: that two have the same link
        // says nothing there, and what is planned again says so in its text.
        problems.retain(|problem| match problem {
            Problem::FinalOvertaken { description, .. } => {
                self.kind != ForgeKind::Bitbucket || !description.contains(" again ")
            }
            Problem::EndsUnfinished { .. }
            | Problem::TooManyContexts { .. }
            | Problem::TooManyWrites { .. } => true,
        });
        assert!(problems.is_empty(), "{problems:#?}");
        self.daemon.finish().await;
    }
}

/// The production client of a forge, against the simulator.
fn client(
    forge: &ForgeWorld,
    gate: &Gate,
    clock: &Clock,
    token: Renewable,
    app: Option<(u64, u64, &'static str)>,
) -> Forge {
    let wire = wire::Client::in_process(gate.before(forge.router()));
    let clock = clock.clone();
    let repository = ForgeOptions::new(clock.clone(), forge.kind()).repository;
    let root = "https://forge.simulator.invalid";
    let parsed = || repository.parse().unwrap();
    match forge.kind() {
        ForgeKind::GitHub => {
            let access = match app {
                None => github::Access::Token(token),
                Some((id, installation, key)) => github::Access::App {
                    app_id: id.to_string(),
                    installation_id: Some(installation),
                    private_key: key.into(),
                },
            };
            let options = github::Options { api: root.to_owned(), repository: parsed(), access };
            Forge::GitHub(GitHub::new(wire, clock, options).unwrap())
        }
        ForgeKind::GitLab => {
            let options = gitlab::Options {
                api: format!("{root}/api/v4"),
                repository: parsed(),
                branch: "main".parse().unwrap(),
                token,
            };
            Forge::GitLab(GitLab::new(wire, clock, options).unwrap())
        }
        ForgeKind::Gitea | ForgeKind::Forgejo => {
            let options = gitea::Options { api: format!("{root}/api/v1"), repository: parsed(), token };
            Forge::Gitea(Gitea::new(wire, clock, options).unwrap())
        }
        ForgeKind::AzureDevOps => {
            let (organization, repository) = repository.split_once('/').unwrap();
            let options = azure_devops::Options {
                api: format!("{root}/{organization}"),
                repository: repository.parse().unwrap(),
                token,
            };
            Forge::AzureDevOps(AzureDevOps::new(wire, clock, options).unwrap())
        }
        ForgeKind::Bitbucket => {
            let options = bitbucket::Options {
                api: root.to_owned(),
                repository: parsed(),
                credential: bitbucket::Credential::AccessToken(token),
            };
            Forge::Bitbucket(Bitbucket::new(wire, clock, options).unwrap())
        }
    }
}
