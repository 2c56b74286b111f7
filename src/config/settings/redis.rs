//! Settings of Redis, of the nodes around it, of what comes in over it, and of the end of the process.

use std::path::PathBuf;

use serde::Deserialize;

use super::super::secret::RedisUrl;
use crate::auth::Secret;

#[derive(Debug, Clone, Deserialize)]
pub struct Redis {
    /// `None` runs on the memory backplane.
    pub url: Option<RedisUrl>,
    pub key_prefix: String,
    /// It could be opened at start.
    pub ca_file: Option<PathBuf>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub command_timeout_ms: u64,
    pub sharded: Sharded,
}

/// Whether announcements use sharded Pub/Sub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Sharded {
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "true")]
    Always,
    #[serde(rename = "false")]
    Never,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Cluster {
    /// `host:port` for other nodes.
    pub advertise: Option<String>,
    pub secret: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each way in is switched on its own")]
pub struct Ingest {
    pub inbox: bool,
    pub plain: bool,
    pub plain_prefix: String,
    pub emitter: bool,
    pub emitter_key: String,
    pub python: bool,
    pub python_channel: String,
}

/// What happens between SIGTERM and the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Drain {
    /// Propagation delay: not ready, still serving.
    pub grace_ms: u64,
    /// Over this time connections are closed.
    pub window_ms: u64,
}
