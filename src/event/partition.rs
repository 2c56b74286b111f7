//! The unit of order, and the streams within it.

use std::sync::Arc;

use crate::ids::{Namespace, Room, SocketId, Tenant};

/// A tenant's namespace: publications of one partition are ordered among each other, those of two are not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Partition {
    pub tenant: Tenant,
    pub namespace: Namespace,
}

impl Partition {
    pub fn new(tenant: Tenant, namespace: Namespace) -> Arc<Self> {
        Arc::new(Self { tenant, namespace })
    }
}

/// One stream and one channel of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// For every node with a socket in the namespace: namespace-wide events, commands, and what is addressed to one socket.
    All,
    Room(Room),
}

impl Topic {
    /// The topic on which events for `room` travel. Addresses of single sockets share [`Topic::All`], so that a socket
    /// costs no subscription of its own; a room that merely looks like a socket id is served the same way.
    pub fn of(room: &Room) -> Self {
        if SocketId::recognizes(room.as_str()) { Self::All } else { Self::Room(room.clone()) }
    }
}
