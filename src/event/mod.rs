//! What travels between nodes: publications, their targets, their positions, and the envelope they travel in.
//!
//! Pure values. Not here: how a client sees an event (`protocol/`, `hub/frames.rs`) and how Redis stores it (`redis/`).
//! Invariant: a `Publication` in hand has been checked; its JSON is valid and within the limits of whoever made it.

mod envelope;
pub mod json;
mod partition;
mod position;
mod publication;
mod target;

pub use envelope::{EnvelopeError, decode, encode};
pub use partition::{Partition, Topic};
pub use position::{Epoch, Id, NOWHERE, Position, PositionError};
pub use publication::{Body, Command, Event, Publication};
pub use target::Target;
