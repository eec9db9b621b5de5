//! Where a remote is: one parser for the spellings that Git knows.
//!
//! Guarantees: only https, ssh and local paths come out (http to this machine alone); nothing in an
//! address can become an option of another program or a second shell word; what is shown to people has
//! no user information in it. Pure except for making a relative local path absolute.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::error::GitError;

/// The longest address, in bytes. Proxies and forges refuse longer request lines.
const MAX_ADDRESS_BYTES: usize = 2048;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// How to get there.
    pub(super) place: Place,
    /// The address for messages: without user information.
    pub(super) shown: String,
}

/// How to get to a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The repository's base URL without a trailing slash and without user information.
    Http(String),
    /// A repository behind an SSH server.
    Ssh(SshTarget),
    /// An absolute path on this machine.
    Local(PathBuf),
}

/// What the OpenSSH client needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshTarget {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// As the server's shell sees it: absolute, or relative to the home folder.
    pub(super) path: String,
}

impl Address {
    /// Parses `https://…`, `ssh://…`, `user@host:path`, `file://…` and plain paths.
    pub(super) fn parse(text: &str) -> Result<Self, GitError> {
        if text.is_empty() || text.len() > MAX_ADDRESS_BYTES || text.contains(char::is_control) {
            return Err(refused("", "it is empty, longer than 2048 bytes, or has control characters in it"));
        }
        match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "https" => http("https", rest),
                "http" => http("http", rest),
                "ssh" | "git+ssh" | "ssh+git" => ssh_url(rest),
                "file" => file_url(rest),
                other => Err(refused(
                    &format!("{other}://…"),
                    "only https, ssh, file and local paths are accepted: use one of these",
                )),
            },
            None => match text.split_once(':') {
                Some((helper, path)) if !helper.contains('/') && path.starts_with(':') => {
                    Err(refused(&format!("{helper}::…"), "remote helpers are programs: use https or ssh"))
                }
                Some((host, path)) if !host.contains('/') => ssh(host, path, None),
                _ => local(Path::new(text)),
            },
        }
    }

    /// The URL that libgit2 is given: our own transports read it back with [`Address::parse`].
    pub(super) fn url(&self) -> String {
        match &self.place {
            Place::Http(url) => url.clone(),
            Place::Ssh(target) => target.url(),
            Place::Local(path) => path.to_string_lossy().into_owned(),
        }
    }
}

impl SshTarget {
    fn url(&self) -> String {
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            None if !self.path.starts_with(['/', '~']) => format!("{user}{host}:{}", self.path),
            port => {
                let port = port.map_or_else(String::new, |port| format!(":{port}"));
                let slash = if self.path.starts_with('/') { "" } else { "/" };
                format!("ssh://{user}{host}{port}{slash}{}", self.path)
            }
        }
    }
}

fn refused(shown: &str, reason: &str) -> GitError {
    GitError::Address { remote: shown.to_owned(), reason: reason.to_owned() }
}

fn http(scheme: &str, rest: &str) -> Result<Address, GitError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host_port) = authority.rsplit_once('@').map_or(("", authority), |(u, h)| (u, h));
    let shown = format!("{scheme}://{host_port}/{path}");
    if user.contains(':') {
        return Err(refused(
            &shown,
            "a password in a URL ends up in logs and files: put it into the credentials setting",
        ));
    }
    if path.trim_matches('/').is_empty() || path.contains(['?', '#']) || path.contains(char::is_whitespace) {
        return Err(refused(&shown, "it must name a repository, without a query: https://host/path.git"));
    }
    let url = format!("{scheme}://{host_port}/{}", path.trim_end_matches('/'));
    let Some(uri) = url.parse::<http::Uri>().ok().filter(|uri| uri.host().is_some_and(|h| !h.is_empty()))
    else {
        return Err(refused(&shown, "it is not a valid URL"));
    };
    if scheme == "http" && !uri.host().is_some_and(is_loopback) {
        return Err(refused(&shown, "http is neither private nor authentic: use https"));
    }
    Ok(Address { shown: url.clone(), place: Place::Http(url) })
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn ssh_url(rest: &str) -> Result<Address, GitError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // As git does: ssh://host/~user/x names a path below a home folder, anything else is absolute.
    let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
    match authority.rsplit_once(':') {
        // The last colon of `[::1]` belongs to the address.
        Some((host, port)) if !port.ends_with(']') => match port.parse() {
            Ok(port) => ssh(host, &path, Some(port)),
            Err(_) => Err(refused(&format!("ssh://…{path}"), "the port is not a number")),
        },
        _ => ssh(authority, &path, None),
    }
}

