//! From the backplane to the hub: one task per partition that drives a [`crate::backplane::Lane`], and the count of who
//! wants which topic.
//!
//! Kept here: the tasks, the subscriptions, decoding. Not here: what may be delivered when (the lane), to which sockets (the
//! hub, behind [`Outlet`]). Invariant: a topic that somebody holds is watched, and one that nobody holds is let go.

mod inlet;
mod interest;
mod lanes;
mod outlet;
mod running;

pub use lanes::{Clock, Lanes};
pub use outlet::{LaneItem, Outlet};
