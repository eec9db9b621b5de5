//! The front door: request limits, version, address, permission; and the headers on every answer.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::address::{self, Address};
use super::authenticate::authenticate;
use super::authorize::{Sight, authorize};
use super::{ArmError, Query, list, long_running, read, write};
use crate::faults::Faults;
use crate::http::{Incoming, Reply};
use crate::providers::{self, Kind, resources::registrations, resources::subscriptions};
use crate::state::{Caller, State};
use beamline_base::id::{ResourceId, SubscriptionId};

/// The first version of the generic ARM API that is still served.
const FIRST_ARM_VERSION: &str = "2014-04-01";

/// A request that passed the front door.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// The query as it was sent.
    pub(crate) raw_query: &'a str,
    pub(crate) query: Query,
    pub(crate) api_version: String,
    pub(crate) caller: Caller,
    pub(crate) faults: &'a Faults,
    pub(crate) headers: &'a HeaderMap,
    /// Which entries of a list the caller sees.
    pub(crate) sight: Sight,
    raw_body: &'a [u8],
}

impl Call<'_> {
    /// The body, which must be a JSON object.
    pub(crate) fn body(&self) -> Result<Value, ArmError> {
        let parsed: Result<Value, _> = serde_json::from_slice(self.raw_body);
        match parsed {
            Ok(Value::Object(map)) => Ok(Value::Object(map)),
            Ok(_) | Err(_) => Err(ArmError::bad_request(
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: a JSON object was expected.",
            )),
        }
    }
}

/// Answers a request for Azure Resource Manager.
pub(crate) fn handle(state: &mut State, faults: &Faults, incoming: &Incoming) -> Result<Reply, ArmError> {
    let caller = authenticate(state, incoming)?;
    let path = incoming.uri.path();
    let address = address::parse(path);
    let subscription = address.as_ref().ok().and_then(subscription_of);
    let now = state.now();
    let spent = state.throttle.spend(caller.object_id, subscription, &incoming.method, now);
    let answer = match spent.refusal {
        Some(refusal) => {
            let error = ArmError::new(429, "SubscriptionRequestsThrottled", refusal.message);
            Ok(error.into_reply().with("retry-after", refusal.retry_after_secs))
        }
        None => address.and_then(|address| admitted(state, faults, incoming, caller, address)),
    };
    let mut reply = answer.unwrap_or_else(ArmError::into_reply);
    reply.headers.extend(spent.headers);
    Ok(reply)
}

fn admitted(
    state: &mut State,
    faults: &Faults,
    incoming: &Incoming,
    caller: Caller,
    address: Address,
) -> Result<Reply, ArmError> {
    let query = Query::of(&incoming.uri);
    let api_version = api_version(&query)?;
    let path = incoming.uri.path();
    let mut call = Call {
        method: &incoming.method,
        path,
        raw_query: incoming.uri.query().unwrap_or_default(),
        query,
        api_version,
        caller,
        faults,
        headers: &incoming.headers,
        sight: Sight::All,
        raw_body: &incoming.body,
    };
    check_subscription(state, &address)?;
    call.sight = authorize(state, &call, &address)?;
    route(state, &call, address)
}

