//! Foreign msgpack, read with bounds, and its way to JSON and back.
//!
//! Kept here: [`Reader`], a cursor that yields one item at a time and checks every claimed length against the bytes that
//! remain; [`transcode`], one value to JSON text with attachments; [`write`], the way back. The msgpack parser of
//! Socket.IO and the publishers' formats share them. Deliberately absent: a tree of values, serde.
//!
//! Invariant: nothing recurses, and nothing is allocated for a length that the input only claims.

mod reader;
#[cfg(test)]
mod tests;
mod timestamp;
pub mod transcode;
pub mod write;

pub use reader::{Item, Reader};

/// How far foreign msgpack may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nesting of arrays and maps; `[]` has depth 1. Bytes count as one level, since their placeholder is an object.
    pub depth: usize,
    /// Byte strings in one value.
    pub attachments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 32, attachments: 10 }
    }
}

/// Why bytes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the msgpack ends early or claims more than it holds")]
    Truncated,
    #[error("the msgpack has bytes behind its value")]
    Trailing,
    #[error("the msgpack contains the reserved marker")]
    ReservedMarker,
    #[error("the msgpack has an item of another kind than expected")]
    Unexpected,
    #[error("the msgpack nests too deeply")]
    TooDeep,
    #[error("the msgpack holds too many byte strings")]
    TooManyAttachments,
    #[error("the msgpack holds a placeholder without its attachment")]
    IllegalPlaceholder,
}
