//! What comes in from a forge, in two steps: its headers, then its body.
//!
//! Why two: a body may have 25 MB and anybody may send one, so whatever the headers alone rule out is
//! refused before any of it is read ([`expect`]). Guarantees: nothing is read out of a body before it is
//! believed ([`Proof`]); ids and names are bounded and parsed before anything else sees them. A webhook
//! wakes the daemon and proves nothing: what is true is read from Git.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, header};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::payload::{Payload, PayloadDigest};
use super::pull_request::PullRequestNumber;
use super::signature::{Checker, Proof, SignatureError};
use crate::git::{BranchName, CommitId};

/// The largest body of any forge; see [`Source::max_body_bytes`].
pub const MAX_BODY_BYTES: usize = 25 * MIB;

const MIB: usize = 1024 * 1024;

/// The longest delivery id. GitHub, Gitea and Bitbucket send UUIDs.
const MAX_DELIVERY_ID_BYTES: usize = 128;

/// The most names in a row that a repository has: GitLab nests groups 20 deep.
const MAX_REPOSITORY_PARTS: usize = 21;

/// What forges write instead of a commit where a ref was deleted.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The longest word for an event.
const MAX_EVENT_CHARS: usize = 64;

/// The content type of what a browser's form sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// The headers that forges speak with. One that is there twice says nothing: whatever stands before us may
/// have looked at the other.
const SAID_ONCE: [&str; 17] = [
    "authorization",
    "idempotency-key",
    "x-event-key",
    "x-forgejo-delivery",
    "x-forgejo-event",
    "x-forgejo-signature",
    "x-gitea-delivery",
    "x-gitea-event",
    "x-gitea-signature",
    "x-github-delivery",
    "x-github-event",
    "x-gitlab-event",
    "x-gitlab-token",
    "x-gitlab-webhook-uuid",
    "x-hub-signature",
    "x-hub-signature-256",
    "x-request-uuid",
];

/// The id that a forge gives to one delivery; a repeated delivery has the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(String);

/// The text is not a delivery id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a delivery id has 1 to {MAX_DELIVERY_ID_BYTES} visible ASCII characters")]
pub struct DeliveryIdError;

impl DeliveryId {
    /// An id for a delivery that came without one: the same event with the same body has the same.
    #[must_use]
    pub(super) fn of(event: &str, body: &PayloadDigest) -> Self {
        let digest = Sha256::new().chain_update(event).chain_update([0]).chain_update(body).finalize();
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;

    fn from_str(text: &str) -> Result<Self, DeliveryIdError> {
        let fits = (1..=MAX_DELIVERY_ID_BYTES).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DeliveryIdError)
        }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The forge's word for an event, bounded for [`Received::event`].
#[must_use]
pub(super) fn event_word(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(MAX_EVENT_CHARS).collect()
}

/// A repository as its forge names it: `owner/name`, on GitLab also `group/subgroup/name`, on Azure DevOps
/// with other letters and spaces too. Forges do not distinguish its casing.
#[derive(Clone, Debug)]
pub struct Repository(String);

/// The text is not the name of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a repository is written owner/name, with letters, digits, inner spaces, `-`, `_` and `.`")]
pub struct RepositoryError;

impl Repository {
    /// The text `owner/name`, in the case in which it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its names, from the outermost: at least two.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl PartialEq for Repository {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Repository {}

impl FromStr for Repository {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, RepositoryError> {
        let is_part = |part: &str| {
            (1..=100).contains(&part.chars().count())
                && !matches!(part, "." | "..")
                && part.trim() == part
                && part.chars().all(|c| c.is_alphanumeric() || " -_.".contains(c))
        };
        let parts = text.split('/').take(MAX_REPOSITORY_PARTS + 1).count();
        if (2..=MAX_REPOSITORY_PARTS).contains(&parts) && text.split('/').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RepositoryError)
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a forge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The webhook was just set up, or somebody tries it.
    Ping,
    /// A branch or tag was made, moved or deleted.
    Push(PushEvent),
    /// A pull request was opened, pushed to, reopened, retargeted, closed, merged, or left its draft
    /// stage; or somebody commented on it. The forge is asked what is true of it now.
    PullRequest {
        /// The repository that it is proposed to.
        repository: Repository,
        /// The number that the forge gave it, from 1.
        number: PullRequestNumber,
    },
    /// Somebody asks for a check of this commit once more (the Re-run button of a check run).
    Rerun {
        /// The repository on its forge.
        repository: Repository,
        /// The commit that this is about.
        commit: CommitId,
    },
    /// Nothing that concerns us.
    Ignored,
}

/// A ref of a repository moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushEvent {
    /// The repository on its forge.
    pub repository: Repository,
    /// The branch; `None` for a tag or another ref.
    pub branch: Option<BranchName>,
    /// The commit that it points to now; `None` when it was deleted.
    pub after: Option<CommitId>,
}

impl PushEvent {
    /// What `event` says in the words that most forges use: the repository's path, the full name of the
    /// ref, and the commit or forty zeros.
    ///
    /// # Errors
    /// [`DecodeError::Field`] when one of them cannot be.
    pub(super) fn read(
        event: &str,
        repository: &str,
        reference: &str,
        after: &str,
    ) -> Result<Self, DecodeError> {
        let impossible = |field| DecodeError::Field { event: event.to_owned(), field };
        let after = match after {
            NO_COMMIT => None,
            digits => Some(digits.parse().map_err(|_| impossible("after"))?),
        };
        let branch = match reference.strip_prefix("refs/heads/") {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| impossible("ref"))?),
        };
        let repository = repository.parse().map_err(|_| impossible("repository"))?;
        Ok(Self { repository, branch, after })
    }
}

