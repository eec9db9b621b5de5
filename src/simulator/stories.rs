//! What the simulator does, told request by request through its own HTTP face.
//!
//! | refusal | story |
//! |---|---|
//! | name rules, wrong types, unknown words, missing properties, names taken, wrong identities | `refusals` |
//! | malformed and oversized bodies, versions, tokens | `front`, `entra` |
//! | immutable properties, soft-deleted names, purge protection | `resources`, `machine_learning` |
//! | HNS as default storage, missing dependencies, VM sizes | `machine_learning`, `refusals` |
//! | quota per family | `admin` |
//! | duplicate and moved role assignments, subnets in use, one write at a time in a network | `network_and_roles` |
//! | locks, of a group and of what is in it; private endpoints, zones, budgets | `more_types` |
//! | missing permissions, linked scopes, request limits | `access`; over time, groups, the last Owner: `grants` |
//! | resource providers that are not registered | `providers` |
//!
//! | fault | story |
//! |---|---|
//! | a status with `Retry-After`, a lost answer, operations that fail or never end, an ignored property | `faults_and_server` |
//! | resets before and after, canceled operations, hidden polls, slow and cut answers, the token endpoint down, clock skew, quota exhausted | `admin` |

mod access;
mod admin;
mod bench;
mod by_products;
mod connections;
mod entra;
mod faults_and_server;
mod front;
mod grants;
mod latency;
mod machine_learning;
mod more_types;
mod network_and_roles;
mod parts;
mod providers;
mod refusals;
mod resource_graph;
mod resources;
mod scale;
