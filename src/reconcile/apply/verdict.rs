//! PURE: whether what was read back is what was asked for.
//!
//! The catalog compares: the same code that decides whether there is anything to plan decides whether
//! a step had its effect. Therefore a run that is complete leaves a plan without steps.

use serde_json::Value;

use super::resume::Wish;
use crate::reconcile::plan::{Action, Part, Step};
use crate::resources::claims;
use crate::resources::{self, Address, Context, Difference, Effect, Listing, Placeholder, brief};

/// How many fields a message names.
const MAX_NAMED: usize = 5;

/// The longest value that a message shows, in characters.
const MAX_VALUE_CHARS: usize = 120;

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as asked for.
    Met,
    /// It is not, as a sentence.
    Unmet(String),
    /// That depends on a property of this resource, whose body is not known.
    Needs(Address),
}

/// What a step wants of its resource.
pub(super) fn wish(step: &Step) -> Wish {
    match (step.action, step.part) {
        (Action::Delete, _) | (_, Part::Removal) => Wish::Absent,
        (
            Action::Create
            | Action::Update
            | Action::Replace
            | Action::Adopt
            | Action::Recover
            | Action::Release
            | Action::Keep,
            Part::Whole | Part::Creation,
        ) => Wish::Present,
    }
}

/// Compares what was read with what the step wants.
pub(super) fn judge(step: &Step, body: Option<&Value>, context: &Context<'_>) -> Verdict {
    match (wish(step), body) {
        (Wish::Absent, None) => Verdict::Met,
        (Wish::Absent, Some(_)) => {
            Verdict::Unmet("Azure accepted the deletion, but it is still there".to_owned())
        }
        (Wish::Present, None) => Verdict::Unmet("Azure accepted it, but it is not there".to_owned()),
        (Wish::Present, Some(body)) if step.action == Action::Release => {
            match resources::of(step.address.kind()).is_released(body) {
                true => Verdict::Met,
                false => Verdict::Unmet("Azure accepted it, but our mark is still on it".to_owned()),
            }
        }
        (Wish::Present, Some(body)) => match context.resources.get(&step.address) {
            Some(resource) => {
                let kind = resources::of(step.address.kind());
                let mut differences = kind.differences(resource, body, context);
                differences.extend(claims::unmet(&step.differences, body).cloned());
                verdict_of(differences, context)
            }
            None => Verdict::Unmet(format!("{} is not declared", step.address)),
        },
    }
}

/// The part of a carrier's body that is the resource of a step it carries. `Err` when the resource does
/// not live inside the carrier's body at all.
pub(super) fn element<'a>(step: &Step, carrier: &'a Value) -> Result<Option<&'a Value>, ()> {
    let Listing::InParentBody(pointer) = resources::of(step.address.kind()).spec().listing else {
        return Err(());
    };
    let name = match &step.target {
        resources::Target::Known(id) => id.name(),
        resources::Target::RoleAssignment { .. } => step.address.name(),
    };
    let elements = carrier.pointer(pointer).and_then(Value::as_array);
    Ok(elements.into_iter().flatten().find(|element| {
        let found = element.get("name").and_then(Value::as_str);
        found.is_some_and(|found| found.eq_ignore_ascii_case(name))
    }))
}

fn verdict_of(differences: Vec<Difference>, context: &Context<'_>) -> Verdict {
    let unmet: Vec<Difference> = differences
        .into_iter()
        .filter(|difference| match difference.effect {
            Effect::InPlace | Effect::Replace(_) | Effect::Impossible(_) => true,
            Effect::Note(_) => false,
        })
        .collect();
    let unknown = unmet.iter().flat_map(|difference| Placeholder::within(&difference.after));
    let unread = unknown.map(|placeholder| placeholder.address).find(|on| !context.observed.contains_key(on));
    match (unread, unmet.is_empty()) {
        (Some(address), _) => Verdict::Needs(address),
        (None, true) => Verdict::Met,
        (None, false) => Verdict::Unmet(ignored(&unmet)),
    }
}

fn ignored(unmet: &[Difference]) -> String {
    let mut fields: Vec<String> = unmet
        .iter()
        .take(MAX_NAMED)
        .map(|difference| {
            let Difference { field, before, after, effect: _ } = difference;
            let (asked, has) = brief::differing(&shown(after), &shown(before), MAX_VALUE_CHARS);
            format!("{field} (asked {asked}, has {has})")
        })
        .collect();
    if unmet.len() > MAX_NAMED {
        fields.push(format!("{} more", unmet.len() - MAX_NAMED));
    }
    let them = if unmet.len() == 1 { "it" } else { "them" };
    format!("Azure accepted {} but did not apply {them}", fields.join(", "))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(field: &str, before: Value, after: Value, effect: Effect) -> Difference {
        Difference { field: field.into(), before, after, effect }
    }

    #[test]
    fn an_ignored_property_is_named_with_both_values() {
        let one = difference("idle_time_before_shutdown", Value::Null, json!("PT1H"), Effect::InPlace);
        assert_eq!(
            ignored(&[one]),
            "Azure accepted idle_time_before_shutdown (asked PT1H, has nothing) but did not apply it"
        );
        let many: Vec<_> =
            (0..7).map(|n| difference(&format!("f{n}"), json!(1), json!(2), Effect::InPlace)).collect();
        assert!(ignored(&many).ends_with("f4 (asked 2, has 1), 2 more but did not apply them"));
    }

    #[test]
    fn a_note_is_not_a_failure_and_an_unread_resource_is_asked_for() {
        let site = crate::resources::Site {
            subscription: crate::resources::id::SubscriptionId(uuid::Uuid::nil()),
            tenant: crate::resources::id::TenantId(uuid::Uuid::nil()),
            resource_group: "rg".into(),
            mark: crate::resources::Mark { owner: "estate".into(), environment: "p".parse().unwrap() },
            former_marks: vec![],
            ignore_tags: vec![],
        };
        let (none, mut observed) = (crate::resources::Resources::new(), std::collections::BTreeMap::new());
        let workspace: Address = "p/workspace".parse().unwrap();
        let note = difference("tags.a", json!("1"), json!("2"), Effect::Note("creation only".into()));
        let principal =
            Placeholder { address: workspace.clone(), property: "/identity/principalId".into() }.to_value();
        let unread = difference("principal", json!("x"), principal, Effect::InPlace);
        {
            let context = Context { site: &site, resources: &none, observed: &observed };
            assert_eq!(verdict_of(vec![note], &context), Verdict::Met);
            assert_eq!(verdict_of(vec![unread.clone()], &context), Verdict::Needs(workspace.clone()));
        }
        observed.insert(workspace, json!({}));
        let context = Context { site: &site, resources: &none, observed: &observed };
        assert!(matches!(verdict_of(vec![unread], &context), Verdict::Unmet(_)));
    }
}
