//! RFC 6455 for the server's side of a connection, without sockets, tasks or clocks.
//!
//! Kept here: reading what a client sends ([`Reader`]), writing frames ([`text_frame`] and its kin), and the opening
//! handshake ([`check_upgrade`]). Not kept here: extensions (none is negotiated, so the reserved bits must be zero),
//! fragmenting what we send, answering pings and closes (the owner of the socket does that), buffers to read into.
//!
//! Invariant: an idle connection owns no heap. A frame that lies whole in the input is handed out from there; only an
//! incomplete frame and the fragments of an unfinished message are copied, and both are bounded by [`Limits`].

mod close;
mod frame;
mod handshake;
mod header;
mod input;
mod kept;
mod mask;
mod message;
mod reader;
mod text;
mod violation;

#[cfg(test)]
mod tests;

pub use close::CloseCode;
pub use frame::{
    CLOSE_REASON_BYTES_MAX, HEADROOM, append_binary, binary_frame, close_frame, ping_frame, pong_frame, put_header,
    text_frame,
};
pub use handshake::{Accept, UpgradeError, accept_key, check_upgrade};
pub use header::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Opcode};
pub use input::Input;
pub use message::Message;
pub use reader::{Limits, Reader};
pub use violation::Violation;
