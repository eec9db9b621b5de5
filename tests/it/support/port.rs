//! A port of this machine that nobody else takes.
//!
//! A port that was found free and let go again may be anybody's a moment later: all stories and all their
//! connections are on one machine.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port that is kept until this is dropped. Who asks the kernel for some port, to listen or to connect, does
/// not get it; a server that asks for it by its number does, if it sets `SO_REUSEADDR`, as all servers here do:
/// the socket that keeps it does so too and never listens.
pub(crate) struct Port {
    number: u16,
    _kept: TcpSocket,
}

impl Port {
    pub(crate) fn keep() -> Self {
        let kept = TcpSocket::new_v4().unwrap();
        kept.set_reuseaddr(true).unwrap();
        kept.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self { number: kept.local_addr().unwrap().port(), _kept: kept }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[test]
fn a_port_that_is_kept_is_given_to_who_names_it_and_to_nobody_else() {
    let port = Port::keep();
    let named = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()));
    drop(named().unwrap());
    // Several times as many as there are ports that the kernel gives away.
    let is_given = (0..150_000).any(|_| {
        let some = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        some.local_addr().unwrap().port() == port.number()
    });
    assert!(!is_given, "{}", port.number());
    named().unwrap();
}
