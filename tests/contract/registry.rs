//! What every registry of nodes does, whatever it is made of.

use std::any::Any;
use std::sync::Arc;

use fanfare::backplane::{Address, Dead, Incarnation, Nodes};
use fanfare::ids::NodeId;

/// A registry as one node sees it, and that node's id.
pub struct Seat {
    nodes: Arc<dyn Nodes>,
    node: NodeId,
    _below: Box<dyn Any + Send + Sync>,
}

impl Seat {
    /// `below` is what the registry stands on, kept as long as it.
    pub fn new(nodes: impl Nodes, node: NodeId, below: impl Any + Send + Sync) -> Self {
        Self { nodes: Arc::new(nodes), node, _below: Box::new(below) }
    }
}

fn address() -> Address {
    "10.0.0.7:3001".parse().unwrap()
}

pub async fn finds_who_has_entered(seat: &Seat) {
    assert_eq!(seat.nodes.find(seat.node).await, Ok(None));
    let tenure = seat.nodes.enter(&address()).await.unwrap();
    let found = seat.nodes.find(seat.node).await.unwrap().unwrap();
    assert_eq!((found.incarnation, found.address), (tenure.incarnation, address()));
    assert!(found.entered_ms <= tenure.now_ms);
    assert_eq!(seat.nodes.find(NodeId::from_random([0; 9])).await, Ok(None));
}

pub async fn gives_every_entry_a_higher_incarnation_and_refuses_the_old_one(seat: &Seat) {
    let first = seat.nodes.enter(&address()).await.unwrap().incarnation;
    let second = seat.nodes.enter(&address()).await.unwrap().incarnation;
    assert!(second > first);
    assert_eq!(seat.nodes.renew(first).await, Ok(None), "fenced");
    assert_eq!(seat.nodes.renew(second).await.unwrap().unwrap().incarnation, second);
    seat.nodes.leave(first).await;
    assert!(seat.nodes.find(seat.node).await.unwrap().is_some(), "what the old one does has no effect");
}

pub async fn forgets_who_leaves(seat: &Seat) {
    let tenure = seat.nodes.enter(&address()).await.unwrap();
    seat.nodes.leave(tenure.incarnation).await;
    assert_eq!(seat.nodes.find(seat.node).await, Ok(None));
    assert_eq!(seat.nodes.renew(tenure.incarnation).await, Ok(None));
    assert_eq!(seat.nodes.dead().await, Ok(Vec::new()), "it left nothing to sweep");
}

pub async fn buries_nobody_twice(seat: &Seat) {
    let nobody = Dead { node: NodeId::from_random([0; 9]), incarnation: Incarnation(1) };
    assert_eq!(seat.nodes.bury(&nobody).await, Ok(false));
}

/// Turns every test of the registry into one of the calling binary; `$seat` makes a [`Seat`] in a registry of its own.
macro_rules! registry {
    ($seat:expr) => {
        contract::registry::registry!($seat;
            finds_who_has_entered,
            gives_every_entry_a_higher_incarnation_and_refuses_the_old_one,
            forgets_who_leaves,
            buries_nobody_twice,
        );
    };
    ($seat:expr; $($test:ident),* $(,)?) => {
        mod registry {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::contract::registry::$test(&$seat.await).await;
                }
            )*
        }
    };
}
pub(crate) use registry;
