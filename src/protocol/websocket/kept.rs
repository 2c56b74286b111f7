//! What a reader keeps between calls: never anything of a connection at rest.

use smallvec::SmallVec;

use super::text::PartialText;
use super::{HEADER_BYTES_MAX, Message, Opcode, Violation, mask};

/// A frame whose header is known and of whose payload `missing` bytes are not.
#[derive(Debug)]
pub(super) struct Frame {
    pub fin: bool,
    pub opcode: Opcode,
    pub missing: usize,
    /// As it stands at the next byte of the payload.
    pub mask: [u8; 4],
    /// Part of the payload is already kept.
    pub is_split: bool,
}

impl Frame {
    /// Unmasks the next bytes of the payload.
    pub(super) fn unmask<'input>(&mut self, payload: &'input mut [u8]) -> &'input [u8] {
        mask::unmask(payload, self.mask);
        self.mask = mask::advance(self.mask, payload.len());
        self.missing -= payload.len();
        payload
    }
}

/// What outlives a call: the bytes of an unfinished header, an unfinished frame, the message so far, a control frame
/// in the midst of it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub header: SmallVec<[u8; HEADER_BYTES_MAX]>,
    pub frame: Option<Frame>,
    control: SmallVec<[u8; 16]>,
    pub body: Option<Body>,
    /// What the last call handed out and the next one forgets.
    pub lent: Option<Joined>,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.header.is_empty() && self.frame.is_none() && self.body.is_none()
    }

    /// Adds `payload`, the next bytes of `frame`, and gives what is complete by it.
    pub(super) fn keep(&mut self, mut frame: Frame, payload: &[u8]) -> Result<Option<Joined>, Violation> {
        let is_control = frame.opcode.is_control();
        if is_control {
            self.control.extend_from_slice(payload);
        } else {
            self.body.get_or_insert_with(|| Body::new(frame.opcode)).append(&frame, payload)?;
        }
        if frame.missing > 0 {
            frame.is_split = true;
            self.frame = Some(frame);
            Ok(None)
        } else if is_control {
            Ok(Some(Joined::Control(frame.opcode, std::mem::take(&mut self.control))))
        } else if frame.fin {
            self.body.take().map(|body| body.content.join()).transpose()
        } else {
            Ok(None)
        }
    }
}

/// A message put together from pieces.
#[derive(Debug)]
pub(super) enum Joined {
    Control(Opcode, SmallVec<[u8; 16]>),
    Text(String),
    Binary(Vec<u8>),
}

impl Joined {
    pub(super) fn message(&self) -> Result<Message<'_>, Violation> {
        match self {
            Self::Control(opcode, payload) => Message::of_frame(*opcode, payload),
            Self::Text(text) => Ok(Message::Text(text)),
            Self::Binary(bytes) => Ok(Message::Binary(bytes)),
        }
    }
}

/// The message so far.
#[derive(Debug)]
pub(super) struct Body {
    content: Content,
    /// Frames that have begun.
    pub frames: usize,
}

#[derive(Debug)]
enum Content {
    Text(PartialText),
    Binary(Vec<u8>),
}

impl Body {
    fn new(opcode: Opcode) -> Self {
        let content =
            if opcode == Opcode::Text { Content::Text(PartialText::default()) } else { Content::Binary(Vec::new()) };
        Self { content, frames: 0 }
    }

    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Text(text) => text.len(),
            Content::Binary(bytes) => bytes.len(),
        }
    }

    /// Room is made for at most twice what is here, and not beyond the end of the message where it is known: a mere
    /// claim costs nothing.
    fn append(&mut self, frame: &Frame, payload: &[u8]) -> Result<(), Violation> {
        self.frames += usize::from(!frame.is_split);
        let len = self.len() + payload.len();
        let wanted_len = len + if frame.fin { frame.missing.min(len) } else { len };
        match &mut self.content {
            Content::Text(text) => {
                if text.checked.capacity() < len {
                    text.checked.reserve_exact(wanted_len - text.checked.len());
                }
                text.append(payload)
            }
            Content::Binary(bytes) => {
                if bytes.capacity() < len {
                    bytes.reserve_exact(wanted_len - bytes.len());
                }
                bytes.extend_from_slice(payload);
                Ok(())
            }
        }
    }
}

impl Content {
    fn join(self) -> Result<Joined, Violation> {
        match self {
            Self::Text(text) => Ok(Joined::Text(text.finish()?)),
            Self::Binary(bytes) => Ok(Joined::Binary(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(body: &Body) -> usize {
        match &body.content {
            Content::Text(text) => text.checked.capacity(),
            Content::Binary(bytes) => bytes.capacity(),
        }
    }

    #[test]
    fn room_grows_with_what_arrived_and_not_with_what_was_claimed() {
        for opcode in [Opcode::Text, Opcode::Binary] {
            let mut kept = Kept::default();
            let mut frame = Frame { fin: true, opcode, missing: 1_000_000, mask: [0; 4], is_split: false };
            let mut arrived = 0;
            for _ in 0..999 {
                frame.missing -= 1000;
                arrived += 1000;
                assert!(kept.keep(frame, &[b'x'; 1000]).unwrap().is_none());
                let room = capacity(kept.body.as_ref().unwrap());
                assert!(room <= 2 * arrived && room <= 1_000_000, "{room} bytes kept for {arrived}");
                frame = kept.frame.take().unwrap();
            }
        }
    }
}
