//! What an apply, a no-op plan and a destroy of `environments/production.yaml` cost: ARM requests and
//! our own time against a simulator without latency, and how close an apply with realistic
//! provisioning times comes to its critical path (in virtual time, so that the minutes do not pass).
//!
//! Run with `cargo bench --bench reconcile`. Counts and ratios do not depend on the machine.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the benchmarks use a part of the stories' worlds")]
mod support;

use std::time::{Duration, Instant};

use beamline::definitions::Environment;
use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::Plan;
use beamline::reconcile::report::Report;
use beamline_simulator::{Latency, RequestClass};
use support::{AzureWorld, PRODUCTION};

/// Rounds of the wall-time measurements; the median is reported.
const ROUNDS: usize = 9;

/// Seeds of the provisioning times.
const SEEDS: u64 = 9;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        costs().await;
        critical_path().await;
    });
}

#[derive(Default)]
struct Samples {
    requests: Vec<usize>,
    walls: Vec<Duration>,
}

impl Samples {
    fn add(&mut self, world: &AzureWorld, began: Instant) {
        self.walls.push(began.elapsed());
        let log = world.azure.take_requests();
        self.requests.push(log.iter().filter(|request| request.class == RequestClass::Arm).count());
    }

    fn print(&mut self, name: &str, aim: usize) {
        self.walls.sort();
        self.requests.sort_unstable();
        let (requests, wall) = (self.requests[ROUNDS / 2], self.walls[ROUNDS / 2]);
        println!(
            "{name:<10} {requests:>4} requests (aim {aim:>3})   {:>8.1} ms of our own time",
            millis(wall)
        );
    }
}

async fn costs() {
    let environment = AzureWorld::environment("production", PRODUCTION);
    let gone =
        Environment::removed(environment.name.clone(), "gone", "ml", environment.resource_group.clone());
    let (mut apply, mut plan, mut destroy) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let mut world = AzureWorld::new();
        world.consent("*");
        let began = Instant::now();
        assert_eq!(world.reconcile(&environment).await.end, RunEnd::Complete);
        apply.add(&world, began);
        let began = Instant::now();
        assert!(world.planned(&environment).await.plan.is_empty());
        plan.add(&world, began);
        let began = Instant::now();
        assert_eq!(world.reconcile(&gone).await.end, RunEnd::Complete);
        destroy.add(&world, began);
        assert!(world.azure.ids().is_empty(), "something was left over");
    }
    println!("production on a simulator without latency, median of {ROUNDS} rounds");
    apply.print("apply", 53);
    plan.print("plan again", 13);
    destroy.print("destroy", 43);
}

async fn critical_path() {
    let environment = AzureWorld::environment("production", PRODUCTION);
    let mut ratios = Vec::new();
    let mut walls = Vec::new();
    for seed in 1..=SEEDS {
        let world = AzureWorld::seeded(seed, Latency::Realistic { factor: 1.0 });
        let plan = world.planned(&environment).await.plan;
        let report = world.reconcile(&environment).await;
        assert_eq!(report.end, RunEnd::Complete, "{}", support::failures(&report));
        let wall = secs(&report);
        ratios.push(wall / longest_path(&plan, &report));
        walls.push(wall);
    }
    ratios.sort_by(f64::total_cmp);
    walls.sort_by(f64::total_cmp);
    let (median, worst) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("\napply with realistic provisioning times, {SEEDS} seeds, virtual time");
    println!("wall time  {:.0} s (median)", walls[walls.len() / 2]);
    println!("wall time over the critical path: median {median:.3}, worst {worst:.3} (aim 1.05)");
}

fn secs(report: &Report) -> f64 {
    report.ended.duration_since(report.began).as_secs_f64()
}

/// The longest chain of steps that wait for one another, each with the time from its first request to
/// the end of its reading back. Operations end at the first poll that Retry-After allows.
fn longest_path(plan: &Plan, report: &Report) -> f64 {
    let mut finish: Vec<f64> = Vec::new();
    for step in &plan.steps {
        let ran =
            report.steps.iter().find(|ran| ran.ordinal == step.ordinal).expect("every step is reported");
        let took = match (ran.began, ran.ended) {
            (Some(began), Some(ended)) => ended.duration_since(began).as_secs_f64(),
            (None, _) | (_, None) => 0.0,
        };
        let ready = step.after.iter().map(|at| finish[*at as usize]).fold(0.0, f64::max);
        finish.push(ready + took);
    }
    finish.into_iter().fold(0.0, f64::max)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
