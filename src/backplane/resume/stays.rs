//! In which rooms a socket was at any moment of its absence.

use super::By;
use crate::event::Id;
use crate::ids::{Room, SocketId};

/// A socket's rooms over a stretch of the log. Every socket is in the room named like itself.
#[derive(Debug, Clone)]
pub struct Stays {
    socket: SocketId,
    stays: Vec<Interval>,
}

/// After `from`, and up to `until`.
#[derive(Debug, Clone)]
struct Interval {
    room: Room,
    by: By,
    from: Id,
    until: Option<Id>,
    /// Of the record, and not ordered since.
    known: bool,
}

impl Stays {
    /// The rooms of the record, each with the id from which on the client is owed what was published there.
    pub fn new(socket: SocketId, rooms: impl IntoIterator<Item = (Room, By, Id)>) -> Self {
        let interval = |(room, by, from)| Interval { room, by, from, until: None, known: true };
        Self { socket, stays: rooms.into_iter().map(interval).collect() }
    }

    pub fn socket(&self) -> &SocketId {
        &self.socket
    }

    /// Whether a publication of this id for the room reached the socket.
    pub fn is_in(&self, room: &Room, id: Id) -> bool {
        let stay = |stay: &Interval| stay.room == *room && stay.from < id && stay.until.is_none_or(|until| id <= until);
        room.as_str() == self.socket.as_str() || self.stays.iter().any(stay)
    }

    /// Where it is in the end, and from when on.
    pub fn present(&self) -> impl Iterator<Item = (&Room, By, Id)> {
        self.stays.iter().filter(|stay| stay.until.is_none()).map(|stay| (&stay.room, stay.by, stay.from))
    }

    /// Every room it was in at some time, with the start of the first stay.
    pub fn all(&self) -> Vec<(&Room, Id)> {
        let mut rooms: Vec<(&Room, Id)> = Vec::with_capacity(self.stays.len());
        for stay in &self.stays {
            if !rooms.iter().any(|(room, _)| *room == &stay.room) {
                rooms.push((&stay.room, stay.from));
            }
        }
        rooms
    }

    /// Joined since the record was written, and still there.
    pub fn joined(&self) -> impl Iterator<Item = (&Room, By, Id)> {
        let present = self.stays.iter().filter(|stay| stay.until.is_none() && !stay.known);
        present.map(|stay| (&stay.room, stay.by, stay.from))
    }

    /// Rooms of the record that it is not in any more.
    pub fn left(&self) -> impl Iterator<Item = &Room> {
        let gone = self.stays.iter().filter(|stay| stay.known && stay.until.is_some());
        gone.map(|stay| &stay.room).filter(|room| !self.present().any(|(present, _, _)| present == *room))
    }

    /// As the hub: a second join changes nothing, and there is a bound.
    pub(super) fn join(&mut self, room: &Room, at: Id, rooms_max: usize) {
        let present = self.present().count();
        if present < rooms_max && !self.present().any(|(present, _, _)| present == room) {
            self.stays.push(Interval { room: room.clone(), by: By::Backend, from: at, until: None, known: false });
        }
    }

    pub(super) fn leave(&mut self, room: &Room, at: Id) {
        for stay in self.stays.iter_mut().filter(|stay| stay.room == *room && stay.until.is_none()) {
            stay.until = Some(at);
        }
    }
}
