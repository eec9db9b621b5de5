//! What can stand between us and a server: a line that breaks or stays silent, and a proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What a relay does with a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// It accepts and says nothing.
    Silent,
    /// It changes nothing.
    Open,
    /// It resets the connection after that many bytes from the server.
    ResetAfter(usize),
    /// It is an HTTP proxy, for `CONNECT` only.
    Proxy,
    /// It is an HTTP proxy that wants credentials.
    PrivateProxy,
}

/// A relay on a port of its own; it ends when it is dropped.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Relay {
    /// Relays to `server`, a port of this machine.
    pub(crate) fn start(server: u16, manner: Manner) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, answered) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (count, bytes) = (accepted.clone(), answered.clone());
        runtime.spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(connection, server, manner, bytes.clone()));
            }
        });
        Self { port, accepted, answered, _runtime: runtime }
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many bytes of the server were handed on. Whatever a client has is counted.
    pub(crate) fn answered_bytes(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

async fn serve(mut client: TcpStream, server: u16, manner: Manner, answered: Arc<AtomicUsize>) {
    match manner {
        Manner::Silent => {
            std::future::pending::<()>().await;
        }
        Manner::Open => {
            let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            forward(&mut client, &mut server, usize::MAX, &answered).await;
        }
        Manner::ResetAfter(bytes) => {
            let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            forward(&mut client, &mut server, bytes, &answered).await;
            client.set_zero_linger().unwrap();
        }
        Manner::Proxy => {
            let head = request(&mut client).await;
            assert!(head.starts_with(&format!("CONNECT localhost:{server} HTTP/1.1\r\n")), "{head}");
            let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
        Manner::PrivateProxy => {
            request(&mut client).await;
            let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
            let _ = client.write_all(refusal).await;
        }
    }
}

async fn forward(client: &mut TcpStream, server: &mut TcpStream, mut remaining: usize, passed: &AtomicUsize) {
    let (mut asked, mut answered) = (vec![0; 4096], vec![0; 4096]);
    while remaining > 0 {
        tokio::select! {
            count = client.read(&mut asked) => match count {
                Ok(count) if count > 0 => server.write_all(&asked[..count]).await.unwrap(),
                Ok(_) | Err(_) => return,
            },
            count = server.read(&mut answered) => match count {
                Ok(count) if count > 0 => {
                    let count = count.min(remaining);
                    remaining -= count;
                    passed.fetch_add(count, Ordering::Relaxed);
                    client.write_all(&answered[..count]).await.unwrap();
                }
                Ok(_) | Err(_) => return,
            },
        }
    }
}

/// The head of a request.
async fn request(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 10_000 {
        head.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
