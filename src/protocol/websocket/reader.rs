//! From a client's bytes to messages.

use super::header::Header;
use super::kept::{Frame, Joined, Kept};
use super::{Input, Message, Opcode, Violation};

/// What a client may make us keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message, in payload bytes over all its fragments.
    pub message_bytes_max: usize,
    /// Most frames that one message may be cut into. Whatever this says, a message over 64 KiB must average at least
    /// 16 bytes a frame.
    pub fragments_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes_max: 1_000_000, fragments_max: 128 }
    }
}

/// One connection's reading side. It starts empty, and is empty again whenever the input ends between two messages.
#[derive(Debug, Default)]
pub struct Reader {
    kept: Option<Box<Kept>>,
    ended: bool,
}

impl Reader {
    /// The next message of `input`, which is cut down to what follows it. `None` means that all of `input` is used up:
    /// call again when more has arrived. Call until then, for only that lets go of a message put together here.
    ///
    /// After a close or a violation nothing is read any more: the rest is swallowed (RFC 6455, sections 5.5.1, 7.1.7).
    ///
    /// # Errors
    /// At the first byte that shows the violation. What came before it was already handed out.
    pub fn next<'m, 'input: 'm>(
        &'m mut self,
        input: &mut Input<'input>,
        limits: &Limits,
    ) -> Result<Option<Message<'m>>, Violation> {
        self.let_go();
        if self.ended {
            input.take_all();
            return Ok(None);
        }
        let message = match self.advance(input, limits) {
            Ok(Found::Nothing) => return Ok(None),
            Ok(Found::Whole(opcode, payload)) => Message::of_frame(opcode, payload),
            Ok(Found::Joined(joined)) => self.kept.get_or_insert_default().lent.insert(joined).message(),
            Err(violation) => Err(violation),
        };
        self.ended = matches!(message, Err(_) | Ok(Message::Close(..)));
        message.map(Some)
    }

    /// Whether the reader owns no heap.
    pub fn is_empty(&self) -> bool {
        self.kept.is_none()
    }

    /// Drops what was handed out by the call before, and all of it once there is no use for it.
    fn let_go(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        kept.lent = None;
        if self.ended || kept.is_empty() {
            self.kept = None;
        }
    }

    fn advance<'input>(&mut self, input: &mut Input<'input>, limits: &Limits) -> Result<Found<'input>, Violation> {
        loop {
            let begun = self.kept.as_mut().and_then(|kept| kept.frame.take());
            let mut frame = match begun {
                Some(frame) => frame,
                None => match self.begin(input, limits)? {
                    Some(frame) => frame,
                    None => return Ok(Found::Nothing),
                },
            };
            let payload = frame.unmask(input.take(frame.missing));
            if frame.missing == 0 && !frame.is_split && frame.fin && frame.opcode != Opcode::Continuation {
                return Ok(Found::Whole(frame.opcode, payload));
            }
            let kept = self.kept.get_or_insert_default();
            if let Some(joined) = kept.keep(frame, payload)? {
                return Ok(Found::Joined(joined));
            }
            if kept.frame.is_some() {
                return Ok(Found::Nothing);
            }
        }
    }

    /// Reads the next header and checks it against what is kept, before any of the payload.
    fn begin(&mut self, input: &mut Input<'_>, limits: &Limits) -> Result<Option<Frame>, Violation> {
        let Some(header) = self.header(input)? else { return Ok(None) };
        let body = self.kept.as_ref().and_then(|kept| kept.body.as_ref());
        let (kept_len, frames) = match (header.opcode, body) {
            (Opcode::Continuation, None) => return Err(Violation::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::MessageUnfinished),
            (Opcode::Continuation, Some(body)) => (body.len(), body.frames + 1),
            (Opcode::Text | Opcode::Binary | Opcode::Close | Opcode::Ping | Opcode::Pong, _) => (0, 1),
        };
        let too_long = Violation::TooLong;
        let payload_len = usize::try_from(header.payload_len).map_err(|_| too_long)?;
        // A control frame is bounded by its own rule and passes also where messages are to be tiny.
        if !header.opcode.is_control() {
            let message_len = kept_len.checked_add(payload_len).ok_or(too_long)?;
            if message_len > limits.message_bytes_max {
                return Err(too_long);
            }
            let too_fine = message_len > FINE_MESSAGE_BYTES_MAX && message_len / frames < FRAGMENT_BYTES_MIN;
            if frames > limits.fragments_max || too_fine {
                return Err(Violation::TooManyFragments);
            }
        }
        Ok(Some(Frame {
            fin: header.fin,
            opcode: header.opcode,
            missing: payload_len,
            mask: header.mask,
            is_split: false,
        }))
    }

    fn header(&mut self, input: &mut Input<'_>) -> Result<Option<Header>, Violation> {
        if let Some(kept) = self.kept.as_mut().filter(|kept| !kept.header.is_empty()) {
            while let [byte] = input.take(1) {
                kept.header.push(*byte);
                if let Some((header, _)) = Header::parse(&kept.header)? {
                    kept.header.clear();
                    return Ok(Some(header));
                }
            }
            return Ok(None);
        }
        if let Some((header, len)) = Header::parse(input.as_slice())? {
            input.take(len);
            return Ok(Some(header));
        }
        let begun = input.take_all();
        if !begun.is_empty() {
            self.kept.get_or_insert_default().header.extend_from_slice(begun);
        }
        Ok(None)
    }
}

enum Found<'input> {
    Nothing,
    /// A frame that is a message and lies whole in the input.
    Whole(Opcode, &'input [u8]),
    Joined(Joined),
}

/// Up to this length a message may be cut as fine as `fragments_max` allows.
const FINE_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Smallest average fragment of a longer message.
const FRAGMENT_BYTES_MIN: usize = 16;
