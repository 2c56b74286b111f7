//! The backplane contract on the embedded memory version.

mod contract;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::{Fixture, Nodes};
use fanfare::backplane::Options;
use fanfare::ids::NodeId;
use fanfare::memory::{LoneNode, MemoryBackplane};

struct Memory;

impl Fixture for Memory {
    async fn nodes(&self, options: Options) -> Nodes {
        // Time moves with every look at it, so that nothing here depends on how fast the test runs.
        let clock = AtomicU64::new(1_700_000_000_000);
        let first = MemoryBackplane::new(options, move || clock.fetch_add(1, Ordering::Relaxed));
        let (second, first) = (Arc::new(first.another_node()), Arc::new(first));
        Nodes { sessions: [first.clone(), second.clone()], first, second }
    }
}

contract::suite!(Memory);
contract::registry::registry!(std::future::ready(crate::lone()));

fn lone() -> contract::registry::Seat {
    let node = NodeId::from_random([7; 9]);
    let clock = AtomicU64::new(1_700_000_000_000);
    contract::registry::Seat::new(LoneNode::new(node, move || clock.fetch_add(1, Ordering::Relaxed)), node, ())
}
