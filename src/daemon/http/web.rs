//! What the handlers of requests know.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::bodies::Bodies;
use super::intake::Intake;
use super::secrets::Secrets;
use crate::daemon::shared::Shared;
use crate::daemon::shared::event::Event;
use crate::forge::Repository;

/// What handlers know.
#[derive(Clone)]
pub(super) struct Web {
    pub(super) shared: Arc<Shared>,
    pub(super) secrets: Secrets,
    pub(super) bodies: Bodies,
    pub(super) events: Sender<Event>,
    /// The repository on its forge, where webhooks of others are to be left alone.
    pub(super) repository: Option<Repository>,
    pub(super) intake: Intake,
}
