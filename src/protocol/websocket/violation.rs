//! What a client may do wrong on the wire, and how the connection is closed for it.

use super::CloseCode;

/// A breach of RFC 6455 or of our limits. The connection is of no further use: send a close frame with
/// [`Violation::close_code`] and drop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("a reserved bit is set although no extension was negotiated")]
    ReservedBit,
    #[error("the opcode is reserved")]
    ReservedOpcode,
    #[error("the frame is not masked")]
    NotMasked,
    #[error("the frame's length is not in its shortest form or beyond 63 bits")]
    MalformedLength,
    #[error("a control frame is fragmented")]
    FragmentedControl,
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    #[error("a continuation frame has nothing to continue")]
    NothingToContinue,
    #[error("a new message begins inside an unfinished one")]
    MessageUnfinished,
    #[error("the close code is one byte long or not allowed on the wire")]
    InvalidCloseCode,
    #[error("a text is not UTF-8")]
    InvalidUtf8,
    #[error("the message is longer than allowed")]
    TooLong,
    #[error("the message is cut into too many fragments")]
    TooManyFragments,
}

impl Violation {
    /// The code of the close frame that answers it (RFC 6455, section 7.4.1): 1002, 1007 or 1009.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::NotMasked
            | Self::MalformedLength
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::NothingToContinue
            | Self::MessageUnfinished
            | Self::InvalidCloseCode => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 => CloseCode::INVALID_PAYLOAD,
            Self::TooLong | Self::TooManyFragments => CloseCode::TOO_BIG,
        }
    }
}
