//! The port between a node and what connects it to the others, and the pure logic around it.
//!
//! Kept here: the traits ([`Backplane`], [`Ingest`], [`Nodes`], [`resume::Sessions`]) and the values that cross them, the lane
//! (which announcement may be delivered now), and what a client that comes back may be given. Not here: Redis (`redis/`), the
//! embedded version (`memory/`), the task that drives a lane (`flows/`).
//! Invariant: nothing is delivered to a socket that the backplane has not accepted first.

mod arrivals;
mod lane;
mod nodes;
mod options;
mod port;
pub mod resume;

pub use arrivals::offer;
pub use lane::{GapNotice, GapReason, Lane, LaneCounters, LaneOptions, Step};
pub use nodes::{Address, Dead, Incarnation, LEASE_MS, Member, NoAddress, Nodes, RENEWAL_MS, Tenure};
pub use options::Options;
pub use port::{
    Announcement, Arrival, Backplane, Durability, Entry, Fence, Foreign, Heads, Idempotency, InboxEntry, Ingest,
    PublishError, PublishRequest, Receipt, Unavailable,
};
