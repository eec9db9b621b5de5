//! The bodies of resources that a run knows, and what is looked up in them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::driver::Apply;
use crate::reconcile::plan::{Action, Part};
use crate::resources::id::ResourceId;
use crate::resources::{Address, Context, Placeholder, Target};

/// Bodies as Azure answered them, by address.
pub(super) struct Bodies<'a> {
    input: &'a Apply<'a>,
    known: Mutex<BTreeMap<Address, Value>>,
}

impl<'a> Bodies<'a> {
    /// What observation saw and this plan leaves in place. A step that had begun before a restart may
    /// have changed its resource: that one is read again when it is asked for.
    pub(super) fn of(input: &'a Apply<'a>) -> Self {
        let mut known = input.observed.clone();
        for step in &input.plan.steps {
            let begun = input.history.iter().any(|(_, event)| event.step() == step.ordinal);
            let lasts = match step.action {
                Action::Update | Action::Adopt | Action::Release | Action::Keep => !begun,
                Action::Create | Action::Recover | Action::Replace | Action::Delete => false,
            };
            if !lasts {
                known.remove(&step.address);
            }
        }
        Self { input, known: Mutex::new(known) }
    }

    /// Remembers what Azure answered.
    pub(super) fn insert(&self, address: &Address, body: Value) {
        self.lock().insert(address.clone(), body);
    }

    /// Calls `ask` with everything that is known.
    pub(super) fn with_context<T>(&self, ask: impl FnOnce(&Context<'_>) -> T) -> T {
        let observed = self.lock();
        let context = Context {
            site: self.input.site,
            resources: &self.input.environment.resources,
            observed: &observed,
        };
        ask(&context)
    }

    /// The value that a placeholder stands for, when the resource's body is known and has it.
    pub(super) fn value(&self, placeholder: &Placeholder) -> Option<Value> {
        let value =
            self.with_context(|context| context.property(&placeholder.address, &placeholder.property));
        (!value.is_null() && Placeholder::from_value(&value).is_none()).then_some(value)
    }

    /// The id of a resource of this plan or definition.
    pub(super) fn id_of(&self, address: &Address) -> Option<ResourceId> {
        let steps = &self.input.plan.steps;
        let made = steps.iter().find(|step| {
            step.address == *address && step.part != Part::Removal && step.action != Action::Release
        });
        match made.map(|step| &step.target) {
            Some(Target::Known(id)) => Some(id.clone()),
            Some(Target::RoleAssignment { .. }) => None,
            None => self.with_context(|context| context.id_of(address)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Address, Value>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
