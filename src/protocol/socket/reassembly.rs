//! Binary packets: a header as text, then its attachments as binary messages, nothing in between.

use bytes::Bytes;

use super::{Limits, Packet, PacketType, ParseError, decode};

/// The incoming packets of one session. At most one binary packet is incomplete at any time.
#[derive(Debug)]
pub struct Reassembly {
    pending: Option<Pending>,
    bytes_max: usize,
}

#[derive(Debug)]
struct Pending {
    header: Header,
    bytes: usize,
    attachments: Vec<Bytes>,
}

/// A decoded header that owns its text.
#[derive(Debug)]
struct Header {
    text: String,
    kind: PacketType,
    /// Where the namespace stands in the text; `None` for `/` left out.
    namespace: Option<(usize, usize)>,
    id: Option<u64>,
    data_start: Option<usize>,
    awaited: usize,
}

/// A binary packet with all its attachments.
#[derive(Debug)]
pub struct Assembled {
    header: Header,
    pub attachments: Vec<Bytes>,
}

impl Reassembly {
    /// `bytes_max` bounds a header and its attachments together.
    pub fn new(bytes_max: usize) -> Self {
        Self { pending: None, bytes_max }
    }

    /// Whether attachments are awaited.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes a text message. `None`: it was the header of a binary packet.
    ///
    /// # Errors
    /// If attachments are awaited, or the packet is refused by [`decode`].
    pub fn accept_text<'a>(&mut self, text: &'a str, limits: &Limits) -> Result<Option<Packet<'a>>, ParseError> {
        if self.is_pending() {
            return Err(ParseError::AttachmentsPending);
        }
        let packet = decode(text, limits)?;
        if packet.attachments == 0 {
            return Ok(Some(packet));
        }
        if text.len() > self.bytes_max {
            return Err(ParseError::TooLarge);
        }
        let header = Header::new(text, &packet);
        self.pending = Some(Pending { header, bytes: text.len(), attachments: Vec::new() });
        Ok(None)
    }

    /// Takes a binary message. `Some`: it was the last of its packet.
    ///
    /// # Errors
    /// If no attachment is awaited or the packet grows too large.
    pub fn accept_binary(&mut self, bytes: Bytes) -> Result<Option<Assembled>, ParseError> {
        let mut pending = self.pending.take().ok_or(ParseError::UnexpectedBinary)?;
        pending.bytes = pending.bytes.saturating_add(bytes.len());
        if pending.bytes > self.bytes_max {
            return Err(ParseError::TooLarge);
        }
        pending.attachments.push(bytes);
        if pending.attachments.len() < pending.header.awaited {
            self.pending = Some(pending);
            return Ok(None);
        }
        Ok(Some(Assembled { header: pending.header, attachments: pending.attachments }))
    }
}

impl Assembled {
    /// The packet, its placeholders in place.
    pub fn packet(&self) -> Packet<'_> {
        let Header { text, kind, namespace, id, data_start, awaited } = &self.header;
        Packet {
            kind: *kind,
            namespace: namespace.map_or("/", |(start, end)| &text[start..end]),
            id: *id,
            data: data_start.map(|start| &text[start..]),
            attachments: *awaited,
        }
    }
}

impl Header {
    fn new(text: &str, packet: &Packet<'_>) -> Self {
        // After the type and the count, whose dash is the first; a namespace stands there or nowhere.
        let namespace_start = text.find('-').map_or(0, |dash| dash + 1);
        let is_written = text[namespace_start..].starts_with('/');
        Self {
            kind: packet.kind,
            namespace: is_written.then(|| (namespace_start, namespace_start + packet.namespace.len())),
            id: packet.id,
            // Data reaches to the end of the text.
            data_start: packet.data.map(|data| text.len() - data.len()),
            awaited: packet.attachments,
            text: text.to_owned(),
        }
    }
}
