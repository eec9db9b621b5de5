//! Starting and polling long-running operations (ARM RPC async-api-reference, `facts.md` 14).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use uuid::Uuid;

use super::{ArmError, Call};
use crate::faults::FaultEffect;
use crate::http::Reply;
use crate::operation::{Effect, Face, Operation, Outcome, Phase};
use crate::providers::Style;
use crate::state::State;
use crate::times::Deed;
use beamline_base::id::ResourceId;

pub(crate) struct Start<'a> {
    pub(crate) id: &'a ResourceId,
    pub(crate) style: &'a Style,
    pub(crate) effect: Effect,
    pub(crate) deed: Deed,
    /// How long it takes in Azure.
    pub(crate) seconds: f64,
}

/// The two poll URLs of an operation that has begun, and when to look again.
pub(crate) struct Begun {
    pub(crate) status_url: String,
    pub(crate) result_url: String,
    pub(crate) retry_after_secs: u64,
}

/// Starts an operation that holds its resource until it ends. Scripted faults decide how it ends.
pub(crate) fn start(state: &mut State, call: &Call<'_>, start: Start<'_>) -> Begun {
    let number = state.operations.next_number();
    let what = format!("operation {number} on {}", start.id.folded());
    let (operation_id, now) = (state.uuid(&what), state.now());
    let retry_after_secs = state.times.retry_after_secs(start.style.arm_type, start.style.retry_after_secs);
    let Script { outcome, never, hidden_secs } = scripted(call);
    let hidden = SignedDuration::from_secs(i64::try_from(hidden_secs).unwrap_or(i64::MAX));
    let this = format!("{:?} of {}", start.effect, state.uuid_of("life", start.id));
    let takes = state.duration(start.style.arm_type, start.deed, start.seconds, &this);
    let ends = now.checked_add(takes).ok().filter(|_| !never);
    let location = location_of(state, start.id);
    if let Some(stored) = state.get_mut(start.id) {
        stored.operation = Some(operation_id);
    }
    state.operations.add(Operation {
        id: operation_id,
        target: start.id.clone(),
        effect: start.effect,
        started: now,
        ends,
        outcome,
        phase: Phase::Running,
        retry_after_secs,
        hidden_until: now.checked_add(hidden).ok().filter(|_| hidden_secs > 0),
    });
    let url = |segment| poll_url(state, call, start.id, &location, segment, operation_id);
    Begun {
        status_url: url(start.style.status_segment),
        result_url: url(start.style.result_segment),
        retry_after_secs,
    }
}

/// How the scripted faults let an operation end.
struct Script {
    outcome: Outcome,
    never: bool,
    hidden_secs: u64,
}

fn scripted(call: &Call<'_>) -> Script {
    let take = |wanted: fn(&FaultEffect) -> bool| call.faults.take(call.method.as_str(), call.path, wanted);
    let hidden_secs = match take(|effect| matches!(effect, FaultEffect::HidePoll { .. })) {
        Some(FaultEffect::HidePoll { secs }) => secs,
        Some(_) | None => 0,
    };
    let end = take(|effect| {
        matches!(
            effect,
            FaultEffect::FailOperation { .. } | FaultEffect::NeverFinish | FaultEffect::CancelOperation
        )
    });
    let never = matches!(end, Some(FaultEffect::NeverFinish));
    let outcome = match end {
        Some(FaultEffect::FailOperation { code, message }) => Outcome::Fails { code, message },
        Some(FaultEffect::CancelOperation) => Outcome::Canceled,
        Some(_) | None => Outcome::Succeeds,
    };
    Script { outcome, never, hidden_secs }
}

fn location_of(state: &State, id: &ResourceId) -> String {
    let own = state.get(id).and_then(|stored| stored.body["location"].as_str());
    let above = || id.parent().and_then(|parent| state.get(&parent)?.body["location"].as_str());
    own.or_else(above).unwrap_or("eastus").to_owned()
}

/// Absolute, with the long signed-looking query that real poll URLs have: a client must keep it.
fn poll_url(
    state: &State,
    call: &Call<'_>,
    id: &ResourceId,
    location: &str,
    segment: &str,
    operation: Uuid,
) -> String {
    let subscription = id.subscription_id().map(|id| format!("/subscriptions/{id}")).unwrap_or_default();
    let arm_type = id.arm_type();
    let place = match arm_type.split_once('/') {
        Some((namespace, _)) if namespace != "Microsoft.Resources" => {
            format!("/providers/{namespace}/locations/{location}")
        }
        _ => String::new(),
    };
    let signed = |what: &str| URL_SAFE_NO_PAD.encode(state.digest(&format!("{what} of {operation}")));
    let certificate: String = (0..12).map(|part| signed(&format!("certificate {part}"))).collect();
    format!(
        "{}{subscription}{place}/{segment}/{operation}?api-version={}&t={}&c={certificate}&s={}&h={}",
        state.base_url,
        call.api_version,
        state.now().as_millisecond(),
        signed("signature"),
        signed("hash"),
    )
}

/// Answers a poll of either face.
pub(super) fn poll(state: &State, call: &Call<'_>, face: Face, id: &Uuid) -> Result<Reply, ArmError> {
    let hidden = |operation: &&Operation| operation.hidden_until.is_none_or(|until| until <= state.now());
    let Some(operation) = state.operations.get(id).filter(hidden) else {
        let message = format!("The operation '{id}' could not be found.");
        return Err(ArmError::not_found("OperationNotFound", message));
    };
    let path = call.path;
    match (face, operation.phase) {
        (Face::Status, Phase::Running) => {
            Ok(Reply::json(200, operation.document(path)).with("retry-after", operation.retry_after_secs))
        }
        (Face::Status, Phase::Ended) => Ok(Reply::json(200, operation.document(path))),
        (Face::Result, Phase::Running) => Ok(Reply::empty(202)
            .with("location", format!("{}{path}?{}", state.base_url, call.raw_query))
            .with("retry-after", operation.retry_after_secs)),
        (Face::Result, Phase::Ended) => result(state, operation),
    }
}

/// The final answer behind `Location`: as the synchronous call would have answered.
fn result(state: &State, operation: &Operation) -> Result<Reply, ArmError> {
    if let Outcome::Fails { code, message } = &operation.outcome {
        let status = if code == "BadRequest" { 400 } else { 409 };
        return Err(ArmError::new(status, code, message.clone()));
    }
    if operation.outcome == Outcome::Canceled {
        return Err(ArmError::conflict("OperationCanceled", "The operation was canceled."));
    }
    let resource = state.get(&operation.target).map(|stored| state.render(stored));
    match (&operation.effect, resource) {
        (Effect::Provision, Some(body)) => Ok(Reply::json(200, body)),
        (Effect::ManagedNetwork(spark), _) => Ok(Reply::json(200, spark.status())),
        (Effect::Provision | Effect::Remove(_) | Effect::Power(_), _) => Ok(Reply::empty(200)),
    }
}
