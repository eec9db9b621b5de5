//! `/_simulator/…`: what a person or a test does to the world from outside Azure.
//!
//! It is meant for this machine only: a request whose peer is known and is not a loopback address is
//! refused. Inside the process there is no peer, and no refusal.
//!
//! | path | what it does |
//! |---|---|
//! | `GET /_simulator` | the present moment, what the world holds, what is under way |
//! | `GET`, `POST`, `DELETE /_simulator/faults` | the waiting faults; adds a fault or a scenario; forgets all |
//! | `GET`, `DELETE /_simulator/requests` | counts and the newest records; forgets them |
//! | `GET`, `PUT /_simulator/state` | a snapshot; brings one back |
//! | `POST /_simulator/applications` | registers an application with its grants |
//! | `POST /_simulator/groups` | makes a group of the directory, or gives it other members |
//! | `GET /_simulator/vm-sizes` | the VM sizes, and since when those of a retired series are retired |
//! | `GET /_simulator/resources[?prefix=]` | ids |
//! | `GET`, `PUT`, `PATCH`, `DELETE /_simulator/resources/{id}` | one resource, without Azure's checks |

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::arm::{ArmError, Query};
use super::body;
use super::faults::Fault;
use super::http::{Incoming, Reply};
use super::persistence::StateError;
use super::providers::vm_size_facts;
use super::scenario::{Scenario, ScenarioError};
use super::world::World;
use beamline_base::id::ResourceId;

/// A snapshot of a large world has to fit.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024 * 1024;

/// Most request records in an answer.
const MAX_RECORDS: usize = 1000;

const ROOT: &str = "/_simulator";

/// Whether a path belongs to the admin API.
pub(super) fn is_at(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a peer may use the admin API: this machine, or a caller inside the process.
pub(super) fn admits(peer: Option<SocketAddr>) -> bool {
    peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback())
}

pub(super) fn handle(world: &World, incoming: &Incoming, peer: Option<SocketAddr>) -> Reply {
    if !admits(peer) {
        let message = "The admin API of the simulator is open to this machine only.";
        return ArmError::new(403, "Forbidden", message).into_reply();
    }
    let path = incoming.uri.path().strip_prefix(ROOT).unwrap_or_default().trim_matches('/');
    let (place, rest) = path.split_once('/').unwrap_or((path, ""));
    let answer = match (incoming.method.as_str(), place, rest) {
        ("GET", "", "") => Ok(Reply::json(200, overview(world))),
        (_, "faults", "") => faults(world, incoming),
        (_, "requests", "") => requests(world, incoming),
        (_, "state", "") => state(world, incoming),
        ("POST", "applications", "") => {
            let application = text(incoming)
                .and_then(|text| serde_json::from_str(text).map_err(|error| bad(&error)))
                .map(|application| Scenario { applications: vec![application], ..Scenario::default() });
            application.and_then(|scenario| play(world, scenario))
        }
        ("POST", "groups", "") => {
            let group = text(incoming)
                .and_then(|text| serde_json::from_str(text).map_err(|error| bad(&error)))
                .map(|group| Scenario { groups: vec![group], ..Scenario::default() });
            group.and_then(|scenario| play(world, scenario))
        }
        ("GET", "vm-sizes", "") => Ok(Reply::json(200, vm_size_facts())),
        ("GET", "resources", "") => Ok(ids(world, incoming)),
        (_, "resources", _) => resource(world, incoming, rest),
        _ => Err(ArmError::not_found("NotFound", format!("There is nothing at {ROOT}/{path}."))),
    };
    answer.unwrap_or_else(ArmError::into_reply)
}

fn bad(error: &dyn std::error::Error) -> ArmError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    ArmError::bad_request("BadRequest", format!("{error}{cause}"))
}

fn not_allowed(incoming: &Incoming) -> ArmError {
    let message = format!("{} is not possible here.", incoming.method);
    ArmError::new(405, "HttpMethodNotAllowed", message)
}

fn text(incoming: &Incoming) -> Result<&str, ArmError> {
    std::str::from_utf8(&incoming.body).map_err(|error| bad(&error))
}

fn overview(world: &World) -> Value {
    let state = world.settled();
    json!({
        "now": state.now().to_string(), "baseUrl": state.base_url, "seed": state.seed,
        "resources": state.inventory.len(), "softDeleted": state.graves.len(),
        "requests": state.requests_seen, "faults": world.faults().list().len(),
    })
}

