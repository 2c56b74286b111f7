//! Many receiving clients on one thread: they connect, join, count what comes, and keep nothing they do not need.
//!
//! Independent of the gateway's own codecs on purpose. Invariant: a socket's frames are looked at in the order in which they
//! came, each exactly once, and every mark in them goes through that socket's ledger.

mod connect;
mod ledger;
mod memo;
mod speech;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock::now_ns;
use crate::mark::{LENGTH, Mark};
use crate::publish::Publisher;
use crate::wire::{self, Frame};
pub use connect::{Arrival, Group};
use ledger::{Ledger, Seen};
pub use memo::{Left, Memo};
use speech::Stage;
use speech::Step;
pub use speech::{Speech, room_name};

const PUBLISHER: Token = Token(usize::MAX - 1);
const BUFFER_BYTES: usize = 256 << 10;

pub struct Crowd {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    connections: Vec<Connection>,
    speech: Speech,
    publisher: Option<Publisher>,
    /// What each connection was told, where that is wanted.
    memos: Option<Vec<Memo>>,
    /// How far those that come back had heard.
    heard_before: Vec<u32>,
    pub counts: Counts,
    /// Nanoseconds from the start of a connection to its last answer.
    pub connect_ns: Histogram<u64>,
}

/// What came, since it was last set to zero.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub ready: usize,
    pub refused: u64,
    pub closed: u64,
    pub marks: u64,
    pub reads: u64,
    pub reordered: u64,
    pub duplicates: u64,
}

struct Connection {
    stream: TcpStream,
    stage: Stage,
    room: u32,
    ledger: Ledger,
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
    /// A reader that does not read.
    deaf: bool,
    since_ns: u64,
}

/// Who is told about every message that reached a socket.
pub trait Audience {
    fn heard(&mut self, mark: Mark, now_ns: u64);
}

/// For phases in which messages are not expected or do not matter.
pub struct Nobody;

impl Audience for Nobody {
    fn heard(&mut self, _: Mark, _: u64) {}
}

