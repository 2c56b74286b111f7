//! The lanes of a node: who reads which partition, and the dispatcher that feeds them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inlet::{Inlet, inlet};
use super::interest::{Floor, Interest};
use super::outlet::Outlet;
use super::running::Running;
use crate::backplane::{Arrival, Backplane, LaneCounters, LaneOptions, Unavailable};
use crate::event::{Id, Partition, Position, Topic};

/// Milliseconds of a clock that does not jump; only differences matter.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A handle on the lanes; clones share them.
#[derive(Clone)]
pub struct Lanes {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) backplane: Arc<dyn Backplane>,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) clock: Clock,
    pub(super) options: LaneOptions,
    pub(super) stop: CancellationToken,
    /// Publications that could not be decoded, and arrivals that were none.
    pub(super) unreadable: AtomicU64,
    /// Counters of the lanes that ended.
    ended: Mutex<LaneCounters>,
    tracker: TaskTracker,
    /// Where lanes run, whichever worker asked for them first.
    runtime: Handle,
    doors: Mutex<HashMap<Arc<Partition>, Arc<Door>>>,
}

/// What the workers share with a lane's task. Interest is behind a lock and not a queue, since a queue of releases could not
/// be both bounded and free of loss.
pub(super) struct Door {
    pub(super) state: Mutex<DoorState>,
    /// Something is wanted that was not wanted before.
    pub(super) wake: Notify,
    inlet: Mutex<Inlet>,
}

#[derive(Default)]
pub(super) struct DoorState {
    pub(super) interest: Interest,
    /// At least as far as anything handed to the outlet.
    pub(super) position: Option<Position>,
    /// The highest head that a topic was confirmed with: what was stored in that topic up to it is not handed on, however far
    /// behind the lane's position is.
    pub(super) confirmed: Option<Position>,
    pub(super) counters: LaneCounters,
}

impl Lanes {
    /// Takes the backplane's arrivals and starts to route them. Lanes run on the runtime this is called in.
    ///
    /// # Panics
    /// If somebody took the arrivals before.
    pub fn start(
        backplane: Arc<dyn Backplane>,
        outlet: Arc<dyn Outlet>,
        clock: Clock,
        options: LaneOptions,
        tasks: (TaskTracker, CancellationToken),
    ) -> Self {
        let arrivals = backplane.arrivals().expect("arrivals are taken once, by the one who routes them");
        let (tracker, stop) = tasks;
        let shared = Arc::new(Shared {
            backplane,
            outlet,
            clock,
            options,
            stop,
            unreadable: AtomicU64::new(0),
            ended: Mutex::default(),
            tracker,
            runtime: Handle::current(),
            doors: Mutex::default(),
        });
        shared.tracker.spawn_on(dispatch(shared.clone(), arrivals), &shared.runtime);
        Self { shared }
    }

    /// Holds each topic watched until [`Self::release`]; returns once the subscriptions stand.
    ///
    /// The answer is the floor: everything stored after it in these topics is delivered from now on, and everything up to it
    /// can be read from the log. Let the socket join the hub's room first (its outbox held, if it resumes): then nothing falls
    /// between, and what is at or below the floor by its own id is what the log gives as well. `None`: nothing was ever
    /// published in the partition. With `since`, entries after that id are delivered too if the topics were not yet watched.
    ///
    /// Dropping the future is safe at any point; it then holds nothing.
    ///
    /// # Errors
    /// If the backplane did not confirm in time or the node stops; nothing is held then.
    pub async fn acquire(
        &self,
        partition: &Arc<Partition>,
        topics: &[Topic],
        since: Option<Id>,
    ) -> Result<Option<Position>, Unavailable> {
        let (door, answer) = {
            let mut doors = self.shared.doors();
            if self.shared.stop.is_cancelled() {
                return Err(stopping());
            }
            let door = doors.entry(partition.clone()).or_insert_with(|| self.shared.open(partition)).clone();
            let mut state = door.state();
            match state.interest.acquire(topics, since) {
                None => return Ok(state.floor()),
                Some(answer) => {
                    drop(state);
                    (door, answer)
                }
            }
        };
        door.wake.notify_one();
        let mut waiting = Waiting { lanes: self, partition, topics, answer: Some(answer) };
        waiting.answer().await
    }

