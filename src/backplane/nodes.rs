//! Who else is there: the port of the node registry, and what it says about a node.
//!
//! A node holds a lease. Whoever holds none is dead for the others, whatever it thinks itself; when it comes back, it does so
//! under a new incarnation, and what it would still write under the old one is refused.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::port::Unavailable;
use crate::ids::NodeId;

/// The registry of nodes, from one node's point of view. One contract suite (`tests/contract`) runs on every implementation.
pub trait Nodes: Send + Sync + 'static {
    /// Enters this node under a new incarnation, higher than any before.
    ///
    /// # Errors
    /// If the registry cannot be reached in time.
    fn enter<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, Result<Tenure, Unavailable>>;

    /// Renews the lease for [`LEASE_MS`]. `None`: it has ended, or another incarnation holds it; the node has to enter anew.
    ///
    /// # Errors
    /// If the registry cannot be reached in time.
    fn renew(&self, incarnation: Incarnation) -> BoxFuture<'_, Result<Option<Tenure>, Unavailable>>;

    /// Takes this node out, unless a later incarnation of it is in.
    fn leave(&self, incarnation: Incarnation) -> BoxFuture<'_, ()>;

    /// A node that holds a lease now.
    ///
    /// # Errors
    /// If the registry cannot be reached in time.
    fn find(&self, node: NodeId) -> BoxFuture<'_, Result<Option<Member>, Unavailable>>;

    /// Incarnations whose lease has ended and of which something may be left; none unless this node sweeps, as one does.
    ///
    /// # Errors
    /// If the registry cannot be reached in time.
    fn dead(&self) -> BoxFuture<'_, Result<Vec<Dead>, Unavailable>>;

    /// Forgets a dead incarnation: the last step, when nothing else is left of it. False if somebody else did.
    ///
    /// # Errors
    /// If the registry cannot be reached in time.
    fn bury<'a>(&'a self, dead: &'a Dead) -> BoxFuture<'a, Result<bool, Unavailable>>;

    /// The secret that the nodes share: the one that is there, or else this one from now on.
    ///
    /// # Errors
    /// If the registry cannot be reached in time.
    fn share<'a>(&'a self, proposed: &'a str) -> BoxFuture<'a, Result<String, Unavailable>>;
}

/// How long a lease lasts, and how often it is renewed.
pub const LEASE_MS: u64 = 6_000;
pub const RENEWAL_MS: u64 = 2_000;

/// Which of a node's lives this is. Grows over all nodes and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A lease that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    pub incarnation: Incarnation,
    /// The registry's own time, in milliseconds since 1970: one clock for all nodes, whatever theirs say.
    pub now_ms: u64,
}

/// A node as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub incarnation: Incarnation,
    /// When it entered, by the registry's time.
    pub entered_ms: u64,
    pub address: Address,
}

/// A life that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dead {
    pub node: NodeId,
    pub incarnation: Incarnation,
}

/// Where a node is reached by the others: `host:port` and nothing else, so that no address can carry a user, a path or a
/// scheme. An IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address(Arc<str>);

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is no host and port")]
pub struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(NoAddress)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host_fits = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                (1..=253).contains(&host.len())
                    && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
            }
        };
        let port_fits =
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
        if host_fits && port_fits { Ok(Self(text.into())) } else { Err(NoAddress) }
    }
}

impl From<std::net::SocketAddr> for Address {
    /// A scope, as in `[fe80::1%2]:80`, means nothing to others and is left out.
    fn from(address: std::net::SocketAddr) -> Self {
        Self(std::net::SocketAddr::new(address.ip(), address.port()).to_string().into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        for good in ["node-1:3001", "10.0.0.7:80", "[::1]:3001", "a_b.example.com:65535"] {
            assert_eq!(good.parse::<Address>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "node-1",
            ":3001",
            "node 1:3001",
            "node:0",
            "node:+80",
            "node:65536",
            "user@node:80",
            "user:password@node:80",
            "http://node:80",
            "node:80/path",
            "node/path:80",
            "node?x:80",
            "node#x:80",
            "node\r\nx:80",
            "[::1]",
            "[node]:80",
            "::1:80",
            "é:80",
        ] {
            assert_eq!(bad.parse::<Address>(), Err(NoAddress), "{bad:?}");
        }
    }

    #[test]
    fn the_address_of_a_socket_is_one() {
        for text in ["127.0.0.1:3001", "[2001:db8::1]:3001"] {
            let address = Address::from(text.parse::<std::net::SocketAddr>().unwrap());
            assert_eq!(address.as_str().parse(), Ok(address));
        }
    }
}
