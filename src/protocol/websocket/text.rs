//! Text that arrives in pieces which may end inside a character.

use super::Violation;

/// The part of a text that has arrived: checked characters and at most three bytes of the next one.
///
/// Invariant: `tail` is the beginning of a character that can still become valid.
#[derive(Debug, Default)]
pub(super) struct PartialText {
    pub checked: String,
    tail: Tail,
}

impl PartialText {
    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.checked.len() + self.tail.len
    }

    /// Fails at the first byte that no continuation can make valid, also if it is the last one here.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while self.tail.len > 0 {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            self.tail.push(byte);
            bytes = rest;
            match progress(self.tail.bytes()) {
                Progress::Complete(character) => self.checked.push_str(character),
                Progress::Unfinished => continue,
                Progress::Invalid => return Err(Violation::InvalidUtf8),
            }
            self.tail.len = 0;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - unfinished_suffix_len(bytes));
        self.checked.push_str(std::str::from_utf8(whole).map_err(|_| Violation::InvalidUtf8)?);
        for &byte in rest {
            self.tail.push(byte);
        }
        match progress(rest) {
            Progress::Complete(_) | Progress::Unfinished => Ok(()),
            Progress::Invalid => Err(Violation::InvalidUtf8),
        }
    }

    /// The whole text, if it does not end inside a character.
    pub(super) fn finish(self) -> Result<String, Violation> {
        if self.tail.len == 0 { Ok(self.checked) } else { Err(Violation::InvalidUtf8) }
    }
}

/// A character's first bytes; four once the last one has joined them.
#[derive(Debug, Default)]
struct Tail {
    bytes: [u8; 4],
    len: usize,
}

impl Tail {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

enum Progress<'a> {
    Complete(&'a str),
    Unfinished,
    Invalid,
}

fn progress(bytes: &[u8]) -> Progress<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Progress::Complete(text),
        Err(error) if error.error_len().is_none() => Progress::Unfinished,
        Err(_) => Progress::Invalid,
    }
}

/// How many of the last bytes begin a character that claims to be longer than what is here: 0 to 3.
fn unfinished_suffix_len(bytes: &[u8]) -> usize {
    for (index, byte) in bytes.iter().rev().take(3).enumerate() {
        let claimed_len = match byte {
            0x80..=0xbf => continue,
            0x00..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
        };
        return if claimed_len > index + 1 { index + 1 } else { 0 };
    }
    0
}
