//! What holds in a namespace: who may connect, which rooms, which events.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use crate::auth::{Access, AutomaticRooms, IssuerName};
use crate::contract::Contract;

/// The rules of one namespace, or of all that match a pattern.
#[derive(Debug)]
pub struct Policy {
    /// Sockets without a token are let in.
    pub anonymous: bool,
    /// Issuers whose tokens are accepted; empty means all that are configured.
    pub issuers: Vec<IssuerName>,
    pub automatic_rooms: AutomaticRooms,
    pub access: Access,
    /// Events carry their position as last argument, and the CONNECT reply a `pid`, by which a client that comes back gets
    /// what it missed.
    pub recovery: bool,
    /// For so long after its node was last sure of it, in milliseconds.
    pub recovery_window_ms: u64,
    /// Every CONNECT is refused with this.
    pub refuse: Option<Refuse>,
    pub contract: Contract,
}

impl Policy {
    /// How often the records of living sockets are renewed, in milliseconds.
    pub fn refresh_ms(&self) -> u64 {
        (self.recovery_window_ms / 2).max(REFRESH_MS_MIN)
    }

    /// How long a record is kept that nobody renews: a node may die just before it would have.
    pub fn lifetime_ms(&self) -> u64 {
        self.recovery_window_ms.saturating_add(self.refresh_ms())
    }
}

const REFRESH_MS_MIN: u64 = 60_000;

/// A configured refusal: the message and, as JSON text, the data of the CONNECT_ERROR.
#[derive(Debug, Clone)]
pub struct Refuse {
    pub message: String,
    pub data: Option<String>,
}

/// The namespaces that exist.
#[derive(Debug, Default)]
pub struct Namespaces {
    named: HashMap<String, Arc<Policy>>,
    patterns: Vec<(Regex, Arc<Policy>)>,
}

impl Namespaces {
    pub fn add(&mut self, name: &str, policy: Policy) {
        self.named.insert(name.to_owned(), Arc::new(policy));
    }

    /// Names are looked at first, then patterns in the order they were added.
    pub fn add_pattern(&mut self, pattern: Regex, policy: Policy) {
        self.patterns.push((pattern, Arc::new(policy)));
    }

    /// The policy for a namespace as a client wrote it.
    pub fn find(&self, name: &str) -> Option<&Arc<Policy>> {
        let by_pattern = || self.patterns.iter().find(|(pattern, _)| pattern.is_match(name)).map(|(_, policy)| policy);
        self.named.get(name).or_else(by_pattern)
    }

    /// The names that are written out.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
}
