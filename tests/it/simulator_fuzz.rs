//! The corpus of the fuzzers, replayed, and a few thousand seeded mutations of it: the simulator never
//! panics, and every answer is well-formed JSON, with an error where it refuses.

#[expect(unreachable_pub, reason = "it is public in the crate of the fuzzers")]
#[path = "../../fuzz/src/request.rs"]
mod request;

use std::path::Path;

use request::{Target, furnish, request, verdict};

use serde_json::Value;

use crate::support::bench::Bench;
use crate::support::shape::leaves;

/// How many mutations each target gets.
const MUTATIONS: usize = 3_000;

/// Parts that mutations put into an input.
const PARTS: [&str; 24] = [
    "null",
    "true",
    "-1",
    "1e999",
    "\"\"",
    "[]",
    "{}",
    "{\"id\":",
    "\"properties\":",
    "\u{e9}",
    "\\ud800",
    "/",
    "//",
    "/providers/",
    "%2f",
    "%00",
    "?",
    "&",
    "$filter=",
    "'",
    "subscriptions",
    "\"name\":\"a\"",
    "99999999999999999999",
    "2026-01-01",
];

fn corpus(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.iter().map(|name| std::fs::read(name).unwrap()).collect()
}

fn mutated(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..5) {
        let at = random.usize(..=data.len());
        match random.u8(..5) {
            0 => data.truncate(at),
            1 => data.insert(at, random.u8(..)),
            2 if at < data.len() => data[at] = random.u8(..),
            3 => drop(data.splice(at..at, PARTS[random.usize(..PARTS.len())].bytes())),
            _ => {
                let until = random.usize(at..=data.len());
                drop(data.splice(at..until, PARTS[random.usize(..PARTS.len())].bytes()));
            }
        }
    }
    data
}

/// Values that take the place of others in a body that stays JSON.
const VALUES: [&str; 14] = [
    "null",
    "true",
    "-1",
    "0",
    "3.5",
    "1e300",
    "\"\"",
    "\"x\"",
    "[]",
    "[null]",
    "{}",
    "{\"id\":\"/subscriptions/a\"}",
    "[{\"name\":\"a\"}]",
    "\"/subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01/resourceGroups/rg\"",
];

/// A body in which some values are others, sent to its own place or to any.
fn reshaped(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let seed = &seeds[random.usize(..seeds.len())];
    let (Some(place), Ok(mut body)) = (seed.first(), serde_json::from_slice::<Value>(&seed[1..])) else {
        return seed.clone();
    };
    for _ in 0..random.usize(..4) {
        let value = serde_json::from_str(VALUES[random.usize(..VALUES.len())]).unwrap();
        *any_part(random, &mut body) = value;
    }
    let place = if random.bool() { *place } else { random.u8(..) };
    std::iter::once(place).chain(body.to_string().into_bytes()).collect()
}

/// A leaf, or something above one.
fn any_part<'a>(random: &mut fastrand::Rng, value: &'a mut Value) -> &'a mut Value {
    let leaves = leaves(value);
    let mut pointer = leaves[random.usize(..leaves.len())].0.as_str();
    while random.u8(..4) == 0 {
        let Some((above, _)) = pointer.rsplit_once('/') else { break };
        pointer = above;
    }
    value.pointer_mut(pointer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_panics_the_simulator_and_every_refusal_has_an_error() {
    let mut random = fastrand::Rng::with_seed(7);
    for (folder, target) in
        [("paths", Target::Paths), ("bodies", Target::Bodies), ("headers", Target::Headers)]
    {
        let bench = Bench::new();
        furnish(&bench.world);
        let seeds = corpus(folder);
        let (mut sent, mut accepted, mut wrong) = (0, 0, Vec::new());
        let mutation = || match target {
            Target::Bodies if random.u8(..4) > 0 => reshaped(&mut random, &seeds),
            Target::Paths | Target::Bodies | Target::Headers => mutated(&mut random, &seeds),
        };
        let mutations = std::iter::repeat_with(mutation).take(MUTATIONS);
        for data in seeds.iter().cloned().chain(mutations) {
            let Some(request) = request(target, &data) else { continue };
            sent += 1;
            match verdict(bench.world.router(), request).await {
                Ok(status) => accepted += usize::from(status < 300),
                Err(what) => wrong.push(what),
            }
        }
        println!("{folder}: {sent} requests, {accepted} of them accepted");
        assert!(wrong.is_empty(), "{folder}: {} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    }
}
