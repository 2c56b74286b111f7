//! Frames from the server: never masked, never fragmented.

use bytes::Bytes;

use super::{CONTROL_BYTES_MAX, CloseCode, Opcode};

/// Longest reason of a close frame, in bytes: a control payload less the code.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// Makes the bytes from [`HEADROOM`] to the end of `buffer` the payload of an unmasked final frame, by writing its header right
/// before them. Returns where the frame begins.
pub fn put_header(opcode: Opcode, buffer: &mut [u8]) -> usize {
    let payload_len = buffer.len() - HEADROOM;
    let (start, length) = match payload_len {
        #[expect(clippy::cast_possible_truncation, reason = "the arm bounds it")]
        0..=125 => (HEADROOM - 2, payload_len as u8),
        126..=0xffff => {
            #[expect(clippy::cast_possible_truncation, reason = "the arm bounds it")]
            buffer[HEADROOM - 2..HEADROOM].copy_from_slice(&(payload_len as u16).to_be_bytes());
            (HEADROOM - 4, 126)
        }
        _ => {
            buffer[HEADROOM - 8..HEADROOM].copy_from_slice(&(payload_len as u64).to_be_bytes());
            (HEADROOM - 10, 127)
        }
    };
    buffer[start] = 0x80 | opcode as u8;
    buffer[start + 1] = length;
    start
}

/// Bytes that [`put_header`] needs before the payload.
pub const HEADROOM: usize = SERVER_HEADER_BYTES_MAX;

/// Appends the header of an unmasked final frame.
fn header(opcode: Opcode, payload_len: usize, out: &mut Vec<u8>) {
    out.push(0x80 | opcode as u8);
    match payload_len {
        #[expect(clippy::cast_possible_truncation, reason = "the arm bounds it")]
        0..=125 => out.push(payload_len as u8),
        126..=0xffff => {
            out.push(126);
            #[expect(clippy::cast_possible_truncation, reason = "the arm bounds it")]
            out.extend_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}

/// Appends a binary frame.
pub fn append_binary(out: &mut Vec<u8>, payload: &[u8]) {
    append(Opcode::Binary, payload, out);
}

pub fn text_frame(payload: &str) -> Bytes {
    frame(Opcode::Text, payload.as_bytes())
}

pub fn binary_frame(payload: &[u8]) -> Bytes {
    frame(Opcode::Binary, payload)
}

/// A ping; `payload` beyond 125 bytes is cut off.
pub fn ping_frame(payload: &[u8]) -> Bytes {
    frame(Opcode::Ping, &payload[..payload.len().min(CONTROL_BYTES_MAX)])
}

/// The answer to a ping, with the ping's payload; what is beyond 125 bytes is cut off, but no valid ping has that.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    frame(Opcode::Pong, &payload[..payload.len().min(CONTROL_BYTES_MAX)])
}

/// A close. Without a code the frame is empty, whatever the reason; a reason beyond 123 bytes is cut off at a
/// character's end.
pub fn close_frame(code: Option<CloseCode>, reason: &str) -> Bytes {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.as_u16().to_be_bytes());
        let mut len = reason.len().min(CLOSE_REASON_BYTES_MAX);
        while !reason.is_char_boundary(len) {
            len -= 1;
        }
        payload.extend_from_slice(&reason.as_bytes()[..len]);
    }
    frame(Opcode::Close, &payload)
}

fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(SERVER_HEADER_BYTES_MAX + payload.len());
    append(opcode, payload, &mut out);
    out.into()
}

fn append(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(SERVER_HEADER_BYTES_MAX + payload.len());
    header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// As a client's, without the mask.
const SERVER_HEADER_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_takes_the_shortest_form_of_the_length() {
        for (len, expected) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            header(Opcode::Binary, len, &mut out);
            assert_eq!(out, expected);
            let mut framed = vec![0; HEADROOM + len];
            let start = put_header(Opcode::Binary, &mut framed);
            assert_eq!(&framed[start..HEADROOM], expected);
        }
        assert_eq!(text_frame("hé").as_ref(), b"\x81\x03h\xc3\xa9");
        assert_eq!(binary_frame(&[7]).as_ref(), b"\x82\x01\x07");
    }

    #[test]
    fn frames_are_appended_one_after_the_other() {
        let mut out = Vec::new();
        append_binary(&mut out, b"2");
        append_binary(&mut out, &[1, 2]);
        assert_eq!(out, b"\x82\x012\x82\x02\x01\x02");
    }

    #[test]
    fn control_frames_never_outgrow_their_limit() {
        assert_eq!(close_frame(None, "unsaid").as_ref(), b"\x88\x00");
        assert_eq!(close_frame(Some(CloseCode::NORMAL), "bye").as_ref(), b"\x88\x05\x03\xe8bye");
        let cut = close_frame(Some(CloseCode::NORMAL), &"é".repeat(100));
        assert_eq!(cut.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&cut[4..]).is_ok());
        assert_eq!(pong_frame(&[0; 200]).len(), 2 + CONTROL_BYTES_MAX);
        assert_eq!(ping_frame(b"?").as_ref(), b"\x89\x01?");
    }
}
