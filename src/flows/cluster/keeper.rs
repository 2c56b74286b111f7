//! Holds the node's lease, and buries the dead.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Cluster;
use crate::auth::Secret;
use crate::backplane::{Incarnation, RENEWAL_MS, Tenure, Unavailable};
use crate::meters::Meters;
use crate::tasks::Tasks;

impl Cluster {
    /// Enters the registry, under a new incarnation each time.
    ///
    /// # Errors
    /// If the registry cannot be reached, or holds a secret that is none.
    pub async fn enter(&self) -> Result<(), Unavailable> {
        self.agree().await?;
        let tenure = self.nodes.enter(&self.address).await?;
        self.hold(tenure);
        Meters::node_entered();
        Ok(())
    }

    /// Renews the lease and sweeps, until the process stops or the node leaves.
    pub async fn keep(self: Arc<Self>, tasks: Tasks) {
        let _vital = tasks.vital("nodes");
        let mut tick = tokio::time::interval(Duration::from_millis(RENEWAL_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut away = false;
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.leaving.cancelled() => break,
                _ = tick.tick() => {}
            }
            let outcome = async { self.renew().await.and(self.sweep().await) }.await;
            match outcome {
                Err(error) if !away => {
                    away = true;
                    tracing::warn!(event = "realtime.registry_unavailable", %error, "other nodes may take this one for dead");
                }
                Err(_) => {}
                Ok(()) => away = false,
            }
        }
        self.nodes.leave(self.incarnation()).await;
        self.left.cancel();
        tasks.stopping().await;
    }

    /// Takes the node out of the registry, for good; waits for that.
    pub async fn leave(&self) {
        self.leaving.cancel();
        self.left.cancelled().await;
    }

    /// The registry's time, in milliseconds since 1970. It follows the registry at every renewal, and our clock in between.
    pub fn registry_ms(&self) -> u64 {
        self.clock.now_ms().wrapping_add(self.registry_ahead_ms.load(Ordering::Relaxed))
    }

    async fn renew(&self) -> Result<(), Unavailable> {
        let incarnation = self.incarnation();
        if let Some(tenure) = self.nodes.renew(incarnation).await? {
            self.hold(tenure);
            return Ok(());
        }
        tracing::warn!(event = "realtime.node_fenced", %incarnation, "the lease has ended: this process was stopped, or away from Redis, for too long");
        self.enter().await
    }

    /// A dead node's sessions died with it; its entry is what is left.
    async fn sweep(&self) -> Result<(), Unavailable> {
        for dead in self.nodes.dead().await? {
            if self.nodes.bury(&dead).await? {
                Meters::node_buried();
                tracing::info!(event = "realtime.node_buried", node = %dead.node, incarnation = %dead.incarnation, "a node died");
            }
        }
        Ok(())
    }

    /// The first node's secret is everybody's. If Redis came back empty, the first to enter again brings it back.
    async fn agree(&self) -> Result<(), Unavailable> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let ours = || shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let agreed = self.nodes.share(ours().expose()).await?;
        if agreed.len() < SECRET_BYTES_MIN {
            return Err(Unavailable("the secret of the nodes in the registry is too short".to_owned()));
        }
        if agreed != ours().expose() {
            let agreed = Secret::from(agreed);
            self.seal.adopt(&agreed);
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = agreed;
        }
        Ok(())
    }

    fn hold(&self, tenure: Tenure) {
        self.incarnation.store(tenure.incarnation.0, Ordering::Relaxed);
        self.registry_ahead_ms.store(tenure.now_ms.wrapping_sub(self.clock.now_ms()), Ordering::Relaxed);
    }

    fn incarnation(&self) -> Incarnation {
        Incarnation(self.incarnation.load(Ordering::Relaxed))
    }
}

const SECRET_BYTES_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::Nodes as _;
    use crate::clock::Clock;
    use crate::ids::NodeId;
    use crate::memory::LoneNode;

    fn cluster() -> (Arc<Cluster>, Arc<LoneNode>) {
        let node = NodeId::from_random([1; 9]);
        let nodes = Arc::new(LoneNode::new(node, || 1_700_000_000_000));
        let address = "127.0.0.1:3001".parse().unwrap();
        (Cluster::new(node, address, nodes.clone(), Clock::start(), None), nodes)
    }

    #[tokio::test]
    async fn a_node_whose_lease_has_ended_enters_again_as_somebody_new() {
        let (cluster, nodes) = cluster();
        cluster.enter().await.unwrap();
        let first = cluster.incarnation();
        cluster.renew().await.unwrap();
        assert_eq!(cluster.incarnation(), first);
        nodes.leave(first).await;
        cluster.renew().await.unwrap();
        assert!(cluster.incarnation() > first);
        assert!(nodes.find(cluster.node()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_node_that_leaves_stays_away() {
        let (cluster, nodes) = cluster();
        cluster.enter().await.unwrap();
        let tasks = Tasks::default();
        tasks.spawn("nodes", Arc::clone(&cluster).keep(tasks.clone()));
        cluster.leave().await;
        assert_eq!(nodes.find(cluster.node()).await, Ok(None));
        tasks.stop();
        tasks.ended().await;
        assert_eq!(nodes.find(cluster.node()).await, Ok(None));
    }

    #[tokio::test]
    async fn time_is_the_registrys() {
        let (cluster, _) = cluster();
        cluster.enter().await.unwrap();
        assert!((1_700_000_000_000..1_700_000_060_000).contains(&cluster.registry_ms()));
    }
}
