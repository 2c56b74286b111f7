//! What the clients' door has to set.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::auth::OriginPolicy;
use crate::flows::Door;

/// The door as a whole.
#[derive(Debug)]
pub struct Options {
    pub listeners: Vec<Listener>,
    /// Worker threads, at least one.
    pub workers: usize,
    /// Request head: bytes of line and headers, number of headers, milliseconds to send them.
    pub header_bytes_max: usize,
    pub headers_max: usize,
    pub header_timeout_ms: u64,
    /// A client that takes nothing for so long is closed.
    pub stall_ms: u64,
    /// Sessions on this node; further handshakes are sent away to try again.
    pub clients_max: usize,
}

/// One address with its Engine.IO settings.
#[derive(Debug, Clone)]
pub struct Listener {
    pub address: SocketAddr,
    /// Path of the Engine.IO endpoint, with a slash at both ends.
    pub path: String,
    pub polling: bool,
    pub websocket: bool,
    pub upgrade_timeout_ms: u64,
    pub door: Arc<Door>,
    pub origins: Arc<OriginPolicy>,
    /// A WebSocket from an origin that is not allowed is refused; polling is protected by the browser alone, but
    /// where only pages of this machine may come in.
    pub check_websocket_origin: bool,
}
