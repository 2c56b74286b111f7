//! What happens to the gateway, one file for each: a client connects, sends, joins, leaves; a publication arrives.
//!
//! Kept here: the order of steps between the pure rooms below and the ports. Not here: how bytes reach a client
//! (`transport/`) and what the ports are made of (`redis/`, `memory/`).
//! Invariant: a socket is in a room only while the node watches the room's topic, and an ack for a join is sent after that.

mod asked;
pub mod cluster;
pub mod command;
pub mod connect;
pub mod deliver;
pub mod fan_out;
pub mod inbound;
pub mod leave;
pub mod policy;
pub mod publish;
mod record;
mod recover;
pub mod rules;
mod services;
mod worker;

pub use record::Held;
pub use recover::{Caps, Replays};
pub use services::{Limits, Services, correlation_id, random};
pub use worker::{Application, Client, Door, Handshake, SocketState, Worker};
