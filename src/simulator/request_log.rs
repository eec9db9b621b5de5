//! The log of requests: what tests and benchmarks count.

use std::collections::VecDeque;

use jiff::Timestamp;

/// How many requests are remembered; the oldest are dropped first.
const MAX_RECORDS: usize = 100_000;

/// One request and the status it was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it arrived, by the world's clock.
    pub at: Timestamp,
    /// The method, in upper case.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent, without the question mark.
    pub query: String,
    /// The status of the answer (also of a lost one).
    pub status: u16,
    /// What the request was for.
    pub class: RequestClass,
}

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestClass {
    /// Azure Resource Manager, the control plane.
    Arm,
    /// A token, from Entra or from the instance metadata service.
    Token,
    /// A document that describes the cloud or the directory.
    Metadata,
}

/// The bounded log.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    records: VecDeque<RequestRecord>,
}

impl RequestLog {
    pub(super) fn push(&mut self, record: RequestRecord) {
        if self.records.len() >= MAX_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    pub(super) fn all(&self) -> Vec<RequestRecord> {
        self.records.iter().cloned().collect()
    }

    pub(super) fn take(&mut self) -> Vec<RequestRecord> {
        std::mem::take(&mut self.records).into()
    }
}
