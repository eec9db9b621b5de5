//! The demo's folder: a bare origin, a clone beside it, and what the daemon keeps.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::git::git;
use crate::cli::error::CliError;
use crate::definitions;

/// The shipped definitions.
const SHIPPED: [(&str, &str); 3] = [
    ("production.yaml", include_str!("../../../environments/production.yaml")),
    ("staging.yaml", include_str!("../../../environments/staging.yaml")),
    ("dev.toml", include_str!("../../../environments/dev.toml")),
];

/// The folder of the definitions in the repository.
pub(super) const DEFINITIONS: &str = "environments";

/// What the clone is configured with, so that a person can commit in it on a machine without any Git
/// configuration, and `git fetch` brings the statuses too.
const SETTINGS: [(&str, &str); 5] = [
    ("user.name", "beamline-demo"),
    ("user.email", "demo@localhost"),
    ("commit.gpgsign", "false"),
    ("push.default", "current"),
    ("push.autoSetupRemote", "true"),
];

/// The demo's folder. A temporary one is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    /// A new temporary folder, or `dir`, which must be empty or new.
    pub(super) fn make(dir: Option<&Path>) -> Result<Self, CliError> {
        let Some(dir) = dir else {
            let made = tempfile::Builder::new().prefix("beamline-demo-").tempdir();
            let made = made.map_err(|source| CliError::io("make a temporary folder", source))?;
            return Ok(Self { path: made.path().to_owned(), temporary: Some(made) });
        };
        let failed = |source| CliError::io(format!("use the folder {}", dir.display()), source);
        std::fs::create_dir_all(dir).map_err(failed)?;
        if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(CliError::usage(
                format!("the folder {} is not empty", dir.display()),
                "name an empty or a new one with --dir",
            ));
        }
        // The repository around it, where there is one, does not see it.
        std::fs::write(dir.join(".gitignore"), "*\n").map_err(failed)?;
        Ok(Self { path: dir.canonicalize().map_err(failed)?, temporary: None })
    }

    /// Whether it goes away at the end.
    pub(super) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The repository that the daemon watches.
    pub(super) fn origin(&self) -> PathBuf {
        self.path.join("origin.git")
    }

    /// Where a person works.
    pub(super) fn clone(&self) -> PathBuf {
        self.path.join("clone")
    }

    /// The settings of the daemon.
    pub(super) fn settings(&self) -> PathBuf {
        self.path.join("beamline.toml")
    }

    /// Writes a file of the demo's own.
    pub(super) fn write(&self, file: &Path, text: &str) -> Result<(), CliError> {
        let failed = |source| CliError::io(format!("write {}", file.display()), source);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        std::fs::write(file, text).map_err(failed)
    }

    /// Makes the origin, empty, and the clone with the shipped definitions committed in it.
    pub(super) async fn make_repositories(&self) -> Result<(), CliError> {
        git(&self.path, &["init", "-q", "--bare", "--template=", "origin.git"]).await?;
        git(&self.origin(), &["symbolic-ref", "HEAD", "refs/heads/main"]).await?;
        git(&self.path, &["init", "-q", "--template=", "clone"]).await?;
        let clone = self.clone();
        git(&clone, &["symbolic-ref", "HEAD", "refs/heads/main"]).await?;
        git(&clone, &["remote", "add", "origin", &self.origin().display().to_string()]).await?;
        for (key, value) in SETTINGS {
            git(&clone, &["config", key, value]).await?;
        }
        git(&clone, &["config", "--add", "remote.origin.fetch", "+refs/notes/*:refs/notes/*"]).await?;
        // What `sed -i.bak` leaves.
        self.write(&clone.join(".git/info/exclude"), "*.bak\n")?;
        let definitions = clone.join(DEFINITIONS);
        for (name, text) in SHIPPED {
            self.write(&definitions.join(name), text)?;
        }
        self.write(&definitions.join("beamline.schema.json"), &format!("{:#}\n", definitions::schema()))?;
        git(&clone, &["add", "."]).await?;
        git(&clone, &["commit", "-q", "-m", "The first environments"]).await?;
        Ok(())
    }

    /// Pushes the clone's branch, as anybody would, and answers with the id of its head.
    pub(super) async fn push(&self) -> Result<String, CliError> {
        git(&self.clone(), &["push", "-q", "-u", "origin", "main"]).await?;
        Ok(git(&self.clone(), &["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    /// The history with the statuses as notes.
    pub(super) async fn log(&self) -> Result<String, CliError> {
        git(&self.clone(), &["fetch", "-q", "origin"]).await?;
        git(&self.clone(), &["log", "--notes=beamline"]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_repositories_are_real_and_need_no_configuration() {
        let folder = Folder::make(None).unwrap();
        folder.make_repositories().await.unwrap();
        let head = folder.push().await.unwrap();
        let pushed = git(&folder.origin(), &["rev-parse", "refs/heads/main"]).await.unwrap();
        assert_eq!(pushed.trim(), head);
        let files = git(&folder.origin(), &["ls-tree", "-r", "--name-only", "main"]).await.unwrap();
        assert!(files.contains("environments/production.yaml\n"), "{files}");
        assert!(folder.log().await.unwrap().contains("The first environments"));
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let full = tempfile::tempdir().unwrap();
        std::fs::write(full.path().join("x"), "x").unwrap();
        let error = Folder::make(Some(full.path())).unwrap_err();
        assert!(error.to_string().ends_with("is not empty"), "{error}");
    }
}
