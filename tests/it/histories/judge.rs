//! What may never happen in a history, judged from the requests that reached Azure.

use std::collections::BTreeSet;

use beamline::reconcile::apply::{Event, Journal as _, MemoryJournal};
use beamline::reconcile::plan::{Action, Part, Plan, Step, Verb};
use beamline::resources::Target;
use beamline::resources::id::ResourceId;
use beamline_simulator::{RequestClass, RequestRecord};

use super::trouble::RETRY_AFTER_SECS;
use crate::support::AzureWorld;

/// What is never deleted without consent, whatever the catalog says (ARM types in lower case).
const PRECIOUS: [&str; 9] = [
    "microsoft.resources/resourcegroups",
    "microsoft.storage/storageaccounts",
    "microsoft.storage/storageaccounts/blobservices/containers",
    "microsoft.keyvault/vaults",
    "microsoft.operationalinsights/workspaces",
    "microsoft.containerregistry/registries",
    "microsoft.network/virtualnetworks",
    "microsoft.network/virtualnetworks/subnets",
    "microsoft.machinelearningservices/workspaces",
];

/// A write: its method, and its path in lower case.
pub(super) type Deed = (String, String);

/// What is known so far.
#[derive(Default)]
pub(super) struct Judge {
    /// What was announced in the journal.
    announced: BTreeSet<Deed>,
    /// What was made and is still there.
    made: BTreeSet<String>,
    /// What was done and not looked at since.
    unread: BTreeSet<Deed>,
    /// What may be destroyed, by consent (in lower case).
    allowed: BTreeSet<String>,
    /// What is somebody else's (in lower case).
    foreign: BTreeSet<String>,
    /// Whether one process has sent everything since the last time: it knows what Azure asked it to wait for.
    pub(super) heeds_waits: bool,
    /// Whether operations have failed: what they were to make is made again.
    pub(super) may_repeat: bool,
}

impl Judge {
    /// Consent was given to the deletion of `id`.
    pub(super) fn allow(&mut self, id: &ResourceId) {
        self.allowed.insert(id.folded());
    }

    /// Whether consent was given to the deletion of `id`.
    pub(super) fn allows(&self, id: &ResourceId) -> bool {
        self.allowed.contains(&id.folded())
    }

    /// What a plan deletes that is precious and nobody consented to; elements too, for which no deletion is sent.
    pub(super) fn unasked(&self, plan: &Plan) -> Vec<String> {
        let goes = |step: &&Step| step.action == Action::Delete || step.part == Part::Removal;
        let ids = plan.steps.iter().filter(goes).filter_map(|step| match &step.target {
            Target::Known(id) => Some(id),
            Target::RoleAssignment { .. } => None,
        });
        let precious = ids.filter(|id| PRECIOUS.contains(&id.arm_type().to_ascii_lowercase().as_str()));
        precious.filter(|id| !self.allows(id)).map(ToString::to_string).collect()
    }

    /// Consent is spent.
    pub(super) fn withdraw(&mut self) {
        self.allowed.clear();
    }

    /// `id` is somebody else's.
    pub(super) fn disown(&mut self, id: &ResourceId) {
        self.foreign.insert(id.folded());
    }

    /// Somebody did something by hand: what they sent was not us, and what they took away is not there any more.
    pub(super) fn overlook(&mut self, world: &AzureWorld) {
        world.azure.take_requests();
        let there: BTreeSet<String> = world.azure.ids().iter().map(ResourceId::folded).collect();
        self.made.retain(|id| there.contains(id));
        self.foreign.retain(|id| there.contains(id));
    }

    fn forget_within(&mut self, folded: &str) {
        let below = format!("{folded}/");
        self.made.retain(|made| made != folded && !made.starts_with(&below));
    }

    /// Reads what the journal announced, before that is deleted or copied.
    pub(super) async fn read(&mut self, journal: &MemoryJournal) {
        for run in journal.runs() {
            for (_, event) in journal.replay(run.id).await.unwrap() {
                if let Event::Intent { verb, path, .. } = event {
                    self.announced.insert((method(verb).to_owned(), path.to_ascii_lowercase()));
                }
            }
        }
    }

    /// Judges everything that was sent since the last time; what of it was written and accepted.
    pub(super) async fn look(&mut self, world: &AzureWorld) -> BTreeSet<Deed> {
        self.read(&world.journal).await;
        let requests = world.azure.take_requests();
        if self.heeds_waits {
            waits(&requests);
        }
        self.reads_before_it_repeats(&requests);
        let writes: Vec<RequestRecord> = requests.into_iter().filter(is_write).collect();
        let mut done = BTreeSet::new();
        for write in writes {
            let path = write.path.to_ascii_lowercase();
            let deed = (write.method.clone(), path.clone());
            let (method, status) = (write.method.as_str(), write.status);
            assert!(self.announced.contains(&deed), "{method} {path} ({status}) is not in the journal");
            let is_foreign = self.foreign.iter().any(|id| path == *id || path.starts_with(&format!("{id}/")));
            assert!(!is_foreign, "{method} {path} ({status}) touches what is not ours");
            if method == "DELETE" {
                self.deletion(&path, status);
            } else if status == 201 {
                let is_new = self.made.insert(path.clone()) || self.may_repeat;
                assert!(is_new, "{path} is made twice");
            }
            if status < 300 {
                done.insert(deed);
            }
        }
        done
    }

