//! Settings of what one client may ask for.

use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// Of one packet; at most 10, which is what stock clients take.
    pub attachments: usize,
    pub rooms_per_socket: usize,
    /// Levels of nesting in JSON and msgpack.
    pub depth: usize,
    pub event_name_bytes: usize,
    pub room_name_bytes: usize,
    pub pending_acks: usize,
    pub header_bytes: usize,
    pub headers: usize,
    pub header_timeout_ms: u64,
    pub outbox_bytes: usize,
    pub stall_ms: u64,
    /// 0 stands for what the limit of open files allows.
    pub connections: usize,
    pub namespaces_per_client: usize,
}
