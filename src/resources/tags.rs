//! Tags: the user's, beamline's mark among them, and those that belong to somebody else.
//!
//! The same rules hold for the tags of a resource, the tags within a datastore's properties and the
//! metadata of a container. Names of tags have no casing in Azure, values have.

use serde_json::{Map, Value};

use super::claims;
use super::contract::{Carrier, Context};
use super::difference::{Change, Origin};
use super::finding::Finding;
use super::mark::{
    self, ADDRESS_KEY, ADOPTED_KEY, MARK_KEY, METADATA_ADDRESS_KEY, METADATA_ADOPTED_KEY, METADATA_SEAL_KEY,
    SEAL_KEY, SUBNET_KEY_PREFIX, Seal,
};
use super::normalise;
use super::pointer;
use super::resource::{Adoption, Resource, Site};

/// Where a carrier keeps its tags.
pub(crate) fn pointer_of(carrier: Carrier) -> Option<&'static str> {
    match carrier {
        Carrier::Tags => Some("/tags"),
        Carrier::PropertyTags => Some("/properties/tags"),
        Carrier::Metadata => Some("/properties/metadata"),
        Carrier::Description | Carrier::Network => None,
    }
}

/// The key under which a carrier holds the address.
pub(crate) fn address_key(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Metadata => METADATA_ADDRESS_KEY,
        Carrier::Tags | Carrier::PropertyTags | Carrier::Description | Carrier::Network => ADDRESS_KEY,
    }
}

/// The key under which a carrier holds the seal.
pub(crate) fn seal_key(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Metadata => METADATA_SEAL_KEY,
        Carrier::Tags | Carrier::PropertyTags | Carrier::Description | Carrier::Network => SEAL_KEY,
    }
}

/// The key under which a carrier says that the resource was adopted.
fn adopted_key(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Metadata => METADATA_ADOPTED_KEY,
        Carrier::Tags | Carrier::PropertyTags | Carrier::Description | Carrier::Network => ADOPTED_KEY,
    }
}

/// Whether a body says that its resource was adopted.
pub(crate) fn is_adopted(carrier: Carrier, body: &Value) -> bool {
    let at = pointer_of(carrier).map(|at| format!("{at}/{}", adopted_key(carrier)));
    at.is_some_and(|at| pointer::get(body, &at).is_some())
}

/// Makes a body say that its resource was adopted.
pub(crate) fn adopt(carrier: Carrier, body: &mut Value) {
    if let Some(at) = pointer_of(carrier) {
        pointer::put(body, &format!("{at}/{}", adopted_key(carrier)), Value::from("true"));
    }
}

/// Whether the next write of a resource leaves it adopted: it is, or it is taken over now.
fn stays_adopted(carrier: Carrier, resource: &Resource, context: &Context<'_>) -> bool {
    let Some(observed) = context.observed.get(&resource.address) else { return false };
    let owner = &context.site.mark.owner;
    let marked = mark::carried(carrier, observed).filter(|marked| marked.mark.owner == *owner);
    match marked {
        Some(marked) if marked.seal != Seal::Wrong || resource.adoption == Adoption::Refused => {
            is_adopted(carrier, observed)
        }
        Some(_) | None => resource.adoption == Adoption::Requested,
    }
}

/// Whether a tag is one of beamline's own.
pub(crate) fn is_own(name: &str) -> bool {
    let tags = [MARK_KEY, ADDRESS_KEY, SEAL_KEY, ADOPTED_KEY];
    let metadata = [METADATA_ADDRESS_KEY, METADATA_SEAL_KEY, METADATA_ADOPTED_KEY];
    tags.iter().chain(&metadata).any(|own| own.eq_ignore_ascii_case(name))
        || claims::is_key(name)
        || name
            .get(..SUBNET_KEY_PREFIX.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(SUBNET_KEY_PREFIX))
}

/// Where on an observed body beamline's own tags stand: the marks, the claims of others, the marks of elements.
pub(crate) fn own_places(carrier: Carrier, observed: &Value) -> Vec<String> {
    let Some(at) = pointer_of(carrier) else { return Vec::new() };
    let members = pointer::get(observed, at).and_then(Value::as_object);
    let own = members.into_iter().flatten().map(|(name, _)| name).filter(|name| is_own(name));
    own.map(|name| format!("{at}/{}", pointer::escape(name))).collect()
}

