//! A lane's item reaches the sockets of a worker.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::backplane::GapNotice;
use crate::backplane::resume::{By, Since, Stay};
use crate::event::{Body, Command, Event, Id, Partition, Position, Publication, Target, Topic};
use crate::hub::{ClientKey, Frames, SocketKey};
use crate::ids::Room;

use super::deliver::LaneItem;
use super::worker::offset;
use super::{Services, Worker, leave, record};

/// What all workers of a node get, made once: the frames are shared, encoded at most once for each encoding.
#[derive(Debug)]
pub enum Delivery {
    Event {
        partition: Arc<Partition>,
        target: Target,
        frames: Arc<Frames>,
        volatile: bool,
        id: Option<Id>,
        position: Option<Position>,
        published_at_ms: u64,
    },
    Command {
        partition: Arc<Partition>,
        target: Target,
        command: Command,
        id: Option<Id>,
    },
}

/// Turns a lane's item into what workers can deliver.
pub fn prepare(services: &Services, partition: &Arc<Partition>, item: LaneItem) -> Delivery {
    let partition = Arc::clone(partition);
    let recovery = services.namespaces.find(partition.namespace.as_str()).is_some_and(|policy| policy.recovery);
    match item {
        LaneItem::Event { publication, id, position } => {
            let Publication { target, body, volatile, published_at_ms, traceparent: _ } = publication;
            match body {
                Body::Event(event) => {
                    let frames = Frames::event(partition.namespace.clone(), event, offset(recovery, position.as_ref()));
                    Delivery::Event { partition, target, frames, volatile, id, position, published_at_ms }
                }
                Body::Command(command) => Delivery::Command { partition, target, command, id },
            }
        }
        LaneItem::Gap(notice) => {
            let frames = Frames::event(partition.namespace.clone(), gap_event(&notice), None);
            let target = match notice.topic {
                Topic::All => Target::namespace(),
                Topic::Room(room) => Target::room(room),
            };
            let (id, position) = (None, None);
            Delivery::Event { partition, target, frames, volatile: false, id, position, published_at_ms: 0 }
        }
    }
}

impl Delivery {
    pub(super) fn partition(&self) -> &Arc<Partition> {
        let (Self::Event { partition, .. } | Self::Command { partition, .. }) = self;
        partition
    }

    pub(super) fn target(&self) -> &Target {
        let (Self::Event { target, .. } | Self::Command { target, .. }) = self;
        target
    }

    pub(super) fn frames(&self) -> Option<&Frames> {
        if let Self::Event { frames, .. } = self { Some(frames) } else { None }
    }
}

/// Delivers to the sockets of this worker.
pub fn apply(worker: &Rc<Worker>, delivery: &Arc<Delivery>) {
    let resuming = worker.resuming.any();
    if resuming {
        worker.resuming.note(delivery);
    }
    match &**delivery {
        Delivery::Event { partition, target, frames, volatile, id, position, published_at_ms } => {
            let namespace = &partition.namespace;
            let started = worker.services.clock.elapsed();
            let spared = position.as_ref().filter(|_| resuming);
            let spared = spared.and_then(|position| worker.resuming.spare(partition, target, *id, position));
            let mut hub = worker.hub.borrow_mut();
            let delivered = match &spared {
                None => hub.deliver(namespace, target, frames, *volatile, position.as_ref()),
                Some((others, ahead)) => {
                    for (client, socket, reached) in ahead {
                        if hub.is_reached(*socket, target) {
                            hub.send(*client, &frames.with_offset(reached.to_string()), *volatile);
                        }
                    }
                    hub.deliver(namespace, others, frames, *volatile, position.as_ref())
                }
            };
            drop(hub);
            let meters = &worker.services.meters;
            meters.fan_out_seconds.record(worker.services.clock.since(started));
            meters.deliveries.increment(delivered.queued as u64);
            if delivered.dropped > 0 {
                meters.deliveries_dropped.increment(delivered.dropped as u64);
            }
            if delivered.overflowed > 0 {
                meters.outbox_overflows.increment(delivered.overflowed as u64);
            }
            if delivered.queued > 0 && *published_at_ms > 0 {
                let elapsed_ms = worker.services.clock.wall_ms().saturating_sub(*published_at_ms);
                meters.publish_to_queue_seconds.record(std::time::Duration::from_millis(elapsed_ms));
            }
        }
        Delivery::Command { partition, target, command, id } => {
            let sockets = worker.hub.borrow_mut().matching(&partition.namespace, target);
            for socket in sockets {
                obey(worker, partition, socket, command, *id);
            }
        }
    }
}

