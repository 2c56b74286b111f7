//! An encoded packet, ready for the wire and shared by all its receivers.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::event::Event;
use crate::ids::Namespace;
use crate::protocol::socket::PacketType;
use crate::protocol::{engine, socket, websocket};

/// How a client's transport and parser want a packet; one of these for each socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// WebSocket frames, header included.
    WebSocket,
    /// Engine.IO payload packets; the separator goes between two, not after one.
    Polling,
    /// As `WebSocket`, for clients built with socket.io-msgpack-parser.
    MsgpackWebSocket,
    /// As `Polling`, for clients built with socket.io-msgpack-parser.
    MsgpackPolling,
}

impl Encoding {
    pub fn of(msgpack: bool, polling: bool) -> Self {
        match (msgpack, polling) {
            (false, false) => Self::WebSocket,
            (false, true) => Self::Polling,
            (true, false) => Self::MsgpackWebSocket,
            (true, true) => Self::MsgpackPolling,
        }
    }

    pub fn is_polling(self) -> bool {
        matches!(self, Self::Polling | Self::MsgpackPolling)
    }

    pub fn is_msgpack(self) -> bool {
        matches!(self, Self::MsgpackWebSocket | Self::MsgpackPolling)
    }
}

/// A packet that is encoded at most once per [`Encoding`], when the first receiver needs it, and never copied after.
#[derive(Debug)]
pub struct Frames {
    content: Content,
    encoded: [OnceLock<Bytes>; 4],
}

/// What is to be encoded.
#[derive(Debug, Clone)]
pub enum Content {
    /// An Engine.IO packet in its text form, such as `2` or `3probe`.
    Engine(Cow<'static, str>),
    /// A binary Engine.IO message.
    Binary(Bytes),
    /// A Socket.IO packet inside Engine.IO messages.
    Socket {
        kind: PacketType,
        namespace: Namespace,
        id: Option<u64>,
        /// JSON text; empty if the packet has none. Attachments as placeholders.
        data: String,
        attachments: SmallVec<[Bytes; 0]>,
        /// Appended as last argument of an event.
        offset: Option<String>,
    },
}

impl Frames {
    pub fn new(content: Content) -> Self {
        Self { content, encoded: [const { OnceLock::new() }; 4] }
    }

    /// An Engine.IO packet, such as `2` for a ping.
    pub fn engine(packet: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Content::Engine(packet.into()))
    }

    /// An event for any number of sockets of a namespace, with the offset it carries in a recoverable one.
    pub fn event(namespace: Namespace, event: Event, offset: Option<String>) -> Arc<Self> {
        let kind = if event.attachments.is_empty() { PacketType::Event } else { PacketType::BinaryEvent };
        let (data, attachments) = (event.args, event.attachments);
        Arc::new(Self::new(Content::Socket { kind, namespace, id: None, data, attachments, offset }))
    }

    /// An event that asks one socket for an ack. It carries no offset: it is in no log.
    pub fn request(namespace: Namespace, id: u64, event: Event) -> Arc<Self> {
        let kind = if event.attachments.is_empty() { PacketType::Event } else { PacketType::BinaryEvent };
        let (data, attachments) = (event.args, event.attachments);
        Arc::new(Self::new(Content::Socket { kind, namespace, id: Some(id), data, attachments, offset: None }))
    }

    /// The answer to an event that asked for one; `args` is a JSON array.
    pub fn ack(namespace: Namespace, id: u64, args: String, attachments: SmallVec<[Bytes; 0]>) -> Arc<Self> {
        let kind = if attachments.is_empty() { PacketType::Ack } else { PacketType::BinaryAck };
        Arc::new(Self::new(Content::Socket { kind, namespace, id: Some(id), data: args, attachments, offset: None }))
    }

    /// A packet without id or attachments: CONNECT, CONNECT_ERROR, DISCONNECT. `data` is JSON text or empty.
    pub fn control(kind: PacketType, namespace: Namespace, data: String) -> Arc<Self> {
        let attachments = SmallVec::new();
        Arc::new(Self::new(Content::Socket { kind, namespace, id: None, data, attachments, offset: None }))
    }

    /// The same with another offset; as it is, if it carries none.
    pub fn with_offset(&self, another: String) -> Arc<Self> {
        let mut content = self.content.clone();
        if let Content::Socket { offset: Some(offset), .. } = &mut content {
            *offset = another;
        }
        Arc::new(Self::new(content))
    }

