//! Claims: what cannot carry a mark is claimed by name in tags of the nearest marked resource that contains it.
//!
//! `beamline-claims-1` to `beamline-claims-8` hold words with a space between them: the address without its environment,
//! and behind a `=` the name in Azure where that is another one, or the whole id of what does not lie in the claimant.
//! Words that this version cannot read belong to a later one, and are kept.
//!
//! Guarantees: a claim says whose something is only as far as the mark beside it does, so that a copied claim orders
//! nothing. It stands before what it claims is written, and goes after that is gone. What nobody claims is foreign.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::address::{Address, Kind};
use super::behaviour::Claimed;
use super::body;
use super::contract::{Carrier, Context, Update};
use super::difference::Difference;
use super::id::ResourceId;
use super::mark::{self, MARK_KEY, Marked, Seal};
use super::pointer;
use super::resource::{Resource, Resources};

/// How the names of the tags begin that hold claims; a number from 1 follows.
pub const CLAIMS_KEY_PREFIX: &str = "beamline-claims-";

/// How the field of a difference begins that is about a claim; the claimed address without its environment follows.
pub const FIELD_PREFIX: &str = "claims.";

/// Most tags that hold claims, of the 50 that a resource may have, and the most characters of each.
const MAX_TAGS: usize = 8;
const MAX_VALUE_CHARS: usize = 256;

/// Something that is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The word as it stands in the tag.
    pub text: String,
    /// The address without its environment.
    pub local: String,
    /// Its kind.
    pub kind: Kind,
    /// The id that is claimed.
    pub id: ResourceId,
}

impl Claim {
    fn parse(text: &str, marked: &Marked, claimant: &ResourceId) -> Option<Self> {
        let (local, place) = text.split_once('=').map_or((text, None), |(local, place)| (local, Some(place)));
        let address = Address::parse_local(&marked.mark.environment, local).ok()?;
        let kind = address.kind();
        if super::of(kind).spec().behaviour.claimed == Claimed::Never {
            return None;
        }
        let place = place.unwrap_or_else(|| address.name());
        let id = if place.starts_with('/') { place.parse().ok()? } else { child(kind, claimant, place) };
        Some(Self { text: text.to_owned(), local: local.to_owned(), kind, id })
    }

    fn of(resource: &Resource, id: ResourceId, claimant: &ResourceId) -> Self {
        let (local, kind) = (resource.address.local(), resource.address.kind());
        let text = if id != child(kind, claimant, &resource.name) {
            format!("{local}={id}")
        } else if resource.address.name() == resource.name {
            local.clone()
        } else {
            format!("{local}={}", resource.name)
        };
        Self { text, local, kind, id }
    }
}

fn child(kind: Kind, claimant: &ResourceId, name: &str) -> ResourceId {
    let spec = super::of(kind).spec();
    if spec.segment.is_empty() {
        claimant.provider(spec.arm_type, name)
    } else {
        claimant.child(spec.segment, name)
    }
}

/// Whether a tag holds claims.
pub(crate) fn is_key(name: &str) -> bool {
    name.get(..CLAIMS_KEY_PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(CLAIMS_KEY_PREFIX))
}

/// Whether resources of this kind hold claims for what lies in them.
#[must_use]
pub fn can_claim(kind: Kind) -> bool {
    let spec = super::of(kind).spec();
    spec.carrier == Carrier::Tags && spec.behaviour.claimed == Claimed::Never
}

/// The declared resource in whose tags `resource` is claimed: the nearest one around it that is written, and has tags.
/// `None` where it carries its own mark, and where there is none.
#[must_use]
pub fn claimant_of<'a>(resource: &Resource, all: &'a Resources) -> Option<&'a Resource> {
    if !resource.is_managed() || super::of(resource.address.kind()).spec().behaviour.claimed == Claimed::Never
    {
        return None;
    }
    let mut parent = super::of(resource.address.kind()).spec().parent;
    let mut inner = resource;
    while let Some(kind) = parent {
        let around = all.get(&body::parent_address(kind, inner));
        if let Some(around) = around.filter(|around| around.is_managed() && can_claim(kind)) {
            return Some(around);
        }
        inner = around.unwrap_or(inner);
        parent = super::of(kind).spec().parent;
    }
    None
}

/// The mark on an observed resource and what it claims; nothing where a mark is missing or was copied.
#[must_use]
pub fn on(observed: &Value) -> Option<(Marked, Vec<Claim>)> {
    let marked = mark::carried(Carrier::Tags, observed).filter(|marked| marked.seal != Seal::Wrong)?;
    let id: ResourceId = observed.get("id")?.as_str()?.parse().ok()?;
    let claims = texts(observed).iter().filter_map(|text| Claim::parse(text, &marked, &id)).collect();
    Some((marked, claims))
}

