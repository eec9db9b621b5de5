//! The handle that tests, the demo and `beamline simulate` hold: a world, seen from outside the wire.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use uuid::Uuid;

use super::arm;
use super::directory::{Application, PrincipalGroup, UnknownRole};
use super::faults::Faults;
use super::http;
use super::operation::Afterlife;
use super::options::WorldOptions;
use super::persistence::{self, StateError};
use super::providers;
use super::registrations::Registration;
use super::request_log::RequestRecord;
use super::state::{Caller, DEFAULT_SUBSCRIPTION, State, Subscription, default_tenant, parse_uuid};
use beamline_base::id::{ResourceId, SubscriptionId, TenantId};

/// An Azure of its own. Clones are handles on the same world.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    /// A world with one subscription ([`DEFAULT_SUBSCRIPTION`]) in one tenant, and nothing in it.
    #[must_use]
    pub fn new(options: WorldOptions) -> Self {
        let state = State::new(&options);
        let world = Self { state: Arc::new(Mutex::new(state)), faults: Faults::default() };
        let subscription = SubscriptionId(parse_uuid(DEFAULT_SUBSCRIPTION).unwrap_or_default());
        world.add_subscription(subscription, default_tenant(), "Simulated subscription");
        world
    }

    /// Registers an application (again: with another secret and further grants), established in the
    /// directory as if it had been there for long. Its object id, which tokens carry as `oid`.
    ///
    /// # Errors
    /// When one of the roles does not exist; the application is registered nevertheless.
    pub fn register(&self, application: &Application) -> Result<Uuid, UnknownRole> {
        let object_id = {
            let mut state = self.state();
            let object_id = state.object_id_of(&application.client_id);
            state.principals.register(object_id, application);
            object_id
        };
        for grant in &application.grants {
            self.grant(object_id, &grant.role, &grant.scope)?;
        }
        Ok(object_id)
    }

    /// Makes a group of the directory, or gives an existing one other members.
    ///
    /// # Errors
    /// When one of the roles does not exist; the group is made nevertheless.
    pub fn set_group(&self, group: &PrincipalGroup) -> Result<(), UnknownRole> {
        self.state().principals.set_group(group.id, group.members.iter().copied());
        for grant in &group.grants {
            self.grant(group.id, &grant.role, &grant.scope)?;
        }
        Ok(())
    }

    /// The object id of the application or identity with this client id.
    #[must_use]
    pub fn principal_of(&self, client_id: &str) -> Uuid {
        self.state().object_id_of(client_id)
    }

    /// Whether an application with this client id is registered.
    #[must_use]
    pub fn has_application(&self, client_id: &str) -> bool {
        self.state().principals.application(client_id).is_some()
    }

    /// Takes the registration of a resource provider from every subscription.
    pub fn unregister_provider(&self, namespace: &str) {
        let mut state = self.state();
        let subscriptions: Vec<SubscriptionId> = state.subscriptions.keys().copied().collect();
        for subscription in subscriptions {
            state.registrations.set(subscription, namespace, Registration::NotRegistered);
        }
    }

    /// Assigns a role (by name or GUID) to a principal at a scope, in force at once. The assignment's
    /// id; [`World::remove`] takes it back.
    ///
    /// # Errors
    /// When the world knows no such role.
    pub fn grant(&self, principal: Uuid, role: &str, scope: &ResourceId) -> Result<ResourceId, UnknownRole> {
        let mut state = self.settled();
        let guid = providers::role_guid(&state, role).ok_or_else(|| UnknownRole(role.to_owned()))?;
        let name = state.uuid(&format!("grant {guid} {principal} {}", scope.folded()));
        let id = scope.provider("Microsoft.Authorization/roleAssignments", &name.to_string());
        let body = json!({ "properties": {
            "principalId": principal, "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{guid}"),
        } });
        let caller = somebody_else(&state);
        arm::place(&mut state, &id, &body, &caller);
        if let Some(stored) = state.get_mut(&id) {
            stored.created = jiff::Timestamp::UNIX_EPOCH;
        }
        Ok(id)
    }

    /// Limits the cores that a VM family may use in a region. `family` is spelled as in `vmSizes`,
    /// for example `standardDSv3Family`.
    pub fn set_quota(&self, location: &str, family: &str, cores: u64) {
        self.state().quota.set(location, family, cores);
    }

    /// Everything that outlives the process, as one JSON text: resources, operations under way,
    /// soft-deleted names, principals, quota, the seed and its counters; not the log of requests, the
    /// faults and the request budgets.
    #[must_use]
    pub fn save(&self) -> String {
        let mut text = Vec::new();
        // Writing into memory does not fail, and JSON is text.
        self.save_to(&mut text).ok();
        String::from_utf8(text).unwrap_or_default()
    }

    /// Writes what [`World::save`] answers, without holding up requests meanwhile. The number of the
    /// moment that was saved, as [`World::moment`] counts.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn save_to(&self, out: &mut impl Write) -> io::Result<u64> {
        let (snapshot, moment) = {
            let state = self.settled();
            (persistence::snapshot(&state), state.opened)
        };
        snapshot.write(out)?;
        Ok(moment)
    }

    /// A number that grows whenever somebody looks at the world or changes it: while it stays, the world
    /// is as it was saved.
    #[must_use]
    pub fn moment(&self) -> u64 {
        self.locked().opened
    }

    /// Replaces everything that [`World::save`] keeps.
    ///
    /// # Errors
    /// When the text is not such a state; the world is unchanged then.
    pub fn load(&self, text: &str) -> Result<(), StateError> {
        persistence::load(&mut self.state(), text)
    }

    /// The whole HTTP face: Azure Resource Manager, Entra and the metadata documents.
    pub fn router(&self) -> axum::Router {
        http::router(self.clone())
    }

    /// What the URLs in answers begin with; `https://arm.simulator.invalid` until it is set.
    pub fn set_base_url(&self, url: &str) {
        self.state().base_url = url.trim_end_matches('/').to_owned();
    }

    /// Adds a subscription, or renames one.
    pub fn add_subscription(&self, id: SubscriptionId, tenant: TenantId, name: &str) {
        self.state()
            .subscriptions
            .insert(id, Subscription { tenant, name: name.to_owned(), tags: json!({}) });
    }

    /// The body of a resource as GET would answer it now.
    #[must_use]
    pub fn get(&self, id: &ResourceId) -> Option<Value> {
        let state = self.settled();
        state.get(id).map(|stored| state.render(stored))
    }

    /// The ids of all resources, sorted.
    #[must_use]
    pub fn ids(&self) -> Vec<ResourceId> {
        self.settled().all().map(|stored| stored.id.clone()).collect()
    }

    /// Drift by hand: changes the body of a resource without any validation. `false`: it is not there.
    pub fn edit(&self, id: &ResourceId, change: impl FnOnce(&mut Value)) -> bool {
        let mut state = self.settled();
        let Some(stored) = state.get(id).cloned() else { return false };
        let mut body = state.render(&stored);
        change(&mut body);
        match providers::kind(&id.arm_type()) {
            Some(kind) => kind.absorb(&mut state, &stored.id, body),
            None => state.store(&stored.id, body),
        }
        true
    }

    /// Places a resource as if somebody else had made it: filled as a PUT fills it, not validated,
    /// provisioned at once.
    pub fn put(&self, id: &ResourceId, body: Value) {
        let mut state = self.settled();
        let caller = somebody_else(&state);
        arm::place(&mut state, id, &body, &caller);
    }

    /// Takes a resource away with all that is below it, at once and without a trace. `false`: it was
    /// not there.
    pub fn remove(&self, id: &ResourceId) -> bool {
        let mut state = self.settled();
        let known = state.get(id).is_some();
        state.remove_tree(id, Afterlife::Purge);
        known
    }

    /// The requests since the world began, or since they were last taken (the newest 100,000).
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state().log.all()
    }

    /// Takes the requests out of the log.
    pub fn take_requests(&self) -> Vec<RequestRecord> {
        self.state().log.take()
    }

    /// The handle on what goes wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The model, for as long as the guard lives.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.locked();
        state.opened += 1;
        state
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model, with everything that is due done.
    pub(super) fn settled(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.settle();
        state
    }
}

#[cfg(test)]
impl World {
    /// How many resources were looked at by walking since the last time.
    pub(super) fn take_visits(&self) -> usize {
        self.state().inventory.take_visits()
    }

    /// Stores a body as it is: what fills a large world quickly.
    pub(super) fn place_raw(&self, id: &ResourceId, body: Value) {
        self.state().store(id, body);
    }
}

fn somebody_else(state: &State) -> Caller {
    let object_id = state.uuid("somebody else");
    Caller {
        object_id,
        app_id: json!(object_id).as_str().unwrap_or_default().to_owned(),
        tenant: default_tenant(),
    }
}
