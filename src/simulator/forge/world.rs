//! The handle that tests hold: a forge, seen from the side of the people who use it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use secrecy::SecretString;

use super::accounts::Permission;
use super::app::{App, AppError};
use super::change::{Change, Deed};
use super::history::History;
use super::http;
use super::options::{ForgeKind, ForgeOptions};
use super::reviews::{Verdict, Writing};
use super::state::{Existence, Outage, State};
use super::webhooks::Delivery;

/// A forge with one repository. Clones are handles on the same one.
#[derive(Clone)]
pub struct ForgeWorld {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for ForgeWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForgeWorld").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl ForgeWorld {
    /// A forge with one repository, nobody in it and nothing pushed.
    #[must_use]
    pub fn new(options: ForgeOptions) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(options))) }
    }

    /// The whole HTTP face, for a server or for use in process.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
    }

    /// What the URLs in answers begin with; `https://forge.simulator.invalid` until it is set.
    pub fn set_base_url(&self, url: &str) {
        url.trim_end_matches('/').clone_into(&mut self.state().base_url);
    }

    /// Which forge it is.
    #[must_use]
    pub fn kind(&self) -> ForgeKind {
        self.state().options.kind
    }

    /// Adds an account, or changes what a known one may do; its token.
    pub fn add_account(&self, login: &str, permission: Permission) -> String {
        self.state().account(login, permission)
    }

    /// Gives an account a token in the place of the one that it had. `None`: there is no such account.
    pub fn renew_token(&self, login: &str) -> Option<String> {
        self.state().renew(login)
    }

    /// The id by which the forge's API knows an account: a number, or (Azure DevOps, Bitbucket) a UUID.
    #[must_use]
    pub fn account_id(&self, login: &str) -> String {
        let state = self.state();
        match state.options.kind {
            ForgeKind::GitHub | ForgeKind::GitLab | ForgeKind::Gitea | ForgeKind::Forgejo => {
                state.account_id(login).to_string()
            }
            ForgeKind::AzureDevOps => state.named_uuid(login).to_string(),
            ForgeKind::Bitbucket => format!("{{{}}}", state.named_uuid(login)),
        }
    }

    /// Installs a GitHub App (its slug: `app-ID`) that signs in with the RSA key in `private_key` (PEM).
    ///
    /// # Errors
    /// When that is no such key.
    pub fn install_app(&self, id: u64, installation: u64, private_key: &str) -> Result<(), AppError> {
        self.state().app = Some(App::new(id, installation, private_key)?);
        Ok(())
    }

    /// Every token stops working, those of installations as well.
    pub fn revoke_tokens(&self) {
        let mut state = self.state();
        state.accounts.revoke_all();
        if let Some(app) = &mut state.app {
            app.revoke_tokens();
        }
    }

    /// The repository is gone.
    pub fn delete_repository(&self) {
        self.state().existence = Existence::Deleted;
    }

    /// The repository is archived: how much can still be written depends on the forge.
    pub fn archive_repository(&self) {
        self.state().existence = Existence::Archived;
    }

    /// The repository is there again, as it was.
    pub fn restore_repository(&self) {
        self.state().existence = Existence::There;
    }

    /// Every request is answered with 503 from now on.
    pub fn go_down(&self) {
        self.fail_with(Outage::Status(503));
    }

    /// Every request fails in this way from now on.
    pub fn fail_with(&self, outage: Outage) {
        self.state().outage = Some(outage);
    }

    /// The outage is over.
    pub fn come_back(&self) {
        self.state().outage = None;
    }

    /// Limits what each account may create in an hour; `None`: no limit.
    pub fn limit_writes(&self, per_hour: Option<u64>) {
        self.state().limits.set_writes(per_hour);
    }

    /// Limits all requests of each account in an hour; `None`: no limit.
    pub fn limit_requests(&self, per_hour: Option<u64>) {
        self.state().limits.set_requests(per_hour);
    }

    /// Signs webhooks with another secret from now on.
    pub fn set_webhook_secret(&self, secret: &str) {
        self.state().options.webhook_secret = SecretString::from(secret);
    }

    /// Makes a commit known without a branch.
    pub fn add_commit(&self, sha: &str) {
        self.state().commits.insert(sha.to_owned());
    }

    /// Forgets a commit, though branches and pull requests go on naming it.
    pub fn lose_commit(&self, sha: &str) {
        self.state().commits.remove(sha);
    }

    /// Somebody comments on a pull request; the comment's id.
    pub fn comment(&self, number: u64, author: &str, body: &str) -> u64 {
        let mut state = self.state();
        if state.accounts.by_login(author).is_none() {
            state.account(author, Permission::None);
        }
        state.write_comment(number, author, body, None).id
    }

    /// Somebody reviews a pull request (GitHub, Gitea, Forgejo): a text of its own, and one on the first line of
    /// the first file when there is one. `None`: there is no such pull request.
    pub fn review(&self, number: u64, author: &str, body: &str, on_line: Option<&str>) -> Option<u64> {
        let mut state = self.state();
        if state.accounts.by_login(author).is_none() {
            state.account(author, Permission::None);
        }
        let path = state.proposals.get(&number)?.what.files.first().map(|file| file.path.clone());
        let on_lines =
            on_line.map(|text| (path.unwrap_or_default(), 1, text.to_owned())).into_iter().collect();
        let written = Writing { author, body, verdict: Verdict::Comment, on_lines };
        Some(state.write_review(number, written)?.id)
    }

    /// Somebody writes a comment anew.
    pub fn edit_comment(&self, id: u64, body: &str) {
        self.state().edit_comment(id, body);
    }

    /// Somebody deletes a comment.
    pub fn delete_comment(&self, id: u64) {
        self.state().delete_comment(id);
    }

    /// The comments of a pull request that are there now: id, author, body; oldest first.
    #[must_use]
    pub fn comments(&self, number: u64) -> Vec<(u64, String, String)> {
        let state = self.state();
        let comments = state.comments_of(number).into_iter();
        comments.map(|comment| (comment.id, comment.author.clone(), comment.body.clone())).collect()
    }

    /// Somebody presses Re-run on the newest check run of this name (GitHub). `false`: there is none.
    pub fn rerun_check(&self, name: &str) -> bool {
        let mut state = self.state();
        let Some(id) = state.check_runs.iter().rev().find(|run| run.name == name).map(|run| run.id) else {
            return false;
        };
        state.announce(&Change::CheckRun { id, deed: Deed::Rerequested });
        true
    }

    /// Sends the webhook that says that there are webhooks (where the forge has one).
    pub fn ping(&self) {
        self.state().announce(&Change::Ping);
    }

    /// The webhooks that are due now, in the order in which they arrive. Each is handed out once.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state().due_deliveries()
    }

    /// When the next webhook is due; `None` when none is under way.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state().next_due()
    }

    /// How many webhooks were sent, lost ones included, copies not.
    #[must_use]
    pub fn announced(&self) -> u64 {
        self.state().announced
    }

    /// What a person has seen until now.
    #[must_use]
    pub fn history(&self) -> History {
        self.state().history.clone()
    }

    /// The requests until now, counted by method and template: `POST /repos/{owner}/{repo}/statuses/{sha}`.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.state().counts.clone()
    }

    /// Whether there are real Git objects behind it.
    pub(super) fn has_objects(&self) -> bool {
        self.state().objects.is_some()
    }

    /// The model, for as long as the guard lives.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
