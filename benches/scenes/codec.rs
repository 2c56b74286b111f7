//! The words of the wire: frames for many, packets and WebSocket frames of one.

use std::hint::black_box;
use std::sync::Arc;

use fanfare::event::NOWHERE;
use fanfare::hub::{Encoding, Frames};
use fanfare::ids::Namespace;
use fanfare::protocol::socket::{self, PacketType, msgpack};
use fanfare::protocol::websocket::{Input, Limits, Reader};

use super::{Scene, event};

const AT_ONCE: usize = 1_000;
const ARGUMENTS: &str = r#"["message",{"chat":"5f1e2d","body":"See you at eight","seen":false},1795252042133]"#;

/// An event's bytes, made once for all its receivers.
pub fn frames(encoding: Encoding) -> Box<dyn Scene> {
    Box::new(Encoded { encoding, waiting: Vec::new() })
}

struct Encoded {
    encoding: Encoding,
    waiting: Vec<Arc<Frames>>,
}

impl Scene for Encoded {
    fn prepare(&mut self) {
        let frames = |number| Frames::event(Namespace::root(), event(number), Some(NOWHERE.to_owned()));
        self.waiting = (0..AT_ONCE).map(frames).collect();
    }

    fn perform(&mut self) -> u64 {
        self.waiting.iter().map(|frames| u64::from(!black_box(frames.bytes(self.encoding)).is_empty())).sum()
    }
}

/// An event of a client, as text.
pub fn packet_text() -> Box<dyn Scene> {
    let packet = socket::encode_event("/", Some(7), ARGUMENTS, 0, None);
    Box::new(Repeated(move || socket::decode(black_box(&packet), &socket::Limits::default()).is_ok()))
}

/// An event of a client with the msgpack parser.
pub fn packet_msgpack() -> Box<dyn Scene> {
    let packet = msgpack::encode(PacketType::Event, "/", Some(7), Some(ARGUMENTS), &[], None);
    Box::new(Repeated(move || msgpack::decode(black_box(&packet), &socket::Limits::default()).is_ok()))
}

struct Repeated<F: FnMut() -> bool>(F);

impl<F: FnMut() -> bool> Scene for Repeated<F> {
    fn prepare(&mut self) {}

    fn perform(&mut self) -> u64 {
        (0..AT_ONCE).map(|_| u64::from(self.0())).sum()
    }
}

/// Small frames, each in a read of its own, as clients send them.
pub fn websocket_read() -> Box<dyn Scene> {
    Box::new(Read { reader: Reader::default(), wire: Vec::new() })
}

struct Read {
    reader: Reader,
    wire: Vec<u8>,
}

const SMALL: &[u8; 27] = br#"42["typing",{"chat":"5f1"}]"#;
const MASK: [u8; 4] = [0x1f, 0x8b, 0x53, 0xe7];
const SMALL_FRAME: usize = 2 + MASK.len() + SMALL.len();

impl Scene for Read {
    fn prepare(&mut self) {
        self.wire.clear();
        for _ in 0..AT_ONCE {
            self.wire.extend_from_slice(&[0x81, 0x80 | 0x1b]);
            self.wire.extend_from_slice(&MASK);
            self.wire.extend(SMALL.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }

    fn perform(&mut self) -> u64 {
        let limits = Limits::default();
        let mut read = 0;
        for frame in self.wire.chunks_exact_mut(SMALL_FRAME) {
            let mut input = Input::new(frame);
            while let Ok(Some(message)) = self.reader.next(&mut input, &limits) {
                black_box(message);
                read += 1;
            }
        }
        read
    }
}
