//! What a client is owed of the time it was away, read and proven.

use std::collections::HashMap;
use std::sync::Arc;

use super::hold::Hold;
use super::windows::{Remembered, Trouble, Wanted};
use super::{Stopped, closed, gap};
use crate::backplane::resume::{By, Record, Since, Start, Stay, Stays, Timeline, follow_commands, merge, start};
use crate::backplane::{GapNotice, GapReason};
use crate::closing::Closing;
use crate::event::{Id, Position, Topic};
use crate::flows::Services;
use crate::flows::connect::{Admission, topics};
use crate::hub::Frames;
use crate::ids::{Room, SocketId};

pub(super) struct Replay<'a> {
    hold: Hold<'a>,
    stays: Stays,
    /// Automatic rooms that the session was not in.
    new_rooms: Vec<Room>,
    /// Everything up to here is in `events` or was received; `None` if nothing was ever published.
    reached: Option<Position>,
    last: Id,
    pub(super) events: Vec<(Id, Arc<Frames>)>,
}

/// Where each topic's reading starts.
struct Starts {
    everybody: Start,
    rooms: Vec<(Room, By, Start)>,
    /// Told for rooms of which nothing else is known.
    last: Id,
}

impl<'a> Replay<'a> {
    pub(super) async fn read(
        services: &'a Services,
        admission: &Admission,
        record: &Record,
        rooms: Vec<(Room, Stay)>,
        offset: Option<&Position>,
    ) -> Result<Self, Stopped> {
        let partition = &admission.partition;
        let mut hold = Hold::new(services, partition);
        let known = |room: &&Room| !rooms.iter().any(|(stayed, _)| stayed == *room);
        let new_rooms: Vec<Room> = admission.rooms.iter().filter(known).cloned().collect();
        let wanted: Vec<Room> = rooms.iter().map(|(room, _)| room).chain(&new_rooms).cloned().collect();
        let floor = hold.take(&topics(&wanted)).await.map_err(|_| closed(Closing::Unavailable))?;
        let timeline = services.replays.timeline(services, partition).await;
        let timeline = timeline.map_err(|_| closed(Closing::Unavailable))?;

        let starts = Starts::new(record, rooms, offset, &timeline);
        let mut reached = starts.proven(floor.as_ref(), &timeline)?;
        let reading = Reading { services, admission, record, timeline: &timeline };
        let stays = loop {
            let stays = reading.follow(&starts, reached).await?;
            let ordered: Vec<Topic> = stays.joined().map(|(room, _, _)| Topic::of(room)).collect();
            let missing = not_held(&hold, &ordered);
            if missing.is_empty() {
                break stays;
            }
            let floor = hold.take(&missing).await.map_err(|_| closed(Closing::Unavailable))?;
            reached = reached.max(floor.map_or(Id::ZERO, |floor| floor.id));
        };
        let events = reading.merge(&starts, &stays, reached).await?;
        let reached = timeline.epoch.clone().map(|epoch| Position { epoch, id: reached });
        Ok(Self { hold, stays, new_rooms, reached, last: starts.last, events })
    }

    pub(super) fn socket(&self) -> &SocketId {
        self.stays.socket()
    }

    pub(super) fn reached(&self) -> Option<&Position> {
        self.reached.as_ref()
    }

    pub(super) fn gap(&self, room: Option<Room>, reason: GapReason) -> GapNotice {
        gap(room, reason, self.last, self.reached.as_ref().map_or(Id::ZERO, |reached| reached.id))
    }

    /// For all rooms of the record.
    pub(super) fn unproven(&self, record: &Record, reason: GapReason) -> Stopped {
        let rooms = std::iter::once(None).chain(record.rooms.iter().map(|(room, _)| Some(room.clone())));
        Stopped::Unproven(rooms.map(|room| self.gap(room, reason)).collect(), reason.as_str())
    }

    /// Rooms that the record does not have yet, and those that it still has.
    pub(super) fn changes(&self, denied: &[Room]) -> (Vec<(Room, Stay)>, Vec<Room>) {
        let at = |id: Id| Since::of(self.reached.clone().map(|reached| Position { id, ..reached }));
        let ordered = self.stays.joined().map(|(room, by, from)| (room.clone(), Stay { by, since: at(from) }));
        let since = Since::of(self.reached.clone());
        let ruled = self.new_rooms.iter().map(|room| (room.clone(), Stay { by: By::Rule, since: since.clone() }));
        let left = self.stays.left().cloned().chain(denied.iter().cloned());
        (ordered.chain(ruled).collect(), left.collect())
    }

    /// The rooms that the socket is in now, with their interest handed over, and how far it was served.
    pub(super) fn settle(self) -> (Vec<Room>, Option<Position>) {
        let mut rooms: Vec<Room> = self.stays.present().map(|(room, _, _)| room.clone()).collect();
        rooms
            .extend(self.new_rooms.into_iter().filter(|room| !self.stays.present().any(|(there, _, _)| there == room)));
        let mut surplus = self.hold.topics().to_vec();
        for topic in topics(&rooms) {
            if let Some(at) = surplus.iter().position(|held| *held == topic) {
                surplus.swap_remove(at);
            }
        }
        self.hold.hand_over(&surplus);
        (rooms, self.reached)
    }
}

