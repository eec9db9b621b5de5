//! A refusal, as ARM words it: `{"error":{"code","message"}}` (ARM RPC, `facts.md` 15).

use serde_json::json;

use crate::http::Reply;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArmError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    more: Box<More>,
}

/// What few refusals have; boxed, because every checking function returns an error or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct More {
    target: Option<String>,
    details: Vec<Detail>,
    challenge: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    code: String,
    message: String,
    target: Option<String>,
}

impl ArmError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, code, message, more: Box::default() }
    }

    pub(crate) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(crate) fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(404, code, message)
    }

    pub(crate) fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(409, code, message)
    }

    /// With the property that is at fault.
    pub(crate) fn at(mut self, target: &str) -> Self {
        self.more.target = Some(target.to_owned());
        self
    }

    /// With a further cause.
    pub(crate) fn detail(mut self, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        self.more.details.push(Detail { code, message, target: None });
        self
    }

    /// With a further cause and what is at fault there.
    pub(crate) fn detail_at(mut self, code: &str, message: &str, target: &str) -> Self {
        let (code, message, target) = (code.to_owned(), message.to_owned(), Some(target.to_owned()));
        self.more.details.push(Detail { code, message, target });
        self
    }

    /// With a `WWW-Authenticate` header.
    pub(crate) fn challenge(mut self, challenge: String) -> Self {
        self.more.challenge = Some(challenge);
        self
    }

    pub(crate) fn into_reply(self) -> Reply {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(target) = self.more.target {
            error["target"] = json!(target);
        }
        if !self.more.details.is_empty() {
            let details = self.more.details.into_iter().map(|Detail { code, message, target }| {
                let mut detail = json!({ "code": code, "message": message });
                if let Some(target) = target {
                    detail["target"] = json!(target);
                }
                detail
            });
            error["details"] = details.collect();
        }
        let reply = Reply::json(self.status, json!({ "error": error }));
        match self.more.challenge {
            Some(challenge) => reply.with("www-authenticate", challenge),
            None => reply,
        }
    }
}

/// The refusal of a body that is larger than ARM takes.
pub(crate) fn too_large(limit_bytes: usize) -> ArmError {
    let message = format!("The request content size exceeds the maximum size of {limit_bytes} bytes.");
    ArmError::new(413, "RequestContentTooLarge", message)
}

/// The refusal of a body that does not arrive.
pub(crate) fn too_slow(limit: std::time::Duration) -> ArmError {
    let message = format!("The request content did not arrive within {} seconds.", limit.as_secs());
    ArmError::new(408, "RequestTimeout", message)
}
