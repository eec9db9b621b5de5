//! Lists: `{"value": […], "nextLink": "…"}`, in the order of ids, a page at a time.

use serde_json::{Value, json};

use super::query::encode;
use super::{ArmError, Call, Sight, Typed, address, read};
use crate::http::Reply;
use crate::providers::{self, Kind};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// How many entries a page has.
const PAGE_SIZE: usize = 100;

/// The list at a collection's path: all in a subscription, all in a group, or all below a parent.
pub(super) fn collection(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    kind: &dyn Kind,
) -> Result<Reply, ArmError> {
    let scope: Option<ResourceId> = match typed.tail.len() {
        1 if typed.scope.is_empty() => None,
        1 => Some(address::parse_id(&typed.scope)?),
        length => Some(typed.id_of(length - 1)?),
    };
    if let Some(id) = &scope
        && id.arm_type() != "Microsoft.Resources/subscriptions"
        && !kind.has_container(state, id)
    {
        return Err(read::missing(state, id));
    }
    let after = after(call);
    let inside = state.inventory.of_type_within(kind.style().arm_type, scope.as_ref(), after.as_deref());
    Ok(page(state, call, inside.filter(|stored| kind.is_listed(stored, &call.query))))
}

/// A page of resources, each as GET answers it.
pub(crate) fn page<'a>(state: &State, call: &Call<'_>, entries: impl Iterator<Item = &'a Stored>) -> Reply {
    page_by(state, call, entries, |stored| state.render(stored))
}

/// A page of resources, each as `shape` says. Entries come in the order of their folded ids.
pub(crate) fn page_by<'a>(
    state: &State,
    call: &Call<'_>,
    entries: impl Iterator<Item = &'a Stored>,
    shape: impl Fn(&Stored) -> Value,
) -> Reply {
    let after = after(call);
    let size = call.query.get("$top").and_then(|top| top.parse().ok()).filter(|top| *top > 0);
    let size = size.unwrap_or(PAGE_SIZE).min(PAGE_SIZE);
    let mut rest = entries
        .filter(|stored| after.as_ref().is_none_or(|key| stored.id.folded() > *key))
        .filter(|stored| is_seen(state, call, stored))
        .peekable();
    let taken: Vec<&Stored> = rest.by_ref().take(size).collect();
    let mut body = json!({ "value": taken.iter().map(|stored| shape(stored)).collect::<Vec<_>>() });
    if let (Some(last), true) = (taken.last(), rest.peek().is_some()) {
        body["nextLink"] = json!(next_link(state, call, &last.id.folded()));
    }
    Reply::json(200, body)
}

/// The folded id that the page before this one ended with.
pub(crate) fn after(call: &Call<'_>) -> Option<String> {
    call.query.get("$skiptoken").or_else(|| call.query.get("$skip")).and_then(decode_token)
}

/// Whether the caller sees an entry (a list over a whole subscription shows what the caller may read).
fn is_seen(state: &State, call: &Call<'_>, stored: &Stored) -> bool {
    match call.sight {
        Sight::All => true,
        Sight::Permitted => {
            let spelled = providers::kind(&stored.id.arm_type()).map(|kind| kind.style().arm_type);
            let arm_type = match spelled {
                Some("Microsoft.Resources/resourceGroups") | None => {
                    "Microsoft.Resources/subscriptions/resourceGroups"
                }
                Some(spelled) => spelled,
            };
            let principal = call.caller.object_id;
            providers::allows(state, principal, &format!("{arm_type}/read"), stored.id.as_str())
        }
    }
}

fn next_link(state: &State, call: &Call<'_>, last: &str) -> String {
    let kept = call.query.pairs().filter(|(key, _)| !is_token(key));
    let mut query: Vec<String> =
        kept.map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    query.push(format!("$skiptoken={}", encode_token(last)));
    format!("{}{}?{}", state.base_url, call.path, query.join("&"))
}

fn is_token(key: &str) -> bool {
    key.eq_ignore_ascii_case("$skiptoken") || key.eq_ignore_ascii_case("$skip")
}

fn encode_token(key: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key)
}

fn decode_token(token: &str) -> Option<String> {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}
