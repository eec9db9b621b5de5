//! A definition with errors: the commit says where, nothing of it is applied, the rest is.

use crate::support::{DaemonWorld, consent_to_remove, small};

#[tokio::test(start_paused = true)]
async fn an_invalid_definition_fails_with_its_place_and_others_of_the_push_are_applied() {
    let world = DaemonWorld::running(&[
        ("environments/good.yaml", &small(1)),
        ("environments/bad.yaml", &small(1).replace("max_node_count: 1", "max_node_count: many")),
        ("environments/worse.toml", "beamline = 1\nsubscription = \"ml\"\nlocation = [\n"),
    ])
    .await;
    let note = world.repository.note_of_main();
    assert!(note.contains("beamline/apply: good: success: Applied: 7 created"), "{note}");
    assert!(note.contains("beamline/apply: bad: failure: environments/bad.yaml:"), "{note}");
    assert!(note.contains("beamline/apply: worse: failure: environments/worse.toml:"), "{note}");
    assert!(note.contains("beamline/apply: failure: 2 of 3 failed: bad, worse"), "{note}");
    assert_eq!(world.groups(), ["rg-good"]);

    world.repository.write("environments/bad.yaml", &small(1));
    world.repository.remove("environments/worse.toml");
    let note = world.push("mend one, give up the other").await;
    assert!(note.contains("beamline/apply: bad: success: Applied: 7 created"), "{note}");
    let never_made = "worse: success: Removed: nothing was made from it that the journal knows of";
    assert!(note.contains(never_made), "{note}");
    assert!(note.contains("beamline/apply: success: 1 environment applied: bad; removed: worse"), "{note}");
    world.repository.write("README", "something else");
    assert_eq!(world.push("nothing stays touched").await, "beamline/apply: success: No environments changed");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_defaults_file_fails_every_environment_below_it_and_changes_nothing() {
    let world = DaemonWorld::running(&[
        ("environments/eu/one.yaml", &small(1)),
        ("environments/eu/deep/two.yaml", &small(1)),
        ("environments/us.yaml", &small(1)),
    ])
    .await;
    world.take_writes();
    world.repository.write("environments/eu/defaults.yaml", "tags: [unclosed\n");
    let note = world.push("a slip").await;
    for name in ["one", "two"] {
        let line = format!("beamline/apply: {name}: failure: environments/eu/defaults.yaml:");
        assert!(note.contains(&line), "{note}");
    }
    assert!(!note.contains("us"), "{note}");
    assert!(world.take_writes().is_empty());
    world.repository.write("environments/eu/defaults.yaml", "tags: { region: eu }\n");
    let note = world.push("mended").await;
    assert!(note.contains("beamline/apply: success: 2 environments applied: one, two"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_too_broken_to_say_its_name_is_no_removal_of_the_environment_that_it_was() {
    let named = small(1).replace("beamline: 1\n", "beamline: 1\nname: production\n");
    let world = DaemonWorld::running(&[("environments/main.yaml", &named)]).await;
    world.repository.write("environments/main.yaml", "{ not closed\n");
    let note = world.push(&format!("a slip\n\n{}", consent_to_remove("production"))).await;
    assert!(note.contains("beamline/apply: production: failure: environments/main.yaml:"), "{note}");
    assert!(!note.contains("beamline/apply: main"), "{note}");
    assert_eq!(world.groups(), ["rg-production"]);
    world.repository.write("environments/main.yaml", &named);
    let note = world.push("mended").await;
    assert!(note.contains("beamline/apply: production: success: As declared"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_links_submodules_and_lfs_pointers_hide_is_refused_and_stays() {
    let files = ["environments/eu/one.yaml", "environments/us/two.yaml", "environments/three.yaml"];
    let world = DaemonWorld::running(&files.map(|path| (path, small(1))).each_ref().map(as_strs)).await;
    let groups = world.groups();
    world.take_writes();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    world.repository.write("environments/three.yaml", pointer);
    world.repository.remove("environments/eu/one.yaml");
    world.repository.remove("environments/us/two.yaml");
    world.repository.link("environments/eu", "../elsewhere");
    world.repository.pin("environments/us", "environments/new");
    let consent = ["one", "two", "three"].map(consent_to_remove).join("\n");
    let note = world.push(&format!("what a checkout would follow\n\n{consent}")).await;
    for (name, place, rule) in [
        ("one", "environments/eu:1:1", "this is a symbolic link"),
        ("two", "environments/us:1:1", "this is a submodule"),
        ("three", "environments/three.yaml:1:1", "this is a Git LFS pointer"),
        ("unreadable-eu", "environments/eu:1:1", "this is a symbolic link"),
        ("unreadable-new", "environments/new:1:1", "this is a submodule"),
    ] {
        let line = format!("beamline/apply: {name}: failure: {place}");
        let line = note.lines().find(|found| found.starts_with(&line)).unwrap_or_else(|| panic!("{note}"));
        assert!(line.contains(rule), "{line}");
    }
    assert!(world.take_writes().is_empty());
    assert_eq!(world.groups(), groups);
    for path in ["environments/eu", "environments/us", "environments/new"] {
        world.repository.clear(path);
    }
    for path in files {
        world.repository.write(path, &small(1));
    }
    let note = world.push("mended").await;
    assert!(note.starts_with("beamline/apply: success: "), "{note}");
    world.finish().await;
}

fn as_strs<'a>(file: &'a (&'static str, String)) -> (&'static str, &'a str) {
    (file.0, &file.1)
}

#[tokio::test(start_paused = true)]
async fn a_file_with_errors_after_a_removal_leaves_nothing_when_it_goes() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.remove("environments/dev.yaml");
    let note = world.push(&consent_to_remove("dev")).await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 deleted"), "{note}");
    world.repository.write("environments/dev.yaml", "beamline: 1\nsubscription: [\n");
    world.push("dev again, with an error").await;
    world.repository.remove("environments/dev.yaml");
    let note = world.push("given up").await;
    assert!(note.contains("beamline/apply: dev: success: Removed: nothing of it is left"), "{note}");
    world.finish().await;
}
