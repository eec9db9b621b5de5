//! Webhooks as the forges send them, signed as each of them signs.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::connection::{Connection, Header, post};

/// The repository that the webhooks of these tests are of.
pub(crate) const REPOSITORY: &str = "team/environments";

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    GitHub,
    GitLab,
    Gitea,
    Forgejo,
    AzureDevOps,
    Bitbucket,
}

impl Sender {
    pub(crate) const ALL: [Self; 6] =
        [Self::GitHub, Self::GitLab, Self::Gitea, Self::Forgejo, Self::AzureDevOps, Self::Bitbucket];

    /// The last segment of its path.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
            Self::AzureDevOps => "azure-devops",
            Self::Bitbucket => "bitbucket",
        }
    }

    /// Its recorded payloads: event and body. `None` where they are absent.
    pub(crate) fn recorded(self) -> Option<Vec<(String, Vec<u8>)>> {
        let folder = recordings()?;
        let name = match self {
            Self::Gitea | Self::Forgejo => "gitea",
            Self::AzureDevOps => "azuredevops",
            Self::GitHub | Self::GitLab | Self::Bitbucket => self.segment(),
        };
        let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
        let manifest: Vec<Value> = serde_json::from_slice(&manifest).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entries = manifest.iter().filter(|entry| entry["forge"] == name);
        Some(
            entries
                .map(|it| (text(&it["event"]), std::fs::read(folder.join(text(&it["file"]))).unwrap()))
                .collect(),
        )
    }

    /// Whether it signs what it sends; the others show a secret.
    pub(crate) fn signs(self) -> bool {
        match self {
            Self::GitHub | Self::Gitea | Self::Forgejo | Self::Bitbucket => true,
            Self::GitLab | Self::AzureDevOps => false,
        }
    }

    /// The header by which it is believed.
    pub(crate) fn proof(self) -> &'static str {
        match self {
            Self::GitHub => "x-hub-signature-256",
            Self::GitLab => "x-gitlab-token",
            Self::Gitea => "x-gitea-signature",
            Self::Forgejo => "x-forgejo-signature",
            Self::AzureDevOps => "authorization",
            Self::Bitbucket => "x-hub-signature",
        }
    }

    /// What that header says.
    pub(crate) fn prove(self, secret: &str, body: &[u8]) -> String {
        match self {
            Self::GitHub | Self::Bitbucket => format!("sha256={}", code(secret, body)),
            Self::GitLab => secret.to_owned(),
            Self::Gitea | Self::Forgejo => code(secret, body),
            Self::AzureDevOps => format!("Basic {}", BASE64.encode(format!("beamline:{secret}"))),
        }
    }

    /// The header that names the event; Azure DevOps has that in the body.
    pub(crate) fn event_header(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("x-github-event"),
            Self::GitLab => Some("x-gitlab-event"),
            Self::Gitea => Some("x-gitea-event"),
            Self::Forgejo => Some("x-forgejo-event"),
            Self::AzureDevOps => None,
            Self::Bitbucket => Some("x-event-key"),
        }
    }

    /// The header with the id of the delivery; Azure DevOps has that in the body.
    pub(crate) fn id_header(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("x-github-delivery"),
            Self::GitLab => Some("idempotency-key"),
            Self::Gitea => Some("x-gitea-delivery"),
            Self::Forgejo => Some("x-forgejo-delivery"),
            Self::AzureDevOps => None,
            Self::Bitbucket => Some("x-request-uuid"),
        }
    }

    /// Its word for a push, and for something that concerns nobody.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::GitHub => ("push", "star"),
            Self::GitLab => ("Push Hook", "Wiki Page Hook"),
            Self::Gitea | Self::Forgejo => ("push", "fork"),
            Self::AzureDevOps => ("git.push", "build.complete"),
            Self::Bitbucket => ("repo:push", "repo:fork"),
        }
    }
}

/// One webhook.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) sender: Sender,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
}

impl Hook {
    /// A signed webhook of any event.
    pub(crate) fn new(sender: Sender, event: &str, id: &str, secret: &str, body: Vec<u8>) -> Self {
        let proof = sender.prove(secret, &body);
        let named =
            [(sender.event_header(), event), (sender.id_header(), id), (Some(sender.proof()), &proof)];
        let headers = named.into_iter().filter_map(|(name, value)| Some((name?.to_owned(), value.into())));
        Self { sender, headers: headers.collect(), body }
    }

    /// A push to the main branch.
    pub(crate) fn push(sender: Sender, repository: &str, id: &str, secret: &str) -> Self {
        Self::new(sender, sender.words().0, id, secret, push_body(sender, repository, id))
    }

    /// An event that concerns nobody.
    pub(crate) fn unknown(sender: Sender, id: &str, secret: &str) -> Self {
        let event = sender.words().1;
        let body = json!({ "id": id, "eventType": event, "resource": {} });
        Self::new(sender, event, id, secret, body.to_string().into_bytes())
    }

    /// Its path.
    pub(crate) fn path(&self) -> String {
        format!("/webhooks/{}", self.sender.segment())
    }

    /// A header as it is; panics when there is none.
    pub(crate) fn header(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.headers.iter_mut().find(|header| header.0 == name).unwrap().1
    }

    /// Its bytes.
    pub(crate) fn request(&self) -> Vec<u8> {
        post(&self.path(), &self.headers, &self.body)
    }

    /// Sends it over a connection of its own; `None` when the other side hung up.
    pub(crate) async fn send(&self, port: u16) -> Option<u16> {
        Connection::open(port).await.ask(&self.request()).await.map(|answer| answer.status)
    }
}

fn push_body(sender: Sender, repository: &str, id: &str) -> Vec<u8> {
    let (branch, commit) = ("refs/heads/main", "1".repeat(40));
    let (owner, name) = repository.split_once('/').unwrap();
    let body = match sender {
        Sender::GitHub | Sender::Gitea | Sender::Forgejo => {
            json!({ "ref": branch, "after": commit, "repository": { "full_name": repository } })
        }
        Sender::GitLab => {
            json!({ "ref": branch, "after": commit, "project": { "path_with_namespace": repository } })
        }
        Sender::AzureDevOps => {
            let updates = json!([{ "name": branch, "newObjectId": commit }]);
            let repository = json!({ "name": name, "project": { "name": owner } });
            let resource = json!({ "refUpdates": updates, "repository": repository });
            json!({ "id": id, "notificationId": 1, "eventType": "git.push", "resource": resource })
        }
        Sender::Bitbucket => {
            let new = json!({ "type": "branch", "name": "main", "target": { "hash": commit } });
            json!({ "push": { "changes": [{ "new": new }] }, "repository": { "full_name": repository } })
        }
    };
    body.to_string().into_bytes()
}

fn code(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folder with recorded payloads. It is not part of the repository: without it the tests that need
/// it say so and pass, except under `CI=true`, where it must be there.
fn recordings() -> Option<PathBuf> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.map(|folder| folder.join("shared/forge/webhooks")).find(|folder| folder.is_dir());
    if found.is_none() {
        assert!(!super::in_ci(), "shared/forge/webhooks is missing");
        println!("skipped: shared/forge/webhooks is not there");
    }
    found
}
