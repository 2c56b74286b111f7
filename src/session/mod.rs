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

    /// When [`Session::due`] is to be asked next.
    pub fn deadline_ms(&self) -> u64 {
        self.heartbeat.deadline_ms().min(self.connect_by_ms.unwrap_or(u64::MAX))
    }
}
