//! What a publisher wants done, as it travels between nodes.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Target, Topic};
use crate::ids::Room;

/// One publication of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub target: Target,
    pub body: Body,
    /// Not kept for replay, and the first to be dropped where a client cannot keep up.
    pub volatile: bool,
    /// Publisher's wall clock at the way in, in milliseconds since 1970; measures the hop, orders nothing.
    pub published_at_ms: u64,
    /// W3C trace context of the publisher.
    pub traceparent: Option<String>,
}

impl Publication {
    /// Where it is stored and announced; never empty, no topic twice. A command concerns sockets wherever they are, whatever
    /// rooms select them; and in one place a socket that was away finds all of them.
    pub fn topics(&self) -> SmallVec<[Topic; 1]> {
        match self.body {
            Body::Event(_) => self.target.topics(),
            Body::Command(_) => SmallVec::from_iter([Topic::All]),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Event(Event),
    Command(Command),
}

/// A Socket.IO event, already in the words of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's name and arguments as one valid JSON array, `["name",…]`, attachments as placeholders in order.
    pub args: String,
    /// At most ten (socket.io-parser 4.2.7 refuses more).
    pub attachments: SmallVec<[Bytes; 0]>,
}

/// What is done to the sockets of the target, on every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Join(Vec<Room>),
    Leave(Vec<Room>),
    /// Socket.IO DISCONNECT, after which the stock client stays away; with `close` the transport goes too.
    Disconnect {
        close: bool,
    },
    /// The session of the target (one socket) was claimed in this generation: whoever holds it in an older one lets go,
    /// without a word to a client that is not there any more.
    Fence {
        generation: u64,
    },
}
