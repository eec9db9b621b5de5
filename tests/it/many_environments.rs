//! More environments than a commit can have contexts, and than a read budget should be spent on at once.

use beamline::daemon::Happening;
use beamline_simulator::{Fault, FaultEffect};

use crate::support::{DaemonWorld, small};

const COUNT: usize = 25;

fn write_all(world: &DaemonWorld, nodes: u32) {
    for number in 1..=COUNT {
        world.repository.write(&format!("environments/env{number:02}.yaml"), &small(nodes));
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_environments_have_a_context_and_the_aggregate_names_the_rest() {
    let mut world = DaemonWorld::new();
    write_all(&world, 1);
    world.start().await;
    let note = world.push("all of them").await;
    assert_eq!(note.lines().count(), 21, "{note}");
    let rest = "beamline/apply: success: 25 environments applied: env21, env22, env23, env24, env25, env01,";
    assert!(note.starts_with(rest), "{note}");
    assert!(note.contains("beamline/apply: env20: success") && !note.contains("apply: env21:"), "{note}");
    let queued = world.happenings().into_iter().find_map(|happening| {
        let Happening::Delivered(status) = happening else { return None };
        status.context.environment().is_none().then_some(status)
    });
    let queued = queued.unwrap().description;
    assert!(queued.as_str().starts_with("25 environments queued: env01, env02, "), "{queued}");

    world.azure.faults().add(Fault {
        method: Some("PATCH".to_owned()),
        path_contains: "mlw-env23/computes/".to_owned(),
        times: 1,
        effect: FaultEffect::Status {
            code: 400,
            retry_after_secs: None,
            error_code: "BadRequest".to_owned(),
            message: "no".to_owned(),
        },
    });
    write_all(&world, 2);
    let commit = world.repository.push("one of them fails");
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.starts_with("beamline/apply: failure: env23: 1 of 1 steps failed"), "{note}");
    assert!(note.contains("beamline/apply: env23: failure: 1 of 1 steps failed"), "{note}");
    assert_eq!(note.lines().count(), 21, "{note}");
    world.sweep().await;
    let note = world.repository.note(&commit);
    assert!(note.starts_with("beamline/apply: success: 25 environments applied"), "{note}");
    assert!(note.contains("beamline/apply: env23: success: Applied: 1 changed"), "{note}");
    world.finish().await;
}
