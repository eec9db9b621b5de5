//! The model of the world: resources, principals, soft-deleted names, operations.
//!
//! Guarantee: every principal, key and duration is drawn from the seed and from what it is for, never
//! from the order of unrelated requests (ids of operations, requests and etags are numbered through);
//! what is due by the clock has happened before anybody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::body;
use super::directory::Directory;
use super::inventory::Inventory;
pub(super) use super::inventory::Stored;
use super::operation::{Afterlife, Effect, Operation, Operations, Outcome};
use super::options::{Access, Casing, VaultUris, VmSizes, WorldOptions};
use super::providers;
use super::quota::Quota;
use super::registrations::Registrations;
use super::request_log::RequestLog;
use super::revocations::Revocations;
use super::throttle::Throttle;
use super::times::{Deed, Lag, Times};
use beamline_base::clock::Clock;
use beamline_base::id::{ResourceId, SubscriptionId, TenantId};

/// The subscription that every world begins with.
pub const DEFAULT_SUBSCRIPTION: &str = "5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01";

/// The tenant of the default subscription.
pub const DEFAULT_TENANT: &str = "8f1d9c1e-54d2-4a71-b0a6-0f6a2f0c7d11";

/// A subscription of the world.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) tenant: TenantId,
    pub(super) name: String,
    pub(super) tags: Value,
}

/// What a soft-deleted resource leaves behind.
#[derive(Clone, Debug)]
pub(super) struct Grave {
    pub(super) id: ResourceId,
    pub(super) body: Value,
    pub(super) created: Timestamp,
    pub(super) deleted: Timestamp,
    /// When Azure purges it by itself.
    pub(super) purged: Timestamp,
}

/// Who sends a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) object_id: Uuid,
    pub(super) app_id: String,
    pub(super) tenant: TenantId,
}

/// Everything that a world knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) seed: u64,
    pub(super) times: Times,
    pub(super) settings: Settings,
    pub(super) base_url: String,
    pub(super) subscriptions: BTreeMap<SubscriptionId, Subscription>,
    pub(super) operations: Operations,
    pub(super) principals: Directory,
    /// Soft-deleted resources by (folded type, folded name or id).
    pub(super) graves: BTreeMap<(String, String), Grave>,
    /// Limits of cores, where they are not the defaults.
    pub(super) quota: Quota,
    pub(super) log: RequestLog,
    pub(super) requests_seen: u64,
    pub(super) throttle: Throttle,
    pub(super) inventory: Inventory,
    /// How many lives of a resource have ended, by its folded id.
    pub(super) generations: BTreeMap<String, u64>,
    pub(super) registrations: Registrations,
    pub(super) revocations: Revocations,
    /// What Azure will add something to by itself, by the moment at which it does.
    pub(super) watched: BTreeSet<(Timestamp, ResourceId)>,
    /// How often the model was opened to anybody: what may have changed it.
    pub(super) opened: u64,
}

/// How the world behaves, besides its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) access: Access,
    pub(super) casing: Casing,
    pub(super) vm_sizes: VmSizes,
    pub(super) vault_uris: VaultUris,
}

