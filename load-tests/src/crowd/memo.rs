//! What a client must know to come back: who it was, and how far it had heard.

use super::Stage;
use super::ledger::Ledger;

/// What one connection was told.
#[derive(Debug, Default, Clone)]
pub struct Memo {
    /// The private id of its session.
    pub pid: String,
    /// The last argument of the last event.
    pub offset: String,
}

/// A client that is gone, and what it would come back with.
#[derive(Debug, Clone)]
pub struct Left {
    pub memo: Memo,
    /// How far its ledger was.
    pub sequence: u32,
}

impl Memo {
    pub(super) fn note(&mut self, stage: Stage, payload: &[u8]) {
        match payload {
            [b'4', b'0', ..] if stage == Stage::Entering => {
                self.pid = member(payload, b"\"pid\":\"").unwrap_or_default();
            }
            [b'4', b'2', inner @ .., b'"', b']'] => {
                let begin = memchr::memrchr(b'"', inner).map_or(0, |at| at + 1);
                self.offset.clear();
                self.offset.push_str(std::str::from_utf8(&inner[begin..]).unwrap_or_default());
            }
            _ => {}
        }
    }
}

impl Left {
    pub(super) fn new(memo: Memo, ledger: &Ledger) -> Self {
        Self { memo, sequence: ledger.last() }
    }

    /// The payload of the CONNECT with which the stock client comes back.
    pub fn auth(&self) -> String {
        format!(r#"{{"pid":"{}","offset":"{}"}}"#, self.memo.pid, self.memo.offset)
    }
}

/// The text behind `name`, up to the next quote.
fn member(payload: &[u8], name: &[u8]) -> Option<String> {
    let rest = &payload[memchr::memmem::find(payload, name)? + name.len()..];
    let end = memchr::memchr(b'"', rest)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_and_the_last_offset_are_kept() {
        let mut memo = Memo::default();
        memo.note(Stage::Entering, br#"40{"sid":"a","pid":"b"}"#);
        memo.note(Stage::Ready, br#"42["m","@00","e.5-7"]"#);
        memo.note(Stage::Ready, br#"42["m",{"x":"y"}]"#);
        let left = Left { memo, sequence: 0 };
        assert_eq!(left.auth(), r#"{"pid":"b","offset":"e.5-7"}"#);
    }
}
