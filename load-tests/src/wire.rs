//! As much of WebSocket as a client needs that only counts: no extensions, no fragments, a mask of zeros.

/// One whole frame of a server, found at the beginning of the bytes looked at.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    /// Where the payload begins and ends; the end is also where the next frame begins.
    pub start: usize,
    pub end: usize,
}

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

impl Frame {
    /// `None` while the frame is incomplete.
    pub fn at_front(bytes: &[u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        let (start, length) = match second & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        let end = usize::checked_add(start, usize::try_from(length).ok()?)?;
        (bytes.len() >= end).then_some(Self { opcode: first & 0x0f, start, end })
    }
}

/// A client's frame. The mask is zero, so the payload stands in it as it is and can be patched.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0x80);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// A server's frame.
pub fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

fn head(opcode: u8, length: usize, mask_bit: u8) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => head.push(mask_bit | short),
        (_, Ok(medium)) => {
            head.push(mask_bit | 0x7e);
            head.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            head.push(mask_bit | 0x7f);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    head
}

/// The request that turns a connection into a WebSocket. Any 16 bytes are a key; nobody here checks the answer to it.
pub fn upgrade(path: &str, host: std::net::SocketAddr) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// Length of an HTTP head, the empty line included.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_each_length_form_are_found_and_cut_ones_are_not() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let bytes = plain(TEXT, &vec![b'x'; length]);
            let frame = Frame::at_front(&bytes).unwrap();
            assert_eq!((frame.opcode, frame.end - frame.start, frame.end), (TEXT, length, bytes.len()));
            assert_eq!(Frame::at_front(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_masked_frame_holds_its_payload_as_it_is() {
        let frame = masked(TEXT, b"40");
        assert_eq!(frame, [0x81, 0x82, 0, 0, 0, 0, b'4', b'0']);
    }
}
