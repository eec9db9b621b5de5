//! `git http-backend` behind nginx, with TLS and basic authentication.

use std::path::{Path, PathBuf};
use std::process::Command;

use beamline::git::{Credentials, Remote};
use tempfile::TempDir;

use super::authority::Authority;
use super::process::{Server, answers, git_programs, program};
use crate::support::Port;

/// The password that is let in.
pub(crate) const TOKEN: &str = "a-good-token";

/// A running server.
pub(crate) struct Nginx {
    /// Where it listens.
    pub(crate) port: u16,
    _folder: TempDir,
    _servers: [Server; 2],
    _kept: Port,
}

impl Nginx {
    /// Serves the repositories in `root` with a certificate of `authority`.
    pub(crate) fn start(root: &Path, authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = authority.certify_localhost();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("certificate.pem", &certificate);
        write("key.pem", &key);
        write("users", &format!("x-access-token:{{PLAIN}}{TOKEN}\n"));
        let kept = Port::keep();
        let port = kept.number();
        write("nginx.conf", &configuration(folder.path(), port, root));
        let socket = folder.path().join("cgi.sock");
        let mut gateway = Server::start(
            Command::new(program("fcgiwrap").unwrap())
                // More would be processes of their own, which stay when this one ends.
                .args(["-c", "1", "-s", &format!("unix:{}", socket.display())])
                .env("GIT_CONFIG_NOSYSTEM", "1"),
        );
        gateway.wait_until("fcgiwrap", || socket.exists());
        let log = folder.path().join("start.log");
        let mut nginx = Server::start(
            Command::new(program("nginx").unwrap())
                .arg("-e")
                .arg(log)
                .arg("-c")
                .arg(folder.path().join("nginx.conf")),
        );
        nginx.wait_until("nginx", || answers(port));
        Self { port, _folder: folder, _servers: [gateway, nginx], _kept: kept }
    }

    /// A repository there, for who has `token`.
    pub(crate) fn remote(&self, repository: &str, token: &str) -> Remote {
        remote_at(self.port, repository, token)
    }
}

/// A repository at another port, such as that of a relay.
pub(crate) fn remote_at(port: u16, repository: &str, token: &str) -> Remote {
    let credentials = Credentials::Basic { username: "x-access-token".to_owned(), password: token.into() };
    let url = format!("https://localhost:{port}/{repository}");
    Remote { url, credentials, pull_refs: Some("refs/pull/*/head".parse().unwrap()) }
}

fn configuration(folder: &Path, port: u16, root: &Path) -> String {
    let backend: PathBuf = git_programs().join("git-http-backend");
    let (backend, root, folder) = (backend.display(), root.display(), folder.display());
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path {folder}/body; fastcgi_temp_path {folder}/fastcgi;
           proxy_temp_path {folder}/proxy; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
           client_max_body_size 0;
           server {{
             listen 127.0.0.1:{port} ssl;
             ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
             auth_basic git; auth_basic_user_file {folder}/users;
             location / {{
               fastcgi_pass unix:{folder}/cgi.sock;
               fastcgi_param SCRIPT_FILENAME {backend};
               fastcgi_param GIT_PROJECT_ROOT {root};
               fastcgi_param GIT_HTTP_EXPORT_ALL 1;
               fastcgi_param HOME {root};
               fastcgi_param PATH_INFO $uri;
               fastcgi_param QUERY_STRING $query_string;
               fastcgi_param REQUEST_METHOD $request_method;
               fastcgi_param CONTENT_TYPE $content_type;
               fastcgi_param CONTENT_LENGTH $content_length;
               fastcgi_param REMOTE_USER $remote_user;
               fastcgi_param REMOTE_ADDR $remote_addr;
             }}
           }}
         }}\n"
    )
}
