//! One resource: its common keys, then the fields of its table.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{self, Absence, Fields};
use super::header::{self, Header};
use super::outline::{Draft, nested_kinds};
use super::shared_keys::{COMMON, CommonKey, ON_DELETE, common_keys, is_named, is_tagged};
use super::{NAME, example, scalar, tags};
use crate::definitions::code::Code;
use crate::definitions::document::{Entry, get};
use crate::definitions::environment::SpanTable;
use crate::definitions::notation::line;
use crate::definitions::problem::{Problem, Problems, quoted};
use crate::definitions::references::Declared;
use crate::definitions::source::Span;
use crate::resources::id::ResourceId;
use crate::resources::{Address, Adoption, Kind, OnDelete, Presence, Resource, Resources, of};

/// What the reading of a resource needs from around it.
#[derive(Debug)]
pub(crate) struct Scope<'s, 'p> {
    pub(crate) header: &'s Header,
    pub(crate) declared: &'s Declared,
    /// The resources that were read before: every outer one, and the workspace before its computes.
    pub(crate) done: &'s Resources,
    pub(crate) spans: &'s mut SpanTable,
    pub(crate) problems: &'s mut Problems<'p>,
    /// Advice that the definition may acknowledge.
    pub(crate) advice: &'s mut Vec<(Address, Problem)>,
}

/// A resource that was read.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) resource: Resource,
    /// The codes it acknowledges and where.
    pub(crate) acknowledged: BTreeMap<String, Span>,
    /// Whether it was read without an error, so that further rules make sense.
    pub(crate) is_sound: bool,
}

/// Reads a resource. What is wrong with it is reported; the rest is there all the same.
pub(crate) fn decode(draft: &Draft<'_>, scope: &mut Scope<'_, '_>) -> Decoded {
    let before = scope.problems.errors();
    let common = Common { draft, kind: draft.address.kind(), scope };
    let (mut resource, acknowledged) = common.read();
    read_fields(draft, &mut resource, scope);
    Decoded { resource, acknowledged, is_sound: scope.problems.errors() == before }
}

/// The keys around the table's own fields.
struct Common<'c, 'a, 's, 'p> {
    draft: &'c Draft<'a>,
    kind: Kind,
    scope: &'c mut Scope<'s, 'p>,
}

