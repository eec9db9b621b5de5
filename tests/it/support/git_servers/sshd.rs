//! OpenSSH's server with git-shell, for the user who runs the story.

use std::path::{Path, PathBuf};
use std::process::Command;

use beamline::git::{Credentials, Remote};
use tempfile::TempDir;

use super::process::{Server, answers, output, program};
use crate::support::Port;

/// A running server.
pub(crate) struct Sshd {
    port: Port,
    folder: TempDir,
    _server: Server,
}

impl Sshd {
    /// A server that runs nothing but Git's programs.
    pub(crate) fn start() -> Self {
        let shell = program("git-shell").unwrap();
        Self::running(&format!("{} -c \"$SSH_ORIGINAL_COMMAND\"", shell.display()))
    }

    /// A server that runs `command` whatever is asked for.
    pub(crate) fn running(command: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let kept = Port::keep();
        let port = kept.number();
        make_key(&path.join("host"));
        make_key(&path.join("id"));
        let (host, search) =
            (std::fs::read_to_string(path.join("host.pub")).unwrap(), std::env::var("PATH").unwrap());
        std::fs::write(path.join("known_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        std::fs::copy(path.join("id.pub"), path.join("authorized_keys")).unwrap();
        let shown = path.display();
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nPidFile none\n\
             AuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             LogLevel ERROR\nSetEnv PATH={search}\nForceCommand {command}\n"
        );
        std::fs::write(path.join("sshd_config"), configuration).unwrap();
        // The folder of the unprivileged half; its package makes it when the machine starts.
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut server = Server::start(
            Command::new(program("sshd").unwrap()).args(["-D", "-e", "-f"]).arg(path.join("sshd_config")),
        );
        server.wait_until("sshd", || answers(port));
        Self { port: kept, folder, _server: server }
    }

    /// A repository there, with the key that is let in and the server's own host key.
    pub(crate) fn remote(&self, repository: &Path) -> Remote {
        self.remote_with(repository, self.folder.path().join("id"), self.folder.path().join("known_hosts"))
    }

    /// A repository there, with another key or other known hosts.
    pub(crate) fn remote_with(&self, repository: &Path, identity: PathBuf, known_hosts: PathBuf) -> Remote {
        let user = output(Command::new("id").arg("-un"));
        let credentials =
            Credentials::Ssh { identity_file: Some(identity), known_hosts: Some(known_hosts), program: None };
        let url = format!("ssh://{user}@127.0.0.1:{}{}", self.port.number(), repository.display());
        Remote { url, credentials, pull_refs: None }
    }

    /// As `known_hosts` names it.
    pub(crate) fn host(&self) -> String {
        format!("[127.0.0.1]:{}", self.port.number())
    }

    /// The key that is let in.
    pub(crate) fn identity(&self) -> PathBuf {
        self.folder.path().join("id")
    }

    /// The file with the server's host key.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }
}

/// Makes a key that no server knows.
pub(crate) fn identity(folder: &Path) -> PathBuf {
    let file = folder.join("another-id");
    make_key(&file);
    file
}

fn make_key(file: &Path) {
    output(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file));
}
