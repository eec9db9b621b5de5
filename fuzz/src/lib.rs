//! What the fuzz targets share: one world for the life of the process, and the verdict on each answer.

pub mod request;

use std::cell::RefCell;

use beamline_base::clock::Clock;
use beamline_simulator::{World, WorldOptions};
use request::{Target, furnish, request, verdict};

struct Bench {
    world: World,
    runtime: tokio::runtime::Runtime,
    sent: u32,
}

/// A world grows with what is put into it: after so many requests a fresh one begins.
const REQUESTS_PER_WORLD: u32 = 10_000;

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

fn bench() -> Bench {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    let world = World::new(WorldOptions::new(Clock::system()));
    furnish(&world);
    Bench { world, runtime, sent: 0 }
}

/// Sends what the bytes mean, and panics over a wrong answer.
pub fn run(target: Target, data: &[u8]) {
    let Some(request) = request(target, data) else { return };
    BENCH.with_borrow_mut(|slot| {
        let own = slot.get_or_insert_with(bench);
        own.sent += 1;
        let answer = own.runtime.block_on(verdict(own.world.router(), request));
        assert!(answer.is_ok(), "{answer:?}");
        if own.sent >= REQUESTS_PER_WORLD {
            *slot = None;
        }
    });
}
