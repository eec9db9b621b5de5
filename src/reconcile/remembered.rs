//! What earlier definitions of an environment declared, as far as the journal remembers their commits.

use std::collections::BTreeSet;

use crate::resources::id::ResourceId;

/// The ids in the definitions that were applied and tried last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    applied: BTreeSet<ResourceId>,
    tried: BTreeSet<ResourceId>,
    managed: BTreeSet<ResourceId>,
}

impl Remembered {
    /// Nothing is remembered.
    pub const NOTHING: Self =
        Self { applied: BTreeSet::new(), tried: BTreeSet::new(), managed: BTreeSet::new() };

    /// The same, for as long as anybody needs it.
    #[must_use]
    pub fn nothing() -> &'static Self {
        static NOTHING: Remembered = Remembered::NOTHING;
        &NOTHING
    }

    /// `applied` is what the last complete apply was of, `tried` what the last attempt was of.
    #[must_use]
    pub fn new(
        applied: impl IntoIterator<Item = ResourceId>,
        tried: impl IntoIterator<Item = ResourceId>,
    ) -> Self {
        Self { applied: applied.into_iter().collect(), tried: tried.into_iter().collect(), ..Self::NOTHING }
    }

    /// The same, where `managed` is what the last complete apply made, took over or kept as declared.
    #[must_use]
    pub fn managing(self, managed: impl IntoIterator<Item = ResourceId>) -> Self {
        Self { managed: managed.into_iter().collect(), ..self }
    }

    /// Whether the last complete apply left it as declared, and did not only read it.
    #[must_use]
    pub fn manages(&self, id: &ResourceId) -> bool {
        self.managed.contains(id)
    }

    /// Whether a complete apply is remembered: nothing was left over when it ended.
    #[must_use]
    pub fn has_applied(&self) -> bool {
        !self.applied.is_empty()
    }

    /// Whether one of them names it.
    #[must_use]
    pub fn names(&self, id: &ResourceId) -> bool {
        self.was_applied(id) || self.tried.contains(id)
    }

    /// Whether it was there when the last complete apply ended.
    #[must_use]
    pub fn was_applied(&self, id: &ResourceId) -> bool {
        self.applied.contains(id)
    }
}
