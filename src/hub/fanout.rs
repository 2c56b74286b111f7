//! A publication to its receivers: every socket of the target once.

use std::sync::Arc;

use super::membership::{Hub, Member, SocketKey};
use super::{Frames, Pushed};
use crate::event::{Position, Target};
use crate::ids::{Namespace, Room, SocketId};

/// What a fan-out did on this worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Outboxes that took the frames.
    pub queued: usize,
    /// Clients that were not ready for a volatile event, or are closing.
    pub dropped: usize,
    /// Clients that are closed because their outbox was full.
    pub overflowed: usize,
}

impl Hub {
    /// Queues the frames for every socket of the target: a handle copy and a queue slot per receiver, nothing else. With a
    /// position, the lane of the namespace has come so far.
    pub fn deliver(
        &mut self,
        namespace: &Namespace,
        target: &Target,
        frames: &Arc<Frames>,
        volatile: bool,
        position: Option<&Position>,
    ) -> Delivered {
        let one_list = target.except.is_empty() && self.is_one_list(target);
        let Some(members) = self.namespaces.get_mut(namespace) else { return Delivered::default() };
        if let Some(position) = position {
            members.position = Some(position.clone());
        }
        let selected;
        // One room, or the whole namespace, without exceptions needs no look at the sockets themselves.
        let receivers = if one_list {
            match target.rooms.first() {
                None => members.members.as_slice(),
                Some(room) => {
                    let room = members.rooms.get(room).and_then(|key| self.rooms.get(*key));
                    room.map(|room| room.members.as_slice()).unwrap_or_default()
                }
            }
        } else {
            selected = self.select(namespace, target);
            &selected
        };
        let mut delivered = Delivered::default();
        for member in receivers {
            let owner = self.clients.get_mut(member.client);
            match owner.map(|owner| owner.queue(member.client, frames, volatile, &mut self.dirty)) {
                Some(Pushed::Queued) => delivered.queued += 1,
                Some(Pushed::Dropped) | None => delivered.dropped += 1,
                Some(Pushed::Overflow) => delivered.overflowed += 1,
            }
        }
        delivered
    }

    /// The sockets that are in any of the target's rooms and in none of its exceptions, each once.
    pub fn matching(&mut self, namespace: &Namespace, target: &Target) -> Vec<SocketKey> {
        self.select(namespace, target).into_iter().map(|member| member.socket).collect()
    }

    /// Where the lane of a namespace stands that has brought nothing here yet.
    pub fn begin(&mut self, namespace: &Namespace, position: Position) {
        if let Some(members) = self.namespaces.get_mut(namespace) {
            members.position.get_or_insert(position);
        }
    }

    /// Whether the target's rooms are one member list: a room that is not also a socket's own.
    fn is_one_list(&self, target: &Target) -> bool {
        match target.rooms.as_slice() {
            [] => true,
            [room] => !(SocketId::recognizes(room.as_str()) && self.socket_ids.contains_key(room.as_str())),
            _ => false,
        }
    }

    /// A stamp on each socket seen in this round keeps out both the excluded and those met before.
    fn select(&mut self, namespace: &Namespace, target: &Target) -> Vec<Member> {
        self.round += 1;
        for room in &target.except {
            self.stamp(namespace, room, |_| {});
        }
        let mut selected = Vec::new();
        for room in &target.rooms {
            self.stamp(namespace, room, |member| selected.push(member));
        }
        if target.rooms.is_empty() {
            let everyone = self.namespaces.get(namespace).map(|members| members.members.as_slice()).unwrap_or_default();
            let round = self.round;
            selected.extend(
                everyone.iter().filter(|member| self.sockets.get(member.socket).is_some_and(|s| s.round != round)),
            );
        }
        selected
    }

    /// Calls `each` for every member of `room` not yet stamped in this round, and stamps it.
    fn stamp(&mut self, namespace: &Namespace, room: &Room, mut each: impl FnMut(Member)) {
        let Self { sockets, rooms, namespaces, socket_ids, round, .. } = self;
        let key = namespaces.get(namespace).and_then(|members| members.rooms.get(room));
        let members = key.and_then(|key| rooms.get(*key)).map(|room| room.members.as_slice()).unwrap_or_default();
        for member in members {
            if let Some(socket) = sockets.get_mut(member.socket).filter(|socket| socket.round != *round) {
                socket.round = *round;
                each(*member);
            }
        }
        // A socket's id is a room that only it is in.
        if let Some(key) = socket_ids.get(room.as_str())
            && let Some(socket) = sockets.get_mut(*key).filter(|s| s.round != *round && s.namespace == *namespace)
        {
            socket.round = *round;
            each(Member { socket: *key, client: socket.client });
        }
    }
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;
    use crate::hub::{ClientKey, Encoding};

