//! The Redis backplane on the deployments that operators run. They take a while, so this target runs only when it is asked
//! for by name: `FANFARE_TEST_VALKEY=<valkey-server> cargo test --test deployments`, or `tests/run --full`. Whatever cannot
//! run is a failure.

#![expect(
    clippy::disallowed_methods,
    reason = "a test watches deadlines of its own, and is told by the environment where to run"
)]

#[path = "redis/deployments.rs"]
mod deployments;
#[expect(dead_code, reason = "shared with the tests of a single server, which use more of it")]
#[path = "redis/node.rs"]
mod node;
#[expect(dead_code, reason = "shared with the tests of a single server, which use more of it")]
#[path = "redis/server.rs"]
mod server;
