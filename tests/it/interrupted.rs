//! A run that cannot go on as planned stops; one that was stopped goes on where it was.

use std::sync::Mutex;
use std::time::Duration;

use beamline::reconcile::PARALLELISM;
use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::report::{Progress, StepEnd};
use beamline_simulator::Latency;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{AzureWorld, Definition, end_of, failures, id};

const REALISTIC: Latency = Latency::Realistic { factor: 1.0 };

#[tokio::test(start_paused = true)]
async fn an_owned_path_that_moved_since_the_plan_stops_the_run_and_it_plans_again() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let after = Definition::production().with("virtual_networks/main/dns_servers", json!(["10.1.0.4"]));
    let environment = after.environment();
    let planned = world.planned(&environment).await;
    let network = id("Microsoft.Network/virtualNetworks/vnet-ml-production");
    world
        .azure
        .edit(&network, |body| body["properties"]["dhcpOptions"] = json!({ "dnsServers": ["10.9.9.9"] }));
    world.take_writes();
    let report = world.carry_out(&environment, &planned, &CancellationToken::new()).await;
    assert_eq!(report.end, RunEnd::Interrupted);
    let StepEnd::Moved { message } = end_of(&report, "virtual_networks/main") else { panic!("{report:?}") };
    assert!(message.contains("dnsServers") && message.contains("10.9.9.9"), "{message}");
    assert_eq!(world.take_writes(), [""; 0]);
    world.apply(&after.text()).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_owns_may_move_between_plan_and_write() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let after = Definition::production().with("virtual_networks/main/dns_servers", json!(["10.1.0.4"]));
    let environment = after.environment();
    let planned = world.planned(&environment).await;
    let network = id("Microsoft.Network/virtualNetworks/vnet-ml-production");
    world.azure.edit(&network, |body| {
        let subnets = body["properties"]["subnets"].as_array_mut().unwrap();
        subnets.push(json!({ "name": "theirs", "properties": { "addressPrefix": "10.1.200.0/26" } }));
    });
    let report = world.carry_out(&environment, &planned, &CancellationToken::new()).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    let body = world.azure.get(&network).unwrap();
    assert_eq!(body["properties"]["subnets"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_anywhere_is_finished_by_its_resumption() {
    let environment = Definition::production().environment();
    for seconds in [1, 5, 20, 45, 80, 110, 140, 200, 280] {
        let world = AzureWorld::with_latency(REALISTIC);
        let planned = world.planned(&environment).await;
        let stop = CancellationToken::new();
        let stopping = async {
            world.arm.clock().sleep(Duration::from_secs(seconds)).await;
            stop.cancel();
        };
        let (report, ()) = tokio::join!(world.carry_out(&environment, &planned, &stop), stopping);
        assert_eq!(report.end, RunEnd::Interrupted, "after {seconds} s");
        let unsaid = report
            .steps
            .iter()
            .find(|step| matches!(step.end, StepEnd::Failed { .. } | StepEnd::Skipped { .. }));
        assert_eq!(unsaid, None, "after {seconds} s");
        let report = world.resume(&environment).await;
        assert_eq!(report.end, RunEnd::Complete, "after {seconds} s: {}", failures(&report));
        world.stays_quiet(&environment).await;
        let mut puts: Vec<String> = world.take_writes();
        let all = puts.len();
        puts.sort();
        puts.dedup();
        assert_eq!(puts.len(), all, "after {seconds} s something was written twice");
    }
}

#[tokio::test(start_paused = true)]
async fn an_apply_takes_as_long_as_azures_own_critical_path() {
    let world = AzureWorld::with_latency(REALISTIC);
    let report = world.apply(&Definition::production().text()).await;
    let took = Duration::try_from(report.ended.duration_since(report.began)).unwrap();
    assert!(took < Duration::from_secs(420), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_steps_run_at_the_same_time() {
    let accounts = (0..60).fold(Definition::small(), |one, n| {
        let account = json!({ "name": format!("stmlmany{n:03}"), "account_tier": "Standard", "account_replication_type": "LRS" });
        one.with(&format!("storage_accounts/many-{n}"), account)
    });
    let world = AzureWorld::with_latency(REALISTIC);
    let counts = Mutex::new((0_usize, 0_usize));
    let observer = |progress: &Progress| {
        let mut counts = counts.lock().unwrap();
        match progress {
            Progress::Started { .. } => counts.0 += 1,
            Progress::Ended { .. } => counts.0 -= 1,
            Progress::Working { .. } | Progress::Retrying { .. } => {}
        }
        counts.1 = counts.1.max(counts.0);
    };
    let report = world.watch(&accounts.environment(), &observer).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    assert_eq!(counts.into_inner().unwrap(), (0, PARALLELISM));
}

#[tokio::test(start_paused = true)]
async fn everything_that_changes_in_one_network_is_one_write() {
    let mut world = AzureWorld::with_latency(REALISTIC);
    world.apply(&Definition::with_spares().text()).await;
    world.consent("*");
    world.take_writes();
    let after = Definition::with_spares()
        .without("virtual_networks/main/subnets/spare")
        .with("virtual_networks/main/subnets/one", json!({ "address_prefixes": ["10.1.21.0/24"] }))
        .with("virtual_networks/main/subnets/two", json!({ "address_prefixes": ["10.1.22.0/24"] }))
        .with("virtual_networks/main/subnets/compute/service_endpoints", json!(["Microsoft.Storage"]))
        .with("virtual_networks/main/dns_servers", json!(["10.1.0.4"]));
    world.apply(&after.text()).await;
    assert_eq!(world.take_writes(), ["PUT Microsoft.Network/virtualNetworks/vnet-ml-production"]);
}
