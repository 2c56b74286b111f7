//! Bytes ↔ packets, nothing else: no sockets, no clock, no state of a session.
//!
//! - [`engine`]: Engine.IO 4, the packets of a transport session.
//! - [`socket`]: Socket.IO 5, namespaces, events and acks inside Engine.IO messages, as text or as msgpack.
//! - [`msgpack`]: a bounded reader of foreign msgpack and its transcoding to JSON and back.
//! - [`json`]: what we ask of JSON text without building a tree of it.
//!
//! Invariant: no input makes a decoder panic, recurse, or allocate more than a small multiple of its own length.

pub mod engine;
pub mod json;
pub mod msgpack;
pub mod socket;
pub mod websocket;
