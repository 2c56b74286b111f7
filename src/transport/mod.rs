//! The clients' door: HTTP and WebSocket in, frames out.
//!
//! Kept here: worker threads with their listeners, admission of requests, the two Engine.IO transports and the change from
//! one to the other, passing on what belongs to a session of another node, writing out what the hubs have queued. Not here: what packets mean (`session/`, `flows/`).
//! Invariant: a connection lives and dies on the worker that owns its session; others only send that worker a message.

mod admission;
mod compress;
mod doorway;
mod forward;
mod hop;
mod links;
mod mailbox;
mod options;
mod owner;
mod polling;
mod refusal;
mod request;
mod tunnel;
mod upgrade;
mod websocket;
mod worker;

pub use mailbox::{Mailboxes, WorkerOutlet};
pub use options::{Listener, Options};
pub use worker::{Listening, Started, start};
