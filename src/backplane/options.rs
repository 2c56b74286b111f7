//! What the backplanes have in common to set.

/// How much of each room is kept for replay, and what a publish may cost.
#[derive(Debug, Clone)]
pub struct Options {
    /// Entries kept per room stream.
    pub history_entries: u64,
    /// Approximate payload bytes kept per room stream.
    pub history_bytes: u64,
    /// Age in seconds after which entries, and an idle room's keys, go.
    pub history_age_s: u64,
    /// Lifetime of a stored idempotency answer, in seconds.
    pub idempotency_ttl_s: u64,
    /// Publishes under way at once on this node, and their payload bytes; beyond either: [`super::PublishError::Busy`].
    pub in_flight: usize,
    pub in_flight_bytes: usize,
    /// Longest time a publish may take, in milliseconds; then [`super::PublishError::Unavailable`].
    pub deadline_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            history_entries: 1_000,
            history_bytes: 1 << 20,
            history_age_s: 600,
            idempotency_ttl_s: 600,
            in_flight: 1_024,
            in_flight_bytes: 4 << 20,
            deadline_ms: 2_000,
        }
    }
}
