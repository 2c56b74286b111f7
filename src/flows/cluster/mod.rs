//! This node among the others: its lease, what it can seal, and where the owner of a session is.
//!
//! Kept here: the shared secret, the renewal of the lease and the sweeping of dead nodes (`keeper`), the cache of addresses
//! (`directory`). Not here: how a request reaches another node (`transport/`). Invariant: an address to which requests are
//! sent came from the registry, for a node whose name was in a sealed session id.

mod directory;
mod keeper;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use self::directory::Directory;
use super::random;
use crate::auth::{Purpose, Seal, Secret};
use crate::backplane::{Address, Nodes, Unavailable};
use crate::clock::Clock;
use crate::ids::{NodeId, SessionId};

/// What a node knows and does about the others. Shared by all workers.
pub struct Cluster {
    node: NodeId,
    address: Address,
    nodes: Arc<dyn Nodes>,
    clock: Clock,
    seal: Seal,
    /// What `seal` is made of, unless the configuration has the secret.
    shared: Option<Mutex<Secret>>,
    directory: Directory,
    /// 0 before the node has entered.
    incarnation: AtomicU64,
    /// The registry's time less the time of our clock.
    registry_ahead_ms: AtomicU64,
    leaving: CancellationToken,
    left: CancellationToken,
}

/// Whose a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This node's, if there is such a session.
    Here,
    Elsewhere(NodeId),
    /// Nobody's: the id was not made by any of us.
    Nobody,
}

impl Cluster {
    /// `address` is where the others reach this node. Without a secret the nodes agree on one through the registry.
    pub fn new(
        node: NodeId,
        address: Address,
        nodes: Arc<dyn Nodes>,
        clock: Clock,
        secret: Option<&Secret>,
    ) -> Arc<Self> {
        let (seal, shared) = if let Some(secret) = secret {
            (Seal::new(secret), None)
        } else {
            let made = Secret::from(random::<32>().map(|byte| format!("{byte:02x}")).concat());
            (Seal::new(&made), Some(Mutex::new(made)))
        };
        Arc::new(Self {
            node,
            address,
            seal,
            shared,
            directory: Directory::new(Arc::clone(&nodes)),
            nodes,
            clock,
            incarnation: AtomicU64::new(0),
            registry_ahead_ms: AtomicU64::new(0),
            leaving: CancellationToken::new(),
            left: CancellationToken::new(),
        })
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// An id for a new session of a worker of this node.
    pub fn session_id(&self, worker: u8, random: [u8; 12]) -> SessionId {
        SessionId::new(&self.node, worker, random, |sealed| self.seal.make(Purpose::SessionId, &[sealed]))
    }

    /// A session of this node costs a comparison; whether it exists, the worker knows best.
    pub fn owner(&self, session: &SessionId) -> Owner {
        let node = session.node();
        if node == self.node {
            return Owner::Here;
        }
        let (sealed, seal) = session.sealed();
        if self.seal.holds(Purpose::SessionId, &[sealed], seal) { Owner::Elsewhere(node) } else { Owner::Nobody }
    }

    /// Where a node is reached now; `None` if it is dead, or if that is us.
    ///
    /// # Errors
    /// If neither the registry nor memory can tell.
    pub async fn find(&self, node: NodeId) -> Result<Option<Address>, Unavailable> {
        let found = self.directory.find(node, self.clock.now_ms()).await?;
        Ok(found.filter(|address| *address != self.address))
    }

    /// The node did not answer: for a moment it counts as dead.
    pub fn unreachable(&self, node: NodeId) {
        self.directory.bar(node, self.clock.now_ms());
    }

    pub fn seal(&self) -> &Seal {
        &self.seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::LoneNode;

    fn cluster(number: u8, secret: &str) -> Arc<Cluster> {
        let node = NodeId::from_random([number; 9]);
        let nodes = Arc::new(LoneNode::new(node, || 1));
        let address = format!("node-{number}:3001").parse().unwrap();
        Cluster::new(node, address, nodes, Clock::start(), Some(&secret.into()))
    }

    #[test]
    fn a_session_id_leads_to_its_owner() {
        let (one, two) = (cluster(1, "secret"), cluster(2, "secret"));
        let id = one.session_id(3, [7; 12]);
        assert_eq!((one.owner(&id), two.owner(&id)), (Owner::Here, Owner::Elsewhere(one.node())));
        assert_eq!(id.worker(), 3);
    }

    #[test]
    fn an_id_that_was_thought_up_leads_nowhere() {
        let (one, two) = (cluster(1, "secret"), cluster(2, "secret"));
        assert_eq!(cluster(3, "another secret").owner(&one.session_id(0, [7; 12])), Owner::Nobody);
        let text = one.session_id(0, [7; 12]).to_string();
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            let value = alphabet.iter().position(|letter| *letter == forged[at]).unwrap();
            forged[at] = alphabet[value ^ 1];
            let forged = SessionId::parse(std::str::from_utf8(&forged).unwrap()).unwrap();
            assert_eq!(two.owner(&forged), Owner::Nobody, "changed at {at}");
        }
    }
}
