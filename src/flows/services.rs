//! What every flow needs and all workers share.

use std::sync::Arc;

use super::cluster::Cluster;
use super::deliver::{Lanes, Outlet};
use super::policy::Namespaces;
use super::recover::Replays;
use crate::auth::Authenticator;
use crate::backplane::Backplane;
use crate::backplane::resume::Sessions;
use crate::clock::Clock;
use crate::contract::VerbLimits;
use crate::event::Partition;
use crate::ids::{Namespace, Tenant};
use crate::meters::Meters;
use crate::tasks::Tasks;

/// The node's services. Built once in `app/`; everything in it is shared because it is stateless or guards itself.
pub struct Services {
    pub cluster: Arc<Cluster>,
    pub tenant: Tenant,
    pub clock: Clock,
    pub tasks: Tasks,
    pub meters: Meters,
    pub backplane: Arc<dyn Backplane>,
    pub sessions: Arc<dyn Sessions>,
    pub replays: Replays,
    pub lanes: Lanes,
    /// Where a publication for this node alone goes: the same way as one from a lane.
    pub outlet: Arc<dyn Outlet>,
    pub authenticator: Authenticator,
    pub namespaces: Namespaces,
    pub limits: Limits,
}

/// Bounds of the flows.
#[derive(Debug, Clone)]
pub struct Limits {
    pub rooms_per_socket: usize,
    pub namespaces_per_client: usize,
    /// Acks one socket may owe.
    pub pending_acks: usize,
    pub verbs: VerbLimits,
    /// Packets of one client that wait for their turn; beyond it the client is not read from.
    pub waiting_packets: usize,
    /// Their bytes, likewise.
    pub waiting_bytes: usize,
}

impl Services {
    pub fn partition(&self, namespace: &Namespace) -> Arc<Partition> {
        Partition::new(self.tenant.clone(), namespace.clone())
    }
}

/// Random bytes fetched ahead, since a call to the system costs more than all else about an id.
#[derive(Default)]
pub(super) struct Randomness {
    bytes: Vec<u8>,
}

impl Randomness {
    /// Bytes nobody can guess; what is handed out is not kept.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.bytes.len() < N {
            self.bytes = random::<RANDOMNESS_BYTES>().to_vec();
        }
        let rest = self.bytes.len() - N;
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[rest..]);
        self.bytes[rest..].fill(0);
        self.bytes.truncate(rest);
        taken
    }
}

const RANDOMNESS_BYTES: usize = 1_024;

/// Ties a refusal that a client sees to the line in the log.
pub fn correlation_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Bytes nobody can guess.
///
/// # Panics
/// If the operating system has no randomness to give; without it no secret id can be made.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}
