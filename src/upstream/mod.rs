//! Requests that the gateway makes to others over HTTP.
//!
//! Kept here: the only use of an HTTP client. Not kept here: what the answers mean. Each kind of request has a deadline, a
//! size limit for the answer, and follows no redirect.

mod client;
mod keys;

pub use client::{Answer, Client, RequestError};
pub use keys::{KeyClient, NoKeys, UpstreamError};
