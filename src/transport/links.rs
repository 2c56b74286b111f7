//! A worker's connections: which client is reached how, and writing out what its outbox holds.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use slotmap::SecondaryMap;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::forward::Forwarder;
use super::mailbox::Mailboxes;
use super::options::Options;
use super::websocket::linger;
use crate::closing::Closing;
use crate::flows::{Worker, leave};
use crate::hub::ClientKey;
use crate::ids::SessionId;
use crate::protocol::engine;
use crate::protocol::websocket::{CloseCode, close_frame};

/// One worker's side of the network.
pub(super) struct Local {
    pub worker: Rc<Worker>,
    pub options: Arc<Options>,
    pub mailboxes: Mailboxes,
    pub links: RefCell<SecondaryMap<ClientKey, Link>>,
    pub sessions: RefCell<HashMap<SessionId, ClientKey>>,
    /// What clients without a pending poll still have to be told, by session, until when (milliseconds).
    pub farewells: RefCell<HashMap<SessionId, (Bytes, u64)>>,
    /// The way to the sessions of other nodes.
    pub forwarder: Forwarder,
    /// Every read goes through this one buffer; an idle connection holds none.
    pub read_buffer: RefCell<Vec<u8>>,
    /// Where small frames that go out together are gathered.
    write_buffer: RefCell<Vec<u8>>,
    /// The node goes away: no new sessions.
    pub draining: Cell<bool>,
}

/// How a client is reached.
pub(super) enum Link {
    Polling(Polling),
    WebSocket(Rc<Wire>),
}

#[derive(Default)]
pub(super) struct Polling {
    /// The pending GET.
    pub poll: Option<oneshot::Sender<Bytes>>,
    /// A POST is under way.
    pub posting: bool,
    /// A WebSocket is probing: idle polls are released, and when the session ends the probe is told.
    pub probe: Option<Rc<Notify>>,
}

/// A client's WebSocket. The task that reads it and the worker that writes it share this.
pub(super) struct Wire {
    pub io: TcpStream,
    /// The reading task, which ends with the link.
    pub reading: Cell<Option<JoinHandle<()>>>,
    /// The client asked to close.
    pub goodbye: Cell<Option<Goodbye>>,
}

/// What a close frame says; it may come without a code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goodbye(pub Option<CloseCode>);

impl Wire {
    pub fn new(io: TcpStream) -> Self {
        Self { io, reading: Cell::default(), goodbye: Cell::new(None) }
    }

    /// Writes what the network takes now. The runtime's own record of whether it takes anything is asked only where it does
    /// not: it lies elsewhere in memory, and a room's fan-out would fetch it for every socket.
    fn send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        match socket2::SockRef::from(&self.io).send(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.io.try_write(bytes),
            outcome => outcome,
        }
    }
}

/// What is to be done with a client after it was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Rest,
    /// The network is full.
    Wait,
    Finish,
}

/// How long an undelivered last packet is kept for a polling client, as in the reference.
const FAREWELL_MS: u64 = 30_000;

/// How long requests of one client may overtake each other on their way here.
const CROSSING_MS: u64 = 100;

/// Farewells kept at once, and the bytes of one; beyond either clients learn of their end by the session being unknown.
const FAREWELLS_MAX: usize = 4_096;
const FAREWELL_BYTES_MAX: usize = 16 * 1024;

impl Local {
    pub fn new(worker: Rc<Worker>, options: Arc<Options>, mailboxes: Mailboxes) -> Self {
        let room = worker.clients.borrow().capacity();
        let forwarder = Forwarder::new(&worker.services.tasks, options.header_timeout_ms);
        Self {
            worker,
            options,
            mailboxes,
            links: RefCell::new(SecondaryMap::with_capacity(room)),
            sessions: RefCell::default(),
            farewells: RefCell::default(),
            forwarder,
            read_buffer: RefCell::new(vec![0; READ_BUFFER_BYTES]),
            write_buffer: RefCell::default(),
            draining: Cell::new(false),
        }
    }

    /// Writes out everything that is queued: one write for each client that has something.
    pub fn flush(self: &Rc<Self>, dirty: &mut Vec<ClientKey>) {
        self.worker.hub.borrow_mut().take_dirty(dirty);
        let mut sent = 0;
        for key in dirty.drain(..) {
            sent += self.flush_client(key);
        }
        self.count_sent(sent);
    }

    fn flush_client(self: &Rc<Self>, key: ClientKey) -> usize {
        let mut links = self.links.borrow_mut();
        let (sent, after) = match links.get_mut(key) {
            Some(Link::WebSocket(wire)) => self.write(key, wire),
            Some(Link::Polling(polling)) => (0, self.answer_poll(key, polling)),
            None => return 0,
        };
        drop(links);
        self.go_on(key, after);
        sent
    }

