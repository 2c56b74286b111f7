//! The backplane on Redis 7 and later, or Valkey: the only room that knows fred.
//!
//! Kept here: connections, the publish function (`publish.lua`), the registry of nodes (`nodes.lua`), the subscriptions and
//! their supervisor, reads, the foreign ways in, the checks of `fanfare doctor`. Not here: when a lane may deliver (`backplane/`), what a publication means
//! (`event/`). Invariant: fred's own resubscription and retries are never relied on; a publish is sent once or not at all,
//! and a subscription counts only after a round trip behind it on the same connection.

mod announcement;
mod backplane;
mod canary;
mod client;
mod counters;
mod doctor;
mod inbox;
mod ingest;
mod keys;
mod library;
mod nodes;
mod options;
mod outside;
mod publish;
mod pump;
mod read;
mod sessions;
mod subscriptions;
mod supervisor;

pub use backplane::{RedisBackplane, connect};
pub use counters::{Counters, Snapshot};
pub use doctor::{Finding, Verdict, examine};
pub use options::{ConnectError, Options};
pub use outside::{OutsideError, append_to_inbox};
