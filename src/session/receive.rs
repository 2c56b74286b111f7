//! Messages of a client, as the flows want them.

use bytes::Bytes;
use smallvec::SmallVec;

use super::Session;
use crate::closing::Closing;
use crate::protocol::socket::{self, Limits, PacketType, Reassembly};

/// How a listener's clients speak.
#[derive(Debug, Clone)]
pub struct Parsing {
    pub speaks: Speaks,
    pub limits: Limits,
    /// Longest message, and longest sum of an event's attachments, in bytes.
    pub payload_bytes_max: usize,
}

/// What is inside Engine.IO messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Socket.IO protocol 5 as text with binary attachments.
    SocketIo,
    /// Socket.IO protocol 5 by socket.io-msgpack-parser: one binary message a packet.
    MsgpackSocketIo,
    /// Nothing known: messages go to the application as they are.
    Engine,
}

/// One packet of a client, complete and within the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Connect { namespace: String, auth: Option<String> },
    Disconnect { namespace: String },
    Event { namespace: String, id: Option<u64>, args: String, attachments: SmallVec<[Bytes; 0]> },
    Ack { namespace: String, id: u64, args: String, attachments: SmallVec<[Bytes; 0]> },
    Text(String),
    Binary(Bytes),
}

impl Session {
    pub(super) fn message(&mut self, text: &str, parsing: &Parsing) -> Result<Option<Received>, Closing> {
        match parsing.speaks {
            Speaks::Engine => return Ok(Some(Received::Text(text.to_owned()))),
            Speaks::MsgpackSocketIo => return Err(Closing::ParseError),
            Speaks::SocketIo => {}
        }
        // Attachments belong to the packet before them: a text packet in between breaks the sequence.
        if self.reassembly.is_some() {
            return Err(Closing::ParseError);
        }
        let packet = socket::decode(text, &parsing.limits).map_err(|_| Closing::ParseError)?;
        if packet.attachments > 0 {
            let mut reassembly = Box::new(Reassembly::new(parsing.payload_bytes_max));
            reassembly.accept_text(text, &parsing.limits).map_err(|_| Closing::ParseError)?;
            self.reassembly = Some(reassembly);
            return Ok(None);
        }
        let data = packet.data.map(str::to_owned);
        received(packet.kind, packet.namespace.to_owned(), packet.id, data, SmallVec::new())
    }

    pub(super) fn binary(&mut self, bytes: &[u8], parsing: &Parsing) -> Result<Option<Received>, Closing> {
        match parsing.speaks {
            Speaks::Engine => Ok(Some(Received::Binary(Bytes::copy_from_slice(bytes)))),
            Speaks::MsgpackSocketIo => {
                let packet = socket::msgpack::decode(bytes, &parsing.limits).map_err(|_| Closing::ParseError)?;
                received(packet.kind, packet.namespace, packet.id, packet.data, packet.attachments.into())
            }
            Speaks::SocketIo => {
                let pending = self.reassembly.as_mut().ok_or(Closing::ParseError)?;
                let bytes = Bytes::copy_from_slice(bytes);
                let Some(whole) = pending.accept_binary(bytes).map_err(|_| Closing::ParseError)? else {
                    return Ok(None);
                };
                self.reassembly = None;
                let packet = whole.packet();
                let (kind, namespace, id) = (packet.kind, packet.namespace.to_owned(), packet.id);
                received(kind, namespace, id, packet.data.map(str::to_owned), whole.attachments.into())
            }
        }
    }
}

fn received(
    kind: PacketType,
    namespace: String,
    id: Option<u64>,
    data: Option<String>,
    attachments: SmallVec<[Bytes; 0]>,
) -> Result<Option<Received>, Closing> {
    let args = data.unwrap_or_default();
    Ok(Some(match kind {
        PacketType::Connect => Received::Connect { namespace, auth: (!args.is_empty()).then_some(args) },
        PacketType::Disconnect => Received::Disconnect { namespace },
        PacketType::Event | PacketType::BinaryEvent => Received::Event { namespace, id, args, attachments },
        PacketType::Ack | PacketType::BinaryAck => {
            Received::Ack { namespace, id: id.ok_or(Closing::ParseError)?, args, attachments }
        }
        PacketType::ConnectError => return Err(Closing::ParseError),
    }))
}
