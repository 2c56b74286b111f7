//! Frame headers (RFC 6455, section 5.2).

use super::Violation;

/// Two bytes, eight of length, four of mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// Longest payload of a close, ping or pong (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Continuation),
            1 => Some(Self::Text),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }
}

/// The header of a frame from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub fin: bool,
    pub opcode: Opcode,
    /// As claimed; nothing of it need have arrived.
    pub payload_len: u64,
    pub mask: [u8; 4],
}

impl Header {
    /// The header at the start of `bytes` and its own length, or `None` if more bytes are needed. What the first two
    /// bytes show to be wrong is refused as soon as they are here.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBit);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(Violation::ReservedOpcode)?;
        if second & 0x80 == 0 {
            return Err(Violation::NotMasked);
        }
        let short_len = second & 0x7f;
        if opcode.is_control() {
            if !fin {
                return Err(Violation::FragmentedControl);
            }
            if usize::from(short_len) > CONTROL_BYTES_MAX {
                return Err(Violation::ControlTooLong);
            }
        }
        let Some((payload_len, rest)) = payload_len(short_len, rest)? else { return Ok(None) };
        let Some(&mask) = rest.first_chunk::<4>() else { return Ok(None) };
        Ok(Some((Self { fin, opcode, payload_len, mask }, bytes.len() - rest.len() + 4)))
    }
}

/// The length and what follows it.
fn payload_len(short_len: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (len, shortest, rest) = match short_len {
        126 => {
            let Some((bytes, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*bytes)), 126, rest)
        }
        127 => {
            let Some((bytes, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*bytes), 0x1_0000, rest)
        }
        _ => (u64::from(short_len), 0, rest),
    };
    if len < shortest || len >> 63 != 0 {
        return Err(Violation::MalformedLength);
    }
    Ok(Some((len, rest)))
}
