//! The Redis backplane against real servers: what only Redis has (functions, fencing, timelines, lost connections).

#[path = "redis/node.rs"]
mod node;
#[path = "redis/publishing.rs"]
mod publishing;
#[path = "redis/server.rs"]
mod server;
