//! The words between us and a CGI program (RFC 3875), without running one: what a request becomes in its
//! environment, and what its head means.

use std::ffi::OsString;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// The longest head that is read: `git http-backend` writes a few hundred bytes.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What a request asks of `git http-backend`.
pub(super) struct Asked<'a> {
    /// The folder of the repository.
    pub(super) repository: &'a Path,
    /// Below the repository: `info/refs`, `git-upload-pack`, `git-receive-pack`.
    pub(super) service: &'a str,
    pub(super) method: &'a Method,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) login: &'a str,
}

/// Variables that would lead the program to another repository, or to settings of whoever started us.
pub(super) const ELSEWHERE: [&str; 10] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "CONTENT_LENGTH",
];

/// What the program is told in its environment, beside what it inherits.
pub(super) fn environment(asked: &Asked<'_>, home: &Path) -> Vec<(&'static str, OsString)> {
    let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("HOME", home.into()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
        ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ("GIT_PROJECT_ROOT", asked.repository.into()),
        ("GIT_HTTP_EXPORT_ALL", "1".into()),
        ("GATEWAY_INTERFACE", "CGI/1.1".into()),
        ("SERVER_PROTOCOL", "HTTP/1.1".into()),
        ("PATH_INFO", format!("/{}", asked.service).into()),
        ("REQUEST_METHOD", asked.method.as_str().into()),
        ("QUERY_STRING", asked.query.into()),
        ("CONTENT_TYPE", header("content-type").into()),
        ("HTTP_CONTENT_ENCODING", header("content-encoding").into()),
        ("GIT_PROTOCOL", header("git-protocol").into()),
        ("REMOTE_USER", asked.login.into()),
        ("REMOTE_ADDR", "127.0.0.1".into()),
        // Who pushes stands in the reflog, if anybody keeps one.
        ("GIT_COMMITTER_NAME", asked.login.into()),
        ("GIT_COMMITTER_EMAIL", format!("{}@users.noreply.example.com", asked.login).into()),
    ];
    // Without a length the program reads to the end, as for a body in chunks.
    if let Some(length) = asked.headers.get("content-length").and_then(|value| value.to_str().ok()) {
        variables.push(("CONTENT_LENGTH", length.into()));
    }
    variables
}

/// The head of a program's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// How many bytes it takes, with the empty line.
    pub(super) bytes: usize,
}

/// Reads the head, once it is whole; `None` until then.
pub(super) fn head(read: &[u8]) -> Option<Head> {
    let bytes = end_of_head(read)?;
    let text = String::from_utf8_lossy(&read[..bytes]);
    let (mut status, mut headers) = (StatusCode::OK, HeaderMap::new());
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            status = code.parse().unwrap_or(StatusCode::BAD_GATEWAY);
        } else if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            headers.append(name, value);
        }
    }
    Some(Head { status, headers, bytes })
}

fn end_of_head(read: &[u8]) -> Option<usize> {
    let ends = |mark: &[u8]| read.windows(mark.len()).position(|at| at == mark).map(|at| at + mark.len());
    match (ends(b"\r\n\r\n"), ends(b"\n\n")) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        assert_eq!(head(b"Content-Type: text/plain\r\n"), None);
        let whole = b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nno";
        let head = head(whole).unwrap();
        assert_eq!((head.status, head.bytes), (StatusCode::FORBIDDEN, whole.len() - 2));
        assert_eq!(head.headers["content-type"], "text/plain");
    }

    #[test]
    fn without_a_status_the_answer_is_200() {
        assert_eq!(head(b"Expires: never\n\n").unwrap().status, StatusCode::OK);
        assert_eq!(head(b"Status: nonsense\n\n").unwrap().status, StatusCode::BAD_GATEWAY);
    }

    #[test]
    fn the_environment_names_service_and_caller() {
        let asked = Asked {
            repository: Path::new("/repository.git"),
            service: "git-receive-pack",
            method: &Method::POST,
            query: "",
            headers: &HeaderMap::new(),
            login: "ada",
        };
        let variables = environment(&asked, Path::new("/home"));
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        assert_eq!(value("PATH_INFO").unwrap(), "/git-receive-pack");
        assert_eq!(value("REMOTE_USER").unwrap(), "ada");
        assert_eq!(value("CONTENT_LENGTH"), None);
    }
}
