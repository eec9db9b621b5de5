//! Git over ssh, by running the OpenSSH client as git itself does, so that agents, `known_hosts` and the
//! user's configuration work.
//!
//! Guarantees: nothing ever asks a question (batch mode), an unknown host key is refused, a silent
//! connection ends, and the client is gone when the stream is dropped.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use git2::transport::Service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::git::address::SshTarget;
use crate::git::credentials::{self, Credentials};
use crate::git::failure::Failure;

use super::limits::{Limits, Patience};

/// How long the client may take to end after its input has ended, before it is killed.
const FAREWELL: Duration = Duration::from_secs(5);

/// How much of its error output is kept, in bytes.
const MAX_STDERR_BYTES: u64 = 16 * 1024;

/// A running client and the pipes to it.
pub(super) struct Session {
    limits: Limits,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Session {
    pub(super) fn start(
        runtime: &Handle,
        patience: Patience,
        target: &SshTarget,
        url: &str,
        service: Service,
    ) -> Result<Self, Failure> {
        let credentials = credentials::recall(url);
        let program = match &*credentials {
            Credentials::Ssh { program: Some(program), .. } => program.as_path(),
            Credentials::Ssh { program: None, .. }
            | Credentials::None
            | Credentials::Basic { .. }
            | Credentials::Dynamic { .. } => Path::new("ssh"),
        };
        let _context = runtime.enter();
        let mut child = Command::new(program)
            .args(arguments(target, &credentials, service))
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::SshProgram)?;
        let missing = || Failure::SshProgram(io::ErrorKind::BrokenPipe.into());
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let stdin = child.stdin.take();
        let stderr = runtime.spawn(async move {
            let mut stderr = stderr;
            let mut kept = Vec::new();
            // What was read before an error is still worth showing; the rest is drained, not kept.
            let _ = (&mut stderr).take(MAX_STDERR_BYTES).read_to_end(&mut kept).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
            kept
        });
        Ok(Self { limits: Limits::new(runtime, patience), child, stdin, stdout, stderr: Some(stderr) })
    }

    /// What ended the client, if that was not success.
    fn end(&mut self) -> Option<Failure> {
        self.stdin = None;
        let (child, stderr) = (&mut self.child, self.stderr.take());
        let ended = self.limits.wait_at_most(FAREWELL, "the ssh client went on", async {
            let status = child.wait().await;
            let said = match stderr {
                Some(reading) => reading.await.unwrap_or_default(),
                None => Vec::new(),
            };
            (status, said)
        });
        match ended {
            Ok((Ok(status), _)) if status.success() => None,
            Ok((Ok(status), said)) => {
                let stderr = String::from_utf8_lossy(&said).into_owned();
                Some(Failure::Ssh { code: status.code(), stderr })
            }
            Ok((Err(error), _)) => Some(Failure::SshProgram(error)),
            Err(failure) => Some(failure),
        }
    }
}

impl Read for Session {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.limits.hear(self.stdout.read(out));
        match read.map_err(Failure::leave)? {
            Ok(0) => self.end().map_or(Ok(0), |failure| Err(failure.leave())),
            Ok(count) => {
                self.limits.count(count).map_err(Failure::leave)?;
                Ok(count)
            }
            Err(error) => Err(self.end().map_or(error, Failure::leave)),
        }
    }
}

impl Write for Session {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limits.expect_pack();
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let written = self.limits.hear(stdin.write(bytes));
        match written.map_err(Failure::leave)? {
            Ok(count) => Ok(count),
            Err(error) => Err(self.end().map_or(error, Failure::leave)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The server's hooks may still run after its last word: let the client end by itself, but not
        // for ever. Dropping the child kills what is left.
        self.stdin = None;
        let child = &mut self.child;
        let _ = self.limits.wait_at_most(FAREWELL, "the ssh client went on", child.wait());
    }
}

/// The client's command line.
fn arguments(target: &SshTarget, credentials: &Credentials, service: Service) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut option = |text: &str| arguments.extend(["-o".into(), text.into()]);
    for text in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=4",
    ] {
        option(text);
    }
    if let Credentials::Ssh { identity_file, known_hosts, program: _ } = credentials {
        if let Some(path) = known_hosts {
            option(&format!("UserKnownHostsFile=\"{}\"", path.display().to_string().replace('%', "%%")));
        }
        if let Some(path) = identity_file {
            option("IdentitiesOnly=yes");
            arguments.extend(["-i".into(), path.into()]);
        }
    }
    if let Some(port) = target.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    let program = match service {
        Service::UploadPackLs | Service::UploadPack => "git-upload-pack",
        Service::ReceivePackLs | Service::ReceivePack => "git-receive-pack",
    };
    let login =
        target.user.as_ref().map_or_else(|| target.host.clone(), |user| format!("{user}@{}", target.host));
    arguments.extend(["--".into(), login.into(), format!("{program} {}", quoted(&target.path)).into()]);
    arguments
}

/// `path` as one word of a POSIX shell, as git's `sq_quote` does.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_leaves_nothing_to_ask_or_to_inject() {
        let target = SshTarget {
            user: Some("git".into()),
            host: "host".into(),
            port: Some(2222),
            path: "/a'; rm -rf /.git".into(),
        };
        let credentials = Credentials::Ssh {
            identity_file: Some("/k/id".into()),
            known_hosts: Some("/k/known hosts".into()),
            program: None,
        };
        let arguments = arguments(&target, &credentials, Service::ReceivePackLs);
        let words: Vec<_> = arguments.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(
            words.join("|"),
            "-o|BatchMode=yes|-o|StrictHostKeyChecking=yes|-o|ConnectTimeout=10|-o|ServerAliveInterval=15|-o|\
             ServerAliveCountMax=4|-o|UserKnownHostsFile=\"/k/known hosts\"|-o|IdentitiesOnly=yes|-i|/k/id|\
             -p|2222|--|git@host|git-receive-pack '/a'\\''; rm -rf /.git'"
        );
    }
}