    /// About how many bytes it makes of an outbox, before it was ever encoded.
    pub fn weight(&self) -> usize {
        match &self.content {
            Content::Engine(packet) => packet.len(),
            Content::Binary(bytes) => bytes.len(),
            Content::Socket { namespace, data, attachments, .. } => {
                WRAPPING + namespace.as_str().len() + data.len() + attachments.iter().map(Bytes::len).sum::<usize>()
            }
        }
    }

    /// The bytes in the asked form.
    pub fn bytes(&self, encoding: Encoding) -> &Bytes {
        self.encoded[encoding as usize].get_or_init(|| self.content.encode(encoding))
    }
}

/// Headers and offset.
const WRAPPING: usize = 64;

impl Content {
    fn encode(&self, encoding: Encoding) -> Bytes {
        match self {
            Self::Engine(packet) => text(encoding, packet.len(), |out| out.push_str(packet)),
            Self::Binary(bytes) => binary(bytes, encoding),
            Self::Socket { kind, namespace, id, data, attachments, offset } if encoding.is_msgpack() => {
                let (data, offset) = (some(data), offset.as_deref());
                binary(&socket::msgpack::encode(*kind, namespace.as_str(), *id, data, attachments, offset), encoding)
            }
            Self::Socket { kind, namespace, id, data, attachments, offset } => {
                let (name, count) = (namespace.as_str(), attachments.len());
                let length = PACKET_BYTES + name.len() + data.len() + offset.as_ref().map_or(0, String::len);
                let packet = text(encoding, length, |out| {
                    out.push_str(engine::MESSAGE);
                    match kind {
                        PacketType::Event | PacketType::BinaryEvent => {
                            socket::append_event(out, name, *id, data, count, offset.as_deref());
                        }
                        _ => socket::append(out, *kind, name, *id, some(data), count),
                    }
                });
                if attachments.is_empty() {
                    return packet;
                }
                let mut out = packet.to_vec();
                for bytes in attachments {
                    append_binary(&mut out, bytes, encoding);
                }
                Bytes::from(out)
            }
        }
    }
}

/// The packet of about `length` bytes that `write` appends. A WebSocket frame's header is written before it afterwards, so that nothing is copied.
fn text(encoding: Encoding, length: usize, write: impl FnOnce(&mut String)) -> Bytes {
    let mut out = String::new();
    if encoding.is_polling() {
        write(&mut out);
        return Bytes::from(out);
    }
    out.reserve(websocket::HEADROOM + length);
    out.extend([' '; websocket::HEADROOM]);
    write(&mut out);
    let mut frame = out.into_bytes();
    let start = websocket::put_header(websocket::Opcode::Text, &mut frame);
    Bytes::from(frame).slice(start..)
}

/// Room for what a packet has beside namespace, data and offset.
const PACKET_BYTES: usize = 32;

fn binary(bytes: &[u8], encoding: Encoding) -> Bytes {
    let mut out = Vec::new();
    append_binary(&mut out, bytes, encoding);
    Bytes::from(out)
}

fn some(data: &str) -> Option<&str> {
    (!data.is_empty()).then_some(data)
}

fn append_binary(out: &mut Vec<u8>, bytes: &[u8], encoding: Encoding) {
    if encoding.is_polling() {
        if !out.is_empty() {
            out.push(engine::SEPARATOR);
        }
        engine::encode_binary_for_polling(bytes, out);
    } else {
        websocket::append_binary(out, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_encoded_for_each_transport_from_one_handle() {
        let event = Event {
            args: r#"["e",{"_placeholder":true,"num":0}]"#.into(),
            attachments: SmallVec::from_vec(vec![Bytes::from_static(&[1, 2, 3, 4])]),
        };
        let position = "ab.5-1".to_owned();
        let frames = Frames::event(Namespace::new("/n").unwrap(), event, Some(position));
        let text = r#"451-/n,["e",{"_placeholder":true,"num":0},"ab.5-1"]"#;
        let polling = frames.bytes(Encoding::Polling);
        assert_eq!(polling, &Bytes::from([text, "\u{1e}bAQIDBA=="].concat()));
        let mut expected = vec![0x81, u8::try_from(text.len()).unwrap()];
        expected.extend_from_slice(text.as_bytes());
        expected.extend_from_slice(&[0x82, 4, 1, 2, 3, 4]);
        assert_eq!(frames.bytes(Encoding::WebSocket), &Bytes::from(expected));
        assert_eq!(frames.bytes(Encoding::Polling).as_ptr(), polling.as_ptr(), "encoded once");
    }
}
