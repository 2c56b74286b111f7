//! Settings of publishing over HTTP and of what is kept.

use serde::Deserialize;

use crate::auth::Secret;

/// What is kept of each room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct History {
    pub entries: u64,
    pub bytes: u64,
    pub age_s: u64,
}

/// How much a client that comes back is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Recovery {
    pub room_events: usize,
    pub session_events: usize,
    pub session_bytes: usize,
    /// Under way at once.
    pub replays: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Publish {
    /// Names are unique.
    pub keys: Vec<PublishKey>,
    /// Names of `auth.issuers`.
    pub issuers: Vec<String>,
    pub loopback_without_key: bool,
    pub body_bytes: usize,
    pub batch: usize,
    pub idempotency_ttl_s: u64,
    pub in_flight: usize,
    pub in_flight_bytes: usize,
    pub deadline_ms: u64,
    /// Of one key on this node; 0 stands for no limit.
    pub rate_per_s: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PublishKey {
    pub name: String,
    pub key: Secret,
    /// Empty means all.
    pub namespaces: Vec<String>,
}
