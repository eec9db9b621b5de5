//! What comes in from a forge, and whether it may be believed.
//!
//! Guarantees: a signature is checked over the raw body, in constant time, against every configured
//! secret (so that one can be rotated out); ids and names are bounded and parsed before anything else
//! sees them. A webhook wakes the daemon and proves nothing: what is true is read from Git.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::pull_request::PullRequestNumber;
use crate::git::{BranchName, CommitId};

/// The largest body that is read. GitHub caps its payloads at 25 MB; the other forges send less.
pub const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;

/// Bytes of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

/// The longest delivery id. GitHub, Gitea and Bitbucket send UUIDs.
const MAX_DELIVERY_ID_BYTES: usize = 128;

/// The most names in a row that a repository has: GitLab nests groups 20 deep.
const MAX_REPOSITORY_PARTS: usize = 21;

/// What forges write instead of a commit where a ref was deleted.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The longest word for an event.
const MAX_EVENT_CHARS: usize = 64;

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

/// Why a body is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No secret is configured, so nothing can be believed.
    #[error("no webhook secret is configured: set one here and at the forge")]
    NoSecret,
    /// The header is not there.
    #[error("the webhook is not signed: set a secret at the forge")]
    Missing,
    /// The header is not `sha256=` and 64 hexadecimal digits.
    #[error("the signature is not `sha256=` and 64 hexadecimal digits")]
    Malformed,
    /// No secret gives this signature.
    #[error("the signature does not match: the secret here and the one at the forge differ")]
    Mismatch,
}

/// Checks that `body` was signed with one of `secrets`. `signature_header` is the value of
/// `X-Hub-Signature-256` (GitHub) or `X-Hub-Signature` (Bitbucket): `sha256=` and the HMAC in
/// hexadecimal. Every secret is tried, whichever fits, so that the time taken tells nothing.
///
/// # Errors
/// [`SignatureError`] says why the body is not believed.
pub fn verify(
    secrets: &[SecretString],
    body: &[u8],
    signature_header: Option<&str>,
) -> Result<(), SignatureError> {
    let usable = || secrets.iter().filter(|secret| !secret.expose_secret().is_empty());
    if usable().next().is_none() {
        return Err(SignatureError::NoSecret);
    }
    let signature = parse_signature(signature_header.ok_or(SignatureError::Missing)?)?;
    let matching = usable().filter(|secret| signs(secret, body, &signature)).count();
    if matching > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Checks that `presented` is one of `secrets`: for forges that send the secret itself (GitLab's
/// `X-Gitlab-Token`). Takes the same time whichever fits and however much of it does: what is compared
/// are codes of both under a secret.
///
/// # Errors
/// [`SignatureError`] says why the sender is not believed.
pub(super) fn verify_token(secrets: &[SecretString], presented: Option<&[u8]>) -> Result<(), SignatureError> {
    let usable = || secrets.iter().filter(|secret| !secret.expose_secret().is_empty());
    if usable().next().is_none() {
        return Err(SignatureError::NoSecret);
    }
    let presented = presented.filter(|token| !token.is_empty()).ok_or(SignatureError::Missing)?;
    let matching = usable().filter(|secret| {
        let mut expected = keyed(secret);
        expected.update(secret.expose_secret().as_bytes());
        signs(secret, presented, &expected.finalize().into_bytes().into())
    });
    if matching.count() > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

fn signs(secret: &SecretString, body: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    let mut mac = keyed(secret);
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length")
}

fn parse_signature(header: &str) -> Result<[u8; SIGNATURE_BYTES], SignatureError> {
    let digits = header.strip_prefix("sha256=").ok_or(SignatureError::Malformed)?.as_bytes();
    if digits.len() != 2 * SIGNATURE_BYTES {
        return Err(SignatureError::Malformed);
    }
    let mut signature = [0; SIGNATURE_BYTES];
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(signature)
}

fn nibble(digit: u8) -> Result<u8, SignatureError> {
    let value = char::from(digit).to_digit(16).ok_or(SignatureError::Malformed)?;
    u8::try_from(value).map_err(|_| SignatureError::Malformed)
}

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
    pub(super) fn of(event: &str, body: &[u8]) -> Self {
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
    /// The text `owner/name`.
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
    /// A ref moved.
    Push(PushEvent),
    /// A pull request was opened, pushed to, reopened, retargeted, closed, merged, or left its draft
    /// stage; or somebody commented on it. The forge is asked what is true of it now.
    PullRequest {
        /// The repository that it is proposed to.
        repository: Repository,
        /// Its number.
        number: PullRequestNumber,
    },
    /// Somebody asks for a check of this commit once more (the Re-run button of a check run).
    Rerun {
        /// The repository.
        repository: Repository,
        /// The commit.
        commit: CommitId,
    },
    /// Nothing that concerns us.
    Ignored,
}

/// A ref of a repository moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushEvent {
    /// The repository.
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

    /// The segment.
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
}

/// A webhook that is believed and understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The forge's id of the delivery; where it sends none, a digest of the body.
    pub delivery: DeliveryId,
    /// The forge's word for the event, at most 64 visible characters.
    pub event: String,
    /// What it says.
    pub incoming: Incoming,
}

/// Why a webhook is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not believed: answer 401.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is believed and lacks a header: answer 400.
    #[error("the header {name} is missing or not what {forge} documents")]
    Header {
        /// The header.
        name: &'static str,
        /// The forge.
        forge: &'static str,
    },
    /// A header that has one value is there more than once: answer 400.
    #[error("the header {name} is there more than once: see what the proxy before this adds")]
    Repeated {
        /// The header.
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
        /// The event.
        event: String,
        /// The field.
        field: &'static str,
    },
}

