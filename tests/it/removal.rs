//! Environments that go, move and get in each other's way: nothing is destroyed without consent.

use crate::support::{DaemonWorld, consent_to_remove, group_of, small};

#[tokio::test(start_paused = true)]
async fn a_removed_environment_is_destroyed_once_a_commit_consents_and_then_forgotten() {
    let world =
        DaemonWorld::running(&[("environments/dev.yaml", &small(1)), ("environments/other.yaml", &small(1))])
            .await;
    world.take_writes();
    world.repository.remove("environments/dev.yaml");
    let note = world.push("not needed any more").await;
    let line = "beamline/apply: dev: failure: Needs 5 consent lines: see the plan. The first: \
                Beamline-Consent: destroy dev/";
    assert!(note.contains(line), "{note}");
    world.repository.write("README", "something else");
    let note = world.push("still there").await;
    assert!(note.contains(line), "{note}");
    assert!(world.take_writes().is_empty());

    let note = world.push(&format!("go\n\n{}", consent_to_remove("dev"))).await;
    assert!(note.contains("beamline/apply: dev: success: Applied: "), "{note}");
    assert_eq!(world.groups(), ["rg-other"]);
    assert_eq!(world.attempts().await.into_keys().collect::<Vec<_>>(), ["other"]);
    world.repository.write("README", "and else");
    assert_eq!(world.push("at rest").await, "beamline/apply: success: No environments changed");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_emptied_repository_destroys_nothing() {
    let world =
        DaemonWorld::running(&[("environments/dev.yaml", &small(1)), ("environments/other.yaml", &small(1))])
            .await;
    world.take_writes();
    world.repository.remove("environments/dev.yaml");
    world.repository.remove("environments/other.yaml");
    let note = world.push("empty").await;
    assert!(note.starts_with("beamline/apply: failure: 2 of 2 failed: dev, other"), "{note}");
    world.repository.git(&["checkout", "-q", "--orphan", "bare"]);
    let note = world.push("history without a past").await;
    assert!(note.starts_with("beamline/apply: failure: 2 of 2 failed: dev, other"), "{note}");
    world.sweep().await;
    assert!(world.take_writes().is_empty());
    assert_eq!(world.groups(), ["rg-dev", "rg-other"]);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_main_branch_that_comes_back_without_an_environment_has_removed_it() {
    let world = DaemonWorld::running(&[
        ("environments/dev.yaml", &small(1)),
        ("environments/sub/other.toml.yaml", &small(1).replace("beamline: 1", "beamline: 1\nname: other")),
    ])
    .await;
    world.take_writes();
    world.repository.git_of_origin(&["update-ref", "-d", "refs/heads/main"]);
    world.until("it is gone", async || world.store().seen_heads().await.unwrap().is_empty()).await;
    world.repository.remove("environments/dev.yaml");
    let note = world.push("back again").await;
    assert!(note.starts_with("beamline/apply: failure: dev: Needs 5 consent lines"), "{note}");
    assert!(!note.contains("other"), "{note}");
    assert!(world.take_writes().is_empty());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_moves_is_the_same_environment() {
    let named = small(1).replace("beamline: 1", "beamline: 1\nname: dev");
    let world = DaemonWorld::running(&[("environments/dev.yaml", &named)]).await;
    world.take_writes();
    world.repository.git(&["mv", "environments/dev.yaml", "environments/team.yaml"]);
    let note = world.push("moved").await;
    assert!(note.contains("beamline/apply: dev: success: As declared"), "{note}");
    assert!(world.take_writes().is_empty());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_renamed_environment_takes_everything_along() {
    let fixed = |name: &str, more: &str| {
        small(1)
            .replace("${environment}", "dev")
            .replace("beamline: 1", &format!("beamline: 1\nname: {name}{more}"))
    };
    let world = DaemonWorld::running(&[("environments/dev.yaml", &fixed("dev", ""))]).await;
    world.repository.remove("environments/dev.yaml");
    world.repository.write("environments/lab.yaml", &fixed("lab", "\nrenamed_from: dev"));
    let note = world.push("dev becomes lab").await;
    assert!(note.contains("beamline/apply: lab: success: Applied: "), "{note}");
    assert!(!note.contains("beamline/apply: dev"), "{note}");
    assert_eq!(world.groups(), ["rg-dev"]);
    assert_eq!(world.attempts().await.into_keys().collect::<Vec<_>>(), ["lab"]);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_changes_without_renamed_from_hands_over_and_can_be_taken_back() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    let before = world.azure.ids();
    let other = small(1).replace("${environment}", "dev").replace("beamline: 1", "beamline: 1\nname: lab");
    world.repository.write("environments/dev.yaml", &other);
    let note = world.push("another name").await;
    assert!(note.contains("beamline/apply: dev: success: Handed over to lab: nothing is deleted"), "{note}");
    assert!(note.contains("beamline/apply: lab: success: Applied: 7 changed"), "{note}");
    assert!(note.contains("beamline/apply: success: 1 environment applied: lab; handed over: dev"), "{note}");
    world.repository.write("environments/dev.yaml", &small(1));
    let note = world.push("taken back").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 changed"), "{note}");
    assert!(note.contains("beamline/apply: lab: success: Handed over to dev"), "{note}");
    assert_eq!(world.azure.ids(), before);
    assert!(world.take_writes().iter().all(|write| write.method != "DELETE"));
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn one_group_or_account_in_two_files_fails_both() {
    let world = DaemonWorld::running(&[
        ("environments/one.yaml", &small(1).replace("rg-${environment}", "rg-shared")),
        ("environments/two.yaml", &small(1).replace("rg-${environment}", "rg-shared")),
        ("environments/dev.yaml", &small(1)),
    ])
    .await;
    let note = world.repository.note_of_main();
    assert!(note.starts_with("beamline/apply: failure: 2 of 3 failed: one, two"), "{note}");
    let line = "the resource group `rg-shared` of environments/one.yaml is also in environments/two.yaml";
    assert!(note.contains(line), "{note}");
    assert_eq!(world.groups(), ["rg-dev"]);

    world.repository.write("environments/two.yaml", &small(1).replace("st${environment}001", "stdev001"));
    let note = world.push("another clash").await;
    assert!(note.contains("beamline/apply: one: success"), "{note}");
    assert!(note.contains("beamline/apply: two: failure: environments/two.yaml:"), "{note}");
    world.repository.write("environments/dev.yaml", &small(2));
    let note = world.push("the one that came first").await;
    assert!(note.contains("beamline/apply: dev: failure: environments/dev.yaml:"), "{note}");
    world.repository.remove("environments/two.yaml");
    let note = world.push("out of the way").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    assert!(note.contains("beamline/apply: two: success: Removed"), "{note}");
    assert!(world.exists(&group_of("dev")));
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn one_name_in_two_files_is_refused_also_when_the_second_comes_later() {
    let named = |nodes| small(nodes).replace("beamline: 1", "beamline: 1\nname: dev");
    let world = DaemonWorld::running(&[("environments/dev.yaml", &named(1))]).await;
    world.repository.write("environments/again.yaml", &named(2));
    let note = world.push("twice").await;
    assert!(note.contains("beamline/apply: dev: failure: environments/again.yaml:2:"), "{note}");
    world.repository.write("README", "something else");
    let note = world.push("something else").await;
    assert!(note.contains("beamline/apply: dev: failure: environments/again.yaml:2:"), "{note}");
    world.repository.remove("environments/again.yaml");
    let note = world.push(&format!("once\n\n{}", consent_to_remove("dev"))).await;
    assert!(note.contains("beamline/apply: dev: success: As declared"), "{note}");

    world.repository.write("environments/x.yaml", &small(1).replace("beamline: 1", "beamline: 1\nname: lab"));
    world.repository.write("environments/y.yaml", &small(1).replace("beamline: 1", "beamline: 1\nname: lab"));
    for message in ["both at once", "and still"] {
        let note = world.push(message).await;
        assert!(note.contains("beamline/apply: lab: failure: environments/"), "{note}");
        world.repository.write("README", message);
    }
    world.repository.remove("environments/x.yaml");
    let note = world.push("one is left").await;
    assert!(note.contains("beamline/apply: lab: success: Applied: 7 created"), "{note}");
    world.finish().await;
}
