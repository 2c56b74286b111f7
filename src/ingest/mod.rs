//! The ways in for backends that do not know Fanfare: what they write to Redis becomes publications.
//!
//! - [`emitter`] and [`request`] read `@socket.io/redis-emitter` and servers with the classic Redis adapter
//! - [`python`] reads python-socketio
//! - [`plain`] reads JSON by `PUBLISH`
//! - [`inbox`] reads entries of a partition's inbox stream
//! - [`Leader`] makes it happen: one node per partition listens, decodes and publishes
//!
//! The decoders are pure functions. Deliberately absent: answers. Who asks servers for their sockets, rooms or
//! acknowledgements (requests 0, 1, 5, 6, 7 of the classic adapter, callbacks of python-socketio) expects a full
//! Socket.IO server; a gateway that answered for one would have to answer for all of it.
//! Invariant: whatever arrives, a decoder says one of three things, and none of them stops the loop.

mod channels;
mod counters;
pub mod emitter;
pub mod inbox;
mod leader;
mod outcome;
pub mod plain;
pub mod python;
pub mod request;

pub use counters::{Count, Counters};
pub use leader::Leader;
pub use outcome::{Decoded, Neglect, Outcome, Refusal, Source};

/// Which ways in are open, and their names in Redis.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each way in is switched on its own")]
pub struct Options {
    pub inbox: bool,
    pub plain: bool,
    /// Channels are `<prefix>:<namespace>` and `<prefix>:<namespace>:<room>`.
    pub plain_prefix: String,
    pub emitter: bool,
    /// Option `key` of the emitter and the classic adapter.
    pub emitter_key: String,
    /// Also obey joins, leaves and disconnects. Node servers on the same Redis count every listener on the request
    /// channel as a server that will answer, so this must be off beside them.
    pub emitter_requests: bool,
    pub python: bool,
    pub python_channel: String,
    /// Larger messages are refused unread.
    pub message_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inbox: true,
            plain: true,
            plain_prefix: "fanfare".to_owned(),
            emitter: true,
            emitter_key: "socket.io".to_owned(),
            emitter_requests: true,
            python: true,
            python_channel: "socketio".to_owned(),
            message_bytes_max: 1_000_000,
        }
    }
}

#[cfg(test)]
mod vectors;
