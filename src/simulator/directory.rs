//! The directory of the world's tenant: which principals exist, which applications have a secret, and
//! since when the rest of Azure sees a principal.
//!
//! A new principal is replicated with a delay; until then role assignments for it are refused with
//! `PrincipalNotFound` (Azure RBAC troubleshooting). Without latency there is no delay.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::times::{Lag, Times};
use beamline_base::clock::Clock;
use beamline_base::id::ResourceId;

/// An application of the directory that may ask for tokens, with the roles it has.
#[derive(Clone, Debug)]
pub struct Application {
    /// The client id that it signs in with; a GUID in Azure.
    pub client_id: String,
    /// The secret that opens it; with `None` only client assertions do (their signature is not checked).
    pub secret: Option<SecretString>,
    /// What it is granted from the beginning.
    pub grants: Vec<RoleGrant>,
}

/// A group of the directory: what it is granted, its members have.
#[derive(Clone, Debug)]
pub struct PrincipalGroup {
    /// The object id of its service principal, which role assignments name.
    pub id: Uuid,
    /// Object ids of its members; other groups may be among them.
    pub members: Vec<Uuid>,
    /// What it is granted.
    pub grants: Vec<RoleGrant>,
}

/// A role at a scope.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RoleGrant {
    /// The name or the GUID of a role that the world knows.
    pub role: String,
    /// Where it holds, with everything below.
    pub scope: ResourceId,
}

/// The role that was to be granted does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated Azure has no role `{0}`: use the name or the GUID of a built-in role")]
pub struct UnknownRole(pub String);

/// A registered application. Of a secret only the digest is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Registration {
    pub(super) object_id: Uuid,
    pub(super) secret_sha256: Option<[u8; 32]>,
}

impl Registration {
    pub(super) fn opens_with(&self, secret: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(secret).into();
        self.secret_sha256 == Some(given)
    }
}

#[derive(Debug)]
pub(super) struct Directory {
    clock: Clock,
    times: Times,
    /// Principals, and since when they are visible.
    pub(super) principals: BTreeMap<Uuid, Timestamp>,
    /// Registered applications by their client id in lower case.
    pub(super) applications: BTreeMap<String, Registration>,
    /// The members of each group.
    pub(super) groups: BTreeMap<Uuid, BTreeSet<Uuid>>,
}

impl Directory {
    pub(super) fn new(clock: Clock, times: Times) -> Self {
        Self {
            clock,
            times,
            principals: BTreeMap::new(),
            applications: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// A principal is made now, unless it is known; it becomes visible when it is replicated.
    pub(super) fn insert(&mut self, principal: Uuid) {
        let drawn = f64::from(principal.as_bytes()[0]) / 255.0;
        let now = self.clock.now();
        let visible = now.checked_add(self.times.lag(Lag::Principal, drawn)).unwrap_or(now);
        self.principals.entry(principal).or_insert(visible);
    }

    /// A principal that has been there for long.
    pub(super) fn establish(&mut self, principal: Uuid) {
        self.principals.insert(principal, self.clock.now());
    }

    pub(super) fn remove(&mut self, principal: &Uuid) {
        self.principals.remove(principal);
    }

    /// Whether the rest of Azure sees this principal.
    pub(super) fn contains(&self, principal: &Uuid) -> bool {
        self.principals.get(principal).is_some_and(|visible| *visible <= self.clock.now())
    }

    pub(super) fn register(&mut self, object_id: Uuid, application: &Application) {
        let digest = |secret: &SecretString| Sha256::digest(secret.expose_secret()).into();
        let secret_sha256 = application.secret.as_ref().map(digest);
        let key = application.client_id.to_ascii_lowercase();
        self.applications.insert(key, Registration { object_id, secret_sha256 });
        self.establish(object_id);
    }

    /// A group has these members from now on, and no others.
    pub(super) fn set_group(&mut self, id: Uuid, members: impl IntoIterator<Item = Uuid>) {
        self.groups.insert(id, members.into_iter().collect());
    }

    pub(super) fn is_group(&self, id: &Uuid) -> bool {
        self.groups.contains_key(id)
    }

    /// A principal with all groups that it belongs to, directly or through other groups.
    pub(super) fn memberships(&self, principal: Uuid) -> BTreeSet<Uuid> {
        let (mut found, mut rest) = (BTreeSet::from([principal]), vec![principal]);
        while let Some(member) = rest.pop() {
            let holding = self.groups.iter().filter(|(_, members)| members.contains(&member));
            for (group, _) in holding {
                if found.insert(*group) {
                    rest.push(*group);
                }
            }
        }
        found
    }

    pub(super) fn application(&self, client_id: &str) -> Option<&Registration> {
        self.applications.get(&client_id.to_ascii_lowercase())
    }
}
