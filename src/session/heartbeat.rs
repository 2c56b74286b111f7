//! The server pings, the client answers (Engine.IO protocol 4, "Heartbeat").

use super::Timing;
use crate::closing::Closing;

/// What a deadline asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Wait,
    Ping,
    Close(Closing),
}

#[derive(Debug)]
pub(super) enum Heartbeat {
    PingAt(u64),
    /// The client gets the timeout once more when it shows life in another way, once per ping.
    Waiting {
        until_ms: u64,
        extended: bool,
    },
}

/// How late a ping may be sent at the cost of the client's time to answer.
const LATE_MS: u64 = 50;

impl Heartbeat {
    pub fn start(timing: &Timing, now_ms: u64) -> Self {
        Self::PingAt(now_ms + timing.ping_interval_ms)
    }

    /// A packet of any kind came in.
    pub fn heard(&mut self, timing: &Timing, now_ms: u64) {
        if let Self::Waiting { until_ms, extended: extended @ false } = self {
            *until_ms = now_ms + timing.ping_timeout_ms;
            *extended = true;
        }
    }

    /// The time to answer starts again.
    pub fn excuse(&mut self, timing: &Timing, now_ms: u64) {
        if let Self::Waiting { until_ms, .. } = self {
            *until_ms = now_ms + timing.ping_timeout_ms;
        }
    }

    /// The answer to a ping; an unsolicited one changes nothing.
    pub fn pong(&mut self, timing: &Timing, now_ms: u64) {
        if matches!(self, Self::Waiting { .. }) {
            *self = Self::start(timing, now_ms);
        }
    }

    pub fn due(&mut self, timing: &Timing, now_ms: u64) -> Due {
        match *self {
            Self::PingAt(at_ms) if now_ms >= at_ms => {
                // Counted from when the ping was due, so that timers do not add up; a process that stood still gives its
                // clients their whole time.
                let sent_ms = at_ms.max(now_ms.saturating_sub(LATE_MS));
                *self = Self::Waiting { until_ms: sent_ms + timing.ping_timeout_ms, extended: false };
                Due::Ping
            }
            Self::Waiting { until_ms, .. } if now_ms >= until_ms => Due::Close(Closing::PingTimeout),
            Self::PingAt(_) | Self::Waiting { .. } => Due::Wait,
        }
    }

    pub fn deadline_ms(&self) -> u64 {
        match *self {
            Self::PingAt(at_ms) => at_ms,
            Self::Waiting { until_ms, .. } => until_ms,
        }
    }
}
