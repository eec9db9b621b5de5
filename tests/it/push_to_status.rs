//! A push becomes a working environment, and the commit says so.

use crate::support::{DaemonWorld, PRODUCTION};

#[tokio::test(start_paused = true)]
async fn a_push_becomes_a_working_environment_and_the_commit_says_so() {
    let mut world = DaemonWorld::new();
    world.repository.write("environments/production.yaml", PRODUCTION);
    world.start().await;
    let note = world.push("the first environment").await;
    assert_eq!(
        note,
        "beamline/apply: success: production: Applied: 22 created\n\
         beamline/apply: production: success: Applied: 22 created"
    );
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_touches_no_environment_is_a_success_that_says_so() {
    let mut world = DaemonWorld::new();
    world.repository.write("README", "nothing");
    world.start().await;
    assert_eq!(world.push("no environments").await, "beamline/apply: success: No environments changed");
    world.finish().await;
}
