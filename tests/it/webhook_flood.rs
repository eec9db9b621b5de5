//! A flood of large webhooks against the real binary: its memory stays small, and is given back.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Repository;

/// Connections at the same time, and what each sends of a body of 24 MiB.
const CONNECTIONS: usize = 100;
const SENT_MIB: usize = 23;

/// The most by which the memory may grow, in KiB. Whole bodies would be 2.3 GiB.
const MOST_GROWTH_KIB: u64 = 30 * 1024;

/// A daemon that ends with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// `VmRSS` or `VmHWM`, in KiB.
    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn start(folder: &Path, origin: &Path, port: u16) -> Daemon {
    std::fs::write(folder.join("secret"), "a secret").unwrap();
    let settings = format!(
        "state_dir = {:?}\n[repository]\nurl = {:?}\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
         webhook_secret_files = [{:?}]\n",
        folder.join("state"),
        origin,
        folder.join("secret"),
    );
    std::fs::write(folder.join("beamline.toml"), settings).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_beamline"))
        .args(["daemon", "--config"])
        .arg(folder.join("beamline.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < end, "it never listens");
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon
}

/// What a sender is answered: the status, or 0 when it is hung up on.
fn flood(port: u16, proof: &str) -> u16 {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\nx-github-event: push\r\nx-github-delivery: 1\r\n\
         {proof}content-length: {}\r\n\r\n",
        24 * 1024 * 1024
    );
    let piece = vec![b' '; 1024 * 1024];
    // The other side may refuse at any time; what it says is read afterwards.
    let _ = stream.write_all(head.as_bytes());
    for _ in 0..SENT_MIB {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    if stream.read_exact(&mut answer).is_err() {
        return 0;
    }
    String::from_utf8_lossy(&answer[9..]).parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_bodies_of_24_mb_take_no_memory() {
    let repository = Repository::new();
    repository.write("README", "nothing");
    repository.push("no environment");
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let daemon = start(folder.path(), &repository.origin(), port);
    let before = daemon.memory("VmRSS");
    let forged = format!("x-hub-signature-256: sha256={}\r\n", "a".repeat(64));
    let (unsigned, unproven) = (("", [401, 0].as_slice()), (forged.as_str(), [401, 408, 503, 0].as_slice()));
    // What is kept of one flood would stand beside the next: the one bound for all of them says that it is given back.
    for (proof, expected) in [unsigned, unproven, unproven] {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let proof = proof.to_owned();
                std::thread::spawn(move || flood(port, &proof))
            })
            .collect();
        for sender in senders {
            let status = sender.join().unwrap();
            assert!(expected.contains(&status), "{status}");
        }
    }
    let peak = daemon.memory("VmHWM");
    println!("{before} KiB before, {peak} KiB at most");
    assert!(peak < before + MOST_GROWTH_KIB, "{before} KiB before, {peak} KiB at most");
}
