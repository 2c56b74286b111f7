//! Who gets a publication.

use smallvec::SmallVec;

use super::Topic;
use crate::ids::Room;

/// The sockets that are in any of `rooms` (in the namespace, if there are none) and in none of `except`.
///
/// A room's name may be a socket id: every socket counts as a member of the room named like itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    pub rooms: SmallVec<[Room; 1]>,
    pub except: SmallVec<[Room; 0]>,
}

impl Target {
    /// Every socket of the namespace.
    pub fn namespace() -> Self {
        Self::default()
    }

    pub fn room(room: Room) -> Self {
        Self { rooms: SmallVec::from_iter([room]), except: SmallVec::new() }
    }

    /// Whether a socket gets it for which `is_in` says the rooms that it is in, the one named like itself included.
    pub fn reaches(&self, is_in: impl Fn(&Room) -> bool) -> bool {
        (self.rooms.is_empty() || self.rooms.iter().any(&is_in)) && !self.except.iter().any(&is_in)
    }

    /// The topics on which a publication for this target is announced; never empty, no topic twice.
    pub fn topics(&self) -> SmallVec<[Topic; 1]> {
        let mut topics = SmallVec::new();
        for room in &self.rooms {
            let topic = Topic::of(room);
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        if topics.is_empty() {
            topics.push(Topic::All);
        }
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SocketId;

    #[test]
    fn a_socket_is_reached_over_the_topic_that_all_nodes_watch() {
        let socket = Room::new(SocketId::from_random([1; 12]).as_str()).unwrap();
        let kitchen = Room::new("kitchen").unwrap();
        let target =
            Target { rooms: SmallVec::from_vec(vec![socket.clone(), kitchen.clone(), socket]), ..Target::default() };
        assert_eq!(target.topics().to_vec(), vec![Topic::All, Topic::Room(kitchen)]);
        assert_eq!(Target::namespace().topics().to_vec(), vec![Topic::All]);
    }
}
