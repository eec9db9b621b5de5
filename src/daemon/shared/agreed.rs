//! The plans that applies by hand are bound to: what somebody has agreed to is what is done, or nothing.
//!
//! Bounds: [`MAX_PLANS`] are remembered, in memory only. After a restart the apply goes by what the branch says, as
//! every other apply of it does.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::reconcile::plan::{Plan, moved};
use crate::store::WorkId;

/// Most plans that are remembered; the newest.
const MAX_PLANS: usize = 100;

/// Plans that people have agreed to, by the work that was asked for.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Agreed(Mutex<BTreeMap<WorkId, Plan>>);

impl Agreed {
    pub(in crate::daemon) fn bind(&self, work: WorkId, plan: Plan) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(work, plan);
        while plans.len() > MAX_PLANS {
            plans.pop_first();
        }
    }

    /// What `plan` does otherwise than what was agreed to for `work`. Asked once: what an apply has begun, it finishes.
    pub(in crate::daemon) fn moved(&self, work: WorkId, plan: &Plan) -> Vec<String> {
        let agreed = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&work);
        agreed.map(|agreed| moved(&agreed, plan, |_| false)).unwrap_or_default()
    }
}
