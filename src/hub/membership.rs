//! Who is where: clients, their sockets, and the rooms these are in.

use std::sync::Arc;

use slotmap::{SlotMap, new_key_type};
use smallvec::SmallVec;

use super::{Encoding, Frames, Outbox, Pushed};
use crate::closing::Closing;
use crate::event::{Position, Target};
use crate::ids::{ByName, Namespace, Room, SocketId};

new_key_type! {
    /// An Engine.IO session of this worker. A key of a client that is gone finds nothing, also when its place is taken.
    pub struct ClientKey;
    /// A client in one namespace.
    pub struct SocketKey;
    pub(super) struct RoomKey;
}

/// One worker's state.
#[derive(Debug, Default)]
pub struct Hub {
    pub(super) clients: SlotMap<ClientKey, Client>,
    pub(super) sockets: SlotMap<SocketKey, Socket>,
    pub(super) rooms: SlotMap<RoomKey, RoomMembers>,
    pub(super) namespaces: ByName<Namespace, NamespaceMembers>,
    pub(super) socket_ids: ByName<SocketId, SocketKey>,
    pub(super) dirty: Vec<ClientKey>,
    /// Stamp of the last fan-out that had to look at each socket once.
    pub(super) round: u64,
}

#[derive(Debug)]
pub(super) struct Client {
    pub outbox: Outbox,
    pub sockets: SmallVec<[SocketKey; 1]>,
}

/// A client in one namespace.
#[derive(Debug)]
pub struct Socket {
    pub id: SocketId,
    pub client: ClientKey,
    pub namespace: Namespace,
    /// Where the socket stands in its namespace's list.
    index: u32,
    rooms: SmallVec<[Place; 2]>,
    pub(super) round: u64,
}

/// Where a socket stands in a room's list.
#[derive(Debug, Clone, Copy)]
struct Place {
    room: RoomKey,
    index: u32,
}

#[derive(Debug)]
pub(super) struct RoomMembers {
    name: Room,
    pub members: Vec<Member>,
}

/// A receiver; carries its client so that the plain fan-out need not look at the socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub socket: SocketKey,
    pub client: ClientKey,
}

#[derive(Debug, Default)]
pub(super) struct NamespaceMembers {
    pub rooms: ByName<Room, RoomKey>,
    pub members: Vec<Member>,
    /// The last position delivered here; what goes to one socket alone carries it as its offset.
    pub position: Option<Position>,
}

/// A socket that is gone, and what it was in: the interest in these is to be released.
#[derive(Debug)]
pub struct Departure {
    pub key: SocketKey,
    pub id: SocketId,
    pub namespace: Namespace,
    pub rooms: Vec<Room>,
}

impl Hub {
    /// A hub that need not grow until it has so many clients with a socket each.
    pub fn with_room_for(clients: usize) -> Self {
        Self {
            clients: SlotMap::with_capacity_and_key(clients),
            sockets: SlotMap::with_capacity_and_key(clients),
            ..Self::default()
        }
    }

    pub fn open(&mut self, encoding: Encoding, outbox_bytes_max: usize) -> ClientKey {
        self.clients.insert(Client { outbox: Outbox::new(encoding, outbox_bytes_max), sockets: SmallVec::new() })
    }

    /// Removes a client with all its sockets.
    pub fn remove(&mut self, client: ClientKey) -> Vec<Departure> {
        let sockets = self.clients.get(client).map(|client| client.sockets.clone()).unwrap_or_default();
        let departures = sockets.into_iter().filter_map(|socket| self.dismiss(socket)).collect();
        self.clients.remove(client);
        departures
    }

    /// Adds a socket for `client`; `None` if the client is gone.
    pub fn admit(&mut self, client: ClientKey, namespace: &Namespace, id: SocketId) -> Option<SocketKey> {
        let owner = self.clients.get_mut(client)?;
        // All sockets share the name that the first one brought.
        let namespace = self.namespaces.get_key_value(namespace).map_or(namespace, |(name, _)| name).clone();
        let members = self.namespaces.entry(namespace.clone()).or_default();
        let index = place(members.members.len());
        let socket =
            self.sockets.insert(Socket { id: id.clone(), client, namespace, index, rooms: SmallVec::new(), round: 0 });
        members.members.push(Member { socket, client });
        owner.sockets.push(socket);
        self.socket_ids.insert(id, socket);
        Some(socket)
    }

