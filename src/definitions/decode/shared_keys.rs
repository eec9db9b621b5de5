//! The keys that resources of many types have in common, one row each: which types take them, and
//! their documentation. Decoding, suggestions and the JSON Schema follow this table.

use crate::resources::{Carrier, Kind, Located, of};

/// A key that is not in any type's own table.
#[derive(Debug)]
pub(crate) struct CommonKey {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) holds: Holds,
    applies: fn(Kind) -> bool,
}

/// What a common key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    Flag,
    Words(&'static [&'static str]),
    Tags,
    Codes,
}

/// The values of `on_delete`.
pub(crate) const ON_DELETE: [&str; 2] = ["keep", "purge"];

/// Every common key.
pub(crate) const COMMON: &[CommonKey] = &[
    CommonKey {
        name: super::NAME,
        doc: "The name in Azure. Default: the short name.",
        holds: Holds::Text,
        applies: is_named,
    },
    CommonKey {
        name: "existing",
        doc: "`true`: somebody else made it; it is read and never written.",
        holds: Holds::Flag,
        applies: is_named,
    },
    CommonKey {
        name: "id",
        doc: "The full ARM id of an existing resource that is not in the environment's resource group.",
        holds: Holds::Text,
        applies: is_named,
    },
    CommonKey {
        name: "adopt",
        doc: "`true`: if it is there already and bears no mark of ours, take it over.",
        holds: Holds::Flag,
        applies: |_| true,
    },
    CommonKey {
        name: "on_delete",
        doc: "`purge`: when it is deleted, its name is free at once and nothing can be recovered. `keep`: Azure keeps it for a while, and its name taken.",
        holds: Holds::Words(&ON_DELETE),
        applies: is_soft_deleted,
    },
    CommonKey {
        name: "location",
        doc: "The Azure region. Default: that of the environment; inside another resource, of that one.",
        holds: Holds::Text,
        applies: |kind| of(kind).spec().located == Located::Yes,
    },
    CommonKey {
        name: "tags",
        doc: "Tags of this resource, over those of the environment.",
        holds: Holds::Tags,
        applies: is_tagged,
    },
    CommonKey {
        name: "acknowledge",
        doc: "Codes of advice about this resource that are known and no longer shown.",
        holds: Holds::Codes,
        applies: |_| true,
    },
];

/// The common keys of a kind.
pub(crate) fn common_keys(kind: Kind) -> impl Iterator<Item = &'static CommonKey> {
    COMMON.iter().filter(move |key| (key.applies)(kind))
}

/// A role assignment's name is derived from what it says; every other resource has one of its own.
pub(crate) fn is_named(kind: Kind) -> bool {
    !of(kind).spec().is_known_by_content()
}

/// Whether a definition gives it tags. The metadata of a container are no tags: their names must be
/// identifiers, which few tags are.
pub(crate) fn is_tagged(kind: Kind) -> bool {
    match of(kind).spec().carrier {
        Carrier::Tags | Carrier::PropertyTags => true,
        Carrier::Metadata | Carrier::Description | Carrier::Network => false,
    }
}

/// Kinds whose deletion leaves something behind that holds the name.
fn is_soft_deleted(kind: Kind) -> bool {
    of(kind).spec().behaviour.soft_deleted
}
