//! A role that was granted by somebody else between the plan and the write.
//!
//! Azure has one assignment for each scope, role and principal, and refuses a second one under another
//! id. The service makes some by itself (a workspace's on its default account); such an assignment
//! grants what is asked for and stays theirs, as it does when the plan sees it already. It is found again
//! by the same list when the step is resumed after its answer was recorded: nothing is at the id that the
//! step would have given it.

use serde_json::Value;

use super::halt::{Break, Halt};
use super::journal::Event;
use super::resume::Wish;
use super::step_run::StepRun;
use crate::azure::ArmError;
use crate::resources;
use crate::resources::behaviour::Identity;

impl StepRun<'_, '_> {
    /// Ends the step when `error` says that the role is granted already, and a list shows by which
    /// assignment. `false`: it is some other refusal.
    pub(super) async fn is_granted_already(&mut self, request: u32, error: &ArmError) -> Result<bool, Break> {
        let kind = resources::of(self.step.address.kind());
        let Identity::Content { taken } = kind.spec().behaviour.identity else { return Ok(false) };
        if !error.code().is_some_and(|code| code.eq_ignore_ascii_case(taken)) {
            return Ok(false);
        }
        let Some(body) = self.granted_by_others().await? else { return Ok(false) };
        self.write(Event::Answered { step: self.step.ordinal, request }).await?;
        self.shown(Some(body), Vec::new()).await?;
        Ok(true)
    }

    /// The assignment that grants what this step asks for, as a list of its scope shows it. `None`: there
    /// is none, or the step is about something else.
    pub(super) async fn granted_by_others(&self) -> Result<Option<Value>, Break> {
        let kind = resources::of(self.step.address.kind());
        if !kind.spec().is_known_by_content() || self.wish() != Wish::Present {
            return Ok(None);
        }
        // A resumed run has read nothing yet, and an assignment is recognised by its principal.
        let unread = self.shared.bodies.with_context(|context| {
            let resource = context.resources.get(&self.step.address)?;
            kind.known_through(resource, context)
        });
        if let Some(through) = unread {
            self.load(&through).await?;
        }
        let Some(scope) = self.target().await?.parent() else { return Ok(None) };
        let path = format!("{scope}/providers/{}", kind.spec().arm_type);
        let items = tokio::select! {
            biased;
            () = self.shared.input.stop.cancelled() => return Err(Halt::Stopped.into()),
            items = self.shared.input.arm.list(&path, self.api_version, &[("$filter", "atScope()")]) => items,
        };
        Ok(items.ok().flatten().unwrap_or_default().into_iter().find(|body| {
            self.shared.bodies.with_context(|context| {
                let resource = context.resources.get(&self.step.address);
                resource.is_some_and(|resource| kind.is_same(resource, body, context))
            })
        }))
    }
}
