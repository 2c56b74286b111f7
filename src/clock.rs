//! The only place that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time as the rooms below see it: numbers handed in by those above.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Milliseconds since the process started; never goes back. For deadlines.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// As [`Clock::now_ms`], finer: for measuring.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What passed since [`Clock::elapsed`] said `earlier`.
    pub fn since(&self, earlier: Duration) -> Duration {
        self.elapsed().saturating_sub(earlier)
    }

    /// See [`wall_ms`].
    pub fn wall_ms(&self) -> u64 {
        wall_ms()
    }
}

/// Wall clock in milliseconds since 1970. For stamps and token expiry; never for order.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