    fn go_on(self: &Rc<Self>, key: ClientKey, after: After) {
        match after {
            After::Rest => {}
            After::Wait => {
                self.worker.services.meters.flush_blocked.increment(1);
                self.worker.services.tasks.spawn_local(Rc::clone(self).unblock(key));
            }
            After::Finish => self.finish(key),
        }
    }

    fn count_sent(&self, bytes: usize) {
        if bytes > 0 {
            self.worker.services.meters.sent_bytes.increment(bytes as u64);
        }
    }

    /// Answers the pending poll with what is queued, if both are there.
    pub fn answer_poll(&self, key: ClientKey, polling: &mut Polling) -> After {
        let mut hub = self.worker.hub.borrow_mut();
        let Some(outbox) = hub.flushing(key) else { return After::Rest };
        if outbox.closing().is_some() {
            return After::Finish;
        }
        // The request was given up meanwhile: what is queued waits for the session's end or the next poll.
        if outbox.is_empty() || polling.poll.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return After::Rest;
        }
        outbox.listening = false;
        if let (Some(poll), Some((payload, _))) = (polling.poll.take(), outbox.take_payload()) {
            self.count_sent(payload.len());
            let _ = poll.send(payload);
        }
        After::Rest
    }

    /// Writes a WebSocket client's outbox as far as the network takes it. Returns the bytes that it took.
    fn write(&self, key: ClientKey, wire: &Wire) -> (usize, After) {
        let mut hub = self.worker.hub.borrow_mut();
        let Some(outbox) = hub.flushing(key) else { return (0, After::Rest) };
        if outbox.blocked {
            // The task that waits for the network goes on; only a client that must go does not wait for it.
            let hopeless = outbox.closing() == Some(Closing::SlowConsumer);
            return (0, if hopeless { After::Finish } else { After::Rest });
        }
        let mut scratch = self.write_buffer.borrow_mut();
        let mut sent = 0;
        while !outbox.is_empty() {
            match wire.send(outbox.next_write(&mut scratch)) {
                Ok(written) => {
                    outbox.advance(written);
                    sent += written;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    outbox.blocked = true;
                    return (sent, After::Wait);
                }
                Err(_) => {
                    outbox.close(Closing::TransportError);
                    break;
                }
            }
        }
        (sent, if outbox.closing().is_some() { After::Finish } else { After::Rest })
    }

    /// Waits until the network takes more, as long as it takes anything at all in time. When the link ends meanwhile, shutting
    /// the connection down makes it writable.
    async fn unblock(self: Rc<Self>, key: ClientKey) {
        let Some(wire) = self.wire(key) else { return };
        let stall = Duration::from_millis(self.options.stall_ms);
        let writable = matches!(tokio::time::timeout(stall, wire.io.writable()).await, Ok(Ok(())));
        if let Some(outbox) = self.worker.hub.borrow_mut().outbox(key) {
            outbox.blocked = false;
            if !writable {
                outbox.close(Closing::SlowConsumer);
            }
        }
        if writable {
            let (sent, after) = self.write(key, &wire);
            self.count_sent(sent);
            self.go_on(key, after);
        } else {
            self.finish(key);
        }
    }

    fn wire(&self, key: ClientKey) -> Option<Rc<Wire>> {
        match self.links.borrow().get(key)? {
            Link::WebSocket(wire) => Some(Rc::clone(wire)),
            Link::Polling(_) => None,
        }
    }

    /// Ends a client: its transport is closed in the way of its kind, and it leaves everything.
    pub fn finish(self: &Rc<Self>, key: ClientKey) {
        let Some(link) = self.links.borrow_mut().remove(key) else { return };
        let (reason, rest, whole) = {
            let mut hub = self.worker.hub.borrow_mut();
            let Some(outbox) = hub.outbox(key) else { return };
            let whole = outbox.is_empty();
            (
                outbox.closing().unwrap_or(Closing::TransportClose),
                matches!(link, Link::Polling(_)).then(|| outbox.take_payload()).flatten().map(|(payload, _)| payload),
                whole,
            )
        };
        let id = self.worker.clients.borrow().get(key).map(|client| client.id);
        match link {
            Link::WebSocket(wire) => {
                self.worker.services.meters.clients_websocket.decrement(1);
                say_goodbye(&wire, reason, whole);
                if let Some(reading) = wire.reading.take() {
                    reading.abort();
                }
                let local = Rc::clone(self);
                self.worker.services.tasks.spawn_local(async move { linger(&local, &wire.io).await });
            }
            Link::Polling(polling) => {
                self.worker.services.meters.clients_polling.decrement(1);
                if let Some(probe) = &polling.probe {
                    probe.notify_one();
                }
                match polling.poll {
                    Some(poll) => {
                        let _ = poll.send(last_payload(rest, reason));
                    }
                    None => self.keep_farewell(id, rest, reason),
                }
            }
        }
        if let Some(id) = id {
            self.sessions.borrow_mut().remove(&id);
        }
        leave::client(&self.worker, key, reason);
    }

    /// Begins with a noop where nothing was queued, as in the reference.
    fn keep_farewell(&self, id: Option<SessionId>, rest: Option<Bytes>, reason: Closing) {
        let noop = || Bytes::from_static(engine::NOOP.as_bytes());
        let (payload, kept_ms) = if reason == Closing::TransportClose {
            // A poll sent before the client's close may arrive after it, on another connection.
            (noop(), CROSSING_MS)
        } else {
            (last_payload(rest.or_else(|| Some(noop())), reason), FAREWELL_MS)
        };
        let mut farewells = self.farewells.borrow_mut();
        let fits = farewells.len() < FAREWELLS_MAX && payload.len() <= FAREWELL_BYTES_MAX;
        if let Some(id) = id.filter(|_| fits && (has_farewell(reason) || reason == Closing::TransportClose)) {
            let until_ms = self.worker.services.clock.now_ms() + kept_ms;
            farewells.insert(id, (payload, until_ms));
        }
    }

    /// Forgets farewells that nobody fetched.
    pub fn sweep(&self) {
        let now_ms = self.worker.services.clock.now_ms();
        self.farewells.borrow_mut().retain(|_, (_, until_ms)| *until_ms > now_ms);
    }

    /// Enters a session's transport.
    pub fn attach(&self, key: ClientKey, id: SessionId, link: Link) {
        let polling = matches!(link, Link::Polling(_));
        self.worker.services.meters.clients(polling).increment(1);
        self.sessions.borrow_mut().insert(id, key);
        self.links.borrow_mut().insert(key, link);
    }

    /// The client of a session on this worker.
    pub fn find(&self, sid: &SessionId) -> Option<ClientKey> {
        self.sessions.borrow().get(sid).copied()
    }
}

