//! One worker's clients, between its hub and its network.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use slotmap::SecondaryMap;
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::asked::Asked;
use super::policy::Policy;
use super::record::{Held, Renewals};
use super::recover::Resuming;
use super::services::{Randomness, Services};
use crate::auth::Identity;
use crate::closing::Closing;
use crate::event::{Event, NOWHERE, Partition, Position, Topic};
use crate::hub::{ClientKey, Content, Encoding, Frames, Hub, SocketKey, Wheel};
use crate::ids::{Namespace, Room, SessionId};
use crate::session::{Due, Parsing, Received, Session, Timing};

/// What one thread owns. Nothing in it is shared with other threads; borrows never live across an await.
pub struct Worker {
    pub index: u8,
    pub services: Arc<Services>,
    pub hub: RefCell<Hub>,
    pub clients: RefCell<SecondaryMap<ClientKey, Client>>,
    pub wheel: RefCell<Wheel>,
    /// Something was queued; whoever owns the network writes it out when the ready input is drained.
    pub flush: Notify,
    /// Joins whose interest is still on its way; see `fan_out::join`.
    pub unsettled: RefCell<HashSet<(SocketKey, Room)>>,
    /// Clients that are coming back, and what the lanes bring meanwhile; see `recover`.
    pub(super) resuming: Resuming,
    /// Renewals of records, in the order in which they are due.
    pub(super) renewals: RefCell<Renewals>,
    ping: Arc<Frames>,
    randomness: RefCell<Randomness>,
    reported_rooms: Cell<usize>,
}

/// A client beside its outbox.
pub struct Client {
    pub id: SessionId,
    pub session: Session,
    pub door: Arc<Door>,
    pub handshake: Handshake,
    /// One for each namespace joined.
    pub sockets: SmallVec<[Box<SocketState>; 1]>,
    /// There while a task works on it.
    pub(super) waiting: Option<Box<Waiting>>,
    /// The client's input has ended for this reason; it goes when what waits was worked through.
    pub(super) ended: Option<Closing>,
}

/// A client's packets that were taken in but not yet worked through.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub packets: VecDeque<Received>,
    pub bytes: usize,
    /// Wakes whoever stopped reading because this is too much.
    pub relief: Option<Rc<Notify>>,
}

/// What a listener's clients have in common.
#[derive(Debug)]
pub struct Door {
    pub timing: Timing,
    pub parsing: Parsing,
    pub application: Application,
    pub outbox_bytes_max: usize,
}

/// What is spoken inside Engine.IO.
#[derive(Debug, Clone, Copy)]
pub enum Application {
    SocketIo,
    /// Every message is answered by what the function makes of it.
    Messages(fn(Received) -> Option<Content>),
}

/// What is known of a client from its first request.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The Authorization header. Never logged.
    pub authorization: Option<Box<str>>,
    pub address: IpAddr,
    pub request_id: Option<Box<str>>,
}

/// A client in one namespace, beside its rooms.
pub struct SocketState {
    pub key: SocketKey,
    pub partition: Arc<Partition>,
    pub policy: Arc<Policy>,
    pub identity: Option<Arc<Identity>>,
    /// The payload of its CONNECT, where the contract says it back.
    pub auth: Option<String>,
    /// By what it is known in the records, in a namespace with recovery.
    pub session: Option<Held>,
    /// Acks that the client still owes.
    pub asked: Asked,
}

impl Worker {
    /// Room is reserved for `clients_expected`, up to a bound: it costs addresses and no memory until it is used, while growing
    /// would leave the smaller tables behind.
    pub fn new(index: u8, services: Arc<Services>, clients_expected: usize) -> Self {
        let room = clients_expected.min(ROOM_RESERVED_MAX);
        let wheel = Wheel::new(services.clock.now_ms());
        Self {
            index,
            services,
            hub: RefCell::new(Hub::with_room_for(room)),
            clients: RefCell::new(SecondaryMap::with_capacity(room)),
            wheel: RefCell::new(wheel),
            flush: Notify::new(),
            unsettled: RefCell::default(),
            resuming: Resuming::default(),
            renewals: RefCell::default(),
            reported_rooms: Cell::new(0),
            ping: Arc::new(Frames::engine(crate::protocol::engine::PING)),
            randomness: RefCell::default(),
        }
    }

