//! A file that says what a world shall suffer: `beamline simulate --faults FILE` and the admin API read
//! the same shape.

use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::directory::{Application, PrincipalGroup, RoleGrant, UnknownRole};
use super::faults::Fault;
use super::providers::NAMESPACES;
use super::world::World;

/// Most bytes of a scenario.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a scenario file holds, in YAML (or JSON, which is YAML). Every part may be missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Faults that wait for their requests, in this order.
    pub faults: Vec<Fault>,
    /// Limits of cores for each family and region; what is not listed has Azure's default.
    pub quota: Vec<QuotaLimit>,
    /// Applications that may sign in.
    pub applications: Vec<ScenarioApplication>,
    /// Groups of the directory.
    pub groups: Vec<ScenarioGroup>,
    /// Resource providers that the subscriptions have not registered.
    pub unregistered_providers: Vec<String>,
}

/// How many cores a VM family may use in a region.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaLimit {
    /// The region, in any spelling.
    pub location: String,
    /// The VM family as `vmSizes` spells it, for example `standardDSv3Family`.
    pub family: String,
    /// The limit, in cores.
    pub cores: u64,
}

/// An application that may sign in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioApplication {
    /// The client id with which it signs in.
    pub client_id: String,
    /// The secret with which it signs in; `None` for managed identities.
    #[serde(default)]
    pub secret: Option<SecretString>,
    /// Its roles: `{role, scope}`.
    #[serde(default)]
    pub grants: Vec<RoleGrant>,
}

/// A group of the directory, whose members have what it is granted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioGroup {
    /// The object id of its service principal, which role assignments name.
    pub id: Uuid,
    /// Client ids of registered applications, or object ids of any principals.
    #[serde(default)]
    pub members: Vec<String>,
    /// Its roles: `{role, scope}`.
    #[serde(default)]
    pub grants: Vec<RoleGrant>,
}

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is larger than a scenario can be.
    #[error("the scenario has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// It has not the shape of a scenario.
    #[error("the scenario cannot be read: see docs/simulator.md for its shape")]
    Shape(#[from] serde_yaml::Error),
    /// A member of a group is neither an application nor an object id.
    #[error("`{0}` is a member of a group, but neither a registered application nor an object id (a GUID)")]
    Member(String),
    /// It names a resource provider that the world has not.
    #[error("the simulated Azure has no resource provider `{0}`: it has {known}", known = NAMESPACES.join(", "))]
    Provider(String),
    /// It grants a role that does not exist.
    #[error(transparent)]
    Role(#[from] UnknownRole),
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// When the text is too large or has another shape.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        if text.len() > MAX_BYTES {
            return Err(ScenarioError::TooLarge(text.len()));
        }
        Ok(serde_yaml::from_str(text)?)
    }
}

impl World {
    /// Adds what a scenario says to this world.
    ///
    /// # Errors
    /// When it names a role, a member or a resource provider that the world does not know; what comes
    /// before is in force then.
    pub fn play(&self, scenario: Scenario) -> Result<(), ScenarioError> {
        for fault in scenario.faults {
            self.faults().add(fault);
        }
        for limit in scenario.quota {
            self.set_quota(&limit.location, &limit.family, limit.cores);
        }
        for application in scenario.applications {
            let ScenarioApplication { client_id, secret, grants } = application;
            self.register(&Application { client_id, secret, grants })?;
        }
        for ScenarioGroup { id, members, grants } in scenario.groups {
            let members = members.iter().map(|member| self.member(member)).collect::<Result<_, _>>()?;
            self.set_group(&PrincipalGroup { id, members, grants })?;
        }
        for namespace in scenario.unregistered_providers {
            if !NAMESPACES.iter().any(|known| known.eq_ignore_ascii_case(&namespace)) {
                return Err(ScenarioError::Provider(namespace));
            }
            self.unregister_provider(&namespace);
        }
        Ok(())
    }

    fn member(&self, text: &str) -> Result<Uuid, ScenarioError> {
        if self.has_application(text) {
            return Ok(self.principal_of(text));
        }
        Uuid::try_parse(text).map_err(|_| ScenarioError::Member(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FaultEffect, Moment};

    #[test]
    fn a_scenario_is_read_from_yaml() {
        let text = "
faults:
  - method: PUT
    path_contains: storageAccounts
    times: 3
    effect: { kind: status, code: 429, retry_after_secs: 7, error_code: TooManyRequests, message: Slow down. }
  - effect: { kind: reset, moment: before }
  - effect: { kind: lose_answer }
quota:
  - { location: East US, family: standardDSv3Family, cores: 8 }
applications:
  - client_id: 0d4ec9d3-5c68-4f6c-9a3b-7d1f2a3b4c5d
    secret: s3cret
    grants:
      - { role: Reader, scope: /subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01 }
";
        let scenario = Scenario::parse(text).unwrap();
        assert_eq!(scenario.faults[0].times, 3);
        assert_eq!(scenario.faults[1].effect, FaultEffect::Reset { moment: Moment::Before });
        assert_eq!(scenario.faults[2].times, 1);
        assert_eq!(scenario.quota[0].cores, 8);
        assert_eq!(scenario.applications[0].grants[0].role, "Reader");
    }

    #[test]
    fn an_unknown_word_is_refused() {
        for text in [
            "fault: []",
            "faults: [{ effect: { kind: explode } }]",
            "faults: [{ when: now, effect: { kind: lose_answer } }]",
        ] {
            assert!(Scenario::parse(text).is_err(), "{text}");
        }
    }
}