    /// Gives back what one [`Self::acquire`] of the same topics took.
    pub fn release(&self, partition: &Arc<Partition>, topics: &[Topic]) {
        let Some(door) = self.shared.doors().get(partition).cloned() else { return };
        door.state().interest.release(topics, (self.shared.clock)());
        door.wake.notify_one();
    }

    /// Where the partition's lane stands; `None` if it has none or nothing was published.
    pub fn position(&self, partition: &Arc<Partition>) -> Option<Position> {
        let door = self.shared.doors().get(partition).cloned()?;
        door.state().position.clone()
    }

    /// What happened on all lanes since the start, also on those that ended.
    pub fn counters(&self) -> LaneCounters {
        let doors = self.shared.doors();
        let ended = *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        doors.values().fold(ended, |sum, door| sum.plus(door.state().counters))
    }

    /// Publications that could not be decoded, and arrivals that were none, since the start.
    pub fn unreadable(&self) -> u64 {
        self.shared.unreadable.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Takes the lane's door away if nobody wants anything of it; under both locks, so that no wish is overlooked.
    pub(super) fn retire(&self, partition: &Arc<Partition>, door: &Arc<Door>) -> bool {
        if !door.state().interest.is_idle() {
            return false;
        }
        let mut doors = self.doors();
        let idle = door.state().interest.is_idle();
        if idle {
            doors.remove(partition);
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            *ended = ended.plus(door.state().counters);
        }
        idle
    }

    fn open(self: &Arc<Self>, partition: &Arc<Partition>) -> Arc<Door> {
        let (inlet, outflow) = inlet();
        let door = Arc::new(Door { state: Mutex::default(), wake: Notify::new(), inlet: Mutex::new(inlet) });
        let running = Running::new(self.clone(), partition.clone(), door.clone(), outflow);
        self.tracker.spawn_on(running.run(), &self.runtime);
        door
    }

    fn doors(&self) -> MutexGuard<'_, HashMap<Arc<Partition>, Arc<Door>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, arrival: Arrival) {
        let partition = match &arrival {
            Arrival::Sequenced(announcement) => &announcement.partition,
            Arrival::Volatile { partition, .. } | Arrival::Interrupted { partition: Some(partition) } => partition,
            Arrival::Interrupted { partition: None } => {
                let doors: Vec<Arc<Door>> = self.doors().values().cloned().collect();
                for door in doors {
                    door.offer(Arrival::Interrupted { partition: None });
                }
                return;
            }
            Arrival::Unreadable => {
                self.unreadable.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let door = self.doors().get(partition).cloned();
        // Nobody here wants that partition any more.
        let Some(door) = door else { return };
        door.offer(arrival);
    }
}

impl DoorState {
    /// Everything stored after it in the watched topics is handed on from now on.
    pub(super) fn floor(&self) -> Option<Position> {
        let position = self.position.clone()?;
        let confirmed = self.confirmed.as_ref().filter(|confirmed| confirmed.epoch == position.epoch);
        let id = confirmed.map_or(position.id, |confirmed| confirmed.id.max(position.id));
        Some(Position { id, ..position })
    }
}

impl Door {
    pub(super) fn state(&self) -> MutexGuard<'_, DoorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, arrival: Arrival) {
        self.inlet.lock().unwrap_or_else(PoisonError::into_inner).offer(arrival);
    }
}

/// Routes arrivals to their lanes. Inputs: stop, which ends it; an arrival, which it queues without waiting. It ends too when
/// the backplane goes away.
async fn dispatch(shared: Arc<Shared>, mut arrivals: mpsc::Receiver<Arrival>) {
    loop {
        let arrival = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            arrival = arrivals.recv() => arrival,
        };
        let Some(arrival) = arrival else { return };
        shared.route(arrival);
    }
}

/// An acquire that waits; if it is dropped when its answer was sent already, the hold is given back.
struct Waiting<'a> {
    lanes: &'a Lanes,
    partition: &'a Arc<Partition>,
    topics: &'a [Topic],
    answer: Option<oneshot::Receiver<Floor>>,
}

impl Waiting<'_> {
    async fn answer(&mut self) -> Floor {
        let Some(answer) = &mut self.answer else { return Err(stopping()) };
        let floor = answer.await.unwrap_or_else(|_| Err(stopping()));
        self.answer = None;
        floor
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        answer.close();
        if let Ok(Ok(_)) = answer.try_recv() {
            self.lanes.release(self.partition, self.topics);
        }
    }
}

pub(super) fn stopping() -> Unavailable {
    Unavailable("the node is stopping".to_owned())
}
