//! Resource providers as a subscription sees them: their documents, registering and unregistering, and
//! the refusal of writes to one that is not registered (`facts.md` 15 and 18).
//!
//! While a provider is `Registering` it becomes usable region by region, so that a client which does not
//! wait is sometimes lucky, as in Azure (azure-docs, resource-providers-and-types).

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed};
use crate::body;
use crate::http::Reply;
use crate::providers::resources::subscriptions::{display_locations, normal_location};
use crate::providers::{KINDS, NAMESPACES, Style, Tracking};
use crate::registrations::Registration;
use crate::state::State;
use crate::times::Lag;
use beamline_base::id::{ResourceId, SubscriptionId};

/// Providers that every subscription has without registering them.
const FREE: [&str; 4] =
    ["Microsoft.Authorization", "Microsoft.Consumption", "Microsoft.ResourceGraph", "Microsoft.Resources"];

/// The namespace as Azure spells it.
fn known(namespace: &str) -> Option<&'static str> {
    NAMESPACES.into_iter().find(|known| known.eq_ignore_ascii_case(namespace))
}

fn spelled(namespace: &str) -> Result<&'static str, ArmError> {
    known(namespace).ok_or_else(|| {
        let message = format!("The resource namespace '{namespace}' is invalid.");
        ArmError::not_found("InvalidResourceNamespace", message)
    })
}

fn state_of(state: &State, id: SubscriptionId, namespace: &str) -> Registration {
    if FREE.iter().any(|free| free.eq_ignore_ascii_case(namespace)) {
        return Registration::Registered;
    }
    state.registrations.get(id, namespace, state.now())
}

pub(crate) fn list(state: &State, id: SubscriptionId) -> Reply {
    let value = NAMESPACES.iter().map(|namespace| document(id, namespace, state_of(state, id, namespace)));
    Reply::json(200, json!({ "value": value.collect::<Vec<Value>>() }))
}

pub(crate) fn get(state: &State, id: SubscriptionId, namespace: &str) -> Result<Reply, ArmError> {
    let namespace = spelled(namespace)?;
    Ok(Reply::json(200, document(id, namespace, state_of(state, id, namespace))))
}

/// A provider without a subscription, which has no state of registration.
pub(crate) fn of_tenant(namespace: &str) -> Result<Reply, ArmError> {
    let namespace = spelled(namespace)?;
    let nobody = SubscriptionId(uuid::Uuid::nil());
    let mut document = document(nobody, namespace, Registration::Registered);
    body::remove(&mut document, "/registrationState");
    body::remove(&mut document, "/registrationPolicy");
    body::set(&mut document, "/id", format!("/providers/{namespace}"));
    Ok(Reply::json(200, document))
}

/// Answers `Registering`; the clock makes it `Registered`.
pub(crate) fn register(state: &mut State, id: SubscriptionId, namespace: &str) -> Result<Reply, ArmError> {
    let namespace = spelled(namespace)?;
    match state_of(state, id, namespace) {
        Registration::Registered | Registration::Registering { .. } => get(state, id, namespace),
        Registration::NotRegistered | Registration::Unregistering { .. } | Registration::Unregistered => {
            let since = state.now();
            let lag = state.lag(Lag::Registration, &format!("registration of {namespace} in {id}"));
            let to = Registration::Registering { since, until: since.checked_add(lag).unwrap_or(since) };
            state.registrations.set(id, namespace, to);
            Ok(Reply::json(200, document(id, namespace, to)))
        }
    }
}

