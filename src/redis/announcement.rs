//! The form of a message on a watched channel: one line of text, then the envelope.
//!
//! `F1 <epoch> <id> <topic>=<prev>,…` for a stored publication (written by `publish.lua`), `F1 volatile` for one that is not
//! stored, `F1 canary <number>` for the proof that the connection works. Every topic's channel gets the same message; where
//! one that is not stored has several topics, `F1 volatile <token>` lets a node that watches more than one take it once.

use bytes::Bytes;
use smallvec::SmallVec;

use super::keys::topic_named;
use crate::event::{Epoch, Id, Topic};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Stored { epoch: Epoch, id: Id, topics: SmallVec<[(Topic, Id); 1]>, envelope: Bytes },
    Volatile { token: Option<Bytes>, envelope: Bytes },
    Canary(u64),
}

/// `None` if the message is none of ours.
pub(super) fn parse(message: &Bytes) -> Option<Heard> {
    let end = message.iter().take(HEADER_BYTES_MAX).position(|&byte| byte == b'\n')?;
    let header = std::str::from_utf8(&message[..end]).ok()?.strip_prefix("F1 ")?;
    let envelope = message.slice(end + 1..);
    let mut words = header.split(' ');
    match (words.next()?, words.next(), words.next(), words.next()) {
        ("volatile", None, None, None) => Some(Heard::Volatile { token: None, envelope }),
        ("volatile", Some(token), None, None) => {
            Some(Heard::Volatile { token: Some(message.slice_ref(token.as_bytes())), envelope })
        }
        ("canary", Some(number), None, None) => Some(Heard::Canary(number.parse().ok()?)),
        (epoch, Some(id), Some(topics), None) => Some(Heard::Stored {
            epoch: Epoch::new(epoch)?,
            id: id.parse().ok()?,
            topics: topics.split(',').map(topic_and_prev).collect::<Option<_>>()?,
            envelope,
        }),
        _ => None,
    }
}

/// With a `token` that no other publication has, if it goes out on several channels.
pub(super) fn volatile(token: Option<&str>, envelope: &[u8]) -> Bytes {
    let mut message = String::from("F1 volatile");
    if let Some(token) = token {
        message.push(' ');
        message.push_str(token);
    }
    message.push('\n');
    let mut message = message.into_bytes();
    message.extend_from_slice(envelope);
    message.into()
}

pub(super) fn canary(number: u64) -> String {
    format!("F1 canary {number}\n")
}

/// Far above what a publish to a thousand rooms writes, so that a message without a line is not searched to its end.
const HEADER_BYTES_MAX: usize = 512 * 1024;

fn topic_and_prev(text: &str) -> Option<(Topic, Id)> {
    let (topic, prev) = text.split_once('=')?;
    Some((topic_named(topic)?, prev.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Room;

    #[test]
    fn a_stored_publication_is_read_with_every_topic() {
        let heard = parse(&Bytes::from_static(b"F1 abc 5-7 all=0-0,reA=4-1\n\x00\n\xff")).unwrap();
        let topics = SmallVec::from_vec(vec![
            (Topic::All, Id::ZERO),
            (Topic::Room(Room::new("x").unwrap()), Id { ms: 4, seq: 1 }),
        ]);
        let (epoch, id) = (Epoch::new("abc").unwrap(), Id { ms: 5, seq: 7 });
        assert_eq!(heard, Heard::Stored { epoch, id, topics, envelope: Bytes::from_static(b"\x00\n\xff") });
    }

    #[test]
    fn volatile_and_canary_are_read_back_as_written() {
        let envelope = Bytes::from_static(b"\n");
        let heard = |token| Some(Heard::Volatile { token, envelope: envelope.clone() });
        assert_eq!(parse(&volatile(None, &envelope)), heard(None));
        assert_eq!(parse(&volatile(Some("n-1"), &envelope)), heard(Some(Bytes::from_static(b"n-1"))));
        assert_eq!(parse(&canary(9).into()), Some(Heard::Canary(9)));
    }

    #[test]
    fn anything_else_is_nothing() {
        let wrong = [
            "",
            "\n",
            "hello",
            "F1 \n",
            "F2 volatile\n",
            "F1 e 1-2\n",
            "F1 e 1-2 all\n",
            "F1 e 1-2 all=0-0 x\n",
            "F1 e 1-2 rä=0-0\n",
        ];
        for text in wrong {
            assert_eq!(parse(&Bytes::from_static(text.as_bytes())), None, "{text:?}");
        }
    }
}
