//! The payload: 200 bytes of text that say which message this is and when it was sent.
//!
//! `@` and three numbers of fixed width in hexadecimal: place in its room, number in the run, nanoseconds. The rest is
//! filling. Every peer carries it unchanged, whatever it wraps around it, so one look finds it in any frame.

/// Length of the payload in bytes, the same for every message.
pub const LENGTH: usize = 200;

const SEQUENCE: std::ops::Range<usize> = 1..9;
const NUMBER: std::ops::Range<usize> = 9..17;
const SENT: std::ops::Range<usize> = 17..31;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Counts the messages of one room from 1.
    pub sequence: u32,
    /// Counts the messages of the run.
    pub number: u32,
    pub sent_ns: u64,
}

impl Mark {
    pub fn write(self, into: &mut [u8]) {
        hexadecimal(u64::from(self.sequence), &mut into[SEQUENCE]);
        hexadecimal(u64::from(self.number), &mut into[NUMBER]);
        hexadecimal(self.sent_ns, &mut into[SENT]);
    }

    /// The first mark in `bytes` and where its payload begins.
    pub fn find(bytes: &[u8]) -> Option<(usize, Self)> {
        let at = memchr::memchr(b'@', bytes)?;
        let payload = bytes.get(at..at + SENT.end)?;
        let sequence = u32::try_from(number(&payload[SEQUENCE])?).ok()?;
        let run = u32::try_from(number(&payload[NUMBER])?).ok()?;
        Some((at, Self { sequence, number: run, sent_ns: number(&payload[SENT])? }))
    }
}

/// A payload without numbers, for [`Mark::write`] to fill in.
pub fn blank() -> String {
    let mut text = String::from("@");
    text.push_str(&"0".repeat(SENT.end - 1));
    text.push_str(&"x".repeat(LENGTH - SENT.end));
    text
}

fn hexadecimal(mut value: u64, into: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in into.iter_mut().rev() {
        *byte = DIGITS[(value & 15) as usize];
        value >>= 4;
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut value = 0;
    for digit in digits {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(nibble);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_again_inside_anything() {
        let mark = Mark { sequence: 0x12_3456, number: u32::MAX, sent_ns: 987_654_321_012 };
        let mut frame = format!("42[\"m\",\"{}\"]", blank()).into_bytes();
        let at = memchr::memchr(b'@', &frame).unwrap();
        mark.write(&mut frame[at..]);
        assert_eq!(Mark::find(&frame), Some((at, mark)));
        assert_eq!(blank().len(), LENGTH);
    }

    #[test]
    fn foreign_text_holds_no_mark() {
        for bytes in ["", "@", "someone@example.com and a lot of text behind it", "42[\"m\",1]"] {
            assert_eq!(Mark::find(bytes.as_bytes()), None);
        }
    }
}
