//! What can end a command badly: the kinds of it, exit codes, hints.
//!
//! The causes are wrapped, never pasted; the chain is printed once, here. What a hint says depends on
//! what the person at the keyboard can do, which only the command line knows.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::azure::{CloudError, TokenError};
use crate::config::ConfigError;
use crate::daemon::DaemonError;
use crate::definitions::Diagnostic;
use crate::forge::OptionsError;
use crate::git::GitError;
use crate::reconcile::ReconcileError;
use crate::resources::EnvironmentName;
use crate::store::{Holding, LockError, StoreError};
use crate::wire::WireError;
use beamline_simulator::SimulatorError;

/// The exit code after a closed pipe, as a shell reports a program that SIGPIPE ended.
const BROKEN_PIPE: u8 = 141;

fn by(holding: Option<&Holding>) -> String {
    holding.map_or_else(|| "another process".to_owned(), Holding::to_string)
}

fn listed(sentences: &[String]) -> String {
    sentences.iter().map(|sentence| format!("\n  {sentence}")).collect()
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Done,
    /// It has said what is wrong.
    Failed,
    /// The command line is wrong.
    Usage,
    /// There are changes, and the caller asked to be told by the exit code.
    Changes,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(match end {
            End::Done => 0,
            End::Failed => 1,
            End::Usage | End::Changes => 2,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The arguments do not fit together, or do not fit what is there.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// What is there is not to be worked on as it is.
    #[error("{message}")]
    Refused {
        /// What is in the way.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A definition names a subscription that the settings do not have.
    #[error("{0}")]
    Estate(Box<Diagnostic>),
    /// A cloud of the settings cannot be used.
    #[error("the cloud `{name}` (clouds.{name}.resource_manager) cannot be used")]
    Cloud {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// A credential of the settings cannot be used.
    #[error("the credential of subscription `{alias}` cannot be used")]
    Credential {
        /// The alias.
        alias: String,
        /// Why.
        #[source]
        source: TokenError,
    },
    /// No HTTP client can be made.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The service that was asked gives no answer.
    #[error("the service at {} does not answer", path.display())]
    Silent {
        /// Its socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: WireError,
    },
    /// The forge's options.
    #[error(transparent)]
    Forge(#[from] OptionsError),
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state folder is not ours to write in.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The daemon stopped by itself.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The simulator does not start.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// An environment could not be planned or applied.
    #[error("{environment} could not be {verb}")]
    Reconcile {
        /// Which one.
        environment: EnvironmentName,
        /// `planned`, `applied` …
        verb: &'static str,
        /// Why.
        #[source]
        source: ReconcileError,
    },
    /// Somebody else works on the environment.
    #[error("{environment} is being worked on by {}, which uses the same journal", by(holding.as_ref()))]
    Leased {
        /// Which one.
        environment: EnvironmentName,
        /// By whom; `None` when that one has just let go.
        holding: Option<Holding>,
    },
    /// A plan that somebody has read is not what would be done now.
    #[error("{environment} is not applied: something has moved since its plan was made{}", listed(moved))]
    Moved {
        /// Which one.
        environment: EnvironmentName,
        /// What has moved, a sentence each.
        moved: Vec<String>,
    },
    /// The `git` program failed.
    #[error("`git {arguments}` failed: {message}")]
    Program {
        /// What it was asked.
        arguments: String,
        /// What it said.
        message: String,
    },
    /// A file or a stream.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nobody reads our output any more.
    #[error("nobody reads the output any more")]
    BrokenPipe,
    /// Something else, which says all there is to say.
    #[error("{0}")]
    Other(String),
}

impl CliError {
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    pub(super) fn io(what: impl Into<String>, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Self::Io { what: what.into(), source }
    }

    pub(super) fn unreadable(path: &std::path::Path, source: io::Error) -> Self {
        let path: PathBuf = path.to_owned();
        Self::io(format!("read {}", path.display()), source)
    }

    /// Prints the error to standard error and answers with its exit code.
    pub(super) fn report(&self) -> ExitCode {
        if matches!(self, Self::BrokenPipe) {
            return ExitCode::from(BROKEN_PIPE);
        }
        // Where standard error is closed too, the exit code is all that is left.
        let _ = io::Write::write_all(&mut io::stderr(), self.render().as_bytes());
        match self {
            Self::Usage { .. } => End::Usage.into(),
            Self::Refused { .. }
            | Self::Config(_)
            | Self::Git(_)
            | Self::Estate(_)
            | Self::Cloud { .. }
            | Self::Credential { .. }
            | Self::Wire(_)
            | Self::Silent { .. }
            | Self::Forge(_)
            | Self::Store(_)
            | Self::Lock(_)
            | Self::Daemon(_)
            | Self::Simulator(_)
            | Self::Reconcile { .. }
            | Self::Leased { .. }
            | Self::Moved { .. }
            | Self::Program { .. }
            | Self::Io { .. }
            | Self::BrokenPipe
            | Self::Other(_) => End::Failed.into(),
        }
    }

    fn render(&self) -> String {
        let mut text = format!("error: {self}\n");
        let mut said = self.to_string();
        for cause in std::iter::successors(self.source(), |cause: &&dyn Error| (*cause).source()) {
            let cause = cause.to_string();
            // Some layers repeat what is below them.
            if !said.contains(&cause) {
                let _ = writeln!(text, "  because: {cause}");
            }
            said = cause;
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }

    /// The next step, where the message does not say it already.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Estate(found) => Some(format!(
                "{} {} The settings are the file that --config names; `beamline simulate` prints one to try.",
                found.rule, found.remedy
            )),
            Self::Cloud { name, .. } => {
                Some(format!("see [clouds.{name}] in the settings: is it running, and is its ca_file right?"))
            }
            Self::Credential { alias, .. } => Some(format!(
                "see [subscriptions.{alias}] in the settings: credential, client_id, secret_file"
            )),
            Self::Silent { .. } => {
                Some("see its log, and /readyz; what it was asked to apply it applies after its next start".to_owned())
            }
            Self::Leased { .. } => {
                Some("wait for it, or stop it; a killed one gives way within a minute".to_owned())
            }
            Self::Lock(LockError::Taken { .. }) => Some(
                "wait until it has ended or stop it, or give this command a folder of its own with --state-dir. \
                 A daemon applies by itself what is pushed, and is asked over its socket where it has one"
                    .to_owned(),
            ),
            Self::Moved { .. } => {
                Some("read what would be done now, with: beamline plan --out FILE, and apply that".to_owned())
            }
            Self::Program { .. } => Some("is git installed? `git --version` should answer".to_owned()),
            Self::Config(_)
            | Self::Git(_)
            | Self::Wire(_)
            | Self::Forge(_)
            | Self::Store(_)
            | Self::Lock(LockError::Network { .. } | LockError::Open { .. })
            | Self::Daemon(_)
            | Self::Simulator(_)
            | Self::Reconcile { .. }
            | Self::Io { .. }
            | Self::BrokenPipe
            | Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_printed_with_its_causes_and_a_next_step() {
        let error = CliError::Cloud {
            name: "lab".into(),
            source: CloudError::NoMetadata { resource_manager: "https://lab".into(), status: 404 },
        };
        let text = error.render();
        assert!(
            text.starts_with("error: the cloud `lab` (clouds.lab.resource_manager) cannot be used\n  because: https://lab answered"),
            "{text}"
        );
        assert!(text.contains("\nhint: see [clouds.lab]"), "{text}");
    }

    #[test]
    fn a_closed_pipe_is_no_error_to_talk_about() {
        let error = CliError::io("write", io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(error, CliError::BrokenPipe));
    }
}