impl Crowd {
    pub fn new(speech: Speech) -> anyhow::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1_024),
            buffer: vec![0; BUFFER_BYTES],
            connections: Vec::new(),
            speech,
            publisher: None,
            memos: None,
            heard_before: Vec::new(),
            counts: Counts::default(),
            connect_ns: Histogram::new(3)?,
        })
    }

    /// From now on connections remember what they would need to come back.
    pub fn remember(&mut self) {
        self.memos = Some(Vec::new());
    }

    /// Those who come now were here before: their ledgers go on where they were.
    pub fn expect_back(&mut self, left: &[Left]) {
        self.heard_before = left.iter().map(|left| left.sequence).collect();
    }

    /// What each connection remembers, in the order in which they were connected.
    pub fn left(&self) -> Vec<Left> {
        let memos = self.memos.as_deref().unwrap_or_default();
        memos.iter().zip(&self.connections).map(|(memo, one)| Left::new(memo.clone(), &one.ledger)).collect()
    }

    pub fn employ(&mut self, mut publisher: Publisher) -> anyhow::Result<()> {
        self.poll.registry().register(publisher.stream(), PUBLISHER, Interest::READABLE | Interest::WRITABLE)?;
        self.publisher = Some(publisher);
        Ok(())
    }

    pub fn publisher(&mut self) -> anyhow::Result<&mut Publisher> {
        self.publisher.as_mut().ok_or_else(|| anyhow::anyhow!("nobody publishes here"))
    }

    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Handles whatever is ready; waits for it at most `patience`.
    pub fn turn(&mut self, patience: Duration, audience: &mut impl Audience) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            if event.token() == PUBLISHER {
                if let Some(publisher) = &mut self.publisher {
                    publisher.attend(&mut self.buffer)?;
                }
            } else {
                self.attend(event.token().0, audience);
            }
        }
        self.events = events;
        Ok(())
    }

    /// Readiness is told once, so everything there is gets read; a read that fills less than the buffer was the last.
    fn attend(&mut self, index: usize, audience: &mut impl Audience) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.stage == Stage::Connecting && !self.introduce(index) {
            return;
        }
        loop {
            let connection = &mut self.connections[index];
            if connection.deaf || connection.stage == Stage::Closed {
                return;
            }
            let kept = connection.rest.len();
            if kept >= BUFFER_BYTES {
                return self.close(index, true);
            }
            self.buffer[..kept].copy_from_slice(&connection.rest);
            match connection.stream.read(&mut self.buffer[kept..]) {
                Ok(0) => return self.close(index, false),
                Ok(count) => {
                    self.counts.reads += 1;
                    let used = self.digest(index, kept + count, audience);
                    let whole = BUFFER_BYTES - kept;
                    let Some(used) = used else { return self.close(index, true) };
                    let rest = &self.buffer[used..kept + count];
                    let connection = &mut self.connections[index];
                    if !(rest.is_empty() && kept == 0) {
                        connection.rest = rest.to_vec();
                    }
                    if count < whole {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close(index, false),
            }
        }
    }

    /// Takes what is complete out of the first `filled` bytes of the buffer. `None` if the server refused.
    fn digest(&mut self, index: usize, filled: usize, audience: &mut impl Audience) -> Option<usize> {
        let connection = &mut self.connections[index];
        let bytes = &self.buffer[..filled];
        let mut at = 0;
        if connection.stage == Stage::Upgrading {
            let Some(head) = wire::head_length(bytes) else { return Some(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return None;
            }
            at = head;
            connection.stage = self.speech.stage_after_upgrade();
            if connection.stage == Stage::Ready {
                self.counts.ready += 1;
                let _ = self.connect_ns.record(now_ns() - connection.since_ns);
            }
        }
        let now_ns = now_ns();
        while let Some(frame) = Frame::at_front(&bytes[at..]) {
            let payload = &bytes[at + frame.start..at + frame.end];
            at += frame.end;
            match frame.opcode {
                wire::TEXT | wire::BINARY => {}
                wire::PING => {
                    let _ = connection.stream.write(&wire::masked(wire::PONG, payload));
                    continue;
                }
                wire::CLOSE => return None,
                _ => continue,
            }
            if let Some(memo) = self.memos.as_mut().and_then(|memos| memos.get_mut(index)) {
                memo.note(connection.stage, payload);
            }
            match self.speech.step(connection.stage, payload, connection.room, index) {
                Step::Event => look(payload, connection, &mut self.counts, now_ns, audience),
                Step::Stay => {}
                Step::Answer(stage, answer) => {
                    connection.stage = stage;
                    // A few bytes on a connection that carried next to nothing so far always fit.
                    let _ = connection.stream.write(&answer);
                }
                Step::Ready => {
                    connection.stage = Stage::Ready;
                    self.counts.ready += 1;
                    let _ = self.connect_ns.record(now_ns - connection.since_ns);
                }
                Step::Refused => {
                    self.counts.refused += 1;
                    return None;
                }
            }
        }
        Some(at)
    }

    fn close(&mut self, index: usize, refused: bool) {
        let connection = &mut self.connections[index];
        if connection.stage == Stage::Ready {
            self.counts.ready -= 1;
        } else if !refused {
            self.counts.refused += 1;
        }
        self.counts.closed += 1;
        connection.stage = Stage::Closed;
        let _ = self.poll.registry().deregister(&mut connection.stream);
        let _ = connection.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Messages that never came, given how many each room was sent.
    pub fn lost(&self, published: &[u32]) -> u64 {
        let hearing = self.connections.iter().filter(|connection| !connection.deaf);
        hearing.map(|connection| connection.ledger.lost(published[connection.room as usize])).sum()
    }

    /// Ledgers begin anew behind what was sent so far.
    pub fn forgive(&mut self, published: &[u32]) {
        for connection in &mut self.connections {
            connection.ledger.begin_behind(published[connection.room as usize]);
        }
    }

    /// Where a connection comes from, as its server sees it.
    pub fn address(&self, index: usize) -> Option<SocketAddr> {
        self.connections.get(index)?.stream.local_addr().ok()
    }
}

fn look(payload: &[u8], connection: &mut Connection, counts: &mut Counts, now_ns: u64, audience: &mut impl Audience) {
    let mut rest = payload;
    while let Some((at, mark)) = Mark::find(rest) {
        counts.marks += 1;
        match connection.ledger.enter(mark.sequence) {
            Seen::InOrder => {}
            Seen::Reordered => counts.reordered += 1,
            Seen::Duplicate => counts.duplicates += 1,
        }
        audience.heard(mark, now_ns);
        // Some servers put several messages into one frame; most do not, so the filling is not searched for nothing.
        if rest.len() < at + 2 * LENGTH {
            return;
        }
        rest = &rest[at + LENGTH..];
    }
}
