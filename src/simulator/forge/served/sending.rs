//! Sends webhooks to whoever wants them, when they are due.
//!
//! Guarantees: a receiver that is slow, down or wrong holds up nobody and is not tried again, as on the
//! forges; at most [`MAX_UNDER_WAY`] deliveries are under way, each for [`PATIENCE`] at most, and what
//! comes on top waits; how the newest [`MAX_REMEMBERED`] were answered is remembered.

use std::collections::VecDeque;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::super::webhooks::Delivery;
use super::super::world::ForgeWorld;
use crate::server::SimulatorError;

/// Deliveries at a time.
const MAX_UNDER_WAY: usize = 32;

/// How long GitHub waits for a receiver.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked what is due.
const PACE: Duration = Duration::from_millis(20);

const MAX_REMEMBERED: usize = 1_000;

/// Where webhooks go, and how they are signed.
#[derive(Clone, Debug)]
pub struct Target {
    url: http::Uri,
}

impl Target {
    /// The URL of a webhook, or the root of a daemon, below which the forge's usual path is taken.
    ///
    /// # Errors
    /// With the reason, when `url` is no http or https URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let parsed: http::Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let is_web = matches!(parsed.scheme_str(), Some("http" | "https"));
        if !is_web || parsed.host().is_none() {
            return Err(format!("{url} is no URL such as http://127.0.0.1:8750"));
        }
        Ok(Self { url: parsed })
    }

    /// The address that has to listen for them; `None` where something that speaks TLS stands before it.
    #[must_use]
    pub fn listener(&self) -> Option<String> {
        if self.url.scheme_str() == Some("https") {
            return None;
        }
        let host = self.url.host()?;
        let address = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(_) => host,
            Err(_) if host.eq_ignore_ascii_case("localhost") => "127.0.0.1",
            // By this name others find the machine.
            Err(_) => "0.0.0.0",
        };
        Some(format!("{address}:{}", self.url.port_u16().unwrap_or(80)))
    }

    /// The URL that whatever listens is reached by, without a path.
    #[must_use]
    pub fn root(&self) -> String {
        let authority = self.url.authority().map_or("", http::uri::Authority::as_str);
        format!("{}://{authority}", self.url.scheme_str().unwrap_or("http"))
    }

    /// Where a delivery whose usual path is `path` goes.
    fn of(&self, path: &str) -> String {
        let root = self.url.to_string();
        if self.url.path().trim_matches('/').is_empty() {
            return format!("{}{path}", root.trim_end_matches('/'));
        }
        root
    }
}

/// How the newest deliveries were answered.
#[derive(Debug, Default)]
pub(super) struct Sent(Mutex<VecDeque<Value>>);

impl Sent {
    fn list(&self) -> MutexGuard<'_, VecDeque<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, entry: Value) {
        let mut list = self.list();
        if list.len() >= MAX_REMEMBERED {
            list.pop_front();
        }
        list.push_back(entry);
    }

    /// Oldest first.
    pub(super) fn all(&self) -> Vec<Value> {
        self.list().iter().cloned().collect()
    }
}

/// Sends what is due until it is dropped. Without a target everything is forgotten when it is due.
pub(super) fn send_what_is_due(
    world: ForgeWorld,
    target: Option<Target>,
    sent: Arc<Sent>,
) -> Result<impl Future<Output = ()>, SimulatorError> {
    // A receiver is on this machine or in this network: no proxy stands between.
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(SimulatorError::Webhooks)?;
    Ok(async move {
        let places = Arc::new(Semaphore::new(MAX_UNDER_WAY));
        loop {
            world.state().show_late_heads();
            for delivery in world.deliveries() {
                let Some(target) = &target else { continue };
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (client, url, sent) = (client.clone(), target.of(delivery.path), Arc::clone(&sent));
                tokio::spawn(async move {
                    sent.note(deliver(&client, &url, &delivery).await);
                    drop(place);
                });
            }
            tokio::time::sleep(PACE).await;
        }
    })
}

/// What became of a delivery, as the admin's door shows it.
async fn deliver(client: &reqwest::Client, url: &str, delivery: &Delivery) -> Value {
    let event = ["x-github-event", "x-gitlab-event", "x-gitea-event", "x-event-key"];
    let event = event.into_iter().find_map(|name| delivery.header(name)).map(str::to_owned);
    let event = event.or_else(|| delivery.json()["eventType"].as_str().map(str::to_owned));
    let request = client.post(url).headers(delivery.header_map()).body(delivery.body.clone());
    match request.send().await {
        Ok(answer) if answer.status().is_success() => {
            json!({ "event": event, "status": answer.status().as_u16() })
        }
        Ok(answer) => {
            let status = answer.status().as_u16();
            let said: String = answer.text().await.unwrap_or_default().chars().take(300).collect();
            tracing::warn!(url, event, status, said, "a webhook was refused");
            json!({ "event": event, "status": status, "said": said })
        }
        Err(error) => {
            tracing::debug!(url, event, %error, "a webhook did not arrive");
            json!({ "event": event, "status": null, "said": error.without_url().to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_daemon_listens_for_a_url() {
        let of = |url: &str| {
            let target = Target::parse(url).unwrap();
            (target.listener(), target.root())
        };
        let expected = |listen: Option<&str>, root: &str| (listen.map(str::to_owned), root.to_owned());
        let cases = [
            ("http://127.0.0.1:8750", Some("127.0.0.1:8750"), "http://127.0.0.1:8750"),
            ("http://[::1]:8750/", Some("[::1]:8750"), "http://[::1]:8750"),
            ("http://localhost:8750/webhooks/gitea", Some("127.0.0.1:8750"), "http://localhost:8750"),
            ("http://beamline.example", Some("0.0.0.0:80"), "http://beamline.example"),
            ("https://beamline.example", None, "https://beamline.example"),
        ];
        for (url, listen, root) in cases {
            assert_eq!(of(url), expected(listen, root), "{url}");
        }
    }

    #[test]
    fn the_root_of_a_daemon_gets_the_usual_path() {
        let of = |url: &str| Target::parse(url).unwrap().of("/webhooks/gitea");
        assert_eq!(of("http://127.0.0.1:8750"), "http://127.0.0.1:8750/webhooks/gitea");
        assert_eq!(of("http://127.0.0.1:8750/"), "http://127.0.0.1:8750/webhooks/gitea");
        assert_eq!(of("https://ops.example/hook?x=1"), "https://ops.example/hook?x=1");
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        for wrong in ["", "127.0.0.1:8750", "ftp://host/", "/webhooks"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