/// The forges that send webhooks; the last segment of `/webhooks/<forge>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `github`
    GitHub,
    /// `gitlab`
    GitLab,
    /// `gitea` and `forgejo`, which speak alike
    Gitea,
    /// `azure-devops`
    AzureDevOps,
    /// `bitbucket`
    Bitbucket,
}

impl Source {
    /// The forge of a path's last segment.
    #[must_use]
    pub fn from_path(segment: &str) -> Option<Self> {
        match segment {
            "github" => Some(Self::GitHub),
            "gitlab" => Some(Self::GitLab),
            "gitea" | "forgejo" => Some(Self::Gitea),
            "azure-devops" => Some(Self::AzureDevOps),
            "bitbucket" => Some(Self::Bitbucket),
            _ => None,
        }
    }

    /// The segment of the URL: `/webhooks/<segment>`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::AzureDevOps => "azure-devops",
            Self::Bitbucket => "bitbucket",
        }
    }

    /// The largest body that is read. GitHub and GitLab cap their payloads at 25 MB ("Webhook events and
    /// payloads", "Webhooks"), Bitbucket at 256 KB ("Event payloads"), of which twice as much is taken. Gitea
    /// and Azure DevOps name no limit; theirs hold at most a few dozen commits and one text, and get 8 MiB.
    #[must_use]
    pub fn max_body_bytes(self) -> usize {
        match self {
            Self::GitHub | Self::GitLab => MAX_BODY_BYTES,
            Self::Gitea | Self::AzureDevOps => 8 * MIB,
            Self::Bitbucket => MIB / 2,
        }
    }
}

/// A webhook that is believed and understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The forge's id of the delivery; where it sends none, a digest of the body.
    pub delivery: DeliveryId,
    /// The forge's word for the event, at most 64 visible characters.
    pub event: String,
    /// What it says, once its signature is believed.
    pub incoming: Incoming,
}

/// Why a webhook is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not believed: answer 401.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is a form, and not JSON: answer 415. Its signature is not looked at: Gitea signs the JSON in the
    /// form, GitHub the form, so that a right secret would look like a wrong one.
    #[error(
        "the webhook sends a form: set its content type to application/json at the forge (its secret may well \
         be right)"
    )]
    Form,
    /// It lacks a header: answer 400.
    #[error("the header {name} is missing or not what {forge} documents")]
    Header {
        /// The header's name, in lower case.
        name: &'static str,
        /// The forge's name, as sentences have it.
        forge: &'static str,
    },
    /// A header that has one value is there more than once: answer 400.
    #[error("the header {name} is there more than once: see what the proxy before this adds")]
    Repeated {
        /// The header's name, in lower case.
        name: &'static str,
    },
    /// It is believed and not understood: answer 400.
    #[error(transparent)]
    Body(#[from] DecodeError),
}

/// Why a body says nothing.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not the JSON that the event is documented to have.
    #[error(
        "the body of the {event} event cannot be read: set the webhook's content type to application/json"
    )]
    Json {
        /// The event, as its header or body says.
        event: String,
        /// Where it stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// A field has a value that it cannot have.
    #[error("the {event} event has an impossible {field}")]
    Field {
        /// The event's name, as the forge wrote it, cut to what fits a line.
        event: String,
        /// The field that is missing or of another shape, as a path.
        field: &'static str,
    },
}

/// A webhook whose headers are in order. Its body is still to be believed, and then to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    source: Source,
    proof: Proof,
    /// The forge's word for the event; `None` where the body says it.
    event: Option<String>,
    /// The forge's id of the delivery; `None` where the body says it, or nothing does.
    delivery: Option<DeliveryId>,
}

impl Expected {
    pub(super) fn new(
        source: Source,
        proof: Proof,
        event: Option<String>,
        delivery: Option<DeliveryId>,
    ) -> Self {
        Self { source, proof, event, delivery }
    }

    /// What the body is checked with as it arrives.
    #[must_use]
    pub fn checker(&self, secrets: &[SecretString]) -> Checker {
        Checker::new(&self.proof, secrets)
    }