fn route(state: &mut State, call: &Call<'_>, address: Address) -> Result<Reply, ArmError> {
    let (get, post) = (call.method == Method::GET, call.method == Method::POST);
    match address {
        Address::Tenants if get => Ok(subscriptions::tenants(state)),
        Address::Subscriptions if get => Ok(subscriptions::list(state, call)),
        Address::Subscription(id) if get => Ok(subscriptions::get(state, id)),
        Address::Locations(id) if get => Ok(subscriptions::locations(id)),
        Address::Providers(id) if get => Ok(registrations::list(state, id)),
        Address::Provider(id, namespace) if get => registrations::get(state, id, &namespace),
        Address::TenantProvider(namespace) if get => registrations::of_tenant(&namespace),
        Address::Register(id, namespace) if post => registrations::register(state, id, &namespace),
        Address::Unregister(id, namespace) if post => registrations::unregister(state, id, &namespace),
        Address::Groups(id) if get => providers::resources::groups::groups(state, call, id),
        Address::Resources(scope) if get => providers::resources::groups::contents(state, call, &scope),
        Address::Poll(face, id) if get => long_running::poll(state, call, face, &id),
        Address::Group(id) => on_resource(state, call, &id, &providers::resources::groups::Group),
        Address::Typed(typed) => on_typed(state, call, &typed),
        Address::Tenants
        | Address::Subscriptions
        | Address::Subscription(_)
        | Address::Locations(_)
        | Address::Providers(_)
        | Address::Provider(..)
        | Address::TenantProvider(_)
        | Address::Register(..)
        | Address::Unregister(..)
        | Address::Groups(_)
        | Address::Resources(_)
        | Address::Poll(..) => Err(not_allowed(call)),
    }
}

fn on_typed(state: &mut State, call: &Call<'_>, typed: &address::Typed) -> Result<Reply, ArmError> {
    registrations::check(state, call, typed)?;
    if let Some(reply) = providers::special(state, call, typed) {
        return reply;
    }
    if !typed.names_resource() && call.method == Method::POST && typed.tail.len() > 1 {
        return on_action(state, call, typed);
    }
    let kind = known_kind(&typed.arm_type(), &typed.namespace)?;
    check_version(call, kind)?;
    if typed.names_resource() {
        return on_resource(state, call, &kind.home(typed.id_of(typed.tail.len())?), kind);
    }
    if call.method == Method::GET {
        list::collection(state, call, typed, kind)
    } else {
        Err(not_allowed(call))
    }
}

fn on_action(state: &mut State, call: &Call<'_>, typed: &address::Typed) -> Result<Reply, ArmError> {
    let id = typed.id_of(typed.tail.len() - 1)?;
    let kind = known_kind(&id.arm_type(), &typed.namespace)?;
    check_version(call, kind)?;
    let Some(stored) = state.get(&id).cloned() else { return Err(read::missing(state, &id)) };
    providers::check_locks(state, call.method, &stored.id)?;
    let action = typed.tail.last().map(|action| action.to_ascii_lowercase()).unwrap_or_default();
    kind.action(state, call, &stored, &action).unwrap_or_else(|| Err(not_allowed(call)))
}

fn on_resource(
    state: &mut State,
    call: &Call<'_>,
    id: &ResourceId,
    kind: &'static dyn Kind,
) -> Result<Reply, ArmError> {
    providers::check_locks(state, call.method, id)?;
    match *call.method {
        Method::GET => read::get(state, id),
        Method::HEAD => Ok(Reply::empty(if state.get(id).is_some() { 204 } else { 404 })),
        Method::PUT => write::put(state, call, id, kind),
        Method::PATCH => write::patch(state, call, id, kind),
        Method::DELETE => write::delete(state, call, id, kind),
        _ => Err(not_allowed(call)),
    }
}

fn known_kind(arm_type: &str, namespace: &str) -> Result<&'static dyn Kind, ArmError> {
    providers::kind(arm_type).ok_or_else(|| {
        if !providers::NAMESPACES.iter().any(|known| known.eq_ignore_ascii_case(namespace)) {
            let message = format!("The resource namespace '{namespace}' is invalid.");
            return ArmError::not_found("InvalidResourceNamespace", message);
        }
        let message =
            format!("The resource type '{arm_type}' could not be found in the namespace '{namespace}'.");
        ArmError::not_found("InvalidResourceType", message)
    })
}

fn not_allowed(call: &Call<'_>) -> ArmError {
    let message = format!("The HTTP method '{}' is not supported at '{}'.", call.method, call.path);
    ArmError::new(405, "HttpMethodNotAllowed", message)
}

