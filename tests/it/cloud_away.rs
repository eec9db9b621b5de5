//! A cloud of the settings that cannot be reached at the start, and one that never answers, by the real binary.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::machine::{Machine, wait_until};
use crate::support::{Port, small};

const PATIENCE: Duration = Duration::from_secs(300);

const QUICK: &str = "base: none\n";

/// A machine whose settings name a port of this machine as their cloud, on which nobody listens.
fn machine() -> (Machine, Port, u16) {
    let (machine, port) = (Machine::start(QUICK, None), Port::keep());
    let settings = std::fs::read_to_string(machine.path().join("beamline.toml")).unwrap();
    let at = settings.find("https://localhost:").unwrap() + "https://localhost:".len();
    let simulator: String = settings[at..].chars().take_while(char::is_ascii_digit).collect();
    let away = port.number().to_string();
    let root = |port: &str| format!("https://localhost:{port}");
    machine.change_settings("beamline.toml", |text| text.replace(&root(&simulator), &root(&away)));
    (machine, port, simulator.parse().unwrap())
}

/// Passes on whatever comes to `port`.
fn pass_on(port: u16, to: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server.try_clone().unwrap(), client.try_clone().unwrap()),
            ] {
                std::thread::spawn(move || {
                    // Either side may have hung up.
                    let _ = io::copy(&mut from, &mut to);
                });
            }
        }
    });
}

#[test]
fn a_daemon_starts_without_its_cloud_says_so_and_goes_on_when_it_is_there() {
    let (machine, port, simulator) = machine();
    let commit = machine.push(&small(1));
    let daemon = machine.beamline("beamline.toml", &["daemon"]);
    let is_said = || {
        let text = daemon.text();
        text.contains("degraded") && text.contains("clouds.simulator.resource_manager")
    };
    assert!(wait_until(PATIENCE, is_said), "{}", daemon.text());
    pass_on(port.number(), simulator);
    let is_done = || machine.notes(&commit).contains("beamline/apply: success");
    assert!(wait_until(PATIENCE, is_done), "{}\n{}", machine.notes(&commit), daemon.text());
    assert!(wait_until(PATIENCE, || daemon.text().contains("well again, after")), "{}", daemon.text());
    daemon.signal("TERM");
    assert!(daemon.wait(PATIENCE).is_success());
}

#[test]
fn a_command_says_which_cloud_it_waits_for_and_where_its_address_is_set() {
    let (machine, port, _) = machine();
    machine.push(&small(1));
    let url = format!("https://localhost:{}", port.number());
    let said = machine.beamline("beamline.toml", &["plan"]).wait(PATIENCE);
    assert_eq!(said.status.and_then(|status| status.code()), Some(1), "{}", said.text);
    for words in [&url, "clouds.simulator.resource_manager", "Connection refused"] {
        assert!(said.text.contains(words), "no {words} in {}", said.text);
    }
    // It accepts and never answers.
    let _silent = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
    let plan = machine.beamline("beamline.toml", &["plan"]);
    let waits = format!("Waiting for {url} (clouds.simulator.resource_manager)");
    assert!(wait_until(PATIENCE, || plan.text().contains(&waits)), "{}", plan.text());
    drop(plan);
    // An apply has begun nothing: the first signal ends it.
    let apply = machine.beamline("beamline.toml", &["apply", "production", "--yes"]);
    assert!(wait_until(PATIENCE, || apply.text().contains(&waits)), "{}", apply.text());
    apply.signal("TERM");
    let said = apply.wait(PATIENCE);
    assert_eq!(said.status.and_then(|status| status.code()), Some(1), "{}", said.text);
    assert!(!said.text.contains("error:"), "it waited to the end: {}", said.text);
}
