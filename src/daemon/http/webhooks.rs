//! `POST /webhooks/<forge>`: verified, stored, answered; then somebody looks again.
//!
//! Whatever the headers rule out is refused before the body is read; the signature is checked over the raw
//! body as it arrives, and nothing is read out of it before that. A delivery is durable before it is
//! acknowledged, and what is done about it is only a look: forging one could at most cost a fetch. Events
//! that concern nobody are acknowledged and forgotten.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

use super::bodies::{BodyError, Held};
use super::web::Web;
use crate::daemon::shared::event::{Because, Event};
use crate::daemon::shared::tally::Counted;
use crate::forge::{
    Expected, Incoming, PayloadDigest, PushEvent, Received, Refusal, Repository, SignatureError, Source,
    expect,
};
use crate::store::{About, Delivery, Stored};

/// After how many seconds a sender is asked to come again.
const COME_AGAIN: &str = "10";

type Answer = (StatusCode, &'static str);

/// Why a webhook is not taken.
enum Untaken {
    Refused(Refusal),
    NoBody(BodyError),
}

impl From<Refusal> for Untaken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SignatureError> for Untaken {
    fn from(error: SignatureError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<BodyError> for Untaken {
    fn from(error: BodyError) -> Self {
        Self::NoBody(error)
    }
}

/// Answers a delivery.
pub(super) async fn webhook(
    State(web): State<Web>,
    Path(forge): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(source) = Source::from_path(&forge) else {
        return (StatusCode::NOT_FOUND, "no such forge\n").into_response();
    };
    if web.secrets.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no webhook secret is configured\n").into_response();
    }
    let answer = match read(&web, source, headers, body).await {
        Ok((received, digest)) => take(&web, source, received, digest).await,
        Err(Untaken::Refused(refusal)) => refuse(&web, source, &refusal),
        Err(Untaken::NoBody(error)) => {
            if web.shared.is_news(&format!("a webhook was not taken: {error}")) {
                tracing::warn!(forge = source.as_str(), %error, "a webhook was not taken; said once an hour");
            }
            without_body(&error)
        }
    };
    match answer {
        (StatusCode::SERVICE_UNAVAILABLE, text) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, COME_AGAIN)], text).into_response()
        }
        answer => answer.into_response(),
    }
}

fn without_body(error: &BodyError) -> Answer {
    match error {
        BodyError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
        BodyError::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "too much at once; deliver it again\n"),
        BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "the body is not whole\n"),
        BodyError::Unkept(_) => (StatusCode::SERVICE_UNAVAILABLE, "not kept; deliver it again\n"),
    }
}

fn refuse(web: &Web, source: Source, refusal: &Refusal) -> Answer {
    let advice = match refusal {
        Refusal::Signature(SignatureError::Mismatch) => web.secrets.advice(),
        Refusal::Signature(_)
        | Refusal::Form
        | Refusal::Header { .. }
        | Refusal::Repeated { .. }
        | Refusal::Body(_) => None,
    };
    if web.shared.is_news(&format!("refused a webhook: {refusal}")) {
        let forge = source.as_str();
        tracing::warn!(forge, %refusal, advice = advice.as_deref(), "refused a webhook; said once an hour");
    }
    match refusal {
        Refusal::Signature(_) => (StatusCode::UNAUTHORIZED, "the signature does not match\n"),
        Refusal::Form => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this is a form: set the webhook's content type to application/json\n",
        ),
        Refusal::Header { .. } => (StatusCode::BAD_REQUEST, "a header is missing\n"),
        Refusal::Repeated { .. } => (StatusCode::BAD_REQUEST, "a header is there twice\n"),
        Refusal::Body(_) => (StatusCode::BAD_REQUEST, "the payload cannot be understood\n"),
    }
}

/// What a webhook says when it may be believed, and the digest of its body.
async fn read(
    web: &Web,
    source: Source,
    headers: HeaderMap,
    body: Body,
) -> Result<(Received, String), Untaken> {
    let mut secrets = web.secrets.current();
    let expected = match expect(source, &secrets, &headers) {
        Err(Refusal::Signature(mismatch @ SignatureError::Mismatch)) => {
            secrets = web.secrets.renewed(&secrets).ok_or(mismatch)?;
            expect(source, &secrets, &headers)?
        }
        outcome => outcome?,
    };
    let most = source.max_body_bytes();
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > most) {
        return Err(BodyError::TooLarge(most).into());
    }
    let mut checker = expected.checker(&secrets);
    let held = web.bodies.take(body, most, &mut checker).await?;
    let digest = match checker.finish() {
        Ok(digest) => digest,
        Err(mismatch) => {
            let renewed = web.secrets.renewed(&secrets).ok_or(mismatch)?;
            let mut checker = expected.checker(&renewed);
            held.payload().each_piece(&mut |piece| checker.update(piece)).map_err(BodyError::Unkept)?;
            checker.finish()?
        }
    };
    let received = understand(expected, held, digest).await?;
    Ok((received, digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// A large body is read where it keeps nobody waiting.
async fn understand(expected: Expected, held: Held, digest: PayloadDigest) -> Result<Received, Refusal> {
    if !held.is_spooled() {
        return Ok(expected.read(held.payload(), &digest)?);
    }
    let read = move || expected.read(held.payload(), &digest);
    Ok(tokio::task::spawn_blocking(read).await.expect("reading a webhook does not panic")?)
}

async fn take(web: &Web, source: Source, received: Received, body_digest: String) -> Answer {
    let tally = &web.shared.tally;
    let Received { delivery, event, incoming } = received;
    if let Incoming::Push(PushEvent { repository, after: Some(commit), branch: _ }) = &incoming
        && is_ours(web, repository)
    {
        web.shared.commit_arrived(commit).await;
    }
    let about = match &incoming {
        Incoming::Ping => return unconcerned(web, (StatusCode::OK, "pong\n")),
        Incoming::Ignored => return unconcerned(web, (StatusCode::ACCEPTED, "ignored\n")),
        Incoming::Push(push) if !is_ours(web, &push.repository) => return unconcerned(web, ELSEWHERE),
        Incoming::PullRequest { repository, .. } | Incoming::Rerun { repository, .. }
            if !is_ours(web, repository) =>
        {
            return unconcerned(web, ELSEWHERE);
        }
        Incoming::Push(_) => None,
        Incoming::PullRequest { number, .. } => Some(About::PullRequest(*number)),
        Incoming::Rerun { commit, .. } => Some(About::Rerun(*commit)),
    };
    let delivery = Delivery {
        forge: source.as_str().to_owned(),
        delivery_id: delivery,
        event,
        body_digest,
        about,
        received_at: web.shared.clock.now(),
    };
    match web.intake.take(delivery).await {
        Ok(Stored::New) => {
            tally.count(Counted::Stored);
            // A full channel means that a look is due already.
            let _ = web.events.try_send(Event::Look(Because::Webhook));
            (StatusCode::ACCEPTED, "stored\n")
        }
        Ok(Stored::Duplicate) => {
            tally.count(Counted::Repeated);
            (StatusCode::ACCEPTED, "seen before\n")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not stored; deliver it again\n"),
    }
}

fn unconcerned(web: &Web, answer: Answer) -> Answer {
    web.shared.tally.count(Counted::Unconcerned);
    answer
}

const ELSEWHERE: Answer = (StatusCode::ACCEPTED, "of another repository\n");

/// Whether a webhook is of the watched repository. One secret may serve many.
fn is_ours(web: &Web, repository: &Repository) -> bool {
    web.repository.as_ref().is_none_or(|ours| ours == repository)
}