    struct Fixture {
        hub: Hub,
        namespace: Namespace,
        clients: Vec<ClientKey>,
        sockets: Vec<SocketKey>,
    }

    /// Four sockets: 0 and 1 in `a`, 1 and 2 in `b`, 3 in no room.
    fn fixture() -> Fixture {
        let mut hub = Hub::default();
        let namespace = Namespace::root();
        let (mut clients, mut sockets) = (Vec::new(), Vec::new());
        for number in 0..4 {
            let client = hub.open(Encoding::Polling, 1_000);
            sockets.push(hub.admit(client, &namespace, SocketId::from_random([number; 12])).unwrap());
            clients.push(client);
        }
        for (socket, name) in [(0, "a"), (1, "a"), (1, "b"), (2, "b")] {
            assert!(hub.join(sockets[socket], &room(name)));
        }
        Fixture { hub, namespace, clients, sockets }
    }

    fn room(name: &str) -> Room {
        Room::new(name).unwrap()
    }

    fn target(rooms: &[&str], except: &[&str]) -> Target {
        let list = |names: &[&str]| names.iter().map(|name| room(name)).collect::<Vec<_>>();
        Target { rooms: SmallVec::from_vec(list(rooms)), except: SmallVec::from_vec(list(except)) }
    }

    fn receivers(fixture: &mut Fixture, target: &Target) -> Vec<usize> {
        let frames = Arc::new(Frames::engine("4x"));
        let delivered = fixture.hub.deliver(&fixture.namespace, target, &frames, false, None);
        let mut receivers = Vec::new();
        for (index, client) in fixture.clients.iter().enumerate() {
            if let Some((payload, count)) = fixture.hub.outbox(*client).and_then(crate::hub::Outbox::take_payload) {
                assert_eq!((payload.as_ref(), count), (b"4x".as_slice(), 1), "each socket once");
                receivers.push(index);
            }
        }
        assert_eq!(delivered.queued, receivers.len());
        receivers
    }

    #[test]
    fn rooms_are_united_and_each_socket_is_served_once() {
        let mut fixture = fixture();
        assert_eq!(receivers(&mut fixture, &target(&["a"], &[])), [0, 1]);
        assert_eq!(receivers(&mut fixture, &target(&["a", "b"], &[])), [0, 1, 2]);
        assert_eq!(receivers(&mut fixture, &target(&[], &[])), [0, 1, 2, 3]);
        assert_eq!(receivers(&mut fixture, &target(&["none"], &[])), [0; 0]);
    }

    #[test]
    fn exceptions_are_rooms_or_sockets() {
        let mut fixture = fixture();
        let own = fixture.hub.socket(fixture.sockets[0]).unwrap().id.clone();
        assert_eq!(receivers(&mut fixture, &target(&["a"], &[own.as_str()])), [1]);
        assert_eq!(receivers(&mut fixture, &target(&[], &["b"])), [0, 3]);
        assert_eq!(receivers(&mut fixture, &target(&["a", "b"], &["a", own.as_str()])), [2]);
    }

    #[test]
    fn one_socket_is_addressed_by_its_id() {
        let mut fixture = fixture();
        let own = fixture.hub.socket(fixture.sockets[3]).unwrap().id.clone();
        assert_eq!(receivers(&mut fixture, &target(&[own.as_str()], &[])), [3]);
        let other = Namespace::new("/other").unwrap();
        let frames = Arc::new(Frames::engine("4x"));
        assert_eq!(
            fixture.hub.deliver(&other, &target(&[own.as_str()], &[]), &frames, false, None),
            Delivered::default()
        );
    }

    #[test]
    fn leaving_keeps_the_others_in_place_and_an_empty_room_leaves_nothing() {
        let mut fixture = fixture();
        assert!(fixture.hub.leave(fixture.sockets[0], &room("a")));
        assert!(!fixture.hub.leave(fixture.sockets[0], &room("a")));
        assert_eq!(receivers(&mut fixture, &target(&["a"], &[])), [1]);
        let departures = fixture.hub.remove(fixture.clients[1]);
        assert_eq!(departures[0].rooms, [room("b"), room("a")].map(|r| r).into_iter().rev().collect::<Vec<_>>());
        assert_eq!(receivers(&mut fixture, &target(&["a", "b"], &[])), [2]);
        for client in fixture.clients.clone() {
            fixture.hub.remove(client);
        }
        assert_eq!((fixture.hub.room_count(), fixture.hub.socket_count(), fixture.hub.namespaces.len()), (0, 0, 0));
    }
}
