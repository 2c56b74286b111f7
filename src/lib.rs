//! Fanfare: real-time event fan-out on Redis for unmodified Socket.IO clients.
//!
//! Rooms and their levels (imports only go down; `tests/tidy.rs` checks it):
//!
//! ```text
//! 6  app
//! 5  config  telemetry
//! 4  transport  api  admin
//! 3  flows  redis  memory  ingest  upstream
//! 2  session  hub  contract  backplane  auth
//! 1  protocol  event
//! 0  ids  clock  closing  meters  tasks
//! ```

pub mod admin;
pub mod api;
pub mod app;
pub mod auth;
pub mod backplane;
pub mod clock;
pub mod closing;
pub mod config;
pub mod contract;
pub mod event;
pub mod flows;
pub mod hub;
pub mod ids;
pub mod ingest;
pub mod memory;
pub mod meters;
pub mod protocol;
pub mod redis;
pub mod session;
pub mod tasks;
pub mod telemetry;
pub mod transport;
pub mod upstream;