impl<'a> Common<'_, 'a, '_, '_> {
    fn read(mut self) -> (Resource, BTreeMap<String, Span>) {
        for entry in self.draft.fields {
            self.scope.spans.record_field(&self.draft.address, &entry.key.name, entry.span());
        }
        let presence = self.presence();
        let is_existing = presence != Presence::Managed;
        let acknowledged = self
            .entry("acknowledge")
            .map(|entry| header::acknowledged(entry, self.scope.problems))
            .unwrap_or_default();
        let resource = Resource {
            address: self.draft.address.clone(),
            name: self.name(&presence),
            adoption: self.adoption(is_existing),
            presence,
            on_delete: self.on_delete(),
            location: self.location(),
            tags: self.tags(is_existing),
            fields: serde_json::Map::new(),
            written: BTreeSet::new(),
            references: BTreeMap::new(),
            acknowledged: acknowledged.keys().cloned().collect(),
        };
        (resource, acknowledged)
    }

    /// A common key, where the kind takes it.
    fn entry(&self, name: &str) -> Option<&'a Entry> {
        common_keys(self.kind).find(|key| key.name == name)?;
        get(self.draft.fields, name).or_else(|| self.misspelt(name))
    }

    /// The name of what has no other, under a key that is none; that is told with the fields.
    fn misspelt(&self, name: &str) -> Option<&'a Entry> {
        let fields = of(self.kind).spec().fields;
        let is_wanted = name == NAME && self.kind.is_single();
        let meant = |entry: &&Entry| field::meant(&entry.key.name, fields, self.kind, "") == Some(NAME);
        self.draft.fields.iter().filter(|_| is_wanted).find(meant)
    }

    fn flag(&mut self, name: &str) -> bool {
        let Some(entry) = self.entry(name) else { return false };
        scalar::boolean(name, &entry.node, entry.span()).unwrap_or_else(|problem| {
            self.scope.problems.push(problem);
            false
        })
    }

    fn text(&mut self, name: &str) -> Option<(&'a str, Span)> {
        let entry = self.entry(name)?;
        match scalar::text(name, &entry.node, entry.span()) {
            Ok(text) => Some((text, entry.span())),
            Err(problem) => {
                self.scope.problems.push(problem);
                None
            }
        }
    }

    fn presence(&mut self) -> Presence {
        let is_existing = self.flag("existing");
        let id = self.text("id").and_then(|(text, span)| self.existing_id(text, span));
        match (is_existing, self.entry("id")) {
            (true, _) => Presence::Existing(id),
            (false, None) => Presence::Managed,
            (false, Some(entry)) => {
                self.scope.problems.push(
                    Problem::error(
                        Code::ConflictingFields,
                        entry.key.span,
                        "`id` is written without `existing`",
                    )
                    .rule("beamline chooses the id of what it makes; `id` names what somebody else made.")
                    .remedy("Add `existing: true`, or remove `id`."),
                );
                Presence::Managed
            }
        }
    }

    fn existing_id(&mut self, text: &str, span: Span) -> Option<ResourceId> {
        let expected = of(self.kind).spec().arm_type;
        let problem = match text.parse::<ResourceId>() {
            Ok(id) if id.arm_type().eq_ignore_ascii_case(expected) => return Some(id),
            Ok(id) => {
                let message = format!("{} is a {}, not a {expected}", quoted(text), id.arm_type());
                Problem::error(Code::WrongReference, span, message)
            }
            Err(error) => scalar::invalid("id", text, span).rule(format!("{error}.")),
        };
        self.scope.problems.push(problem.remedy("Copy the resource's id from the portal."));
        None
    }

    fn name(&mut self, presence: &Presence) -> String {
        let written = self.text(NAME);
        let id = match presence {
            Presence::Existing(Some(id)) => Some(id.name().to_owned()),
            Presence::Existing(None) | Presence::Managed => None,
        };
        match (written, id) {
            (Some((name, span)), Some(id)) if !id.eq_ignore_ascii_case(name) => {
                let message = format!("`name` is {}, but `id` ends in {}", quoted(name), quoted(&id));
                self.scope.problems.push(
                    Problem::error(Code::ConflictingFields, span, message)
                        .remedy("Remove `name`; the id says it."),
                );
                name.to_owned()
            }
            (Some((name, _)), _) => name.to_owned(),
            (None, Some(id)) => id,
            (None, None) => {
                if self.kind.is_single() && self.entry(NAME).is_none() {
                    self.missing_name();
                }
                self.draft.address.name().to_owned()
            }
        }
    }

    fn missing_name(&mut self) {
        let message = format!("`name` is missing in `{}`", self.kind);
        self.scope.problems.push(
            Problem::error(Code::MissingField, self.draft.entry.key.span, message)
                .rule("It has no short name that could be its name in Azure.")
                .remedy(format!("Add {}.", line(NAME, &example::name(self.kind, &self.draft.address)))),
        );
    }

    fn adoption(&mut self, is_existing: bool) -> Adoption {
        if !self.flag("adopt") {
            return Adoption::Refused;
        }
        if let (true, Some(entry)) = (is_existing, self.entry("adopt")) {
            self.scope.problems.push(
                Problem::error(
                    Code::ConflictingFields,
                    entry.span(),
                    "`adopt` and `existing` exclude one another",
                )
                .rule("`adopt` takes a resource over; `existing` leaves it to whoever made it.")
                .remedy("Remove one of them."),
            );
        }
        Adoption::Requested
    }

    fn on_delete(&mut self) -> OnDelete {
        let Some((text, span)) = self.text("on_delete") else { return OnDelete::Keep };
        if let Err(problem) = scalar::choice("on_delete", text, span, &ON_DELETE) {
            self.scope.problems.push(problem);
        }
        if text == ON_DELETE[1] { OnDelete::Purge } else { OnDelete::Keep }
    }

    /// Its own, else that of the resource it is in, else the environment's.
    fn location(&mut self) -> String {
        if let Some(entry) = self.entry("location") {
            match header::location(entry) {
                Ok(location) => return location,
                Err(problem) => self.scope.problems.push(problem),
            }
        }
        let container = self.draft.address.outer().or_else(|| workspace_of(&self.draft.address));
        container
            .and_then(|address| self.scope.done.get(&address))
            .map_or_else(|| self.scope.header.location.clone(), |outer| outer.location.clone())
    }

    fn tags(&mut self, is_existing: bool) -> BTreeMap<String, String> {
        let address = &self.draft.address;
        for name in self.scope.header.tags.keys() {
            let path = tags::path(name);
            let span = self.scope.spans.key(&path);
            self.scope.spans.record_field(address, &path, span);
        }
        let own = self.entry("tags").map(|entry| {
            for (path, span) in tags::places(entry) {
                self.scope.spans.record_field(address, &path, span);
            }
            tags::decode(entry, self.scope.problems)
        });
        if is_existing || !is_tagged(self.kind) {
            return BTreeMap::new();
        }
        tags::inherit(&self.scope.header.tags, own.unwrap_or_default())
    }
}