/// Believes and understands a webhook, or says why not: each header once, the signature over the raw body,
/// then its headers, then its body. Pure.
///
/// # Errors
/// [`Refusal`].
pub fn receive(
    source: Source,
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Received, Refusal> {
    let is_repeated = |name: &&str| headers.get_all(*name).iter().nth(1).is_some();
    if let Some(name) = SAID_ONCE.into_iter().find(is_repeated) {
        return Err(Refusal::Repeated { name });
    }
    match source {
        Source::GitHub => super::github::receive(secrets, headers, body),
        Source::GitLab => super::gitlab::receive(secrets, headers, body),
        Source::Gitea => super::gitea::receive(secrets, headers, body),
        Source::AzureDevOps => super::azure_devops::receive(secrets, headers, body),
        Source::Bitbucket => super::bitbucket::receive(secrets, headers, body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of GitHub's documentation, "Validating webhook deliveries".
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    #[test]
    fn the_documented_signature_is_accepted() {
        assert_eq!(verify(&secrets(&[SECRET]), BODY, Some(SIGNATURE)), Ok(()));
        let upper = SIGNATURE.replace("757107ea", "757107EA");
        assert_eq!(verify(&secrets(&[SECRET]), BODY, Some(&upper)), Ok(()));
    }

    #[test]
    fn either_secret_of_a_rotation_is_accepted() {
        assert_eq!(verify(&secrets(&["new", SECRET]), BODY, Some(SIGNATURE)), Ok(()));
        assert_eq!(verify(&secrets(&[SECRET, "new"]), BODY, Some(SIGNATURE)), Ok(()));
    }

    #[test]
    fn anything_else_is_refused_for_its_reason() {
        let known = secrets(&[SECRET]);
        assert_eq!(verify(&known, b"Hello, World?", Some(SIGNATURE)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&secrets(&["other"]), BODY, Some(SIGNATURE)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&known, BODY, None), Err(SignatureError::Missing));
        assert_eq!(verify(&[], BODY, Some(SIGNATURE)), Err(SignatureError::NoSecret));
        assert_eq!(verify(&secrets(&[""]), BODY, Some(SIGNATURE)), Err(SignatureError::NoSecret));
        for bad in ["", "sha256=", "sha1=757107ea", &SIGNATURE[..70], &format!("{SIGNATURE}0"), "sha256=é"] {
            assert_eq!(verify(&known, BODY, Some(bad)), Err(SignatureError::Malformed), "{bad}");
        }
        let not_hex = format!("sha256={}", "g".repeat(64));
        assert_eq!(verify(&known, BODY, Some(&not_hex)), Err(SignatureError::Malformed));
    }

    #[test]
    fn a_token_must_be_one_of_the_secrets_as_a_whole() {
        let known = secrets(&["new", SECRET, ""]);
        for good in ["new", SECRET] {
            assert_eq!(verify_token(&known, Some(good.as_bytes())), Ok(()));
        }
        for bad in ["ne", "newer", "NEW", "\u{e9}", "sha256="] {
            assert_eq!(verify_token(&known, Some(bad.as_bytes())), Err(SignatureError::Mismatch), "{bad}");
        }
        assert_eq!(verify_token(&known, Some(b"\xff\xfe")), Err(SignatureError::Mismatch));
        assert_eq!(verify_token(&known, Some(b"")), Err(SignatureError::Missing));
        assert_eq!(verify_token(&known, None), Err(SignatureError::Missing));
        assert_eq!(verify_token(&secrets(&[""]), Some(b"")), Err(SignatureError::NoSecret));
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
    fn a_delivery_without_an_id_is_known_by_what_it_says() {
        let id = DeliveryId::of("push", b"{}");
        assert_eq!(id, DeliveryId::of("push", b"{}"));
        assert_ne!(id, DeliveryId::of("push", b"{ }"));
        assert_ne!(id, DeliveryId::of("pus", b"h{}"));
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
