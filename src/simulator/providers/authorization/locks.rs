//! Management locks (`facts.md` 12; azure-docs "Lock your resources"): they hold at their scope and
//! below, and a deletion also stops at locks of what would go with it.

use http::Method;
use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Filter, Typed, Write, after, page};
use crate::body;
use crate::http::Reply;
use crate::providers::{Answer, Kind, Style};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Lock;

/// The type of locks.
const TYPE: &str = "Microsoft.Authorization/locks";

static STYLE: Style =
    Style { arm_type: TYPE, first_version: "2015-01-01", create: Answer::Sync(201), ..Style::SYNC };

const LEVELS: [&str; 3] = ["NotSpecified", "CanNotDelete", "ReadOnly"];

impl Kind for Lock {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let refused = |code: &str, message: String| Err(ArmError::bad_request(code, message));
        let name = write.name();
        if !(1..=90).contains(&name.chars().count()) || name.contains(|c: char| "<>%&\\?/".contains(c)) {
            return refused("InvalidLockName", format!("The lock name '{name}' is not valid."));
        }
        match write.text("/properties/level") {
            Some(level) if LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) => {}
            level => {
                let level = level.unwrap_or_default();
                return refused("InvalidLockLevel", format!("The lock level '{level}' is not valid."));
            }
        }
        let too_long = write.text("/properties/notes").is_some_and(|notes| notes.chars().count() > 512);
        if too_long {
            refused("InvalidLockNotes", "The notes of a lock have at most 512 characters.".to_owned())
        } else {
            Ok(())
        }
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let level = write.text("/properties/level").unwrap_or_default();
        let level = LEVELS.iter().find(|known| known.eq_ignore_ascii_case(level)).copied();
        let mut filled = json!({ "properties": { "level": level } });
        for pointer in ["/properties/notes", "/properties/owners"] {
            if let Some(value) = body::at(write.body, pointer) {
                body::set(&mut filled, pointer, value.clone());
            }
        }
        body::set(&mut filled, "/systemData", state.system_data(write.caller, write.existing.as_ref()));
        filled
    }

    fn has_container(&self, state: &State, container: &ResourceId) -> bool {
        state.get(container).is_some()
            || container.subscription_id().is_some_and(|id| ResourceId::subscription(id) == *container)
    }
}

fn level(lock: &Stored) -> &str {
    body::text(&lock.body, "/properties/level").unwrap_or("NotSpecified")
}

fn locks_at<'a>(state: &'a State, scope: &ResourceId) -> impl Iterator<Item = &'a Stored> {
    state.inventory.prefixed(format!("{}/providers/microsoft.authorization/locks/", scope.folded()), None)
}

/// Refuses what a lock forbids: any deletion, and with `ReadOnly` any write and any POST.
pub(crate) fn check(state: &State, method: &Method, id: &ResourceId) -> Result<(), ArmError> {
    if method == Method::GET || method == Method::HEAD || id.arm_type().eq_ignore_ascii_case(TYPE) {
        return Ok(());
    }
    let deletes = method == Method::DELETE;
    let stops = |lock: &&Stored| level(lock) == "ReadOnly" || (deletes && level(lock) == "CanNotDelete");
    let chain = std::iter::successors(Some(id.clone()), ResourceId::parent);
    let mut found: Vec<&Stored> =
        chain.flat_map(|scope| locks_at(state, &scope).filter(stops).collect::<Vec<_>>()).collect();
    if deletes && state.get(id).is_some() {
        found.extend(state.inventory.of_type_within(TYPE, Some(id), None).filter(stops));
    }
    if found.is_empty() {
        return Ok(());
    }
    let mut scopes: Vec<String> =
        found.iter().filter_map(|lock| lock.id.parent()).map(String::from).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let what = if deletes { "delete" } else { "write" };
    let message = format!(
        "The scope '{id}' cannot perform {what} operation because following scope(s) are locked: '{}'. Please remove the \
         lock and try again.",
        scopes.join("', '")
    );
    Err(ArmError::conflict("ScopeLocked", message))
}

/// Locks at a scope and below it; with `atScope()` only there.
pub(in crate::providers) fn list(state: &State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let scope: ResourceId = typed.scope.parse().map_err(|_| {
        ArmError::bad_request("InvalidScope", format!("The scope '{}' is not valid.", typed.scope))
    })?;
    if !Lock.has_container(state, &scope) {
        return Err(crate::arm::missing_resource(&scope));
    }
    let only_here = Filter::parse(call.query.get("$filter"))?.function("atScope").is_some();
    let after = after(call);
    let inside = state.inventory.of_type_within(TYPE, Some(&scope), after.as_deref());
    Ok(page(state, call, inside.filter(|lock| !only_here || lock.id.parent().as_ref() == Some(&scope))))
}