/// The topics that are not held yet.
fn not_held(hold: &Hold<'_>, wanted: &[Topic]) -> Vec<Topic> {
    wanted.iter().filter(|topic| !hold.topics().contains(topic)).cloned().collect()
}

impl Starts {
    fn new(record: &Record, rooms: Vec<(Room, Stay)>, offset: Option<&Position>, timeline: &Timeline) -> Self {
        let everybody = start(offset, &record.began, timeline);
        let of = |(room, stay): (Room, Stay)| (room, stay.by, start(offset, &stay.since, timeline));
        let last = offset.map(|offset| offset.id).or(everybody.ok()).unwrap_or(Id::ZERO);
        Self { everybody, rooms: rooms.into_iter().map(of).collect(), last }
    }

    /// The id that the replay has to reach: the floor, or what the client knows already if that is later.
    fn proven(&self, floor: Option<&Position>, timeline: &Timeline) -> Result<Id, Stopped> {
        let floor_id = floor.map_or(Id::ZERO, |floor| floor.id);
        if floor.is_some_and(|floor| timeline.epoch.as_ref() != Some(&floor.epoch)) {
            return Err(self.unproven(floor_id, GapReason::Epoch, None));
        }
        if !timeline.holds(floor_id) {
            return Err(self.unproven(floor_id, GapReason::Fork, None));
        }
        let all = || std::iter::once(&self.everybody).chain(self.rooms.iter().map(|(_, _, start)| start));
        match all().find_map(|start| start.err()) {
            Some(reason) => Err(self.unproven(floor_id, reason, None)),
            None => Ok(all().filter_map(|start| start.ok()).fold(floor_id, Id::max)),
        }
    }

    /// Every room gets its own reason where it has one, and else that of the room concerned.
    fn unproven(&self, head: Id, reason: GapReason, concerned: Option<(&Topic, GapReason)>) -> Stopped {
        let notice = |room: Option<&Room>, start: &Start| {
            let topic = room.map_or(Topic::All, Topic::of);
            let own = concerned.filter(|(of, _)| **of == topic).map(|(_, reason)| reason);
            let own = own.or(start.err()).unwrap_or(reason);
            gap(room.cloned(), own, start.unwrap_or(self.last), head)
        };
        let rooms = self.rooms.iter().map(|(room, _, start)| notice(Some(room), start));
        let gaps = std::iter::once(notice(None, &self.everybody)).chain(rooms).collect();
        Stopped::Unproven(gaps, reason.as_str())
    }
}

/// The log, as one resume reads it.
struct Reading<'a> {
    services: &'a Services,
    admission: &'a Admission,
    record: &'a Record,
    timeline: &'a Timeline,
}

impl Reading<'_> {
    /// The rooms of the record, changed by what backends ordered meanwhile.
    async fn follow(&self, starts: &Starts, until: Id) -> Result<Stays, Stopped> {
        let from = |start: &Start| start.unwrap_or(Id::ZERO);
        let rooms = starts.rooms.iter().map(|(room, by, start)| (room.clone(), *by, from(start)));
        let mut stays = Stays::new(self.record.socket.clone(), rooms);
        let entries = self.topic(starts, &Topic::All, from(&starts.everybody), until).await?;
        let rooms_max = self.services.limits.rooms_per_socket;
        if follow_commands(&mut stays, &entries, until, rooms_max) {
            Ok(stays)
        } else {
            let Stopped::Unproven(gaps, _) = starts.unproven(until, GapReason::Denied, None) else {
                return Err(closed(Closing::ServerDisconnect));
            };
            Err(Stopped::Unproven(gaps, "disconnected"))
        }
    }

    async fn merge(&self, starts: &Starts, stays: &Stays, until: Id) -> Result<Vec<(Id, Arc<Frames>)>, Stopped> {
        let mut wanted: HashMap<Topic, Id> = HashMap::new();
        let everybody = (Topic::All, starts.everybody.unwrap_or(Id::ZERO));
        let rooms = stays.all().into_iter().map(|(room, from)| (Topic::of(room), from));
        for (topic, from) in rooms.chain([everybody]) {
            wanted.entry(topic).and_modify(|known| *known = from.min(*known)).or_insert(from);
        }
        let reads = wanted.iter().map(|(topic, from)| self.topic(starts, topic, *from, until));
        let topics = futures::future::try_join_all(reads).await?;
        merge(stays, &topics, until, &self.services.replays.caps).map_err(|reason| starts.unproven(until, reason, None))
    }

    async fn topic(&self, starts: &Starts, topic: &Topic, start: Id, until: Id) -> Result<Vec<Remembered>, Stopped> {
        let (partition, replays) = (&self.admission.partition, &self.services.replays);
        let wanted = Wanted { partition, topic, start, until, events_max: replays.caps.room_events };
        replays.windows.read(self.services, wanted, self.timeline).await.map_err(|trouble| match trouble {
            Trouble::Gap(reason) => starts.unproven(until, reason, Some((topic, reason))),
            Trouble::Away(cause) => {
                tracing::warn!(event = "realtime.unavailable", %cause, "a replay could not be read");
                closed(Closing::Unavailable)
            }
        })
    }
}
