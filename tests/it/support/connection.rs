//! HTTP/1.1 by hand: for requests that no client would send, and for a great many of them.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A header, as its bytes.
pub(crate) type Header = (String, Vec<u8>);

/// A connection that is kept alive.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Connection {
    /// To a port of this machine.
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Sends bytes. The other side may hang up meanwhile; then it does not answer.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Says that nothing more is sent.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer; `None` when the other side hung up.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = complete(&self.unread) {
                self.unread.drain(..length);
                return Some(answer);
            }
            if !matches!(self.stream.read_buf(&mut self.unread).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Option<Answer> {
        self.send(request).await;
        self.answer().await
    }
}

/// The bytes of a POST. `content-length` is the length of `body` where `headers` have none.
pub(crate) fn post(path: &str, headers: &[Header], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    let own = headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding");
    let length = ("content-length".to_owned(), body.len().to_string().into_bytes());
    for (name, value) in headers.iter().chain((!own).then_some(&length)) {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// The first answer in `bytes`, once it is whole, and how long it is.
fn complete(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    let body = bytes.get(end..end + length)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((Answer { status, body: String::from_utf8_lossy(body).into_owned() }, end + length))
}
