//! A client comes back: it names its former session and the last event it received, on whichever node.
//!
//! ```text
//!  recording of live deliveries ─────────────────────────────────────────────────┐
//!  claim ─► rights ─► acquire (floor) ─► timeline ─► read, prove, merge ─► replay │─► reply ─► recorded after the floor ─► live
//!                                            └────── not proven ─► fresh session, and a gap told for each room
//! ```
//!
//! The order is fixed. What is stored up to the floor is read from the log, what is stored after it comes over the lane, and
//! the recording began before the floor was asked for: nothing falls between, and nothing comes twice. Invariant: a client is
//! told that it recovered only if nothing is missing in any room that it still may be in.

mod hold;
mod replay;
mod replays;
mod resuming;
mod windows;

use std::rc::Rc;
use std::sync::Arc;

pub use replays::{Caps, Replays};
pub(super) use resuming::Resuming;

use self::replay::Replay;
use super::connect::{Admission, Place, admit};
use super::deliver::LaneItem;
use super::fan_out;
use super::record::{self, Held};
use super::{Services, Worker, leave};
use crate::auth::Claims;
use crate::backplane::resume::{By, Claim, Claimant, Record, Saved, Stay, Timeline, What};
use crate::backplane::{Durability, GapNotice, GapReason, PublishRequest};
use crate::closing::Closing;
use crate::event::{Body, Command, Id, Partition, Position, Publication, Target, Topic, encode};
use crate::hub::{ClientKey, Frames, SocketKey};
use crate::ids::{PrivateId, Room};

/// What a client says of its former session.
#[derive(Debug)]
pub(super) struct Asked {
    pid: PrivateId,
    /// What it received last; none if it has received nothing, or if its offset is of no log of ours.
    offset: Option<Position>,
}

impl Asked {
    /// `None` where it says nothing, or what no server of ours has given out.
    pub(super) fn read(auth: Option<&str>) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Payload {
            pid: Option<serde_json::Value>,
            offset: Option<serde_json::Value>,
        }
        // Cheap for those who come for the first time, and are the most.
        let auth = auth.filter(|auth| auth.contains("\"pid\""))?;
        let payload: Payload = serde_json::from_str(auth).ok()?;
        let pid = PrivateId::parse(payload.pid?.as_str()?)?;
        let offset = payload.offset.as_ref().and_then(serde_json::Value::as_str);
        Some(Self { pid, offset: offset.and_then(|offset| offset.parse().ok()) })
    }
}

/// How it ended.
pub(super) enum Outcome {
    /// The socket is back in its namespace, and was told.
    Recovered,
    /// It has to begin afresh, and is then told what it may have missed.
    Fresh(Admission, Vec<GapNotice>),
}

