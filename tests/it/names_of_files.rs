//! Every file that could be a definition is read, refused by name, or named as left out.

use crate::support::{DaemonWorld, small};

#[tokio::test(start_paused = true)]
async fn a_file_whose_name_cannot_be_an_environments_fails_with_the_remedy() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    for (file, remedy) in [
        ("Prod West.yaml", "Rename the file"),
        ("x.YAML", "Rename it to `x.yaml`."),
        ("y.TOML", "Rename it to `y.toml`."),
        ("eu/defaults.YAML", "Rename it to `defaults.yaml`."),
    ] {
        let path = format!("environments/{file}");
        for branch in ["main", "topic"] {
            world.repository.write(&path, &small(1));
            let (note, check) = if branch == "main" {
                (world.push("a name that cannot be").await, "apply")
            } else {
                (world.push_branch("topic", "a name that cannot be").await, "plan")
            };
            assert!(note.starts_with(&format!("beamline/{check}: failure: ")), "{note}");
            assert!(note.contains(&path) && note.contains(remedy), "{note}");
            assert!(!note.contains("success"), "{note}");
            world.repository.remove(&path);
            let note = world.push("given up").await;
            assert!(note.starts_with("beamline/apply: success: "), "{note}");
        }
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_named() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.write("environments/dev.yaml~", &small(2));
    world.repository.write("environments/.later.yaml", &small(2));
    world.repository.write("environments/prod.tml", &small(2));
    world.repository.write("environments/_draft.yaml", &small(2));
    world.repository.write("environments/README.md", "text");
    let note = world.push("leftovers").await;
    assert_eq!(
        note,
        "beamline/apply: success: No environments changed. Ignored by their names: \
         environments/.later.yaml, environments/dev.yaml~, environments/prod.tml"
    );
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_of_the_first_head_is_named_too() {
    let mut world = DaemonWorld::new();
    world.repository.write("environments/prod.yml.bak", &small(1));
    world.repository.write("Environments/dev.yaml", &small(1));
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let note = world.push("the beginning").await;
    let named = "Not read for its casing: Environments: git mv Environments/* environments/. Ignored by their names: \
                 environments/prod.yml.bak";
    assert!(note.contains(named), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_renamed_in_casing_only_removes_nothing() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.git(&["mv", "environments", "Environments"]);
    let note = world.push("renamed").await;
    assert_eq!(
        note,
        "beamline/apply: failure: Environments is not read, only environments: git mv Environments environments.new \
         && git mv environments.new environments"
    );
    assert_eq!(world.groups(), ["rg-dev"]);
    world.repository.git(&["mv", "Environments", "environments"]);
    let note = world.push("renamed back").await;
    assert!(note.starts_with("beamline/apply: success: "), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_true_size_of_a_file_that_is_too_large_is_said() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.write("environments/big.yaml", &"# filling\n".repeat(500_000));
    let note = world.push("large").await;
    assert!(note.contains("the file has 5000000 bytes"), "{note}");
    world.repository.remove("environments/big.yaml");
    world.push("given up").await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_named_beside_what_is_applied_too() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.write("environments/dev.yaml", &small(2));
    world.repository.write("environments/dev.yaml~", &small(3));
    let note = world.push("two nodes\n\nBeamline-Consent: destroy other/storage_accounts/lake").await;
    let line = note.lines().find(|line| line.starts_with("beamline/apply: success: ")).unwrap_or_default();
    assert!(line.contains("dev: Applied: 1 changed"), "{note}");
    assert!(line.contains("environments/dev.yaml~"), "{note}");
    assert!(line.contains("Consent line of") && line.contains("matches nothing"), "{note}");
    world.repository.remove("environments/dev.yaml~");
    world.repository.write("environments/dev.yaml", &small(4));
    let note = world.push("four nodes").await;
    assert!(!note.contains("Ignored") && !note.contains("matches nothing"), "{note}");
    world.finish().await;
}
