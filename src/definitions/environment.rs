//! A definition that was read and found right: resources with references resolved and defaults filled
//! in, and the way back from each field to the place where it was written.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Diagnostic;
use super::source::{FileId, Location, SourceFile, Sources, Span};
use crate::resources::id::{ResourceId, SubscriptionId, TenantId};
use crate::resources::{Address, Context, EnvironmentName, Mark, Resources, Site};

/// The tags that nothing of ours ever touches unless the definition says others: what the portal hides
/// and uses for itself, and what Azure's billing writes.
pub(super) const DEFAULT_IGNORED_TAGS: [&str; 2] = ["hidden-*", "ms-resource-usage"];

/// One environment, as its definition says it.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Its definition file, relative to the repository's root.
    pub path: String,
    /// The alias of its subscription; the daemon's configuration knows which that is.
    pub subscription: String,
    /// Its region, in ARM's short form.
    pub location: String,
    /// Tags that every resource inherits (already part of [`crate::resources::Resource::tags`]).
    pub tags: BTreeMap<String, String>,
    /// Patterns of tags that are never touched.
    pub ignore_tags: Vec<String>,
    /// What it was called before.
    pub renamed_from: Option<EnvironmentName>,
    /// The name of its resource group in Azure.
    pub resource_group: String,
    /// Its resources.
    pub resources: Resources,
    /// Codes of advice that it acknowledges as a whole.
    pub acknowledged: BTreeSet<String>,
    /// Advice that is neither acknowledged nor stops it.
    pub advice: Vec<Diagnostic>,
    pub(super) spans: SpanTable,
}

impl Environment {
    /// An environment whose file is gone: no resources are desired any more, in the group where it
    /// lived.
    #[must_use]
    pub fn removed(
        name: EnvironmentName,
        path: impl Into<String>,
        subscription: impl Into<String>,
        resource_group: impl Into<String>,
    ) -> Self {
        let path = path.into();
        let sources = Sources::new(vec![SourceFile::from_bytes(path.clone(), b"")]);
        let file = sources.ids().next().expect("one source was given");
        Self {
            name,
            path,
            subscription: subscription.into(),
            location: String::new(),
            tags: BTreeMap::new(),
            ignore_tags: Vec::new(),
            renamed_from: None,
            resource_group: resource_group.into(),
            resources: Resources::new(),
            acknowledged: BTreeSet::new(),
            advice: Vec::new(),
            spans: SpanTable::new(&sources, file),
        }
    }

    /// Where it lives, once the alias is known.
    #[must_use]
    pub fn site(&self, owner: &str, subscription: SubscriptionId, tenant: TenantId) -> Site {
        let mark = |name: &EnvironmentName| Mark { owner: owner.to_owned(), environment: name.clone() };
        Site {
            subscription,
            tenant,
            resource_group: self.resource_group.clone(),
            mark: mark(&self.name),
            former_marks: self.renamed_from.iter().map(mark).collect(),
            ignore_tags: self.ignore_tags.clone(),
        }
    }

    /// The ids of what it declares at `site`, made and only read, as far as they are known before Azure has answered.
    #[must_use]
    pub fn ids(&self, site: &Site) -> Vec<ResourceId> {
        let nothing = BTreeMap::new();
        let context = Context { site, resources: &self.resources, observed: &nothing };
        self.resources.keys().filter_map(|address| context.id_of(address)).collect()
    }

    /// The ids of what is written, and not only read.
    #[must_use]
    pub fn managed_ids(&self, site: &Site) -> Vec<ResourceId> {
        let nothing = BTreeMap::new();
        let context = Context { site, resources: &self.resources, observed: &nothing };
        let managed = self.resources.values().filter(|resource| resource.is_managed());
        managed.filter_map(|resource| context.id_of(&resource.address)).collect()
    }

    /// Where the field at a dotted path of a resource is written; the nearest thing around it where it
    /// is not written itself.
    #[must_use]
    pub fn locate(&self, address: &Address, field: &str) -> Location {
        self.spans.sources.locate(self.spans.field(address, field))
    }

    /// Where a key of the environment itself is written (`subscription`, `resource_group`); the
    /// beginning of its file where it is not.
    #[must_use]
    pub fn locate_key(&self, key: &str) -> Location {
        self.spans.sources.locate(self.spans.key(key))
    }
}

/// Where everything was written.
#[derive(Clone, Debug)]
pub(super) struct SpanTable {
    sources: Sources,
    file: FileId,
    keys: BTreeMap<String, Span>,
    resources: BTreeMap<Address, ResourceSpans>,
}

/// Where the parts of one resource were written.
#[derive(Clone, Debug)]
struct ResourceSpans {
    name: Span,
    fields: BTreeMap<String, Span>,
}

impl SpanTable {
    pub(super) fn new(sources: &Sources, file: FileId) -> Self {
        Self { sources: sources.clone(), file, keys: BTreeMap::new(), resources: BTreeMap::new() }
    }

    pub(super) fn record_key(&mut self, key: &str, span: Span) {
        self.keys.insert(key.to_owned(), span);
    }

    pub(super) fn record_resource(&mut self, address: &Address, span: Span) {
        self.resources.insert(address.clone(), ResourceSpans { name: span, fields: BTreeMap::new() });
    }

    pub(super) fn record_field(&mut self, address: &Address, path: &str, span: Span) {
        if let Some(resource) = self.resources.get_mut(address) {
            resource.fields.insert(path.to_owned(), span);
        }
    }

    pub(super) fn key(&self, key: &str) -> Span {
        self.keys.get(key).copied().unwrap_or(Span::start_of(self.file))
    }

    /// The span of a field, else of what contains it, else of the resource, else of the file.
    pub(super) fn field(&self, address: &Address, field: &str) -> Span {
        let Some(resource) = self.resources.get(address) else { return Span::start_of(self.file) };
        let mut path = field;
        loop {
            if let Some(span) = resource.fields.get(path) {
                return *span;
            }
            match path.rsplit_once('.') {
                Some((outer, _)) => path = outer,
                None => return resource.name,
            }
        }
    }

    /// The span of the short name (or, for a single kind, the key) of a resource.
    pub(super) fn resource(&self, address: &Address) -> Span {
        self.field(address, "")
    }
}
