//! What the backends' door has to set.

use std::collections::HashMap;

use crate::auth::{ApiKeys, IssuerName};

#[derive(Default)]
pub struct Options {
    pub keys: ApiKeys,
    /// By the key's name, the namespaces it may publish to; a key without an entry, or with an empty one, may use all.
    pub key_namespaces: HashMap<String, Vec<String>>,
    /// Issuers whose service tokens may publish, to any namespace; none means that tokens are not accepted.
    pub issuers: Vec<IssuerName>,
    /// Requests from this machine need no credentials; see `loopback.rs` for what counts as that.
    pub loopback_without_key: bool,
    /// Largest body, in bytes; beyond it: 413.
    pub body_bytes: usize,
    /// Publications in one batch request.
    pub batch: usize,
    /// Publications per second of one publisher on this node; 0 sets no limit.
    pub rate_per_s: u32,
    /// Serve the page at `/`.
    pub development: bool,
    /// Path of the Engine.IO endpoint, with a slash at both ends; for the page, and for who asks at the wrong place.
    pub engine_path: String,
}