/// The words in the tags, whatever they mean.
fn texts(observed: &Value) -> BTreeSet<String> {
    let tags = pointer::get(observed, "/tags").and_then(Value::as_object);
    let values =
        tags.into_iter().flatten().filter(|(name, _)| is_key(name)).filter_map(|(_, it)| it.as_str());
    values.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// What `claimant` has to claim: what is there and does not carry this environment's mark itself.
#[must_use]
pub fn wanted(claimant: &Resource, context: &Context<'_>) -> Vec<Claim> {
    let Some(id) = context.id_of(&claimant.address).filter(|_| can_claim(claimant.address.kind())) else {
        return Vec::new();
    };
    let inside = context.resources.values().filter(|resource| {
        claimant_of(resource, context.resources).is_some_and(|one| one.address == claimant.address)
    });
    let unmarked = inside.filter(|resource| {
        let kind = super::of(resource.address.kind());
        context.observed.get(&resource.address).is_some_and(|body| {
            let own = kind.mark_on(body);
            !own.is_some_and(|own| own.mark == context.site.mark && own.seal != Seal::Wrong)
        })
    });
    unmarked.filter_map(|one| Some(Claim::of(one, context.id_of(&one.address)?, &id))).collect()
}

/// The tags of a resource that hold its claims: those that `observed` has and those that are wanted, without those
/// that a difference takes away. `None` where they do not fit into the tags.
fn settled(
    claimant: &Resource,
    observed: Option<&Value>,
    differences: &[Difference],
    context: &Context<'_>,
) -> Option<Map<String, Value>> {
    let wanted = wanted(claimant, context);
    let goes = |local: &str| {
        differences
            .iter()
            .any(|one| one.after.is_null() && one.field.strip_prefix(FIELD_PREFIX) == Some(local))
    };
    let ours = observed.and_then(on).filter(|(marked, _)| marked.mark.owner == context.site.mark.owner);
    let mut words = BTreeSet::new();
    if let Some((_, claims)) = &ours {
        words = observed.map(texts).unwrap_or_default();
        for claim in claims.iter().filter(|one| goes(&one.local) || wanted.iter().any(|it| it.id == one.id)) {
            words.remove(&claim.text);
        }
    }
    words.extend(wanted.into_iter().map(|claim| claim.text));
    packed(&words)
}

/// The words in as few tags as hold them.
fn packed(words: &BTreeSet<String>) -> Option<Map<String, Value>> {
    let mut values: Vec<String> = Vec::new();
    for word in words {
        match values.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= MAX_VALUE_CHARS => {
                last.push(' ');
                last.push_str(word);
            }
            _ if word.chars().count() > MAX_VALUE_CHARS => return None,
            Some(_) | None => values.push(word.clone()),
        }
    }
    let tags = (1..).zip(values).map(|(number, value)| (key(number), Value::from(value)));
    let tags: Map<String, Value> = tags.collect();
    (tags.len() <= MAX_TAGS).then_some(tags)
}

fn key(number: usize) -> String {
    format!("{CLAIMS_KEY_PREFIX}{number}")
}

/// The tags with claims that a resource is written with.
pub(crate) fn carried(resource: &Resource, context: &Context<'_>) -> Map<String, Value> {
    settled(resource, context.observed.get(&resource.address), &[], context).unwrap_or_default()
}

/// The tags with claims that an update leaves.
pub(crate) fn left_by(update: Update<'_>, context: &Context<'_>) -> Map<String, Value> {
    let settled = settled(update.resource, Some(update.observed), update.differences, context);
    settled.unwrap_or_default()
}

/// Where claims change in an update, and what they become.
pub(crate) fn changes(update: Update<'_>, context: &Context<'_>) -> Vec<(String, Option<Value>)> {
    if !can_claim(update.resource.address.kind()) {
        return Vec::new();
    }
    let left = left_by(update, context);
    let tags =
        (1..=MAX_TAGS).map(|number| (format!("/tags/{}", key(number)), left.get(&key(number)).cloned()));
    tags.filter(|(at, value)| pointer::get(update.observed, at) != value.as_ref()).collect()
}