/// Large enough that a full socket buffer is read in few calls.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// A close frame without a code, as the reference sends it, or with the code that says what was wrong (RFC 6455, section 7.4).
fn say_goodbye(wire: &Wire, reason: Closing, whole: bool) {
    let goodbye = match reason {
        // Answered with the client's own code (RFC 6455, section 5.5.1); without a close frame it is beyond being told.
        Closing::TransportClose | Closing::TransportError => wire.goodbye.get(),
        Closing::TooLarge => Some(Goodbye(Some(CloseCode::TOO_BIG))),
        Closing::InvalidText => Some(Goodbye(Some(CloseCode::INVALID_PAYLOAD))),
        Closing::ProtocolViolation => Some(Goodbye(Some(CloseCode::PROTOCOL_ERROR))),
        Closing::PingTimeout
        | Closing::ParseError
        | Closing::EngineParseError
        | Closing::ConnectTimeout
        | Closing::SlowConsumer
        | Closing::ServerDisconnect
        | Closing::Resumed
        | Closing::Drain
        | Closing::Unavailable => Some(Goodbye(None)),
    };
    // A frame inside a half-written one would be read as part of it.
    if let Some(Goodbye(code)) = goodbye.filter(|_| whole) {
        let _ = wire.io.try_write(&close_frame(code, ""));
    }
    let _ = socket2::SockRef::from(&wire.io).shutdown(std::net::Shutdown::Write);
}

/// Whether a polling client whom the server sends away learns so with its next poll; otherwise it finds no session.
pub(super) fn has_farewell(reason: Closing) -> bool {
    match reason {
        Closing::ParseError
        | Closing::ConnectTimeout
        | Closing::ServerDisconnect
        | Closing::Resumed
        | Closing::Drain
        | Closing::Unavailable => true,
        Closing::TransportClose
        | Closing::TransportError
        | Closing::PingTimeout
        | Closing::EngineParseError
        | Closing::SlowConsumer
        | Closing::TooLarge
        | Closing::InvalidText
        | Closing::ProtocolViolation => false,
    }
}

/// What a polling client gets last: what was queued, then `1`, or `6` where the client itself asked to close.
fn last_payload(rest: Option<Bytes>, reason: Closing) -> Bytes {
    let last = if reason == Closing::TransportClose { engine::NOOP } else { engine::CLOSE };
    let Some(rest) = rest else { return Bytes::from_static(last.as_bytes()) };
    let mut payload = rest.to_vec();
    payload.push(engine::SEPARATOR);
    payload.extend_from_slice(last.as_bytes());
    payload.into()
}
