//! Every port in one process: the embedded default, and what tests run on.
//!
//! Kept here: the log of each partition in memory, with the ids, trimming and idempotency that Redis would give it. Not
//! here: ordering and gaps on the reading side (`backplane::Lane`). Invariant: an announcement is queued for every watching
//! node in the same locked step that appends it, so queue order is id order.

mod answers;
mod backplane;
mod log;
mod nodes;
mod records;
mod store;

pub use backplane::MemoryBackplane;
pub use nodes::LoneNode;