impl State {
    pub(super) fn new(options: &WorldOptions) -> Self {
        let settings = Settings {
            access: options.access,
            casing: options.casing,
            vm_sizes: options.vm_sizes,
            vault_uris: options.vault_uris,
        };
        let times = Times::new(options.latency, Arc::clone(&options.profile));
        Self {
            clock: options.clock.clone(),
            seed: options.seed,
            times: times.clone(),
            settings,
            base_url: "https://arm.simulator.invalid".to_owned(),
            subscriptions: BTreeMap::new(),
            operations: Operations::default(),
            principals: Directory::new(options.clock.clone(), times),
            graves: BTreeMap::new(),
            quota: Quota::default(),
            log: RequestLog::default(),
            requests_seen: 0,
            throttle: Throttle::new(options.throttling),
            inventory: Inventory::default(),
            generations: BTreeMap::new(),
            registrations: Registrations::new(options.providers),
            revocations: Revocations::default(),
            watched: BTreeSet::new(),
            opened: 0,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn get(&self, id: &ResourceId) -> Option<&Stored> {
        self.inventory.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &ResourceId) -> Option<&mut Stored> {
        self.inventory.get_mut(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.inventory.all()
    }

    /// The resources below `id`, at every depth, without `id` itself.
    pub(super) fn below(&self, id: &ResourceId) -> impl Iterator<Item = &Stored> + use<'_> {
        self.inventory.prefixed(format!("{}/", id.folded()), None)
    }

    /// The resources of a type, in the order of their ids.
    pub(super) fn of_type(&self, arm_type: &str) -> impl Iterator<Item = &Stored> + use<'_> {
        self.inventory.of_type_within(arm_type, None, None)
    }

    /// A live resource of this type with this name, in whatever group: global names.
    pub(super) fn named(&self, arm_type: &str, name: &str) -> Option<&Stored> {
        self.inventory.named(arm_type, name).next()
    }

    /// Stores a body; a resource that was not there begins a new generation of seeded values.
    pub(super) fn store(&mut self, id: &ResourceId, body: Value) {
        let now = self.now();
        match self.inventory.get_mut(id) {
            Some(stored) => {
                stored.body.replace(body);
                stored.changed = now;
            }
            None => self.inventory.insert(Stored::new(id.clone(), body, now)),
        }
    }

    /// Takes away exactly this resource.
    pub(super) fn take(&mut self, id: &ResourceId) -> Option<Stored> {
        let stored = self.inventory.remove(id)?;
        *self.generations.entry(id.folded()).or_default() += 1;
        if let Some(principal) = body::text(&stored.body, "/identity/principalId").and_then(parse_uuid) {
            self.principals.remove(&principal);
        }
        Some(stored)
    }

    /// Deletes a resource with all that is below it: children and role assignments at its scope.
    pub(super) fn remove_tree(&mut self, id: &ResourceId, afterlife: Afterlife) {
        let below: Vec<ResourceId> = self.below(id).map(|stored| stored.id.clone()).collect();
        for id in below.iter().rev().chain(std::iter::once(id)) {
            let Some(stored) = self.take(id) else { continue };
            if let Some(kind) = providers::kind(&id.arm_type()) {
                kind.removed(self, &stored, afterlife);
            }
        }
    }

    /// Carries out every operation that is due, and the purges whose date has come.
    pub(super) fn settle(&mut self) {
        let now = self.now();
        self.inventory.pack();
        while let Some(operation) = self.operations.pop_due(now) {
            self.finish(&operation);
        }
        providers::add_by_products(self);
        self.revocations.expire(now);
        self.graves.retain(|_, grave| grave.purged > now);
    }

    fn finish(&mut self, operation: &Operation) {
        let Some(stored) = self.get_mut(&operation.target) else { return };
        if stored.operation != Some(operation.id) {
            return;
        }
        stored.operation = None;
        let ended = match operation.outcome {
            Outcome::Succeeds => None,
            Outcome::Fails { .. } => Some("Failed"),
            Outcome::Canceled => Some("Canceled"),
        };
        if let Some(ended) = ended {
            return body::set(&mut stored.body, "/properties/provisioningState", ended);
        }
        match operation.effect {
            Effect::Provision => {
                body::set(&mut stored.body, "/properties/provisioningState", "Succeeded");
                self.provisioned(&operation.target);
            }
            Effect::Remove(afterlife) => self.remove_tree(&operation.target, afterlife),
            Effect::ManagedNetwork(spark) => {
                body::set(&mut stored.body, "/properties/managedNetwork/status", spark.status());
            }
            Effect::Power(state) => {
                body::set(&mut stored.body, "/properties/properties/state", state.name());
            }
        }
    }

    /// Tells the type that one of its resources is ready.
    pub(super) fn provisioned(&mut self, id: &ResourceId) {
        if let Some(kind) = providers::kind(&id.arm_type()) {
            kind.provisioned(self, id);
        }
    }

    /// The body as a GET answers it.
    pub(super) fn render(&self, stored: &Stored) -> Value {
        let kind = providers::kind(&stored.id.arm_type());
        let mut body = kind.map_or_else(|| stored.body.clone(), |kind| kind.render(self, stored));
        if self.settings.vault_uris == VaultUris::Path && body::at(&body, "/properties/vaultUri").is_some() {
            let uri = format!("{}/kv/{}/", self.base_url, stored.id.name());
            body::set(&mut body, "/properties/vaultUri", uri);
        }
        let connections = providers::private_connections_of(self, &stored.id);
        if !connections.is_empty() {
            body::set(&mut body, "/properties/privateEndpointConnections", connections);
        }
        match (self.settings.casing, kind) {
            (Casing::Azure, _) | (Casing::Tidy, None) => body,
            (Casing::Tidy, Some(kind)) => providers::tidied(self, stored, kind, body),
        }
    }

    /// A UUID that belongs to this life of this resource: a replaced resource gets another one.
    pub(super) fn uuid_of(&self, purpose: &str, id: &ResourceId) -> Uuid {
        let generation = self.generations.get(&id.folded()).copied().unwrap_or(0);
        self.uuid(&format!("{purpose}|{}|{generation}", id.folded()))
    }

    /// A UUID that belongs to `what` in this world.
    pub(super) fn uuid(&self, what: &str) -> Uuid {
        let digest = self.digest(what);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The object id of the service principal of an application (or managed identity) with this client
    /// id: an identity of the world has the principal that its resource shows.
    pub(super) fn object_id_of(&self, client_id: &str) -> Uuid {
        let identities = self.of_type("Microsoft.ManagedIdentity/userAssignedIdentities");
        let mut own = identities.filter(|stored| {
            let client = body::text(&stored.body, "/properties/clientId");
            client.is_some_and(|client| client.eq_ignore_ascii_case(client_id))
        });
        let principal = own.next().and_then(|stored| body::text(&stored.body, "/properties/principalId"));
        let derived = || self.uuid(&format!("service principal {}", client_id.to_ascii_lowercase()));
        principal.and_then(parse_uuid).unwrap_or_else(derived)
    }

    /// 32 seeded bytes that belong to `what`.
    pub(super) fn digest(&self, what: &str) -> [u8; 32] {
        Sha256::digest(format!("{}|{what}", self.seed)).into()
    }

    /// A number between 0 and 1 that belongs to `what`.
    pub(super) fn spread(&self, what: &str) -> f64 {
        f64::from(self.digest(what)[0]) / 255.0
    }

    /// How long an operation takes that takes `seconds` in Azure.
    pub(super) fn duration(&self, arm_type: &str, deed: Deed, seconds: f64, what: &str) -> Duration {
        self.times.operation(arm_type, deed, seconds, self.spread(what))
    }

    /// How long the rest of Azure does not know of `what`.
    pub(super) fn lag(&self, lag: Lag, what: &str) -> Duration {
        self.times.lag(lag, self.spread(what))
    }

    /// The `systemData` of a resource that `caller` writes now.
    pub(super) fn system_data(&self, caller: &Caller, existing: Option<&Value>) -> Value {
        let now = self.now().to_string();
        let created = existing.and_then(|body| body::at(body, "/systemData/createdAt")).cloned();
        let creator = existing.and_then(|body| body::at(body, "/systemData/createdBy")).cloned();
        json!({
            "createdAt": created.unwrap_or_else(|| json!(now)),
            "createdBy": creator.unwrap_or_else(|| json!(caller.app_id)),
            "createdByType": "Application",
            "lastModifiedAt": now,
            "lastModifiedBy": caller.app_id,
            "lastModifiedByType": "Application",
        })
    }

    pub(super) fn tenant_of(&self, id: &ResourceId) -> TenantId {
        let subscription = id.subscription_id().and_then(|id| self.subscriptions.get(&id));
        subscription.map_or_else(default_tenant, |subscription| subscription.tenant)
    }
}

pub(super) fn parse_uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

pub(super) fn default_tenant() -> TenantId {
    TenantId(parse_uuid(DEFAULT_TENANT).unwrap_or_default())
}