fn ssh(login: &str, path: &str, port: Option<u16>) -> Result<Address, GitError> {
    let (user, host) = match login.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, login),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_ip = bare.parse::<IpAddr>().is_ok();
    let shown_port = port.map_or_else(String::new, |port| format!(":{port}"));
    let slash = if path.starts_with('/') { "" } else { "/" };
    let shown = format!("ssh://{host}{shown_port}{slash}{path}");
    let word = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !is_ip && !word(host) {
        return Err(refused(&shown, "the host may have letters, digits, dots and dashes only"));
    }
    if user.is_some_and(|user| !word(user)) {
        return Err(refused(&shown, "the user may have letters, digits, dots and dashes only, no password"));
    }
    if path.trim_matches('/').is_empty() || path.starts_with('-') {
        return Err(refused(&shown, "it must name a repository: ssh://git@host/path.git"));
    }
    let target =
        SshTarget { user: user.map(str::to_owned), host: bare.to_owned(), port, path: path.to_owned() };
    Ok(Address { place: Place::Ssh(target), shown })
}

fn file_url(rest: &str) -> Result<Address, GitError> {
    let shown = format!("file://{rest}");
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(refused(&shown, "a file URL has three slashes: file:///path/to/repository.git"));
    }
    let decoded = decode_percent(path).ok_or_else(|| refused(&shown, "its percent-encoding is broken"))?;
    local(Path::new(&decoded))
}

fn local(path: &Path) -> Result<Address, GitError> {
    let shown = path.display().to_string();
    match std::path::absolute(path) {
        Ok(path) => Ok(Address { shown: path.display().to_string(), place: Place::Local(path) }),
        Err(_) => Err(refused(&shown, "the current folder cannot be read: use an absolute path")),
    }
}

/// `None` when an escape is incomplete or the result is not UTF-8 or has a NUL in it.
fn decode_percent(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok().filter(|&byte| byte != 0)?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(user: Option<&str>, port: Option<u16>, path: &str) -> Place {
        let (user, host) = (user.map(str::to_owned), "host".to_owned());
        Place::Ssh(SshTarget { user, host, port, path: path.to_owned() })
    }

    #[test]
    fn every_spelling_that_git_knows_is_understood() {
        for (text, place, shown) in [
            ("https://u@Host/a/b.git/", Place::Http("https://Host/a/b.git".into()), "https://Host/a/b.git"),
            ("http://127.0.0.1:8/a", Place::Http("http://127.0.0.1:8/a".into()), "http://127.0.0.1:8/a"),
            ("http://[::1]:8/a", Place::Http("http://[::1]:8/a".into()), "http://[::1]:8/a"),
            ("git@host:a/b.git", target(Some("git"), None, "a/b.git"), "ssh://host/a/b.git"),
            ("host:/srv/b.git", target(None, None, "/srv/b.git"), "ssh://host/srv/b.git"),
            ("ssh://git@host:22/a", target(Some("git"), Some(22), "/a"), "ssh://host:22/a"),
            ("ssh://host/~me/a", target(None, None, "~me/a"), "ssh://host/~me/a"),
            (
                "ssh://[::1]:22/a",
                Place::Ssh(SshTarget { user: None, host: "::1".into(), port: Some(22), path: "/a".into() }),
                "ssh://[::1]:22/a",
            ),
            (
                "ssh://git@[::1]/a",
                Place::Ssh(SshTarget {
                    user: Some("git".into()),
                    host: "::1".into(),
                    port: None,
                    path: "/a".into(),
                }),
                "ssh://[::1]/a",
            ),
            ("file:///srv/a%20b.git", Place::Local("/srv/a b.git".into()), "/srv/a b.git"),
            ("/srv/x:y.git", Place::Local("/srv/x:y.git".into()), "/srv/x:y.git"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((&address.place, address.shown.as_str()), (&place, shown), "{text}");
            assert_eq!(Address::parse(&address.url()).unwrap().place, place, "{text} again");
        }
    }

    #[test]
    fn an_address_that_could_do_harm_is_refused() {
        for text in [
            "",
            "http://example.org/a.git",
            "http://127.0.0.1.example.org/a.git",
            "https://user:secret@host/a.git",
            "https://host",
            "https://host/a?b",
            "git://host/a",
            "ext::sh -c true",
            "ssh://-oProxyCommand=x/a",
            "ssh://host:x/a",
            "-oProxyCommand=x:a",
            "git@host:-x",
            "ssh://a b/c",
            "file://host/a",
            "file:///a%0",
            "file:///a%00b",
            "https://host/a\nb",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(matches!(error, GitError::Address { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
