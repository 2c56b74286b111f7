//! A lane's item reaches the sockets of a worker.

use std::rc::Rc;
use std::sync::Arc;

use crate::backplane::GapNotice;
use crate::event::{Body, Command, Event, Id, Partition, Position, Publication, Target, Topic};
use crate::hub::{Frames, SocketKey};
use crate::ids::Room;

use super::deliver::LaneItem;
use super::worker::offset;
use super::{Services, Worker, leave};

/// What all workers of a node get, made once: the frames are shared, encoded at most once for each encoding.
#[derive(Debug)]
pub enum Delivery {
    Event {
        partition: Arc<Partition>,
        target: Target,
        frames: Arc<Frames>,
        volatile: bool,
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
                    Delivery::Event { partition, target, frames, volatile, position, published_at_ms }
                }
                Body::Command(command) => Delivery::Command { partition, target, command, id },
            }
        }
        LaneItem::Gap(notice) => {
            let event = Event { args: gap_args(&notice), attachments: smallvec::SmallVec::new() };
            let frames = Frames::event(partition.namespace.clone(), event, None);
            let target = match notice.topic {
                Topic::All => Target::namespace(),
                Topic::Room(room) => Target::room(room),
            };
            Delivery::Event { partition, target, frames, volatile: false, position: None, published_at_ms: 0 }
        }
    }
}

/// Delivers to the sockets of this worker.
pub fn apply(worker: &Rc<Worker>, delivery: &Delivery) {
    match delivery {
        Delivery::Event { partition, target, frames, volatile, position, published_at_ms } => {
            let namespace = &partition.namespace;
            let started = worker.services.clock.elapsed();
            let mut hub = worker.hub.borrow_mut();
            let delivered = hub.deliver(namespace, target, frames, *volatile, position.as_ref());
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

fn obey(worker: &Rc<Worker>, partition: &Arc<Partition>, socket: SocketKey, command: &Command, id: Option<Id>) {
    match command {
        Command::Join(rooms) => rooms.iter().for_each(|room| join(worker, partition, socket, room, id)),
        Command::Leave(rooms) => {
            for room in rooms {
                if worker.hub.borrow_mut().leave(socket, room) {
                    worker.release(partition, socket, std::slice::from_ref(room));
                }
            }
        }
        Command::Disconnect { close } => leave::disconnect(worker, socket, *close),
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
            Ok(_) => {}
            Err(cause) => {
                tracing::warn!(event = "realtime.unavailable", %cause, "a join ordered by a backend was undone");
                worker.hub.borrow_mut().leave(socket, &room);
            }
        }
    });
}

/// The arguments of the reserved event by which an application learns what to fetch again.
fn gap_args(notice: &GapNotice) -> String {
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
    format!(r#"["fanfare:gap",{gap}]"#)
}
