//! The Redis backplane against real servers: the contract of all backplanes, and what only Redis has (functions, fencing,
//! timelines, lost connections).

#![expect(
    clippy::disallowed_methods,
    reason = "a test watches deadlines of its own, and is told by the environment where to run"
)]

mod contract;
#[path = "redis/faults.rs"]
mod faults;
#[path = "redis/ingesting.rs"]
mod ingesting;
#[path = "redis/log.rs"]
mod log;
#[path = "redis/node.rs"]
mod node;
#[path = "redis/nodes.rs"]
mod nodes;
#[path = "redis/publishing.rs"]
mod publishing;
#[path = "redis/rights.rs"]
mod rights;
#[path = "redis/server.rs"]
mod server;
#[path = "redis/suite.rs"]
mod suite;
