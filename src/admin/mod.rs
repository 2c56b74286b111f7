//! The operators' door: is the process alive, does it want traffic, and what does it count.
//!
//! Kept here: the admin port's router ([`router`]) and how far the process is ([`Readiness`]). Not kept here: how metrics are collected and
//! written (the exporter comes in as a closure), and when the process becomes ready or drains (`app/` says so).
//!
//! Invariant: `/livez` asks nobody. A Redis that is away must not make an orchestrator restart every gateway at once.

mod health;
mod readiness;
mod router;

pub use readiness::{Readiness, Stage};
pub use router::{Admin, Render, router};
