//! One client as a state machine: heartbeat, deadlines, and what its messages say.
//!
//! Sans-IO: bytes and the time come in, packets for the flows and reasons to close go out. Not here: which namespaces exist
//! or who may join them (`flows/`), what waits for the client (`hub/`).
//!
//! ```text
//!            ping_interval                    ping sent
//!  open ───────────────────► ping due ───────────────────► waiting for pong ── ping_timeout ──► closed
//!    ▲                                                        │ any packet: the timeout starts again, once per ping
//!    └────────────────────────── pong ────────────────────────┘
//! ```

mod heartbeat;
mod receive;

pub use heartbeat::Due;
pub use receive::{Parsing, Received, Speaks};

use heartbeat::Heartbeat;

use crate::closing::Closing;
use crate::protocol::engine::Packet;
use crate::protocol::socket::Reassembly;

/// The times of a session, in milliseconds (Engine.IO protocol 4, "Heartbeat").
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    /// A session that joined no namespace by then is closed.
    pub connect_timeout_ms: u64,
}

/// An Engine.IO session with the Socket.IO decoder inside it.
#[derive(Debug)]
pub struct Session {
    heartbeat: Heartbeat,
    /// Until the first namespace is joined.
    connect_by_ms: Option<u64>,
    reassembly: Option<Box<Reassembly>>,
}

impl Session {
    pub fn open(timing: &Timing, now_ms: u64) -> Self {
        Self {
            heartbeat: Heartbeat::start(timing, now_ms),
            connect_by_ms: Some(now_ms + timing.connect_timeout_ms),
            reassembly: None,
        }
    }

    /// A namespace was joined: the connect deadline no longer holds, whatever happens later.
    pub fn joined(&mut self) {
        self.connect_by_ms = None;
    }

    /// Takes one Engine.IO packet from the client.
    ///
    /// # Errors
    /// The reason for which the session has to be closed.
    pub fn receive(
        &mut self,
        packet: Packet<'_>,
        parsing: &Parsing,
        timing: &Timing,
        now_ms: u64,
    ) -> Result<Option<Received>, Closing> {
        self.heartbeat.heard(timing, now_ms);
        match packet {
            Packet::Pong(_) => {
                self.heartbeat.pong(timing, now_ms);
                Ok(None)
            }
            Packet::Message(text) => self.message(text, parsing),
            Packet::Binary(bytes) => self.binary(&bytes, parsing),
            Packet::Close => Err(Closing::TransportClose),
            // An upgrade where none is under way changes nothing, as in the reference.
            Packet::Noop | Packet::Upgrade => Ok(None),
            // Wrong direction.
            Packet::Open(_) | Packet::Ping(_) => Err(Closing::EngineParseError),
        }
    }

    /// What is to be done at `now_ms`. After [`Due::Ping`] the caller sends the ping.
    pub fn due(&mut self, timing: &Timing, now_ms: u64) -> Due {
        if self.connect_by_ms.is_some_and(|deadline| now_ms >= deadline) {
            return Due::Close(Closing::ConnectTimeout);
        }
        self.heartbeat.due(timing, now_ms)
    }

    /// When [`Session::due`] has something at the earliest, as things stand.
    pub fn deadline_ms(&self) -> u64 {
        self.heartbeat.deadline_ms().min(self.connect_by_ms.unwrap_or(u64::MAX))
    }

    /// Nothing was read from the client for our own reasons, so its silence does not count: it gets its time again.
    pub fn excuse(&mut self, timing: &Timing, now_ms: u64) {
        self.heartbeat.excuse(timing, now_ms);
    }

    /// When [`Session::due`] is to be asked next after it was asked at `now_ms`. A pong that comes in between makes the next
    /// ping due an interval after it, which may be before the timeout that is waited for now.
    pub fn ask_again_ms(&self, timing: &Timing, now_ms: u64) -> u64 {
        self.deadline_ms().min(now_ms + timing.ping_interval_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_longer_than_the_interval_does_not_hold_up_the_next_ping() {
        let timing = Timing { ping_interval_ms: 25_000, ping_timeout_ms: 60_000, connect_timeout_ms: 45_000 };
        let mut session = Session::open(&timing, 0);
        session.joined();
        assert_eq!(session.due(&timing, 25_000), Due::Ping);
        assert_eq!(session.ask_again_ms(&timing, 25_000), 50_000);
        session.heartbeat.pong(&timing, 25_010);
        assert_eq!(session.due(&timing, 50_000), Due::Wait);
        assert_eq!(session.ask_again_ms(&timing, 50_000), 50_010);
        assert_eq!(session.due(&timing, 50_010), Due::Ping);
    }

    #[test]
    fn a_client_that_is_not_read_from_is_excused() {
        let timing = Timing { ping_interval_ms: 300, ping_timeout_ms: 200, connect_timeout_ms: 45_000 };
        let mut session = Session::open(&timing, 0);
        session.joined();
        assert_eq!(session.due(&timing, 300), Due::Ping);
        session.excuse(&timing, 500);
        assert_eq!(session.due(&timing, 500), Due::Wait);
        assert_eq!(session.due(&timing, 700), Due::Close(Closing::PingTimeout));
    }

    #[test]
    fn a_client_that_never_answers_is_asked_about_until_its_timeout() {
        let timing = Timing { ping_interval_ms: 25_000, ping_timeout_ms: 60_000, connect_timeout_ms: 45_000 };
        let mut session = Session::open(&timing, 0);
        session.joined();
        assert_eq!(session.due(&timing, 25_000), Due::Ping);
        for now_ms in [50_000, 75_000] {
            assert_eq!(session.due(&timing, now_ms), Due::Wait);
        }
        assert_eq!(session.ask_again_ms(&timing, 75_000), 85_000);
        assert_eq!(session.due(&timing, 85_000), Due::Close(Closing::PingTimeout));
    }
}
