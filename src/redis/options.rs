//! What can be set about the Redis connection, and why it may not come about.

use std::fmt;
use std::path::PathBuf;

use crate::ids::{NodeId, Tenant};

#[derive(Clone)]
pub struct Options {
    /// `redis://[user:password@]host:port[/database]`, `redis-sentinel://host:port?sentinelServiceName=name&node=host:port`,
    /// `redis-cluster://host:port?node=host:port`; with `rediss` for TLS.
    pub url: String,
    /// Overrides the URL's user, so that it need not be written there.
    pub username: Option<String>,
    /// Overrides the URL's password.
    pub password: Option<String>,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Starts every key and channel; no braces, at most 64 bytes.
    pub key_prefix: String,
    pub node: NodeId,
    /// Whose nodes know each other.
    pub tenant: Tenant,
    /// Arrivals that may wait for the lanes; beyond it they are dropped and [`crate::backplane::Arrival::Interrupted`] follows.
    pub arrivals_max: usize,
    /// Messages of foreign publishers that may wait; beyond it they are dropped and counted.
    pub foreign_max: usize,
}

impl Options {
    pub fn new(url: &str, node: NodeId, tenant: Tenant) -> Self {
        Self {
            url: url.to_owned(),
            username: None,
            password: None,
            ca_file: None,
            key_prefix: "fanfare:".to_owned(),
            node,
            tenant,
            arrivals_max: 32_768,
            foreign_max: 8_192,
        }
    }
}

/// The URL may carry a password, so nothing of it is shown.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("key_prefix", &self.key_prefix)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the Redis URL is not usable: {0}")]
    Url(String),
    #[error("the key prefix has braces, control characters or more than 64 bytes")]
    KeyPrefix,
    #[error("the file of trusted authorities is not usable: {0}")]
    Authorities(String),
    #[error("Redis cannot be reached at {at}: {why}")]
    Unreachable { at: String, why: String },
    #[error("no channel of Redis can be subscribed to: {0}")]
    Subscription(String),
    #[error("Redis allows neither functions nor scripts: {0}")]
    Scripting(String),
}
