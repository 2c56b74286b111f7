//! The only place that asks for the time.

use std::sync::OnceLock;
use std::time::Instant;

/// Nanoseconds since the process first asked. Publisher and receivers share it, so latency needs no second clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Seconds since 1970, for tokens.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn wall_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

pub const SECOND_NS: u64 = 1_000_000_000;
