//! beamline keeps Azure Machine Learning environments equal to what a Git repository says.
//!
//! *A commit is fetched ([`git`]), its files become a typed environment ([`definitions`],
//! [`resources`]), compared with Azure and turned into a plan, which is applied step by step
//! ([`reconcile`], [`azure`]); everything that happened is remembered ([`store`]) and reported
//! ([`forge`]). [`attempt`] is all of that for one environment, [`daemon`] decides when, [`cli`] lets a person do the same by hand,
//! [`beamline_simulator`] plays Azure.*
//!
//! ```text
//! cli          commands for people                       → everything below
//! daemon       when: triggers, queue, workers, http      → attempt, reconcile, definitions, git, forge, store, azure
//! attempt      one attempt at one environment            → store, reconcile, definitions, git, azure
//! store        what survives a restart                   → reconcile, forge, git (types)
//! reconcile    observe → plan → check → apply → report   → definitions, resources, azure
//! azure | git | forge    three edges that do not know each other   → wire (forge also: git's ids)
//! definitions  text → validated environment, with spans  → resources
//! resources    the catalog, one file per resource type   → nothing
//! wire         the HTTP seam                             → nothing
//! plight       why the disk refuses, and what ends that  → nothing; used by git and store
//! base         clock, randomness, ids, passed in         → nothing; used everywhere. A package of its own
//! simulator    the other side of the wire                → base. A package of its own
//! config       the only reader of environment variables
//! ```
//!
//! The names and ids of [`resources`] are words that `daemon`, `store` and `forge` speak too, `store` also
//! [`definitions::InputDigest`]. `tests/it/architecture.rs` holds everybody to this picture.
//!
//! Start reading at [`reconcile`]; `docs/ARCHITECTURE.md` has the map.

pub mod attempt;
pub mod azure;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod definitions;
pub mod forge;
pub mod git;
mod plight;
pub mod reconcile;
pub mod resources;
pub mod store;
pub mod wire;

pub use beamline_base::{clock, errand, pulse, text};
