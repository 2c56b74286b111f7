//! What is written down of a socket while it lives, so that any node can go on with it.
//!
//! In namespaces with recovery a record is written before the CONNECT is answered, changed before a join or leave is, renewed
//! while the socket lives, and forgotten when it leaves for good. When its transport ends, or its node dies, nothing need
//! be written.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::policy::Policy;
use super::{Services, Worker, leave, random};
use crate::auth::Identity;
use crate::backplane::Unavailable;
use crate::backplane::resume::{By, Record, Save, Saved, Since, Stay, What};
use crate::event::{Partition, Position};
use crate::hub::SocketKey;
use crate::ids::{PrivateId, Room, SocketId};

/// A socket's hold on its record.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub pid: PrivateId,
    /// Grows with every resume; who holds a lower one holds nothing.
    pub generation: u64,
}

/// A change was not written.
#[derive(Debug)]
pub(super) enum Lost {
    Away,
    /// The session has gone to another connection, and this one is being closed.
    Fenced,
}

/// Writes a new session down.
pub(super) async fn begin(
    services: &Services,
    partition: &Arc<Partition>,
    policy: &Policy,
    record: Record,
) -> Result<Held, Unavailable> {
    let held = Held { pid: PrivateId::from_random(random()), generation: 1 };
    save(services, partition, policy, held, What::Whole(Box::new(record))).await?;
    Ok(held)
}

/// Who may claim the session; a subject is only unlike others within its issuer.
pub(super) fn subject(identity: Option<&Identity>) -> String {
    identity.map_or_else(String::new, |identity| format!("{}\n{}", identity.issuer, identity.subject))
}

/// From when on a socket that joins now is served: everything after this id is delivered to it.
pub(super) fn since(worker: &Worker, partition: &Partition, floor: Option<Position>) -> Since {
    let reached = worker.hub.borrow().position(&partition.namespace).cloned();
    let same = |reached: &Position| floor.as_ref().is_some_and(|floor| floor.epoch == reached.epoch);
    let later = reached.filter(same);
    Since::of(later.into_iter().chain(floor).max_by_key(|position| position.id))
}

/// Rooms were joined or left. Where the record is gone, it is written anew.
pub(super) async fn change(
    worker: &Worker,
    socket: SocketKey,
    joined: Vec<(Room, Stay)>,
    left: Vec<Room>,
) -> Result<(), Lost> {
    let known = worker.with_state(socket, |state| {
        let held = state.session?;
        Some((held, Arc::clone(&state.partition), Arc::clone(&state.policy)))
    });
    let Some((held, partition, policy)) = known.flatten() else { return Ok(()) };
    let services = &worker.services;
    let what = What::Rooms { joined: joined.clone(), left };
    let mut saved = save(services, &partition, &policy, held, what).await.map_err(|_| Lost::Away)?;
    if saved == Saved::Missing {
        let Some(record) = anew(worker, socket, joined) else { return Ok(()) };
        let what = What::Whole(Box::new(record));
        saved = save(services, &partition, &policy, held, what).await.map_err(|_| Lost::Away)?;
    }
    match saved {
        Saved::Done | Saved::Missing => Ok(()),
        Saved::Fenced => {
            leave::fenced(worker, socket);
            Err(Lost::Fenced)
        }
    }
}

/// The client has left for good, or was sent away: nobody can resume this session.
pub(super) fn forget(worker: &Worker, socket: SocketKey) {
    let known = worker.with_state(socket, |state| {
        let held = state.session?;
        Some((held, Arc::clone(&state.partition), Arc::clone(&state.policy)))
    });
    let Some((held, partition, policy)) = known.flatten() else { return };
    let services = Arc::clone(&worker.services);
    worker.services.tasks.spawn_local(async move {
        // Should it fail, the record lives as long as it would have with nobody to renew it.
        let _ = save(&services, &partition, &policy, held, What::Forget).await;
    });
}

