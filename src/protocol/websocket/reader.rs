//! From a client's bytes to messages.

use smallvec::SmallVec;

use super::header::Header;
use super::text::PartialText;
use super::{CloseCode, HEADER_BYTES_MAX, Opcode, Violation, mask};

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

/// A whole message or a control frame, borrowed from the input or from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// To be answered by a pong with the same payload.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The last message: to be answered by a close with the same code unless we closed first.
    Close(Option<CloseCode>, &'a str),
}

/// One connection's reading side. It starts empty, and is empty again whenever the input ends between two messages.
#[derive(Debug, Default)]
pub struct Reader {
    kept: Option<Box<Kept>>,
    ended: bool,
}

impl Reader {
    /// The next message of `input`, which is cut down to what follows it and unmasked in place as far as it is used.
    /// `None` means that all of `input` is used up; call again when more has arrived. Call until then, for only that
    /// lets go of a reassembled message.
    ///
    /// After a close or a violation nothing is read any more: the rest is swallowed (RFC 6455, sections 5.5.1, 7.1.7).
    ///
    /// # Errors
    /// At the first byte that shows the violation. What came before it was already handed out.
    pub fn next<'m, 'input: 'm>(
        &'m mut self,
        input: &mut &'input mut [u8],
        limits: &Limits,
    ) -> Result<Option<Message<'m>>, Violation> {
        self.let_go();
        if self.ended {
            *input = &mut [];
            return Ok(None);
        }
        let message = match self.advance(input, limits) {
            Ok(Found::Nothing) => return Ok(None),
            Ok(Found::Whole(opcode, payload)) => message(opcode, payload),
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

    fn advance<'input>(&mut self, input: &mut &'input mut [u8], limits: &Limits) -> Result<Found<'input>, Violation> {
        loop {
            let begun = self.kept.as_mut().and_then(|kept| kept.frame.take());
            let mut frame = match begun {
                Some(frame) => frame,
                None => match self.begin(input, limits)? {
                    Some(frame) => frame,
                    None => return Ok(Found::Nothing),
                },
            };
            let payload = frame.take_payload(input);
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
    fn begin(&mut self, input: &mut &mut [u8], limits: &Limits) -> Result<Option<Frame>, Violation> {
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

    fn header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, Violation> {
        if let Some(kept) = self.kept.as_mut().filter(|kept| !kept.header.is_empty()) {
            while let Some((byte, rest)) = std::mem::take(input).split_first_mut() {
                *input = rest;
                kept.header.push(*byte);
                if let Some((header, _)) = Header::parse(&kept.header)? {
                    kept.header.clear();
                    return Ok(Some(header));
                }
            }
            return Ok(None);
        }
        if let Some((header, len)) = Header::parse(input)? {
            *input = &mut std::mem::take(input)[len..];
            return Ok(Some(header));
        }
        let begun = std::mem::take(input);
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

/// A frame whose header is known and of whose payload `missing` bytes are not.
#[derive(Debug)]
struct Frame {
    fin: bool,
    opcode: Opcode,
    missing: usize,
    /// As it stands at the next byte of the payload.
    mask: [u8; 4],
    /// Part of the payload is already kept.
    is_split: bool,
}

impl Frame {
    /// Takes what has arrived of the payload from `input` and unmasks it.
    fn take_payload<'input>(&mut self, input: &mut &'input mut [u8]) -> &'input [u8] {
        let all = std::mem::take(input);
        let (payload, rest) = all.split_at_mut(all.len().min(self.missing));
        *input = rest;
        mask::unmask(payload, self.mask);
        self.mask = mask::advance(self.mask, payload.len());
        self.missing -= payload.len();
        payload
    }
}

/// What outlives a call: the bytes of an unfinished header, an unfinished frame, the message so far, a control frame
/// in the midst of it.
#[derive(Debug, Default)]
struct Kept {
    header: SmallVec<[u8; HEADER_BYTES_MAX]>,
    frame: Option<Frame>,
    control: SmallVec<[u8; 16]>,
    body: Option<Body>,
    /// What the last call handed out and the next one forgets.
    lent: Option<Joined>,
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.header.is_empty() && self.frame.is_none() && self.body.is_none()
    }

    /// Adds `payload`, the next bytes of `frame`, and gives what is complete by it.
    fn keep(&mut self, mut frame: Frame, payload: &[u8]) -> Result<Option<Joined>, Violation> {
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
enum Joined {
    Control(Opcode, SmallVec<[u8; 16]>),
    Text(String),
    Binary(Vec<u8>),
}

impl Joined {
    fn message(&self) -> Result<Message<'_>, Violation> {
        match self {
            Self::Control(opcode, payload) => message(*opcode, payload),
            Self::Text(text) => Ok(Message::Text(text)),
            Self::Binary(bytes) => Ok(Message::Binary(bytes)),
        }
    }
}

/// The message so far.
#[derive(Debug)]
struct Body {
    content: Content,
    /// Frames that have begun.
    frames: usize,
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

    fn len(&self) -> usize {
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

/// A message whose payload lies in one piece.
fn message(opcode: Opcode, payload: &[u8]) -> Result<Message<'_>, Violation> {
    match opcode {
        Opcode::Text => Ok(Message::Text(utf8(payload)?)),
        Opcode::Binary | Opcode::Continuation => Ok(Message::Binary(payload)),
        Opcode::Ping => Ok(Message::Ping(payload)),
        Opcode::Pong => Ok(Message::Pong(payload)),
        Opcode::Close => close(payload),
    }
}

fn close(payload: &[u8]) -> Result<Message<'_>, Violation> {
    match payload {
        [] => Ok(Message::Close(None, "")),
        [_] => Err(Violation::InvalidCloseCode),
        [high, low, reason @ ..] => {
            let code = CloseCode::new(u16::from_be_bytes([*high, *low])).ok_or(Violation::InvalidCloseCode)?;
            Ok(Message::Close(Some(code), utf8(reason)?))
        }
    }
}

fn utf8(payload: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(payload).map_err(|_| Violation::InvalidUtf8)
}

/// Up to this length a message may be cut as fine as `fragments_max` allows.
const FINE_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Smallest average fragment of a longer message.
const FRAGMENT_BYTES_MIN: usize = 16;
