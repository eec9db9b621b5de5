//! A head that cannot be looked into says why, holds up nobody, and what it changed is not forgotten.

use crate::support::{DaemonWorld, consent_to_remove, small};

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_head_for_good_is_its_last_word_and_the_next_one_is_applied() {
    let world =
        DaemonWorld::running(&[("environments/dev.yaml", &small(1)), ("environments/b.yaml", &small(1))])
            .await;
    world.take_writes();
    let deep = format!("environments/{}deep.yaml", "d/".repeat(40));
    world.repository.write(&deep, &small(1));
    world.repository.write("environments/dev.yaml", &small(2));
    let note = world.push("too deep, beside a good change").await;
    assert_eq!(
        note,
        "beamline/apply: failure: the depth of the folder \"environments/…/d/d/d/d/d/d/d/d/d/d/d/d/d\" \
         is over the limit of 32 folders: make it smaller, or split it"
    );
    assert!(world.take_writes().is_empty(), "nothing is half applied");
    let looks = world.troubles().len();
    world.clock.sleep(std::time::Duration::from_secs(30 * 60)).await;
    assert_eq!(world.troubles().len(), looks, "it is not tried again for ever");
    world.repository.write("environments/b.yaml", &small(2));
    let note = world.push("goes on").await;
    assert!(note.contains("beamline/apply: failure: the depth of the folder"), "{note}");
    world.repository.clear("environments/d");
    let note = world.push("mended").await;
    assert!(note.starts_with("beamline/apply: success: 2 environments applied: b, dev"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_cannot_be_looked_into_stops_no_other() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    let base = world.repository.git(&["rev-parse", "HEAD"]);
    world.repository.write(&format!("environments/{}deep.yaml", "d/".repeat(40)), &small(1));
    let note = world.push_branch("a-deep", "too deep").await;
    assert!(note.starts_with("beamline/plan: failure: the depth of the folder"), "{note}");
    world.repository.git(&["reset", "-q", "--hard", &base]);
    world.repository.write("environments/dev.yaml", &small(2));
    let note = world.push_branch("b-good", "good").await;
    assert!(note.contains("beamline/plan: dev: success: Would be: 1 to change"), "{note}");
    let note = world.push("good").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_remote_has_lost_is_said_on_the_commit_and_applied_when_it_is_back() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.write("environments/other.yaml", &small(3));
    let commit = world.repository.commit("a commit that the remote will not have whole");
    world.repository.git(&["push", "-q", "origin", "HEAD:refs/elsewhere/bad"]);
    let blob = world.repository.git(&["rev-parse", "HEAD:environments/other.yaml"]);
    let file = world.repository.origin().join("objects").join(&blob[..2]).join(&blob[2..]);
    let content = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    for branch in ["main", "bad"] {
        let name = format!("refs/heads/{branch}");
        world.repository.git_of_origin(&["update-ref", &name, &commit.to_string()]);
    }
    world.settled("main", &commit).await;
    world.settled("bad", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: failure: ") && note.contains("origin.git is damaged"), "{note}");
    assert!(!note.contains("success"), "{note}");
    std::fs::write(&file, content).unwrap();
    world.clock.sleep(std::time::Duration::from_secs(30 * 60)).await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: other: success: Applied: 7 created"), "{note}");
    assert!(!note.contains("is damaged") && !note.contains("pending"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_place_of_the_definitions_folder_is_one_error_and_removes_nothing() {
    let files = [("environments/dev.yaml", small(1)), ("environments/eu/b.yaml", small(1))];
    for kind in ["is a file", "is a symbolic link", "is a submodule"] {
        let world = DaemonWorld::running(&files.each_ref().map(|(path, text)| (*path, text.as_str()))).await;
        world.take_writes();
        let groups = world.groups();
        let consent = ["dev", "b"].map(consent_to_remove).join("\n");
        files.iter().for_each(|(path, _)| world.repository.remove(path));
        let folder = world.repository.folder().join("clone/environments");
        std::fs::remove_dir_all(&folder).unwrap();
        match kind {
            "is a file" => world.repository.write("environments", "elsewhere\n"),
            "is a symbolic link" => world.repository.link("environments", "elsewhere"),
            _ => world.repository.pin("environments", "other"),
        }
        let said = format!(
            "failure: environments {kind}, and environments must be a folder of definitions: bring it back. \
             Nothing counts as removed"
        );
        let note = world.push_branch("topic", &format!("no folder\n\n{consent}")).await;
        assert_eq!(note, format!("beamline/plan: {said}"));
        let note = world.push(&format!("no folder on main\n\n{consent}")).await;
        assert_eq!(note, format!("beamline/apply: {said}"));
        world.sweep().await;
        assert!(world.take_writes().is_empty());
        assert_eq!(world.groups(), groups);
        world.repository.clear("environments");
        files.iter().for_each(|(path, text)| world.repository.write(path, text));
        let note = world.push("mended").await;
        assert!(note.contains("beamline/apply: success: "), "{note}");
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_in_the_place_of_a_folder_of_definitions_removes_nothing() {
    let world = DaemonWorld::running(&[("environments/eu/b.yaml", &small(1))]).await;
    world.take_writes();
    world.repository.remove("environments/eu/b.yaml");
    std::fs::remove_dir(world.repository.folder().join("clone/environments/eu")).unwrap();
    world.repository.write("environments/eu", "../elsewhere\n");
    let note =
        world.push(&format!("a link that Windows has made a file\n\n{}", consent_to_remove("b"))).await;
    let said = "beamline/apply: b: failure: environments/eu:1:1: this is a file, not a folder";
    assert!(note.contains(said), "{note}");
    assert!(world.take_writes().is_empty());
    world.repository.remove("environments/eu");
    world.repository.write("environments/eu/b.yaml", &small(1));
    let note = world.push("mended").await;
    assert!(note.contains("beamline/apply: b: success: As declared"), "{note}");
    world.finish().await;
}