pub(super) async fn save(
    services: &Services,
    partition: &Arc<Partition>,
    policy: &Policy,
    held: Held,
    what: What,
) -> Result<Saved, Unavailable> {
    let save = Save { pid: held.pid, generation: held.generation, lifetime_ms: policy.lifetime_ms(), what };
    services.sessions.save(partition, save).await
}

/// The record of a socket whose own was lost: what it is owed from is only known where it has just joined.
fn anew(worker: &Worker, socket: SocketKey, joined: Vec<(Room, Stay)>) -> Option<Record> {
    let subject = worker.with_state(socket, |state| subject(state.identity.as_deref()))?;
    let hub = worker.hub.borrow();
    let id: SocketId = hub.socket(socket)?.id.clone();
    let mut rooms = joined;
    for room in hub.rooms_of(socket) {
        if !rooms.iter().any(|(known, _)| *known == room) {
            // Whether a backend had ordered it is not known any more, so the right to it will be asked for.
            rooms.push((room, Stay { by: By::Client, since: Since::Unknown }));
        }
    }
    Some(Record { socket: id, subject, node: worker.services.cluster.node().to_string(), began: Since::Unknown, rooms })
}

/// Which records are to be renewed when: one queue for each period, since each is in the order of time by itself.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    queues: Vec<(u64, VecDeque<(u64, SocketKey)>)>,
    /// A task works on the queues.
    driven: bool,
}

impl Renewals {
    fn push(&mut self, period_ms: u64, socket: SocketKey, now_ms: u64) {
        let due_ms = now_ms + period_ms;
        match self.queues.iter_mut().find(|(period, _)| *period == period_ms) {
            Some((_, queue)) => queue.push_back((due_ms, socket)),
            None => self.queues.push((period_ms, VecDeque::from([(due_ms, socket)]))),
        }
    }

    fn take_due(&mut self, now_ms: u64, most: usize) -> Vec<(u64, SocketKey)> {
        let mut due = Vec::new();
        for (period_ms, queue) in &mut self.queues {
            while due.len() < most && queue.front().is_some_and(|(due_ms, _)| *due_ms <= now_ms) {
                due.extend(queue.pop_front().map(|(_, socket)| (*period_ms, socket)));
            }
        }
        self.queues.retain(|(_, queue)| !queue.is_empty());
        due
    }
}

/// Has the socket's record renewed for as long as the socket lives.
pub(super) fn renew(worker: &Rc<Worker>, socket: SocketKey, policy: &Policy) {
    let mut renewals = worker.renewals.borrow_mut();
    renewals.push(policy.refresh_ms(), socket, worker.services.clock.now_ms());
    if !std::mem::replace(&mut renewals.driven, true) {
        worker.services.tasks.spawn_local(keep_renewing(Rc::clone(worker)));
    }
}

/// Inputs: the time; the stop of the process. It ends when there is nothing to renew.
async fn keep_renewing(worker: Rc<Worker>) {
    let services = &worker.services;
    loop {
        tokio::select! {
            biased;
            () = services.tasks.stopping() => return,
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        loop {
            let now_ms = services.clock.now_ms();
            let due = worker.renewals.borrow_mut().take_due(now_ms, RENEWED_AT_ONCE);
            if due.is_empty() {
                break;
            }
            // What cannot be written now is tried again with the next renewal.
            let renewed = due.iter().map(|(_, socket)| change(&worker, *socket, Vec::new(), Vec::new()));
            futures::future::join_all(renewed).await;
            let mut renewals = worker.renewals.borrow_mut();
            for (period_ms, socket) in due {
                if worker.hub.borrow().socket(socket).is_some() {
                    renewals.push(period_ms, socket, now_ms);
                }
            }
        }
        let mut renewals = worker.renewals.borrow_mut();
        if renewals.queues.is_empty() {
            renewals.driven = false;
            return;
        }
    }
}

const RENEW_EVERY: Duration = Duration::from_secs(1);
/// So that a crowd that came in one second does not come back to Redis in one call.
const RENEWED_AT_ONCE: usize = 256;
