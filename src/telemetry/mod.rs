//! What operators see: log lines and the exposition of metrics.
//!
//! Kept here: how lines look and what may not be in them, and the Prometheus exporter with its buckets. Not kept here: which metrics there
//! are (`meters`) and which port serves them (`admin`).
//!
//! Invariant: no line holds a token, whoever wrote it; see `redact`.

mod exporter;
mod lines;
mod logs;
mod redact;

pub use exporter::{Exporter, ExporterError};
pub use logs::{Form, LogOptions, install, subscriber};
