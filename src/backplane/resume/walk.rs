//! What was published while a client was away, in the order and to the sockets that the hub would have delivered it.

use std::sync::Arc;

use super::Stays;
use crate::backplane::GapReason;
use crate::event::{Command, Id, Target};

/// One entry of a topic's log.
#[derive(Debug, Clone)]
pub struct Past<F> {
    pub id: Id,
    /// As [`crate::backplane::Entry::prev`].
    pub prev: Id,
    /// What it weighs in a client's outbox.
    pub bytes: usize,
    pub target: Target,
    pub act: Act<F>,
}

#[derive(Debug, Clone)]
pub enum Act<F> {
    /// With what is written to each client.
    Event(F),
    Command(Command),
    /// It cannot be decoded; it counts for the chain alone.
    Unreadable,
}

/// How much one session is given at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    pub room_events: usize,
    pub session_events: usize,
    pub session_bytes: usize,
}

/// Obeys the commands up to `until` among the entries of [`crate::event::Topic::All`]. False if the socket was disconnected
/// by one of them.
pub fn follow_commands<F>(stays: &mut Stays, entries: &[Arc<Past<F>>], until: Id, rooms_max: usize) -> bool {
    for past in entries.iter().take_while(|past| past.id <= until) {
        let Act::Command(command) = &past.act else { continue };
        if !past.target.reaches(|room| stays.is_in(room, past.id)) {
            continue;
        }
        match command {
            Command::Join(rooms) => rooms.iter().for_each(|room| stays.join(room, past.id, rooms_max)),
            Command::Leave(rooms) => rooms.iter().for_each(|room| stays.leave(room, past.id)),
            Command::Disconnect { .. } => return false,
            // Never stored.
            Command::Fence { .. } => {}
        }
    }
    true
}

