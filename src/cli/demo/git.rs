//! The `git` program, as a person without any configuration would run it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::cli::error::CliError;

/// How long one call may take. Everything is local and small.
const PATIENCE: Duration = Duration::from_secs(60);

/// Variables by which a surrounding Git (a hook, a rebase) would redirect ours.
const REDIRECTIONS: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX"];

/// Runs `git` in `dir` and answers with its standard output.
pub(super) async fn git(dir: &Path, arguments: &[&str]) -> Result<String, CliError> {
    let failed = |message: String| CliError::Program { arguments: arguments.join(" "), message };
    let mut command = tokio::process::Command::new("git");
    for variable in REDIRECTIONS {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?;
    let output = output.map_err(|source| failed(source.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