/// Why what `update` wants to claim cannot stand in the tags of its resource, as a clause.
#[must_use]
pub fn surplus(update: Update<'_>, context: &Context<'_>) -> Option<String> {
    let Some(tags) = settled(update.resource, Some(update.observed), update.differences, context) else {
        return Some(format!(
            "what is claimed in its tags needs more than {MAX_TAGS} of them, of {MAX_VALUE_CHARS} characters each: let go of \
             something, or choose shorter names"
        ));
    };
    let others = super::tags::carried(Carrier::Tags, update.resource, context).unwrap_or_default();
    let kept = super::tags::kept(Carrier::Tags, update.observed, context.site);
    let names: BTreeSet<String> =
        others.iter().chain(&kept).map(|(name, _)| name.to_ascii_lowercase()).collect();
    let count = names.iter().filter(|name| !is_key(name)).count() + tags.len();
    (!tags.is_empty() && count > super::tags::MAX_TAGS).then(|| {
        format!(
            "with what is claimed in its tags it would have {count} of them, and Azure allows {}: drop tags",
            super::tags::MAX_TAGS
        )
    })
}

/// A claim that an update should have left or taken away, and did not.
#[must_use]
pub fn unmet<'a>(differences: &'a [Difference], observed: &Value) -> Option<&'a Difference> {
    let there: Vec<String> =
        on(observed).map(|(_, claims)| claims).unwrap_or_default().into_iter().map(|one| one.local).collect();
    differences.iter().find(|one| {
        let local = one.field.strip_prefix(FIELD_PREFIX);
        local.is_some_and(|local| there.iter().any(|it| it == local) == one.after.is_null())
    })
}

/// Whether a member of tags says whose the resource is.
#[must_use]
pub fn is_marked(observed: &Value) -> bool {
    pointer::get(observed, &format!("/tags/{MARK_KEY}")).is_some_and(Value::is_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{GROUP, World};
    use super::*;

    const WORKSPACE: &str = "providers/Microsoft.MachineLearningServices/workspaces/mlw";

    fn observed(claims: &Value, seal: &str) -> Value {
        let mut tags = json!({ "beamline": "acme/production", "beamline-id": seal });
        tags.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        json!({ "id": format!("{GROUP}/{WORKSPACE}"), "tags": tags })
    }

    fn seal() -> String {
        mark::seal_of("acme", &format!("{GROUP}/{WORKSPACE}").parse().unwrap())
    }

    #[test]
    fn a_word_names_what_it_claims_by_name_or_by_id() {
        let id = format!("{GROUP}/providers/X.Y/workspaces/other/computes/c");
        let tags = json!({ "Beamline-Claims-1": format!("compute_instances/a compute_instances/b=ci-b  compute_instances/c={id}"),
            "beamline-claims-2": "later_types/d key_vaults/e nonsense" });
        let (_, claims) = on(&observed(&tags, &seal())).unwrap();
        let ids: Vec<_> = claims.iter().map(|claim| claim.id.to_string()).collect();
        assert_eq!(
            ids,
            [format!("{GROUP}/{WORKSPACE}/computes/a"), format!("{GROUP}/{WORKSPACE}/computes/ci-b"), id],
            "and nothing that carries its own mark, or that this version does not know"
        );
        assert!(on(&observed(&tags, "0123456789abcdef")).is_none(), "the mark beside it was copied");
    }

    #[test]
    fn words_fill_tags_up_to_their_length_and_eight_of_them() {
        let words = |count: usize, length: usize| -> BTreeSet<String> {
            (0..count).map(|at| format!("{at:0length$}")).collect()
        };
        let tags = packed(&words(5, 127)).unwrap();
        let lengths: Vec<usize> = tags.values().map(|value| value.as_str().unwrap().len()).collect();
        assert_eq!(lengths, [255, 255, 127]);
        assert!(packed(&words(16, 127)).is_some() && packed(&words(17, 127)).is_none());
        assert!(packed(&words(1, 256)).is_some() && packed(&words(1, 257)).is_none());
        assert!(packed(&BTreeSet::new()).unwrap().is_empty());
    }

    #[test]
    fn a_write_keeps_the_claims_of_later_versions_and_takes_none_over_with_a_copied_mark() {
        let mut world = World::new();
        let group = world.declare("resource_group", "rg-ml-production", json!({}));
        let body = |seal: &str| {
            let tags = json!({ "beamline": "acme/production", "beamline-id": seal, "beamline-claims-1": "later_types/d" });
            json!({ "id": GROUP, "tags": tags })
        };
        let left = |seal: &str| {
            let (resource, observed) = (&world.resources[&group], body(seal));
            let update = Update { resource, observed: &observed, differences: &[], inner: &[] };
            Value::from(left_by(update, &world.context()))
        };
        let right = mark::seal_of("acme", &GROUP.parse().unwrap());
        assert_eq!(left(&right), json!({ "beamline-claims-1": "later_types/d" }));
        assert_eq!(left("0123456789abcdef"), json!({}));
    }
}