/// Whether a tag that nobody declared is left alone: it matches `ignore_tags`, or is one of Azure's
/// own, which the portal hides (`hidden-link:…`, put on Application Insights and others).
pub(crate) fn is_kept(name: &str, site: &Site) -> bool {
    starts_with(name, "hidden-")
        || site.ignore_tags.iter().any(|pattern| normalise::matches_pattern(pattern, name))
}

/// Where the tags stand that `observed` has, and that what is made as `body` is rid of: nobody declared them.
pub(crate) fn undeclared(observed: &Value, body: &Value, site: &Site) -> Vec<String> {
    let names = |body: &Value| -> Vec<String> {
        let tags = body.get("tags").and_then(Value::as_object);
        tags.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let declared = names(body);
    let is_declared = |name: &String| declared.iter().any(|one| one.eq_ignore_ascii_case(name));
    let rest = names(observed).into_iter().filter(|name| !is_declared(name) && !is_kept(name, site));
    rest.map(|name| format!("/tags/{}", pointer::escape(&name))).collect()
}

/// The observed tags that a write which replaces all of them must repeat. Of metadata that is
/// everything but our own, because a definition does not declare metadata.
pub(crate) fn kept(carrier: Carrier, observed: &Value, site: &Site) -> Map<String, Value> {
    let at = pointer_of(carrier).unwrap_or_default();
    let members = pointer::get(observed, at).and_then(Value::as_object);
    let is_kept = |name: &str| match carrier {
        Carrier::Metadata => !is_own(name),
        Carrier::Tags | Carrier::PropertyTags | Carrier::Description | Carrier::Network => {
            is_kept(name, site)
        }
    };
    let members = members.into_iter().flatten().filter(|(name, _)| is_kept(name));
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The tags a resource is made with: its own, the mark, the short name, the seal, and that it was adopted where it was.
/// Metadata of containers holds all but its own, because its keys must be identifiers.
pub(crate) fn carried(
    carrier: Carrier,
    resource: &Resource,
    context: &Context<'_>,
) -> Option<Map<String, Value>> {
    let site = context.site;
    let seal = seal(carrier, resource, context);
    let own = [
        (MARK_KEY.to_owned(), Value::from(site.mark.to_string())),
        (address_key(carrier).to_owned(), Value::from(resource.address.local())),
    ];
    let adopted = stays_adopted(carrier, resource, context);
    let adopted = adopted.then(|| (adopted_key(carrier).to_owned(), Value::from("true")));
    let own = own.into_iter().chain(seal).chain(adopted);
    match carrier {
        Carrier::Tags | Carrier::PropertyTags => {
            let user = resource.tags.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            let claims = claims::carried(resource, context);
            Some(user.chain(own).chain(claims).collect())
        }
        Carrier::Metadata => Some(own.collect()),
        Carrier::Description | Carrier::Network => None,
    }
}

/// The seal of a resource, and the key that it has.
fn seal(carrier: Carrier, resource: &Resource, context: &Context<'_>) -> Option<(String, Value)> {
    let id = context.id_of(&resource.address)?;
    Some((seal_key(carrier).to_owned(), Value::from(mark::seal_of(&context.site.mark.owner, &id))))
}

/// What has to come with the next write and is no difference by itself: a seal that is missing or wrong, and that the
/// resource was adopted.
pub(crate) fn along_with_a_write(carrier: Carrier, desired: &Value, observed: &Value) -> Vec<String> {
    let at = |key: &str| Some(format!("{}/{key}", pointer_of(carrier)?));
    let both = [seal_key(carrier), adopted_key(carrier)].map(at);
    let is_missing = |at: &String| {
        let wanted = pointer::get(desired, at);
        wanted.is_some() && pointer::get(observed, at) != wanted
    };
    both.into_iter().flatten().filter(is_missing).collect()
}

/// Declared tags that differ, the mark, the short name, and tags that nobody declared.
pub(crate) fn changes(
    carrier: Carrier,
    resource: &Resource,
    observed: &Value,
    context: &Context<'_>,
) -> Vec<Change> {
    let Some(at) = pointer_of(carrier) else { return Vec::new() };
    let Some(desired) = carried(carrier, resource, context) else { return Vec::new() };
    let nothing = Map::new();
    let present = pointer::get(observed, at).and_then(Value::as_object).unwrap_or(&nothing);
    let present_value = |name: &str| {
        let found = present.get(name);
        found.or_else(|| {
            present.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        })
    };
    let field = |name: &str| match name {
        MARK_KEY => "mark".to_owned(),
        name if name == address_key(carrier) => "address".to_owned(),
        name if name == seal_key(carrier) => "seal".to_owned(),
        name => format!("tags.{name}"),
    };
    let mut changes = Vec::new();
    for (name, after) in &desired {
        let before = present_value(name).cloned().unwrap_or_default();
        // A seal that earlier versions did not write comes with the next write, not by one of its own.
        // A claim is a difference of its own where one has to be written, and who adopts writes the mark anyway.
        let can_wait = name == seal_key(carrier) && before.is_null()
            || claims::is_key(name)
            || name == adopted_key(carrier);
        if before != *after && !can_wait {
            changes.push(Change {
                field: field(name),
                before,
                after: after.clone(),
                origin: Origin::Definition,
            });
        }
    }
    if carrier == Carrier::Metadata {
        return changes;
    }
    for (name, before) in present {
        let declared = desired.keys().any(|key| key.eq_ignore_ascii_case(name));
        if !declared && !is_own(name) && !is_kept(name, context.site) {
            changes.push(Change {
                field: field(name),
                before: before.clone(),
                after: Value::Null,
                origin: Origin::Definition,
            });
        }
    }
    changes
}

/// How many tags beamline needs on a resource that it makes: the mark, the short name and the seal.
pub(crate) const MARKS: usize = 3;

/// The most tags of one resource, the longest name and the longest value, in characters (Azure
/// Resource Manager, "Use tags to organize your resources", limitations).
pub(crate) const MAX_TAGS: usize = 50;
const MAX_NAME_CHARS: usize = 512;
const MAX_VALUE_CHARS: usize = 256;

/// Rules that Azure has for tags. `marks` is how many tags beamline itself needs on the resource, and
/// `max_name_chars` the type's own limit, where it is below the general one.
pub(crate) fn check(resource: &Resource, marks: usize, max_name_chars: Option<usize>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let marks = marks + usize::from(resource.adoption == Adoption::Requested);
    let count = resource.tags.len() + marks;
    if count > MAX_TAGS {
        findings.push(Finding::error(
            "too-many-tags",
            "tags",
            &format!("{} tags and {marks} of beamline's own are {count}", resource.tags.len()),
            &format!("a resource has at most {MAX_TAGS} tags (Azure Resource Manager)"),
            "drop tags, or do not inherit them",
        ));
    }
    let max_name_chars = max_name_chars.unwrap_or(MAX_NAME_CHARS);
    for (name, value) in &resource.tags {
        let rule = if is_own(name) {
            "this name is beamline's own".to_owned()
        } else if name.is_empty() || name.chars().count() > max_name_chars {
            format!("the name of a tag has 1 to {max_name_chars} characters")
        } else if name.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            "the name of a tag has none of the characters < > % & \\ ? /".to_owned()
        } else if ["microsoft", "azure", "windows"].iter().any(|word| starts_with(name, word)) {
            "the names that begin with microsoft, azure or windows are Azure's own".to_owned()
        } else if value.chars().count() > MAX_VALUE_CHARS {
            format!("the value of a tag has at most {MAX_VALUE_CHARS} characters")
        } else {
            continue;
        };
        let field = format!("tags.{name}");
        let message = format!("the tag `{name}` cannot be written");
        findings.push(Finding::error("invalid-tag", &field, &message, &rule, "choose another tag"));
    }
    findings
}

fn starts_with(text: &str, head: &str) -> bool {
    text.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}