fn subscription_of(address: &Address) -> Option<SubscriptionId> {
    match address {
        Address::Tenants | Address::Subscriptions | Address::TenantProvider(_) | Address::Poll(..) => None,
        Address::Subscription(id)
        | Address::Locations(id)
        | Address::Groups(id)
        | Address::Providers(id)
        | Address::Provider(id, _)
        | Address::Register(id, _)
        | Address::Unregister(id, _) => Some(*id),
        Address::Group(id) | Address::Resources(id) => id.subscription_id(),
        Address::Typed(typed) => typed.subscription(),
    }
}

fn check_subscription(state: &State, address: &Address) -> Result<(), ArmError> {
    match subscription_of(address).filter(|id| !state.subscriptions.contains_key(id)) {
        Some(id) => {
            let message = format!("The subscription '{id}' could not be found.");
            Err(ArmError::not_found("SubscriptionNotFound", message))
        }
        None => Ok(()),
    }
}

/// The version, well formed: `YYYY-MM-DD` with an optional suffix.
fn api_version(query: &Query) -> Result<String, ArmError> {
    let Some(version) = query.get("api-version") else {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(ArmError::bad_request("MissingApiVersionParameter", message));
    };
    let (date, suffix) = version.split_at_checked(10).unwrap_or((version, ""));
    let date_ok = date.parse::<jiff::civil::Date>().is_ok() && date.len() == 10;
    let suffix_ok = suffix.is_empty()
        || suffix.strip_prefix('-').is_some_and(|word| {
            (1..=20).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        });
    if date_ok && suffix_ok && version >= FIRST_ARM_VERSION {
        return Ok(version.to_ascii_lowercase());
    }
    let message = format!(
        "The api-version '{version}' is invalid. The supported versions begin with '{FIRST_ARM_VERSION}'."
    );
    Err(ArmError::bad_request("InvalidApiVersionParameter", message))
}

/// Any well-formed version from the type's first one on is served (`clients.md` 10.2).
fn check_version(call: &Call<'_>, kind: &dyn Kind) -> Result<(), ArmError> {
    let style = kind.style();
    if call.api_version.as_str() >= style.first_version {
        return Ok(());
    }
    let (namespace, short) = style.arm_type.split_once('/').unwrap_or((style.arm_type, ""));
    let message = format!(
        "No registered resource provider found for location 'eastus' and API version '{}' for type '{short}' in \
         '{namespace}'. The supported api-versions begin with '{}'.",
        call.api_version, style.first_version
    );
    Err(ArmError::bad_request("NoRegisteredProviderFound", message))
}

/// Puts ARM's own headers on an answer (ARM RPC common API details, `facts.md` 13 and 15).
pub(crate) fn stamp(state: &mut State, incoming: &Incoming, reply: &mut Reply) {
    state.requests_seen += 1;
    let number = state.requests_seen;
    let request_id = state.uuid(&format!("request {number}")).to_string();
    let correlation = incoming.header("x-ms-correlation-request-id").unwrap_or(&request_id).to_owned();
    let now = state.now();
    let mut add = |name, value: String| reply.headers.push((name, value));
    add("x-ms-routing-request-id", format!("EASTUS:{}:{request_id}", now.strftime("%Y%m%dT%H%M%SZ")));
    add("x-ms-request-id", request_id);
    add("x-ms-correlation-request-id", correlation);
    let wants_echo = incoming.header("x-ms-return-client-request-id");
    if let (Some(id), Some(true)) =
        (incoming.header("x-ms-client-request-id"), wants_echo.map(|word| word.eq_ignore_ascii_case("true")))
    {
        add("x-ms-client-request-id", id.to_owned());
    }
    add("cache-control", "no-cache".to_owned());
    add("strict-transport-security", "max-age=31536000; includeSubDomains".to_owned());
    add("x-content-type-options", "nosniff".to_owned());
}
