//! What a client sends, unwrapped.

use super::{CloseCode, Opcode, Violation};

/// A whole message or a control frame, borrowed from the input or from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// To be answered by a pong with the same payload.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The last message: to be answered by a close with the same code unless we closed first.
    Close(Option<CloseCode>, &'a str),
}

impl<'a> Message<'a> {
    /// The message that a frame makes by itself.
    pub(super) fn of_frame(opcode: Opcode, payload: &'a [u8]) -> Result<Self, Violation> {
        match opcode {
            Opcode::Text => Ok(Self::Text(utf8(payload)?)),
            Opcode::Binary | Opcode::Continuation => Ok(Self::Binary(payload)),
            Opcode::Ping => Ok(Self::Ping(payload)),
            Opcode::Pong => Ok(Self::Pong(payload)),
            Opcode::Close => close(payload),
        }
    }
}

fn close(payload: &[u8]) -> Result<Message<'_>, Violation> {
    match payload {
        [] => Ok(Message::Close(None, "")),
        [_] => Err(Violation::InvalidCloseCode),
        [high, low, reason @ ..] => {
            let code = CloseCode::new(u16::from_be_bytes([*high, *low])).ok_or(Violation::InvalidCloseCode)?;
            Ok(Message::Close(Some(code), utf8(reason)?))
        }
    }
}

fn utf8(payload: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(payload).map_err(|_| Violation::InvalidUtf8)
}