    /// As [`super::random`], fetched ahead.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        self.randomness.borrow_mut().take()
    }

    /// The partition of a namespace; the sockets of one share it.
    pub fn partition(&self, namespace: &Namespace) -> Arc<Partition> {
        let hub = self.hub.borrow();
        let shared = hub
            .any_client_of(namespace)
            .and_then(|client| self.with_socket(client, namespace.as_str(), |socket| Arc::clone(&socket.partition)));
        shared.unwrap_or_else(|| self.services.partition(namespace))
    }

    /// Opens an Engine.IO session.
    pub fn open(&self, door: &Arc<Door>, handshake: Handshake, encoding: Encoding) -> (ClientKey, SessionId) {
        let now_ms = self.services.clock.now_ms();
        let key = self.hub.borrow_mut().open(encoding, door.outbox_bytes_max);
        let id = self.services.cluster.session_id(self.index, self.random());
        let session = Session::open(&door.timing, now_ms);
        self.wheel.borrow_mut().insert(key, session.deadline_ms());
        let client = Client {
            id,
            session,
            door: Arc::clone(door),
            handshake,
            sockets: SmallVec::new(),
            waiting: None,
            ended: None,
        };
        self.clients.borrow_mut().insert(key, client);
        self.services.meters.handshakes.increment(1);
        (key, id)
    }

    /// Queues frames for one client.
    pub fn send(&self, key: ClientKey, frames: &Arc<Frames>) {
        self.hub.borrow_mut().send(key, frames, false);
        self.flush.notify_one();
    }

    /// Queues an event for one socket. In a recoverable namespace it carries the position up to which the socket was served.
    pub fn emit(&self, socket: SocketKey, recovery: bool, event: Event) {
        let mut hub = self.hub.borrow_mut();
        let Some((client, namespace)) = hub.socket(socket).map(|socket| (socket.client, socket.namespace.clone()))
        else {
            return;
        };
        let position = self.resuming.reached(socket).or_else(|| hub.position(&namespace).cloned());
        let frames = Frames::event(namespace.clone(), event, offset(recovery, position.as_ref()));
        hub.send(client, &frames, false);
        drop(hub);
        self.flush.notify_one();
    }

    /// Has the client's transport closed, after what is queued was tried.
    pub fn close(&self, key: ClientKey, reason: Closing) {
        self.hub.borrow_mut().close(key, reason);
        self.flush.notify_one();
    }

    /// Runs what is due on the timer wheel.
    pub fn tick(&self, fired: &mut Vec<ClientKey>) {
        let now_ms = self.services.clock.now_ms();
        fired.clear();
        self.wheel.borrow_mut().advance(now_ms, fired);
        for key in fired.drain(..) {
            let mut clients = self.clients.borrow_mut();
            let Some(client) = clients.get_mut(key) else { continue };
            // The wheel fires a little before the deadline.
            let mut due = client.session.due(&client.door.timing, now_ms + Wheel::EARLY_MS);
            if due == Due::Close(Closing::PingTimeout)
                && client.waiting.as_ref().is_some_and(|waiting| waiting.relief.is_some())
            {
                // Its pongs wait behind packets that we have not got to.
                client.session.excuse(&client.door.timing, now_ms);
                due = Due::Wait;
            }
            let again_ms = client.session.ask_again_ms(&client.door.timing, now_ms);
            drop(clients);
            match due {
                Due::Wait => {}
                Due::Ping => self.send(key, &self.ping),
                Due::Close(reason) => {
                    self.close(key, reason);
                    continue;
                }
            }
            self.wheel.borrow_mut().insert(key, again_ms);
        }
    }

    /// Brings this worker's share of the gauges up to date.
    pub fn report(&self) {
        let now = self.hub.borrow().room_count();
        let before = self.reported_rooms.replace(now);
        #[expect(clippy::cast_precision_loss, reason = "rooms of a worker stay far below 2^52")]
        self.services.meters.rooms.increment(now as f64 - before as f64);
        self.services.replays.sweep(self.services.clock.now_ms());
    }

    /// The state of the client's socket in `namespace`, as `look` wants it.
    pub fn with_socket<T>(&self, key: ClientKey, namespace: &str, look: impl FnOnce(&SocketState) -> T) -> Option<T> {
        let clients = self.clients.borrow();
        let sockets = &clients.get(key)?.sockets;
        sockets.iter().find(|socket| socket.partition.namespace.as_str() == namespace).map(|socket| look(socket))
    }

    pub fn is_unsettled(&self, socket: SocketKey, room: &Room) -> bool {
        let unsettled = self.unsettled.borrow();
        !unsettled.is_empty() && unsettled.contains(&(socket, room.clone()))
    }

    /// Gives up a socket's interest in rooms that it has left.
    pub fn release(&self, partition: &Arc<Partition>, socket: SocketKey, rooms: &[Room]) {
        let settled = rooms.iter().filter(|room| !self.is_unsettled(socket, room));
        let topics: SmallVec<[Topic; 4]> = settled.map(Topic::of).collect();
        self.services.lanes.release(partition, &topics);
    }

    /// The acks that the client's socket in `namespace` owes, as `look` wants them.
    pub(super) fn with_asked<T>(
        &self,
        key: ClientKey,
        namespace: &Namespace,
        look: impl FnOnce(&mut Asked) -> T,
    ) -> Option<T> {
        let mut clients = self.clients.borrow_mut();
        let sockets = &mut clients.get_mut(key)?.sockets;
        let socket = sockets.iter_mut().find(|socket| socket.partition.namespace == *namespace)?;
        Some(look(&mut socket.asked))
    }

    /// As [`Worker::with_socket`], by the socket's own key.
    pub fn with_state<T>(&self, key: SocketKey, look: impl FnOnce(&SocketState) -> T) -> Option<T> {
        let client = self.hub.borrow().socket(key)?.client;
        let clients = self.clients.borrow();
        clients.get(client)?.sockets.iter().find(|socket| socket.key == key).map(|socket| look(socket))
    }

    /// Drops the state of a socket that was dismissed.
    pub fn forget_socket(&self, key: ClientKey, namespace: &Namespace) {
        if let Some(client) = self.clients.borrow_mut().get_mut(key) {
            client.sockets.retain(|socket| socket.partition.namespace != *namespace);
        }
    }
}

/// Clients of one worker for whom room is reserved.
const ROOM_RESERVED_MAX: usize = 65_536;

/// What an event in a recoverable namespace ends in: always something, so that applications can count on it.
pub(super) fn offset(recovery: bool, position: Option<&Position>) -> Option<String> {
    recovery.then(|| position.map_or_else(|| NOWHERE.to_owned(), ToString::to_string))
}