/// Delivers to one socket, for which it waited while the socket's replay was read up to `reached`.
pub(super) fn apply_late(
    worker: &Rc<Worker>,
    (client, socket): (ClientKey, SocketKey),
    delivery: &Delivery,
    reached: Option<&Position>,
) {
    if !worker.hub.borrow().is_reached(socket, delivery.target()) {
        return;
    }
    let known = |id: &Id| reached.is_some_and(|reached| *id <= reached.id);
    match delivery {
        Delivery::Event { id, .. } | Delivery::Command { id, .. } if id.as_ref().is_some_and(known) => {}
        Delivery::Command { partition, command, id, .. } => obey(worker, partition, socket, command, *id),
        Delivery::Event { frames, volatile, position, .. } => {
            let behind =
                |position: &&Position| reached.filter(|reached| known(&position.id) && reached.epoch == position.epoch);
            let another = position.as_ref().and_then(|position| behind(&position));
            let frames = another.map_or_else(|| Arc::clone(frames), |reached| frames.with_offset(reached.to_string()));
            worker.hub.borrow_mut().send(client, &frames, *volatile);
        }
    }
}

fn obey(worker: &Rc<Worker>, partition: &Arc<Partition>, socket: SocketKey, command: &Command, id: Option<Id>) {
    match command {
        Command::Join(rooms) => rooms.iter().for_each(|room| join(worker, partition, socket, room, id)),
        Command::Leave(rooms) => {
            for room in rooms {
                if worker.hub.borrow_mut().leave(socket, room) {
                    worker.release(partition, socket, std::slice::from_ref(room));
                }
            }
            note(worker, socket, rooms.clone());
        }
        Command::Disconnect { close } => leave::disconnect(worker, socket, *close),
        Command::Fence { generation } => {
            let held = worker.with_state(socket, |state| state.session).flatten();
            if held.is_some_and(|held| held.generation < *generation) {
                leave::fenced(worker, socket);
            }
        }
    }
}

/// Nobody waits for it: should it not be written, the log has the order itself.
fn note(worker: &Rc<Worker>, socket: SocketKey, left: Vec<Room>) {
    if worker.with_state(socket, |state| state.session.is_some()).unwrap_or_default() {
        let worker = Rc::clone(worker);
        worker.clone().services.tasks.spawn_local(async move {
            let _ = record::change(&worker, socket, Vec::new(), left).await;
        });
    }
}

/// The socket is a member at once, so that it gets whatever the lane brings next; where the node does not watch the room
/// yet, everything since the command is read back. Until the interest is there it belongs to the task started here, not to
/// whoever makes the socket leave.
fn join(worker: &Rc<Worker>, partition: &Arc<Partition>, socket: SocketKey, room: &Room, id: Option<Id>) {
    let full = worker.hub.borrow().rooms_of(socket).len() >= worker.services.limits.rooms_per_socket;
    if full || !worker.hub.borrow_mut().join(socket, room) {
        return;
    }
    // Back in a room that it was made to leave before the interest was there: that interest is still on its way.
    if !worker.unsettled.borrow_mut().insert((socket, room.clone())) {
        return;
    }
    let (worker, partition, room) = (Rc::clone(worker), Arc::clone(partition), room.clone());
    worker.clone().services.tasks.spawn_local(async move {
        let topics = [Topic::of(&room)];
        let acquired = worker.services.lanes.acquire(&partition, &topics, id).await;
        worker.unsettled.borrow_mut().remove(&(socket, room.clone()));
        let still_in = worker.hub.borrow().is_in(socket, &room);
        match acquired {
            Ok(_) if !still_in => worker.services.lanes.release(&partition, &topics),
            Ok(floor) => {
                let ordered = floor.as_ref().zip(id).map(|(floor, id)| Position { id, ..floor.clone() });
                let since = ordered.map_or_else(|| record::since(&worker, &partition, floor), Since::At);
                // Should it not be written, the log has the order itself.
                let _ = record::change(&worker, socket, vec![(room, Stay { by: By::Backend, since })], vec![]).await;
            }
            Err(cause) => {
                tracing::warn!(event = "realtime.unavailable", %cause, "a join ordered by a backend was undone");
                worker.hub.borrow_mut().leave(socket, &room);
            }
        }
    });
}

/// The reserved event by which an application learns what to fetch again.
pub(super) fn gap_event(notice: &GapNotice) -> Event {
    let room = match &notice.topic {
        Topic::All => None,
        Topic::Room(room) => Some(room.as_str()),
    };
    let gap = serde_json::json!({
        "room": room,
        "reason": notice.reason.as_str(),
        "last": notice.last.to_string(),
        "head": notice.head.to_string(),
    });
    Event { args: format!(r#"["fanfare:gap",{gap}]"#), attachments: SmallVec::new() }
}