/// The workspace, for what lives in it: computes and datastores are where it is.
fn workspace_of(address: &Address) -> Option<Address> {
    let spec = of(address.kind()).spec();
    let parent = spec.parent?;
    (parent.is_single() && !spec.segment.is_empty()).then(|| Address::single(address.environment(), parent))
}

fn read_fields(draft: &Draft<'_>, resource: &mut Resource, scope: &mut Scope<'_, '_>) {
    let kind = draft.address.kind();
    let absence = if resource.is_managed() { Absence::Matters } else { Absence::IsNatural };
    let owned: Vec<&Entry> = draft.fields.iter().filter(|entry| !is_around(kind, &entry.key.name)).collect();
    if absence == Absence::IsNatural {
        let is_field =
            |entry: &&&Entry| of(kind).spec().fields.iter().any(|field| field.name == entry.key.name);
        let ignored = owned.iter().filter(is_field).map(|entry| (draft.address.clone(), ignored(entry)));
        scope.advice.extend(ignored);
    }
    let mut fields = Fields::new(draft, absence, scope);
    let values = fields.read(of(kind).spec().fields, &owned, "", draft.entry.key.span);
    resource.references = fields.references;
    resource.written = fields.written;
    resource.fields = values;
    let is_default = |name: &&str| absence == Absence::Matters && !resource.written.contains(*name);
    for name in of(kind).spec().fields.iter().map(|field| field.name).filter(is_default) {
        if let Some(value) = of(kind).default_beside(name, &resource.fields) {
            resource.fields.insert(name.to_owned(), value);
        }
    }
}

/// Whether a key is none of the table's: a common one, or a map of inner resources.
fn is_around(kind: Kind, key: &str) -> bool {
    let is_common = common_keys(kind).any(|common| common.name == key);
    is_common || nested_kinds(kind).any(|inner| inner.key() == key)
}

/// The keys that may stand in a resource of this kind, beside its own fields.
pub(super) fn keys_around(kind: Kind) -> impl Iterator<Item = &'static str> {
    common_keys(kind).map(|common| common.name).chain(nested_kinds(kind).map(Kind::key))
}

/// Why a key that other kinds take does not stand in this one.
pub(super) fn why_not(kind: Kind, key: &str) -> Option<&'static str> {
    let CommonKey { name, .. } = COMMON.iter().find(|common| common.name == key)?;
    match *name {
        NAME if !is_named(kind) => Some("its name in Azure follows from scope, role and principal"),
        "tags" => Some("Azure has no tags on it"),
        "location" => Some("it is where the resource is that it belongs to"),
        "on_delete" => Some("its name is free as soon as it is deleted"),
        "existing" | "id" => Some("one that exists already is recognised by scope, role and principal"),
        _ => None,
    }
}

fn ignored(entry: &Entry) -> Problem {
    let message = format!("{} of an existing resource is never written", quoted(&entry.key.name));
    Problem::warning(Code::IgnoredField, entry.key.span, message)
        .rule("`existing: true` reads a resource and never writes it.")
        .remedy("Remove the field, or `existing` if beamline should make it so.")
}