/// Refused as long as the subscription holds something of the provider (azure-docs,
/// resource-providers-and-types; the words as azurerm prints them, the code is not documented).
pub(crate) fn unregister(state: &mut State, id: SubscriptionId, namespace: &str) -> Result<Reply, ArmError> {
    let namespace = spelled(namespace)?;
    let registration = state_of(state, id, namespace);
    let home = ResourceId::subscription(id);
    let own = KINDS.iter().map(|kind| kind.style().arm_type).filter(|arm_type| {
        arm_type.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(namespace))
    });
    let mut holds = own.flat_map(|arm_type| state.inventory.of_type_within(arm_type, Some(&home), None));
    if holds.next().is_some() || FREE.contains(&namespace) {
        let message = format!(
            "The subscription cannot be unregistered from resource namespace '{namespace}'. Please delete existing \
             resources for the provider."
        );
        return Err(ArmError::conflict("Conflict", message));
    }
    drop(holds);
    match registration {
        Registration::NotRegistered | Registration::Unregistered | Registration::Unregistering { .. } => {
            get(state, id, namespace)
        }
        Registration::Registered | Registration::Registering { .. } => {
            let now = state.now();
            let lag = state.lag(Lag::Registration, &format!("unregistration of {namespace} in {id}"));
            let to = Registration::Unregistering { until: now.checked_add(lag).unwrap_or(now) };
            state.registrations.set(id, namespace, to);
            Ok(Reply::json(200, document(id, namespace, to)))
        }
    }
}

/// Refuses a write to a provider that the subscription has not registered, as ARM's own front does.
pub(crate) fn check(state: &State, call: &Call<'_>, typed: &Typed) -> Result<(), ArmError> {
    if !matches!(*call.method, Method::PUT | Method::PATCH | Method::POST) {
        return Ok(());
    }
    let (Some(id), Some(namespace)) = (typed.subscription(), known(&typed.namespace)) else { return Ok(()) };
    match state_of(state, id, namespace) {
        Registration::Registered => Ok(()),
        Registration::Registering { since, until } if is_usable(state, call, namespace, (since, until)) => {
            Ok(())
        }
        other @ Registration::Registering { .. } => Err(missing(namespace, other.name())),
        Registration::NotRegistered | Registration::Unregistering { .. } | Registration::Unregistered => {
            Err(missing(namespace, "Unregistered"))
        }
    }
}

/// Whether the region that the request names has been reached.
fn is_usable(
    state: &State,
    call: &Call<'_>,
    namespace: &str,
    (since, until): (jiff::Timestamp, jiff::Timestamp),
) -> bool {
    let sent = call.body().unwrap_or_default();
    let region = body::text(&sent, "/location").map(normal_location).unwrap_or_default();
    let whole = until.duration_since(since).as_secs_f64();
    let part = whole * state.spread(&format!("{namespace} in {region}"));
    let reached = SignedDuration::try_from_secs_f64(part).ok().and_then(|part| since.checked_add(part).ok());
    reached.is_some_and(|moment| moment <= state.now())
}

fn missing(namespace: &str, registration: &str) -> ArmError {
    let more = "See https://aka.ms/rps-not-found for how to register subscriptions.";
    let message = format!("The subscription is not registered to use namespace '{namespace}'. {more}");
    let detail = format!(
        "The subscription registration is in '{registration}' state. The subscription must be registered to use \
         namespace '{namespace}'. {more}"
    );
    let code = "MissingSubscriptionRegistration";
    ArmError::conflict(code, message).detail_at(code, &detail, namespace)
}

fn capabilities(style: &Style) -> &'static str {
    match style.tracking {
        Tracking::Tracked => {
            "CrossResourceGroupResourceMove, CrossSubscriptionResourceMove, SupportsTags, SupportsLocation"
        }
        Tracking::Untracked => "None",
    }
}

fn document(id: SubscriptionId, namespace: &str, registration: Registration) -> Value {
    let locations: Vec<&str> = display_locations().collect();
    let types: Vec<Value> = KINDS
        .iter()
        .map(|kind| kind.style())
        .filter_map(|style| {
            let (own, short) = style.arm_type.split_once('/')?;
            own.eq_ignore_ascii_case(namespace).then(|| {
                json!({
                    "resourceType": short, "locations": locations, "apiVersions": [style.first_version],
                    "aliases": [], "capabilities": capabilities(style),
                })
            })
        })
        .collect();
    let policy = if FREE.contains(&namespace) { "RegistrationFree" } else { "RegistrationRequired" };
    json!({
        "id": format!("/subscriptions/{id}/providers/{namespace}"), "namespace": namespace,
        "registrationState": registration.name(), "registrationPolicy": policy, "resourceTypes": types,
    })
}
