//! A write as data, and what Azure said to it at once.
//!
//! A [`Call`] is what the executor journals before sending, so it is complete: sending it again after
//! a restart sends the same request.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Operation;

/// The verb of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Create it, or replace all that is there.
    Put,
    /// Change the given properties and leave the others.
    Patch,
    /// An action on a resource, such as `start`.
    Post,
    /// Remove it; what is not there is removed already.
    Delete,
}

/// One write: everything but the token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The method of the request.
    pub method: Method,
    /// The resource's id, or a path below the cloud's endpoint (an id and an action's name).
    pub id_or_path: String,
    /// The API version, for example `2025-04-01`.
    pub api_version: String,
    /// Further query parameters, not encoded.
    #[serde(default)]
    pub query: Vec<(String, String)>,
    /// The body, if the verb has one.
    pub body: Option<Value>,
    /// Sent as `x-ms-client-request-id`: finds this attempt in Azure's logs.
    pub client_request_id: Uuid,
}

/// What Azure answered to a write that it accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status, which is always one of 2xx.
    pub status: u16,
    /// The body, if there is one: for PUT and PATCH the resource, perhaps not final.
    pub body: Option<Value>,
    /// Present when Azure is still working; look at it with [`super::Arm::poll`].
    pub operation: Option<Operation>,
    /// Azure's id of the request, for support cases.
    pub request_id: Option<String>,
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Post => Self::POST,
            Method::Delete => Self::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(http::Method::from(*self).as_str())
    }
}

/// Without the body, which may hold what must not be printed.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("id_or_path", &self.id_or_path)
            .field("api_version", &self.api_version)
            .field("client_request_id", &self.client_request_id)
            .finish_non_exhaustive()
    }
}