fn play(world: &World, scenario: Scenario) -> Result<Reply, ArmError> {
    match world.play(scenario) {
        Ok(()) => Ok(Reply::empty(204)),
        Err(error @ (ScenarioError::Role(_) | ScenarioError::Member(_) | ScenarioError::Provider(_))) => {
            Err(ArmError::bad_request("BadRequest", error.to_string()))
        }
        Err(error) => Err(bad(&error)),
    }
}

/// A single fault, or a whole scenario.
fn faults(world: &World, incoming: &Incoming) -> Result<Reply, ArmError> {
    match incoming.method.as_str() {
        "GET" => Ok(Reply::json(200, json!({ "faults": world.faults().list() }))),
        "DELETE" => {
            world.faults().clear();
            Ok(Reply::empty(204))
        }
        "POST" => {
            let text = text(incoming)?;
            if let Ok(fault) = serde_json::from_str::<Fault>(text) {
                world.faults().add(fault);
                return Ok(Reply::empty(204));
            }
            Scenario::parse(text).map_err(|error| bad(&error)).and_then(|scenario| play(world, scenario))
        }
        _ => Err(not_allowed(incoming)),
    }
}

fn requests(world: &World, incoming: &Incoming) -> Result<Reply, ArmError> {
    let records = match incoming.method.as_str() {
        "GET" => world.requests(),
        "DELETE" => world.take_requests(),
        _ => return Err(not_allowed(incoming)),
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for record in &records {
        for key in [format!("{:?}", record.class), record.method.clone(), record.status.to_string()] {
            *counts.entry(key).or_default() += 1;
        }
    }
    let newest = records.iter().rev().take(MAX_RECORDS).map(|record| {
        json!({
            "at": record.at.to_string(), "method": record.method, "path": record.path, "query": record.query,
            "status": record.status, "class": format!("{:?}", record.class),
        })
    });
    let body = json!({ "total": records.len(), "counts": counts, "newest": newest.collect::<Vec<_>>() });
    Ok(Reply::json(200, body))
}

fn state(world: &World, incoming: &Incoming) -> Result<Reply, ArmError> {
    match incoming.method.as_str() {
        "GET" => {
            let saved = serde_json::from_str(&world.save()).map_err(|error| bad(&error))?;
            Ok(Reply::json(200, saved))
        }
        "PUT" => world.load(text(incoming)?).map(|()| Reply::empty(204)).map_err(|error| match error {
            StateError::Shape(_) => bad(&error),
            StateError::Format { .. } => ArmError::bad_request("BadRequest", error.to_string()),
        }),
        _ => Err(not_allowed(incoming)),
    }
}

fn ids(world: &World, incoming: &Incoming) -> Reply {
    let prefix = Query::of(&incoming.uri).get("prefix").unwrap_or_default().to_ascii_lowercase();
    let state = world.settled();
    let ids: Vec<&str> = state.inventory.prefixed(prefix, None).map(|stored| stored.id.as_str()).collect();
    Reply::json(200, json!({ "ids": ids }))
}

/// Reads, places, changes (a merge patch) or takes away one resource, without Azure's checks.
fn resource(world: &World, incoming: &Incoming, path: &str) -> Result<Reply, ArmError> {
    let id: ResourceId = format!("/{path}").parse().map_err(|error| bad(&error))?;
    let sent = || match serde_json::from_slice(&incoming.body) {
        Ok(Value::Object(map)) => Ok(Value::Object(map)),
        Ok(_) => Err(ArmError::bad_request("BadRequest", "A resource is a JSON object.")),
        Err(error) => Err(bad(&error)),
    };
    let missing = || ArmError::not_found("ResourceNotFound", format!("There is no resource {id}."));
    match incoming.method.as_str() {
        "GET" => {}
        "PUT" => world.put(&id, sent()?),
        "PATCH" => {
            let patch = sent()?;
            if !world.edit(&id, |current| body::merge(current, &patch)) {
                return Err(missing());
            }
        }
        "DELETE" => return if world.remove(&id) { Ok(Reply::empty(204)) } else { Err(missing()) },
        _ => return Err(not_allowed(incoming)),
    }
    world.get(&id).map(|body| Reply::json(200, body)).ok_or_else(missing)
}
