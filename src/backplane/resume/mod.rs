//! What a client that comes back may be given: its session's record, whether the log can prove that nothing is missing, and
//! the events in between.
//!
//! Kept here: the port [`Sessions`] and the pure steps of a resume. Not here: the order of the steps (`flows/recover`), and
//! where records lie (`redis/`, `memory/`). Invariant: [`prove`] says yes only if every publication of the topic after the
//! start is among the entries.
//!
//! ```text
//!  record ──► stays (room, joined at) ──► start of each topic: the client's offset, or the join if that is later
//!                                           │
//!  log    ──► timeline: is the start on it? ┘──► entries after the start ──► prove ──► merge by id, as the hub would deliver
//! ```

mod prove;
mod record;
mod sessions;
mod start;
mod stays;
mod timeline;
mod walk;

pub use prove::{Proof, prove};
pub use record::{By, Record, Since, Stay};
pub use sessions::{Claim, Claimant, Save, Saved, Sessions, What};
pub use start::{Start, start};
pub use stays::Stays;
pub use timeline::Timeline;
pub use walk::{Act, Caps, Past, follow_commands, merge};
