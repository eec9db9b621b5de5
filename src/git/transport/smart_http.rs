//! Git's smart HTTP protocol, stateless: each stream is one request (gitprotocol-http(5)).

use std::io::{self, Read, Write};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Buf as _, Bytes};
use git2::transport::Service;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;

use crate::git::credentials::{self, Credentials};
use crate::git::error::GitError;
use crate::git::failure::Failure;
use crate::wire;

use super::limits::{Limits, Patience};

/// How long a changing password may take to be had.
const ASKING: Duration = Duration::from_secs(30);

/// The largest request. We push notes and negotiate fetches; both are far smaller.
const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// One request and its answer. It is sent when libgit2 starts to read.
pub(super) struct Exchange {
    client: wire::Client,
    limits: Limits,
    expected_type: String,
    state: State,
}

enum State {
    Writing { head: http::request::Parts, body: Vec<u8> },
    Reading { answer: wire::Stream, chunk: Bytes },
    Failed,
}

impl Exchange {
    pub(super) fn new(
        client: wire::Client,
        runtime: &Handle,
        patience: Patience,
        base: &str,
        service: Service,
    ) -> Result<Self, Failure> {
        let (name, phase) = match service {
            Service::UploadPackLs => ("git-upload-pack", Phase::Advertisement),
            Service::UploadPack => ("git-upload-pack", Phase::Result),
            Service::ReceivePackLs => ("git-receive-pack", Phase::Advertisement),
            Service::ReceivePack => ("git-receive-pack", Phase::Result),
        };
        let mut limits = Limits::new(runtime, patience);
        let (mut request, expected_type) = match phase {
            Phase::Advertisement => (
                http::Request::get(format!("{base}/info/refs?service={name}")),
                format!("application/x-{name}-advertisement"),
            ),
            Phase::Result => {
                limits.expect_pack();
                let result = format!("application/x-{name}-result");
                let post = http::Request::post(format!("{base}/{name}"))
                    .header(CONTENT_TYPE, format!("application/x-{name}-request"))
                    .header(ACCEPT, &result);
                (post, result)
            }
        };
        if let Some(value) = authorization(base, &mut limits)? {
            request = request.header(AUTHORIZATION, value);
        }
        let (head, ()) = request
            .body(())
            .map_err(|_| {
                let reason =
                    "its URL cannot be asked for: check it for blanks and characters that URLs do not have";
                Failure::Address(GitError::Address { remote: base.to_owned(), reason: reason.to_owned() })
            })?
            .into_parts();
        Ok(Self { client, limits, expected_type, state: State::Writing { head, body: Vec::new() } })
    }

    /// Sends what was written and checks that a Git server answers.
    fn send(&mut self, head: http::request::Parts, body: Vec<u8>) -> Result<State, Failure> {
        let request = http::Request::from_parts(head, Bytes::from(body));
        let answer = self.limits.hear(self.client.open(request))?.map_err(Failure::Wire)?;
        let field = |name| {
            let value: Option<&HeaderValue> = answer.headers().get(name);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        if answer.status() != http::StatusCode::OK {
            return Err(Failure::Status { status: answer.status().as_u16(), location: field(LOCATION) });
        }
        let content_type = field(CONTENT_TYPE);
        let essence = content_type.as_deref().and_then(|text| text.split(';').next());
        if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(&self.expected_type)) {
            return Err(Failure::NotGit { content_type });
        }
        Ok(State::Reading { answer, chunk: Bytes::new() })
    }

    fn receive(&mut self, out: &mut [u8]) -> Result<usize, Failure> {
        let mut state = std::mem::replace(&mut self.state, State::Failed);
        if let State::Writing { head, body } = state {
            state = self.send(head, body)?;
        }
        let State::Reading { mut answer, mut chunk } = state else { return Ok(0) };
        while chunk.is_empty() {
            match self.limits.hear(answer.chunk())?.map_err(Failure::Wire)? {
                Some(next) => {
                    self.limits.count(next.len())?;
                    chunk = next;
                }
                None => break,
            }
        }
        let count = out.len().min(chunk.len());
        chunk.copy_to_slice(&mut out[..count]);
        self.state = State::Reading { answer, chunk };
        Ok(count)
    }
}

enum Phase {
    Advertisement,
    Result,
}

impl Read for Exchange {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.receive(out).map_err(Failure::leave)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let State::Writing { body, .. } = &mut self.state else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        if body.len() + bytes.len() > MAX_REQUEST_BYTES {
            return Err(Failure::TooLarge { limit_bytes: MAX_REQUEST_BYTES as u64 }.leave());
        }
        body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn authorization(base: &str, limits: &mut Limits) -> Result<Option<HeaderValue>, Failure> {
    match &*credentials::recall(base) {
        Credentials::Basic { username, password } => Ok(basic(username, password)),
        Credentials::Dynamic { username, password } => {
            let asked = limits.wait_at_most(ASKING, "the password was not given", password.ask())?;
            Ok(basic(username, &asked.map_err(Failure::NoPassword)?))
        }
        Credentials::None | Credentials::Ssh { .. } => Ok(None),
    }
}

fn basic(username: &str, password: &SecretString) -> Option<HeaderValue> {
    let pair = format!("{username}:{}", password.expose_secret());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
