//! Bytes to packets and back, pure.

pub mod websocket;
