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

/// What most announcements on a channel have in common; what is known need not be made again.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    /// The channel's topic and its name.
    pub(super) topic: Option<(&'a str, &'a Topic)>,
    /// That of the last announcement; replaced if this one has another.
    pub(super) epoch: Option<Epoch>,
}

/// `None` if the message is none of ours.
pub(super) fn parse(message: &Bytes, known: &mut Known<'_>) -> Option<Heard> {
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
            epoch: known.epoch(epoch)?,
            id: id.parse().ok()?,
            topics: topics.split(',').map(|text| known.topic_and_prev(text)).collect::<Option<_>>()?,
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

impl Known<'_> {
    fn epoch(&mut self, text: &str) -> Option<Epoch> {
        if self.epoch.as_ref().is_none_or(|known| known.as_str() != text) {
            self.epoch = Some(Epoch::new(text)?);
        }
        self.epoch.clone()
    }

    fn topic_and_prev(&self, text: &str) -> Option<(Topic, Id)> {
        let (name, prev) = text.split_once('=')?;
        let topic = match self.topic {
            Some((known, topic)) if known == name => topic.clone(),
            Some(_) | None => topic_named(name)?,
        };
        Some((topic, prev.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Room;

    #[test]
    fn a_stored_publication_is_read_with_every_topic() {
        let message = Bytes::from_static(b"F1 abc 5-7 all=0-0,reA=4-1\n\x00\n\xff");
        let heard = parse(&message, &mut Known::default()).unwrap();
        let topics = SmallVec::from_vec(vec![
            (Topic::All, Id::ZERO),
            (Topic::Room(Room::new("x").unwrap()), Id { ms: 4, seq: 1 }),
        ]);
        let (epoch, id) = (Epoch::new("abc").unwrap(), Id { ms: 5, seq: 7 });
        assert_eq!(heard, Heard::Stored { epoch, id, topics, envelope: Bytes::from_static(b"\x00\n\xff") });
        for epoch in ["abc", "def"] {
            let mut known = Known { topic: Some(("all", &Topic::All)), epoch: Epoch::new(epoch) };
            assert_eq!(parse(&message, &mut known).as_ref(), Some(&heard), "whatever is known");
        }
    }

    #[test]
    fn volatile_and_canary_are_read_back_as_written() {
        let envelope = Bytes::from_static(b"\n");
        let parse = |message: &Bytes| parse(message, &mut Known::default());
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
            assert_eq!(parse(&Bytes::from_static(text.as_bytes()), &mut Known::default()), None, "{text:?}");
        }
    }
}