    /// Removes a socket from its namespace and rooms.
    pub fn dismiss(&mut self, key: SocketKey) -> Option<Departure> {
        let rooms = self.rooms_of(key);
        for room in &rooms {
            self.leave(key, room);
        }
        let socket = self.sockets.remove(key)?;
        self.socket_ids.remove(&socket.id);
        if let Some(client) = self.clients.get_mut(socket.client) {
            client.sockets.retain(|other| *other != key);
        }
        if let Some(namespace) = self.namespaces.get_mut(&socket.namespace) {
            namespace.members.swap_remove(socket.index as usize);
            let moved = namespace.members.get(socket.index as usize).copied();
            if let Some(moved) = moved.and_then(|member| self.sockets.get_mut(member.socket)) {
                moved.index = socket.index;
            }
            if namespace.members.is_empty() {
                self.namespaces.remove(&socket.namespace);
            }
        }
        Some(Departure { key, id: socket.id, namespace: socket.namespace, rooms })
    }

    /// Puts a socket into a room; false if it was there already or is gone.
    pub fn join(&mut self, key: SocketKey, room: &Room) -> bool {
        let Some(socket) = self.sockets.get_mut(key) else { return false };
        let Some(namespace) = self.namespaces.get_mut(&socket.namespace) else { return false };
        let room_key = if let Some(known) = namespace.rooms.get(room) {
            *known
        } else {
            let members = RoomMembers { name: room.clone(), members: Vec::new() };
            let made = self.rooms.insert(members);
            namespace.rooms.insert(room.clone(), made);
            made
        };
        if socket.rooms.iter().any(|place| place.room == room_key) {
            return false;
        }
        let members = &mut self.rooms[room_key].members;
        socket.rooms.push(Place { room: room_key, index: place(members.len()) });
        members.push(Member { socket: key, client: socket.client });
        true
    }

    /// Takes a socket out of a room; false if it was not in it.
    pub fn leave(&mut self, key: SocketKey, room: &Room) -> bool {
        let Some(socket) = self.sockets.get_mut(key) else { return false };
        let Some(namespace) = self.namespaces.get_mut(&socket.namespace) else { return false };
        let Some(room_key) = namespace.rooms.get(room).copied() else { return false };
        let Some(position) = socket.rooms.iter().position(|place| place.room == room_key) else { return false };
        let index = socket.rooms.swap_remove(position).index;
        let members = &mut self.rooms[room_key].members;
        members.swap_remove(index as usize);
        if members.is_empty() {
            namespace.rooms.remove(room);
            self.rooms.remove(room_key);
            return true;
        }
        let moved = members.get(index as usize).copied();
        if let Some(moved) = moved.and_then(|member| self.sockets.get_mut(member.socket)) {
            for place in moved.rooms.iter_mut().filter(|place| place.room == room_key) {
                place.index = index;
            }
        }
        true
    }

    pub fn socket(&self, key: SocketKey) -> Option<&Socket> {
        self.sockets.get(key)
    }

    /// The socket of that id on this worker.
    pub fn socket_named(&self, id: &SocketId) -> Option<SocketKey> {
        self.socket_ids.get(id).copied()
    }

    /// The socket of `client` in `namespace`.
    pub fn socket_in(&self, client: ClientKey, namespace: &Namespace) -> Option<SocketKey> {
        let sockets = &self.clients.get(client)?.sockets;
        sockets.iter().copied().find(|key| self.sockets.get(*key).is_some_and(|socket| socket.namespace == *namespace))
    }

    /// Any client with a socket in `namespace`.
    pub fn any_client_of(&self, namespace: &Namespace) -> Option<ClientKey> {
        self.namespaces.get(namespace)?.members.first().map(|member| member.client)
    }

