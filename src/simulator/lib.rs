//! The other side of the wire: an Azure Resource Manager and an Entra that live in this process.
//!
//! Why: everything beamline promises is proven against this model, so it is written from Azure's own
//! contract and knows nothing of our client. Of ours it may import only
//! [`beamline_base`]; that it is a package of its own keeps it so.
//!
//! * [`World`] is the model: one map of resources, the operations under way, the principals, the
//!   soft-deleted names, the log of requests. Everything in it follows the clock and the seed.
//! * [`World::router`] is its HTTP face; [`Server`] puts that face behind HTTPS on loopback.
//! * [`forge`] is the same for the forges: a repository on GitHub, GitLab, Gitea, Azure DevOps or Bitbucket.
//! * [`Faults`] scripts what goes wrong; a [`Scenario`] does so from a file; `/_simulator/…` at runtime.
//!
//! What is guaranteed: no input makes it panic; an operation ends by the clock, whether or not anybody
//! polls it; the same seed and the same requests give the same ids. What is faithful and what is not is
//! said resource by resource in `docs/simulator.md`.

mod admin;
mod arm;
mod body;
mod connections;
mod directory;
mod entra;
mod faults;
pub mod forge;
mod http;
mod inventory;
mod operation;
mod options;
mod packed;
mod persistence;
mod profile;
mod providers;
mod quota;
mod registrations;
mod request_log;
mod revocations;
mod scenario;
mod server;
mod state;
mod state_file;
#[cfg(test)]
mod stories;
mod throttle;
mod times;
mod world;

pub use directory::{Application, PrincipalGroup, RoleGrant, UnknownRole};
pub use faults::{Fault, FaultEffect, Faults, Moment};
pub use options::{Access, Casing, Latency, Providers, VaultUris, VmSizes, WorldOptions};
pub use persistence::StateError;
pub use profile::{LatencyProfile, ProfileError};
pub use request_log::{RequestClass, RequestRecord};
pub use scenario::{QuotaLimit, Scenario, ScenarioApplication, ScenarioError, ScenarioGroup};
pub use server::{Authority, Server, SimulatorError};
pub use state::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT};
pub use state_file::{Saved, StateFile};
pub use throttle::Throttling;
pub use world::World;
