//! The clients' door: HTTP and WebSocket in, frames out.
//!
//! Kept here: worker threads with their listeners, admission of requests, the two Engine.IO transports and the change from
//! one to the other, writing out what the hubs have queued. Not here: what packets mean (`session/`, `flows/`).
//! Invariant: a connection lives and dies on the worker that owns its session; others only send that worker a message.

mod admission;
mod compress;
mod doorway;
mod links;
mod mailbox;
mod options;
mod polling;
mod refusal;
mod request;
mod upgrade;
mod websocket;
mod worker;

pub use mailbox::{Mailboxes, WorkerOutlet};
pub use options::{Listener, Options};
pub use worker::{Listening, Started, start};
