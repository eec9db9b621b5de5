//! The webhooks that are under way.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::Value;

use super::change::Change;
use super::state::State;

/// A webhook as it arrives: post it to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The method, which is always `POST`.
    pub method: &'static str,
    /// Below the daemon's root: [`super::ForgeKind::webhook_path`].
    pub path: &'static str,
    /// With signature and content type.
    pub headers: Vec<(&'static str, String)>,
    /// The raw body that was signed.
    pub body: Bytes,
}

impl Delivery {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The headers as a server sees them.
    #[must_use]
    pub fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                map.insert(name, value);
            }
        }
        map
    }

    /// The body as JSON, for looking at it.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The request that carries it to a server at `root` (empty: to a router).
    #[must_use]
    pub fn request(&self, root: &str) -> http::Request<Bytes> {
        let mut request = http::Request::new(self.body.clone());
        *request.method_mut() = http::Method::POST;
        let uri = format!("{}{}", root.trim_end_matches('/'), self.path);
        *request.uri_mut() = uri.parse().unwrap_or_else(|_| http::Uri::from_static("/"));
        *request.headers_mut() = self.header_map();
        request
    }
}

/// What a forge's file makes of a change: the headers that name it, and the body.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Value,
}

impl Event {
    pub(super) fn new(headers: &[(&'static str, &str)], body: Value) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { headers, body }
    }
}

/// A delivery that is due at some time.
#[derive(Debug)]
pub(super) struct UnderWay {
    due: Timestamp,
    delivery: Delivery,
}

impl State {
    /// Sends the webhooks of a change on their way.
    pub(super) fn announce(&mut self, change: &Change) {
        let face = self.face();
        for event in (face.events)(self, change) {
            let body = Bytes::from(event.body.to_string());
            let mut headers = vec![("content-type", "application/json".to_owned())];
            headers.extend(event.headers);
            let delivery_id = self.random_uuid().to_string();
            headers.extend((face.sign)(self, &delivery_id, &body));
            let delivery = Delivery { method: "POST", path: self.options.kind.webhook_path(), headers, body };
            self.announced += 1;
            let (now, disorder) = (self.now(), self.options.disorder);
            for late in disorder.fate(&mut self.disorder_random) {
                let due = now.checked_add(late).unwrap_or(now);
                self.under_way.push(UnderWay { due, delivery: delivery.clone() });
            }
        }
    }

    /// Takes out what is due.
    pub(super) fn due_deliveries(&mut self) -> Vec<Delivery> {
        let now = self.now();
        let (mut due, later): (Vec<UnderWay>, _) =
            std::mem::take(&mut self.under_way).into_iter().partition(|under_way| under_way.due <= now);
        self.under_way = later;
        // A stable sort: what is due at the same time keeps the order in which it happened.
        due.sort_by_key(|under_way| under_way.due);
        let disorder = self.options.disorder;
        disorder.shuffle(&mut self.disorder_random, &mut due);
        due.into_iter().map(|under_way| under_way.delivery).collect()
    }

    /// When the next delivery is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.under_way.iter().map(|under_way| under_way.due).min()
    }
}
