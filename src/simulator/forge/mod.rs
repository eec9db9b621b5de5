//! The other side of the wire, once more: a forge that lives in this process.
//!
//! Why: what a team sees on its commits and pull requests is proven against this model, so it is made
//! from the forges' published contracts and documentation and knows nothing of our client.
//!
//! * [`ForgeWorld`] is one repository on one forge ([`ForgeKind`]): accounts, commits, branches, pull
//!   requests, comments, reactions, statuses, check runs. Real Git objects live elsewhere: a test pushes
//!   with Git and tells the world the ids.
//! * [`ForgeWorld::router`] is its HTTP face, with the forge's own limits, refusals and paging.
//! * [`ForgeWorld::deliveries`] hands out the webhooks that are due, signed as the forge signs them, and
//!   lost, repeated, late and out of order as the world's [`Disorder`] says.
//! * [`ForgeWorld::history`] is what a person would have seen, and [`History::problems`] what is wrong
//!   with it.
//!
//! What is guaranteed: no input makes it panic; the same seed and the same calls give the same world.

mod accounts;
mod app;
mod azure_devops;
mod bitbucket;
mod change;
mod check_runs;
mod comments;
mod disorder;
mod face;
mod gitea;
mod github;
mod gitlab;
mod history;
mod http;
mod limits;
mod merging;
mod objects;
mod options;
mod paging;
mod proposals;
mod pull_requests;
mod reviews;
mod served;
mod signature;
mod state;
mod statuses;
#[cfg(test)]
mod stories;
mod webhooks;
mod world;
mod writing;

pub use accounts::Permission;
pub use app::AppError;
pub use check_runs::Annotation;
pub use disorder::Disorder;
pub use history::{History, Problem, Seen, Shown, Sight};
pub use options::{ForgeKind, ForgeOptions};
pub use pull_requests::{ChangedFile, FileChange, PullRequest, Stage};
pub use served::{Deed, Example, Merging, ServedAccount, ServedForge, Target, credential};
pub use state::Outage;
pub use webhooks::Delivery;
pub use world::ForgeWorld;
