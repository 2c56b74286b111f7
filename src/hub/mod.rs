//! One worker's sockets, rooms and outboxes, and the fan-out over them.
//!
//! Pure data: no I/O, no tasks, no clock. Whoever owns the worker hands in publications and takes out what is to be
//! written. Not here: what a client's packets mean (`session/`), how bytes reach the network (`transport/`).
//! Invariant: a socket is in a room's member list exactly if the room is in the socket's list, and each knows the other's
//! index, so joining and leaving take constant time and an empty room leaves nothing behind.

mod fanout;
mod frames;
mod membership;
mod outbox;
mod wheel;

pub use fanout::Delivered;
pub use frames::{Content, Encoding, Frames};
pub use membership::{ClientKey, Departure, Hub, Socket, SocketKey};
pub use outbox::{Outbox, Pushed};
pub use wheel::Wheel;