    /// A write that was done is sent once more only after a look at what it did: its answer may have been lost, not
    /// its effect.
    fn reads_before_it_repeats(&mut self, requests: &[RequestRecord]) {
        for request in requests {
            let path = request.path.to_ascii_lowercase();
            if !is_write(request) {
                self.unread.retain(|(_, done)| *done != path && !lists(&path, done));
                continue;
            }
            let deed = (request.method.clone(), path);
            let is_repeated = self.unread.contains(&deed) && !self.may_repeat;
            assert!(!is_repeated, "{} {} is sent again unread", deed.0, deed.1);
            if request.status < 300 {
                self.unread.insert(deed);
            }
        }
    }

    /// Whether what is somebody else's goes with what it lies in. A grant on it says nothing any more.
    fn is_lost(id: &str, below: &str) -> bool {
        id.starts_with(below) && !id.contains("/microsoft.authorization/")
    }

    fn deletion(&mut self, path: &str, status: u16) {
        if status >= 300 {
            return;
        }
        let id: ResourceId = path.parse().unwrap();
        let is_precious = PRECIOUS.contains(&id.arm_type().to_ascii_lowercase().as_str());
        assert!(!is_precious || self.allowed.contains(path), "{path} is deleted without consent");
        let below = format!("{path}/");
        let lost: Vec<&String> = self.foreign.iter().filter(|id| Self::is_lost(id, &below)).collect();
        assert!(lost.is_empty(), "{path} takes along what is not ours: {lost:?}");
        self.forget_within(path);
    }
}

/// What Azure could not serve is asked again only after the time that it said.
fn waits(requests: &[RequestRecord]) {
    let asks_to_wait = |one: &RequestRecord| matches!(one.status, 429 | 503);
    for (at, refused) in requests.iter().enumerate().filter(|(_, one)| asks_to_wait(one)) {
        let same = |one: &&RequestRecord| one.method == refused.method && one.path == refused.path;
        if let Some(next) = requests[at + 1..].iter().find(same) {
            let secs = refused.at.duration_until(next.at).as_secs();
            let wanted = i64::try_from(RETRY_AFTER_SECS).unwrap();
            assert!(secs >= wanted, "{} {} is sent again after {secs} s", next.method, next.path);
        }
    }
}

/// Whether a list at `path` has `id` in it.
fn lists(path: &str, id: &str) -> bool {
    id.rsplit_once('/').is_some_and(|(collection, _)| path == collection) || path.ends_with("/resources")
}

fn is_write(request: &RequestRecord) -> bool {
    // Questions that Azure wants as a POST.
    let question = ["/list", "/checknameavailability"];
    let path = request.path.to_ascii_lowercase();
    let asks = request.method == "POST" && question.iter().any(|word| path.contains(word));
    request.class == RequestClass::Arm && request.method != "GET" && request.method != "HEAD" && !asks
}

fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Put => "PUT",
        Verb::Patch => "PATCH",
        Verb::Post => "POST",
        Verb::Delete => "DELETE",
    }
}

/// What a plan promises to write, in the words of [`Deed`]; the last part of the id of a role assignment is known
/// only when its principal is.
pub(super) fn promised(plan: &Plan) -> BTreeSet<Deed> {
    plan.steps.iter().flat_map(deeds).collect()
}

fn deeds(step: &Step) -> Vec<Deed> {
    let target = match &step.target {
        Target::Known(id) => id.folded(),
        Target::RoleAssignment { scope, .. } => {
            format!("{}/providers/microsoft.authorization/roleassignments/*", scope.folded())
        }
    };
    let deed = |request: &beamline::reconcile::plan::RequestTemplate| {
        let place = request.instead.as_ref().map_or(target.clone(), ResourceId::folded);
        (method(request.verb).to_owned(), format!("{place}{}", request.suffix.to_ascii_lowercase()))
    };
    step.requests.iter().map(deed).collect()
}

/// What was done and not promised, and what was promised and not done.
pub(super) fn unlike(promised: &BTreeSet<Deed>, done: &BTreeSet<Deed>) -> Vec<String> {
    let open: BTreeSet<&str> = promised.iter().filter_map(|(_, path)| path.strip_suffix('*')).collect();
    let done: BTreeSet<Deed> = done
        .iter()
        .map(|(method, path)| {
            let is_promised = promised.contains(&(method.clone(), path.clone()));
            let scope = open.iter().find(|scope| !is_promised && path.starts_with(**scope));
            (method.clone(), scope.map_or_else(|| path.clone(), |scope| format!("{scope}*")))
        })
        .collect();
    let more = done.difference(promised).map(|(method, path)| format!("not planned: {method} {path}"));
    // A workspace gives its identity some roles by itself, whenever it is written: they are found there.
    let may_be_found = |path: &str| path.contains("/microsoft.authorization/roleassignments/");
    let less = promised.difference(&done).filter(|(_, path)| !may_be_found(path));
    let less = less.map(|(method, path)| format!("not done: {method} {path}"));
    more.chain(less).collect()
}
