//! THE table of resource types.

use std::fmt;

use super::contract::ResourceType;

/// Makes, of one row for each type, the [`Kind`], the list of all kinds, and the way from a kind to what is known
/// of it. A row is the kind, which is also the name of the type in its file, and the file.
macro_rules! table {
    ($($(#[$doc:meta])* $kind:ident = $file:ident,)+) => {
        /// The resource types of the catalog. The order is the order in which people read an environment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// Every kind, in reading order.
            pub const ALL: [Self; [$(stringify!($kind)),+].len()] = [$(Self::$kind),+];
        }

        /// The type of a kind.
        #[must_use]
        pub fn of(kind: Kind) -> &'static dyn ResourceType {
            match kind {
                $(Kind::$kind => &super::$file::$kind,)+
            }
        }
    };
}

table! {
    /// `Microsoft.Resources/resourceGroups`
    ResourceGroup = resource_group,
    /// `Microsoft.Storage/storageAccounts`
    StorageAccount = storage_account,
    /// `Microsoft.Storage/storageAccounts/blobServices/containers`
    Container = container,
    /// `Microsoft.KeyVault/vaults`
    KeyVault = key_vault,
    /// `Microsoft.OperationalInsights/workspaces`
    LogAnalyticsWorkspace = log_analytics,
    /// `Microsoft.Insights/components`
    ApplicationInsights = application_insights,
    /// `Microsoft.ContainerRegistry/registries`
    ContainerRegistry = container_registry,
    /// `Microsoft.Network/virtualNetworks`
    VirtualNetwork = virtual_network,
    /// `Microsoft.Network/virtualNetworks/subnets`
    Subnet = subnet,
    /// `Microsoft.MachineLearningServices/workspaces`
    Workspace = workspace,
    /// `Microsoft.MachineLearningServices/workspaces/datastores`
    Datastore = datastore,
    /// `Microsoft.MachineLearningServices/workspaces/computes`, `AmlCompute`
    ComputeCluster = compute_cluster,
    /// `Microsoft.MachineLearningServices/workspaces/computes`, `ComputeInstance`
    ComputeInstance = compute_instance,
    /// `Microsoft.Authorization/roleAssignments`
    RoleAssignment = role_assignment,
}

/// Every resource type, in reading order.
#[must_use]
pub fn all() -> [&'static dyn ResourceType; Kind::ALL.len()] {
    Kind::ALL.map(of)
}