/// The events up to `until` for this socket, in order and each once, however many of its topics hold it.
///
/// # Errors
/// [`GapReason::Limit`] if it is more than the caps allow.
pub fn merge<F: Clone>(
    stays: &Stays,
    topics: &[Vec<Arc<Past<F>>>],
    until: Id,
    caps: &Caps,
) -> Result<Vec<(Id, F)>, GapReason> {
    let mut all: Vec<&Arc<Past<F>>> = Vec::new();
    for entries in topics {
        let before = all.len();
        all.extend(entries.iter().take_while(|past| past.id <= until));
        if all.len() - before > caps.room_events {
            return Err(GapReason::Limit);
        }
    }
    all.sort_unstable_by_key(|past| past.id);
    all.dedup_by_key(|past| past.id);
    let (mut events, mut bytes) = (Vec::new(), 0_usize);
    for past in all {
        let Act::Event(event) = &past.act else { continue };
        if past.target.reaches(|room| stays.is_in(room, past.id)) {
            bytes = bytes.saturating_add(past.bytes);
            events.push((past.id, event.clone()));
        }
    }
    let within = events.len() <= caps.session_events && bytes <= caps.session_bytes;
    if within { Ok(events) } else { Err(GapReason::Limit) }
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;
    use crate::backplane::resume::By;
    use crate::ids::{Room, SocketId};

    const CAPS: Caps = Caps { room_events: 10, session_events: 15, session_bytes: 1_000 };

    fn id(ms: u64) -> Id {
        Id { ms, seq: 0 }
    }

    fn room(name: &str) -> Room {
        Room::new(name).unwrap()
    }

    fn past(at: u64, rooms: &[&str], except: &[&str], act: Act<u64>) -> Arc<Past<u64>> {
        let list = |names: &[&str]| names.iter().map(|name| room(name)).collect::<Vec<_>>();
        let target = Target { rooms: SmallVec::from_vec(list(rooms)), except: SmallVec::from_vec(list(except)) };
        Arc::new(Past { id: id(at), prev: Id::ZERO, bytes: 10, target, act })
    }

    fn event(at: u64, rooms: &[&str], except: &[&str]) -> Arc<Past<u64>> {
        past(at, rooms, except, Act::Event(at))
    }

    fn command(at: u64, rooms: &[&str], command: Command) -> Arc<Past<u64>> {
        past(at, rooms, &[], Act::Command(command))
    }

    fn socket() -> SocketId {
        SocketId::from_random([5; 12])
    }

    fn stays(rooms: &[(&str, u64)]) -> Stays {
        Stays::new(socket(), rooms.iter().map(|(name, from)| (room(name), By::Client, id(*from))))
    }

    fn merged(stays: &Stays, topics: &[Vec<Arc<Past<u64>>>]) -> Vec<u64> {
        merge(stays, topics, id(100), &CAPS).unwrap().into_iter().map(|(_, event)| event).collect()
    }

    #[test]
    fn topics_are_merged_in_order_and_each_event_comes_once() {
        let a = vec![event(11, &["a"], &[]), event(13, &["a", "b"], &[]), event(101, &["a"], &[])];
        let b = vec![event(12, &["b"], &[]), event(13, &["a", "b"], &[])];
        assert_eq!(merged(&stays(&[("a", 10), ("b", 10)]), &[a, b]), [11, 12, 13]);
    }

    #[test]
    fn exceptions_hold_as_they_did_when_it_was_published() {
        let own = socket();
        let all = vec![event(11, &[], &[own.as_str()]), event(12, &[], &["b"]), event(14, &[], &["b"])];
        assert_eq!(merged(&stays(&[("a", 10), ("b", 13)]), &[all]), [12], "in b since 13");
        let addressed = vec![event(11, &[own.as_str()], &[]), event(12, &["c"], &[])];
        assert_eq!(merged(&stays(&[]), &[addressed]), [11]);
    }

    #[test]
    fn commands_are_obeyed_where_they_lie() {
        let mut stays = stays(&[("a", 10)]);
        let rooms = |name| vec![room(name)];
        let all = vec![
            command(12, &["a"], Command::Join(rooms("b"))),
            command(14, &["b"], Command::Leave(rooms("a"))),
            command(15, &["a"], Command::Join(rooms("c"))),
            command(16, &["b"], Command::Join(rooms("b"))),
        ];
        assert!(follow_commands(&mut stays, &all, id(100), 10));
        let a = vec![event(11, &["a"], &[]), event(15, &["a"], &[])];
        let b = vec![event(11, &["b"], &[]), event(13, &["b"], &[])];
        assert_eq!(merged(&stays, &[a, b, all]), [11, 13], "in a until 14, in b from 12 on, never in c");
        assert_eq!(
            stays.joined().map(|(room, by, from)| (room.as_str(), by, from)).collect::<Vec<_>>(),
            [("b", By::Backend, id(12))]
        );
        assert_eq!(stays.left().collect::<Vec<_>>(), [&room("a")]);
    }

    #[test]
    fn commands_after_the_end_are_not_obeyed_here() {
        let mut stays = stays(&[("a", 10)]);
        let all = vec![command(101, &[], Command::Disconnect { close: false })];
        assert!(follow_commands(&mut stays, &all, id(100), 10));
        assert!(!follow_commands(&mut stays, &all, id(101), 10), "disconnected while it was away");
    }

    #[test]
    fn caps_are_caps() {
        let many = |from: u64, count: u64| (from..from + count).map(|at| event(at, &[], &[])).collect::<Vec<_>>();
        let stays = stays(&[]);
        assert!(merge(&stays, &[many(1, 10)], id(100), &CAPS).is_ok());
        assert_eq!(merge(&stays, &[many(1, 11)], id(100), &CAPS).unwrap_err(), GapReason::Limit);
        assert_eq!(merge(&stays, &[many(1, 10), many(21, 6)], id(100), &CAPS).unwrap_err(), GapReason::Limit);
        let light = Caps { session_bytes: 45, ..CAPS };
        assert_eq!(merge(&stays, &[many(1, 5)], id(100), &light).unwrap_err(), GapReason::Limit);
    }
}