    /// Understands a body that its checker has believed, whose digest is `digest`. Pure but for the reading
    /// of a payload that is not in memory.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn read(self, payload: Payload<'_>, digest: &PayloadDigest) -> Result<Received, DecodeError> {
        let Self { source, proof: _, event, delivery } = self;
        let Some(event) = event else { return super::azure_devops::read_event(payload, digest) };
        let incoming = match source {
            Source::GitHub => super::github::decode_payload(&event, payload)?,
            Source::GitLab => super::gitlab::decode(&event, payload)?,
            Source::Gitea => super::gitea::decode(&event, payload)?,
            Source::Bitbucket => super::bitbucket::decode(&event, payload)?,
            Source::AzureDevOps => return super::azure_devops::read_event(payload, digest),
        };
        let delivery = delivery.unwrap_or_else(|| DeliveryId::of(&event, digest));
        Ok(Received { delivery, event, incoming })
    }
}

/// What is to be expected of a webhook with these headers, or why nothing is: each header once, JSON, a
/// proof that can be right (for forges that show a secret: that is right), an event. Pure.
///
/// # Errors
/// [`Refusal`].
pub fn expect(source: Source, secrets: &[SecretString], headers: &HeaderMap) -> Result<Expected, Refusal> {
    let is_repeated = |name: &&str| headers.get_all(*name).iter().nth(1).is_some();
    if let Some(name) = SAID_ONCE.into_iter().find(is_repeated) {
        return Err(Refusal::Repeated { name });
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with(FORM) {
        return Err(Refusal::Form);
    }
    match source {
        Source::GitHub => super::github::expect(secrets, headers),
        Source::GitLab => super::gitlab::expect(secrets, headers),
        Source::Gitea => super::gitea::expect(secrets, headers),
        Source::AzureDevOps => super::azure_devops::expect(secrets, headers),
        Source::Bitbucket => super::bitbucket::expect(secrets, headers),
    }
}

/// Believes and understands a webhook that is there as a whole, or says why not. Pure.
///
/// # Errors
/// [`Refusal`].
pub fn receive(
    source: Source,
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Received, Refusal> {
    let expected = expect(source, secrets, headers)?;
    let mut checker = expected.checker(secrets);
    checker.update(body);
    let digest = checker.finish()?;
    Ok(expected.read(Payload::Whole(body), &digest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of the webhook";
    const BODY: &[u8] = b"Hello, World!";

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    #[test]
    fn a_header_that_is_there_twice_says_nothing() {
        for name in SAID_ONCE {
            let mut headers = HeaderMap::new();
            headers.append(name, "one".parse().unwrap());
            let once = receive(Source::GitHub, &secrets(&[SECRET]), &headers, BODY);
            assert!(!matches!(once, Err(Refusal::Repeated { .. })), "{name}");
            headers.append(name, "two".parse().unwrap());
            let twice = receive(Source::GitHub, &secrets(&[SECRET]), &headers, BODY);
            assert!(matches!(twice, Err(Refusal::Repeated { name: said }) if said == name), "{name}");
        }
    }

    #[test]
    fn a_form_is_named_as_one_whatever_its_signature() {
        for kind in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"]
        {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            for path in ["github", "gitlab", "gitea", "azure-devops", "bitbucket"] {
                let source = Source::from_path(path).unwrap();
                let refusal = receive(source, &secrets(&[SECRET]), &headers, b"payload=%7B%7D").unwrap_err();
                assert!(matches!(refusal, Refusal::Form), "{path}: {refusal}");
                assert!(refusal.to_string().contains("application/json"), "{refusal}");
            }
        }
    }

    #[test]
    fn a_delivery_without_an_id_is_known_by_what_it_says() {
        let id = DeliveryId::of("push", &[1; 32]);
        assert_eq!(id, DeliveryId::of("push", &[1; 32]));
        assert_ne!(id, DeliveryId::of("push", &[2; 32]));
        assert_ne!(id, DeliveryId::of("pus", &[1; 32]));
        assert!(id.to_string().parse::<DeliveryId>().is_ok());
    }

    #[test]
    fn ids_and_names_from_outside_are_bounded() {
        assert!("72d3162e-cc78-11e3-81ab-4c9367dc0958".parse::<DeliveryId>().is_ok());
        for bad in ["", "a b", "é", &"x".repeat(129)] {
            assert!(bad.parse::<DeliveryId>().is_err(), "{bad}");
        }
        let repository: Repository = "Octo/Hello-World".parse().unwrap();
        assert_eq!(repository, "octo/hello-world".parse().unwrap());
        assert!("ML Platform/Ümgebungen".parse::<Repository>().is_ok());
        let nested = vec!["group"; MAX_REPOSITORY_PARTS].join("/");
        assert_eq!(nested.parse::<Repository>().unwrap().parts().count(), MAX_REPOSITORY_PARTS);
        let deeper = format!("{nested}/name");
        for bad in ["", "octo", "octo/", "octo/../x", "octo/..", "octo/ a", "octo/a?b", "a//b", &deeper] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }
}