impl Kind {
    /// The key under which a definition lists resources of this kind.
    #[must_use]
    pub fn key(self) -> &'static str {
        of(self).spec().key
    }

    /// The kind that a key names.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// The kind whose fields this kind is written inside of, for a map within a map.
    #[must_use]
    pub fn written_inside(self) -> Option<Self> {
        of(self).spec().parent.filter(|_| of(self).spec().behaviour.written_inside)
    }

    /// Whether an environment has exactly one resource of this kind, which then has no short name.
    #[must_use]
    pub fn is_single(self) -> bool {
        of(self).spec().behaviour.single
    }

    /// How many short names an address of this kind has.
    pub(super) fn depth(self) -> usize {
        match (self.is_single(), self.written_inside()) {
            (true, _) => 0,
            (false, None) => 1,
            (false, Some(_)) => 2,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::super::contract::{Carrier, Listing, Located, Protection};
    use super::super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
    use super::super::normalise;
    use super::super::tags;
    use super::*;

    fn is_pointer(text: &str) -> bool {
        text.starts_with('/') && text.len() > 1 && !text.ends_with('/') && !text.contains("//")
    }

    fn fits(shape: Shape, literal: Literal) -> bool {
        match (shape, literal) {
            (Shape::Bool, Literal::Bool(_)) => true,
            (Shape::Integer { min, max }, Literal::Integer(value)) => (min..=max).contains(&value),
            (Shape::Text { max_chars, .. }, Literal::Text(text)) => text.chars().count() <= max_chars,
            (Shape::Choice(words), Literal::Text(text)) => words.contains(&text),
            (Shape::Word { .. }, Literal::Text(text)) => !text.is_empty(),
            (Shape::Duration { min_secs, max_secs }, Literal::Text(text)) => {
                normalise::duration_secs(text).is_some_and(|secs| (min_secs..=max_secs).contains(&secs))
            }
            _ => false,
        }
    }

    /// Every problem of a table, with the paths of its fields.
    fn problems(fields: &[Field], within: &str, found: &mut Vec<String>) {
        let mut names = BTreeSet::new();
        for field in fields {
            let path = format!("{within}{}", field.name);
            let mut expect = |is_so: bool, what: &str| {
                if !is_so {
                    found.push(format!("{path}: {what}"));
                }
            };
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            expect(names.insert(field.name), "a second field of this name");
            expect(!field.name.is_empty() && field.name.chars().all(is_word), "not a snake_case name");
            expect(field.doc.ends_with('.') && !field.doc.contains("  "), "the doc is not a sentence");
            match field.arm {
                Arm::At(at) => expect(is_pointer(at), "not a pointer"),
                Arm::AtOr(at, literal) => {
                    expect(is_pointer(at), "not a pointer");
                    expect(fits(field.shape, literal), "what absence means does not fit the shape");
                }
                Arm::Enabled(at) | Arm::Not(at) => {
                    expect(is_pointer(at), "not a pointer");
                    expect(matches!(field.shape, Shape::Bool), "only booleans are spelled this way");
                }
                Arm::Inside => expect(matches!(field.shape, Shape::Object(_)), "only objects have an inside"),
                Arm::By { read, .. } => {
                    let _ = read(&json!({}));
                    let _ = read(&json!({ "properties": [], "identity": 1, "sku": { "name": true } }));
                }
                Arm::Nowhere => {}
            }
            if let WhenAbsent::Default(literal) = field.absent {
                expect(fits(field.shape, literal), "the default does not fit the shape");
            }
            match field.change {
                Change::Replace(why) | Change::CreationOnly(why) => expect(!why.is_empty(), "no reason"),
                Change::InPlace => {}
            }
            match field.shape {
                Shape::Integer { min, max } => expect(min < max, "empty bounds"),
                Shape::Duration { min_secs, max_secs } => expect(min_secs < max_secs, "empty bounds"),
                Shape::Choice(words) => expect(!words.is_empty(), "no words"),
                Shape::Word { example } => expect(!example.is_empty(), "no example"),
                Shape::Text { max_chars, .. } => expect(max_chars > 0, "no length"),
                Shape::Set { max } => expect(max > 0, "no length"),
                Shape::Reference(kinds) | Shape::Principal(kinds) => {
                    expect(!kinds.is_empty(), "no kinds");
                }
                Shape::Object(fields) => problems(fields, &format!("{path}."), found),
                Shape::Objects { fields, .. } => problems(fields, &format!("{path}.0."), found),
                Shape::Bool | Shape::Guid | Shape::Prefixes => {}
            }
        }
    }

    #[test]
    fn every_table_is_sound() {
        let mut found = Vec::new();
        for of in all() {
            problems(of.spec().fields, &format!("{}.", of.spec().kind), &mut found);
        }
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn every_type_says_what_and_where_it_is() {
        for (kind, of) in Kind::ALL.into_iter().zip(all()) {
            let spec = of.spec();
            assert_eq!(spec.kind, kind);
            assert!(spec.doc.ends_with('.') && !spec.doc.contains("  "), "{kind}: {}", spec.doc);
            assert!(spec.arm_type.starts_with("Microsoft.") && spec.arm_type.contains('/'), "{kind}");
            assert!(spec.api_version.0.len() == 10 && spec.api_version.0.starts_with("20"), "{kind}");
            assert!((60..=4 * 60 * 60).contains(&spec.timeout_secs), "{kind}");
            assert!(spec.read_only.iter().all(|at| is_pointer(at)), "{kind}");
            assert!(of.outputs().iter().all(|(name, at)| !name.is_empty() && is_pointer(at)), "{kind}");
            assert!(kind.written_inside().is_none_or(|outer| spec.parent == Some(outer)), "{kind}");
            match spec.parent {
                None => {
                    let place = (spec.located, spec.listing);
                    let is_group = place == (Located::Yes, Listing::Group);
                    assert!(is_group || place == (Located::No, Listing::AtScope), "{kind}");
                    assert_eq!(spec.segment, "", "{kind}");
                }
                Some(Kind::ResourceGroup) => assert_eq!(spec.segment, "", "{kind}"),
                Some(parent) => {
                    let outer = super::of(parent).spec();
                    assert!(spec.arm_type.starts_with(outer.arm_type), "{kind} is not inside {parent}");
                    assert!(!spec.segment.is_empty(), "{kind}");
                }
            }
            let has_tags = tags::pointer_of(spec.carrier).is_some();
            assert_eq!(has_tags, !matches!(spec.carrier, Carrier::Description | Carrier::Network), "{kind}");
        }
    }

    /// What is never less than protected, also of types that have no row yet.
    const PROTECTED: [&str; 17] = [
        "Microsoft.Resources/resourceGroups",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies",
        "Microsoft.KeyVault/vaults",
        "Microsoft.KeyVault/vaults/keys",
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.MachineLearningServices/registries",
        "Microsoft.MachineLearningServices/workspaces",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/virtualNetworks/subnets",
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/publicIPAddresses",
        "Microsoft.Network/publicIPPrefixes",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.Authorization/locks",
    ];

    /// What can be made again from the definition alone. A new type is in one of the two lists.
    const FREE: [&str; 3] = [
        "Microsoft.Insights/components",
        "Microsoft.MachineLearningServices/workspaces/datastores",
        "Microsoft.Authorization/roleAssignments",
    ];

    #[test]
    fn what_cannot_be_made_again_is_protected() {
        let among =
            |types: &[&str], arm_type: &str| types.iter().any(|one| one.eq_ignore_ascii_case(arm_type));
        for of in all() {
            let spec = of.spec();
            // One ARM type, two kinds: an instance is somebody's machine, a cluster has nodes.
            let expected = if spec.kind == Kind::ComputeCluster {
                Protection::Free
            } else if spec.kind == Kind::ComputeInstance || among(&PROTECTED, spec.arm_type) {
                Protection::Protected
            } else {
                assert!(
                    among(&FREE, spec.arm_type),
                    "{}: nobody has said whether it is protected",
                    spec.kind
                );
                Protection::Free
            };
            assert_eq!(spec.protection, expected, "{}", spec.kind);
        }
    }
}