    /// The sockets of a client.
    pub fn sockets_of(&self, client: ClientKey) -> SmallVec<[SocketKey; 1]> {
        self.clients.get(client).map(|client| client.sockets.clone()).unwrap_or_default()
    }

    /// The rooms that a socket is in, without the one named like itself.
    pub fn rooms_of(&self, key: SocketKey) -> Vec<Room> {
        let places = self.sockets.get(key).map(|socket| socket.rooms.as_slice()).unwrap_or_default();
        places.iter().filter_map(|place| self.rooms.get(place.room)).map(|room| room.name.clone()).collect()
    }

    pub fn is_in(&self, key: SocketKey, room: &Room) -> bool {
        self.rooms_of(key).contains(room)
    }

    /// Whether the socket is among those that a target means.
    pub fn is_reached(&self, key: SocketKey, target: &Target) -> bool {
        let Some(socket) = self.sockets.get(key) else { return false };
        target.reaches(|room| room.as_str() == socket.id.as_str() || self.is_in(key, room))
    }

    /// The last position delivered to a namespace on this worker.
    pub fn position(&self, namespace: &Namespace) -> Option<&Position> {
        self.namespaces.get(namespace)?.position.as_ref()
    }

    /// Queues frames for one client.
    pub fn send(&mut self, key: ClientKey, frames: &Arc<Frames>, volatile: bool) -> Pushed {
        let Some(client) = self.clients.get_mut(key) else { return Pushed::Dropped };
        client.queue(key, frames, volatile, &mut self.dirty)
    }

    /// The client's transport is to be closed after what is queued was tried.
    pub fn close(&mut self, key: ClientKey, reason: Closing) {
        if let Some(client) = self.clients.get_mut(key) {
            client.outbox.close(reason);
            client.mark(key, &mut self.dirty);
        }
    }

    /// Lists a client for the next flush.
    pub fn touch(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key) {
            client.mark(key, &mut self.dirty);
        }
    }

    pub fn outbox(&mut self, key: ClientKey) -> Option<&mut Outbox> {
        self.clients.get_mut(key).map(|client| &mut client.outbox)
    }

    /// Exchanges the list of clients with something new to write (or to close) for an empty one. Each is to be asked for by
    /// [`Hub::flushing`].
    pub fn take_dirty(&mut self, flush: &mut Vec<ClientKey>) {
        flush.clear();
        std::mem::swap(&mut self.dirty, flush);
    }

    /// The outbox of a client that [`Hub::take_dirty`] listed; what is queued from now on lists it again.
    pub fn flushing(&mut self, key: ClientKey) -> Option<&mut Outbox> {
        let outbox = &mut self.clients.get_mut(key)?.outbox;
        outbox.dirty = false;
        Some(outbox)
    }

    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Every client, for a drain.
    pub fn client_keys(&self) -> Vec<ClientKey> {
        self.clients.keys().collect()
    }

    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    pub fn socket_count(&self) -> usize {
        self.sockets.len()
    }

    /// Rooms with a member on this worker.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }
}

impl Client {
    pub(super) fn queue(
        &mut self,
        key: ClientKey,
        frames: &Arc<Frames>,
        volatile: bool,
        dirty: &mut Vec<ClientKey>,
    ) -> Pushed {
        let pushed = self.outbox.push(frames, volatile);
        match pushed {
            Pushed::Queued => self.mark(key, dirty),
            Pushed::Dropped => {}
            Pushed::Overflow => {
                self.outbox.close(Closing::SlowConsumer);
                self.mark(key, dirty);
            }
        }
        pushed
    }

    fn mark(&mut self, key: ClientKey, dirty: &mut Vec<ClientKey>) {
        if !self.outbox.dirty {
            self.outbox.dirty = true;
            dirty.push(key);
        }
    }
}

fn place(length: usize) -> u32 {
    u32::try_from(length).expect("a worker holds fewer sockets than the limit of open files, far below 2^32")
}