/// Why a step did not lead to the next.
enum Stopped {
    /// With what is to be told, and where it shows in the metrics.
    Unproven(Vec<GapNotice>, &'static str),
    Closed(Closing),
}

/// The walk of a resume.
///
/// # Errors
/// If the transport has to be closed: the backplane is away, or the session was claimed by somebody else meanwhile.
pub(super) async fn recover(
    worker: &Rc<Worker>,
    key: ClientKey,
    admission: Admission,
    asked: Asked,
) -> Result<Outcome, Closing> {
    let services = &worker.services;
    let started = services.clock.elapsed();
    let outcome = attempt(worker, key, &admission, &asked).await;
    services.meters.replay_seconds.record(services.clock.since(started));
    match outcome {
        Ok(()) => {
            services.meters.replayed("recovered");
            Ok(Outcome::Recovered)
        }
        Err(Stopped::Unproven(gaps, class)) => {
            services.meters.replayed(class);
            let namespace = &admission.partition.namespace;
            tracing::info!(event = "realtime.not_recovered", %namespace, reason = class, "a session begins afresh");
            Ok(Outcome::Fresh(admission, gaps))
        }
        Err(Stopped::Closed(reason)) => {
            services.meters.replayed(reason.name());
            Err(reason)
        }
    }
}

async fn attempt(worker: &Rc<Worker>, key: ClientKey, admission: &Admission, asked: &Asked) -> Result<(), Stopped> {
    let services = &worker.services;
    let partition = &admission.partition;
    let Some(_place) = services.replays.place().await else { return Err(closed(Closing::Unavailable)) };
    let recording = worker.resuming.record(partition, services.replays.caps.session_bytes);
    let (record, generation) = claim(services, admission, asked).await?;
    let held = Held { pid: asked.pid, generation };
    fence(services, partition, &record, generation).await;

    let (rooms, denied) = allowed(admission, &record);
    let replay = match Replay::read(services, admission, &record, rooms, asked.offset.as_ref()).await {
        Ok(replay) => replay,
        Err(stopped) => {
            if matches!(stopped, Stopped::Unproven(..)) {
                // The session goes on under another name.
                let _ = record::save(services, partition, &admission.policy, held, What::Forget).await;
            }
            return Err(stopped);
        }
    };
    write_down(services, admission, held, &replay, &denied).await?;
    write_out(worker, key, &replay).await?;
    let Some(recorded) = recording.take() else {
        return Err(replay.unproven(&record, GapReason::Limit));
    };
    drop(recording);
    let denied: Vec<GapNotice> = denied.into_iter().map(|room| replay.gap(Some(room), GapReason::Denied)).collect();
    let reached = replay.reached().cloned();
    let socket = return_to(worker, key, admission, held, replay).ok_or(closed(Closing::TransportClose))?;
    for delivery in recorded {
        fan_out::apply_late(worker, (key, socket), &delivery, reached.as_ref());
    }
    tell(worker, key, partition, &denied);
    Ok(())
}

async fn claim(services: &Services, admission: &Admission, asked: &Asked) -> Result<(Record, u64), Stopped> {
    let subject = record::subject(admission.identity.as_deref());
    let lifetime_ms = admission.policy.lifetime_ms();
    let node = services.cluster.node().to_string();
    let claimant = Claimant { subject: &subject, node: &node, lifetime_ms };
    match services.sessions.claim(&admission.partition, asked.pid, claimant).await {
        Ok(Claim::Claimed { record, generation }) => Ok((*record, generation)),
        Ok(Claim::Unknown | Claim::Foreign) => {
            let timeline = services.replays.timeline(services, &admission.partition).await;
            let timeline = timeline.map_err(|_| closed(Closing::Unavailable))?;
            Err(unknown(admission, asked.offset.as_ref(), &timeline))
        }
        Err(cause) => {
            tracing::warn!(event = "realtime.unavailable", %cause, "a session could not be claimed");
            Err(closed(Closing::Unavailable))
        }
    }
}

/// There is no such session, or it is somebody else's, which is told by nothing. The rooms that the client was in are not
/// known, only those that it will be in.
fn unknown(admission: &Admission, offset: Option<&Position>, timeline: &Timeline) -> Stopped {
    let another = offset.is_some_and(|offset| timeline.epoch.as_ref() != Some(&offset.epoch));
    let reason = if another { GapReason::Epoch } else { GapReason::Expired };
    let last = offset.filter(|_| !another).map_or(Id::ZERO, |offset| offset.id);
    let rooms = std::iter::once(None).chain(admission.rooms.iter().cloned().map(Some));
    let gaps = rooms.map(|room| gap(room, reason, last, timeline.last)).collect();
    Stopped::Unproven(gaps, "unknown")
}

/// Tells whoever still holds the session to let go of it. Should that not arrive, its next write will tell it.
async fn fence(services: &Services, partition: &Arc<Partition>, record: &Record, generation: u64) {
    let Ok(socket) = Room::new(record.socket.as_str()) else { return };
    let publication = Publication {
        target: Target::room(socket),
        body: Body::Command(Command::Fence { generation }),
        volatile: true,
        published_at_ms: services.clock.wall_ms(),
        traceparent: None,
    };
    if record.node == services.cluster.node().to_string() {
        let item = LaneItem::Event { publication, id: None, position: None };
        return services.outlet.deliver(partition, item).await;
    }
    let request = PublishRequest {
        partition: Arc::clone(partition),
        topics: [Topic::All].into_iter().collect(),
        envelope: encode(&publication).into(),
        volatile: true,
        idempotency: None,
        durability: Durability::Accepted,
        fence: None,
        inbox_id: None,
    };
    if let Err(cause) = services.backplane.publish(request).await {
        tracing::debug!(event = "realtime.fence_lost", %cause, "the former holder of a session was not told");
    }
}

/// The rooms of the record that the client still may be in, and those it may not.
fn allowed(admission: &Admission, record: &Record) -> (Vec<(Room, Stay)>, Vec<Room>) {
    let nobody = Claims::new();
    let claims = admission.identity.as_ref().map_or(&nobody, |identity| &identity.claims);
    let may = |room: &Room, stay: &Stay| match stay.by {
        By::Backend => true,
        By::Rule | By::Client => admission.rooms.contains(room) || admission.policy.access.may_join(room, claims),
    };
    let (kept, denied): (Vec<_>, Vec<_>) = record.rooms.iter().cloned().partition(|(room, stay)| may(room, stay));
    (kept, denied.into_iter().map(|(room, _)| room).collect())
}

/// What the record does not say yet: rooms lost, ordered while the client was away, or new by its token. It is written even
/// if that is nothing: whoever claims the session before this is found out by it, and whoever claims it after this is heard,
/// since the topic on which a fence comes is watched by now.
async fn write_down(
    services: &Services,
    admission: &Admission,
    held: Held,
    replay: &Replay<'_>,
    denied: &[Room],
) -> Result<(), Stopped> {
    let (joined, left) = replay.changes(denied);
    let what = What::Rooms { joined, left };
    match record::save(services, &admission.partition, &admission.policy, held, what).await {
        // A record that has just gone will be missed again when it is renewed, and then written anew.
        Ok(Saved::Done | Saved::Missing) => Ok(()),
        Ok(Saved::Fenced) => Err(closed(Closing::Resumed)),
        Err(_) => Err(closed(Closing::Unavailable)),
    }
}

/// Queues the replay in portions, since it may be larger than an outbox.
async fn write_out(worker: &Rc<Worker>, key: ClientKey, replay: &Replay<'_>) -> Result<(), Stopped> {
    for (_, frames) in &replay.events {
        loop {
            let waiting = worker.hub.borrow_mut().outbox(key).map(|outbox| outbox.bytes());
            let Some(waiting) = waiting else { return Err(closed(Closing::TransportClose)) };
            let most = worker.clients.borrow().get(key).map_or(0, |client| client.door.outbox_bytes_max / 2);
            if waiting == 0 || waiting + frames.weight() <= most {
                break;
            }
            // Whoever does not read is closed by the flow of its transport, and then has no outbox.
            worker.flush.notify_one();
            tokio::time::sleep(PORTION_PAUSE).await;
        }
        worker.hub.borrow_mut().send(key, frames, false);
    }
    worker.flush.notify_one();
    worker.services.meters.replayed_events.increment(replay.events.len() as u64);
    Ok(())
}

const PORTION_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

/// Gives the socket its place back, under its former names. `None` if the client went away meanwhile.
fn return_to(
    worker: &Rc<Worker>,
    key: ClientKey,
    admission: &Admission,
    held: Held,
    replay: Replay<'_>,
) -> Option<SocketKey> {
    // On this very worker both would answer to one name.
    let former = worker.hub.borrow().socket_named(replay.socket());
    if let Some(former) = former {
        leave::fenced(worker, former);
    }
    let id = replay.socket().clone();
    let (rooms, reached) = replay.settle();
    // What was handed to this worker and is not applied yet, is known to the socket.
    let applied = worker.hub.borrow().position(&admission.partition.namespace).cloned();
    let place = Place { id: id.clone(), rooms: &rooms, session: Some(held), floor: reached.clone(), recovered: true };
    let Some(socket) = admit(worker, key, admission, place) else {
        worker.services.lanes.release(&admission.partition, &super::connect::topics(&rooms));
        return None;
    };
    if let (Some(reached), Ok(own)) = (reached, Room::new(id.as_str()))
        && applied.is_none_or(|applied| applied.epoch == reached.epoch && applied.id < reached.id)
    {
        worker.resuming.is_ahead((key, socket), own, (&admission.partition, reached));
    }
    Some(socket)
}

/// Tells what may be missing, after the reply to the CONNECT.
pub(super) fn tell(worker: &Worker, key: ClientKey, partition: &Partition, gaps: &[GapNotice]) {
    for notice in gaps {
        worker.send(key, &Frames::event(partition.namespace.clone(), fan_out::gap_event(notice), None));
    }
}

fn gap(room: Option<Room>, reason: GapReason, last: Id, head: Id) -> GapNotice {
    GapNotice { topic: room.map_or(Topic::All, Topic::Room), reason, last, head }
}

fn closed(reason: Closing) -> Stopped {
    Stopped::Closed(reason)
}
