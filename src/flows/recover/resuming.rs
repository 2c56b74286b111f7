//! Clients that are coming back on this worker: what the lanes bring while their replay is read, and how far it reached.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::event::{Id, Partition, Position, Target};
use crate::flows::fan_out::Delivery;
use crate::hub::{ClientKey, Frames, SocketKey};
use crate::ids::Room;

/// Usually both lists are empty, and a delivery costs one look at a number.
#[derive(Default)]
pub(in crate::flows) struct Resuming {
    recordings: RefCell<Vec<Rc<RefCell<Recorded>>>>,
    ahead: RefCell<Vec<Ahead>>,
    count: Cell<usize>,
}

/// What was delivered to a partition while a client was coming back to it.
struct Recorded {
    partition: Arc<Partition>,
    deliveries: Vec<Arc<Delivery>>,
    bytes: usize,
    bytes_max: usize,
    overflowed: bool,
}

/// A recording that ends when this goes.
pub(super) struct Recording<'a> {
    resuming: &'a Resuming,
    recorded: Rc<RefCell<Recorded>>,
}

/// A socket whose replay reached further than the lane of this node has come: until then the lane may bring what the socket
/// has already, and positions behind the one that it knows.
struct Ahead {
    socket: SocketKey,
    client: ClientKey,
    /// The room named like the socket.
    own: Room,
    partition: Arc<Partition>,
    reached: Position,
}

/// A socket that gets an event with the position that it has reached.
pub(in crate::flows) type Spared = (ClientKey, SocketKey, Position);

impl Resuming {
    pub(super) fn record(&self, partition: &Arc<Partition>, bytes_max: usize) -> Recording<'_> {
        let partition = Arc::clone(partition);
        let recorded = Recorded { partition, deliveries: Vec::new(), bytes: 0, bytes_max, overflowed: false };
        let recorded = Rc::new(RefCell::new(recorded));
        self.recordings.borrow_mut().push(Rc::clone(&recorded));
        self.count.set(self.count.get() + 1);
        Recording { resuming: self, recorded }
    }

    pub(super) fn is_ahead(
        &self,
        (client, socket): (ClientKey, SocketKey),
        own: Room,
        at: (&Arc<Partition>, Position),
    ) {
        let (partition, reached) = (Arc::clone(at.0), at.1);
        self.ahead.borrow_mut().push(Ahead { socket, client, own, partition, reached });
        self.count.set(self.count.get() + 1);
    }

    /// How far the replay of a socket reached, while the lane is behind that.
    pub(in crate::flows) fn reached(&self, socket: SocketKey) -> Option<Position> {
        if self.count.get() == 0 {
            return None;
        }
        self.ahead.borrow().iter().find(|ahead| ahead.socket == socket).map(|ahead| ahead.reached.clone())
    }

    pub(in crate::flows) fn forget(&self, socket: SocketKey) {
        if self.count.get() > 0 {
            self.drop_ahead(|ahead| ahead.socket == socket);
        }
    }

    /// Whether anybody here has to be looked after when something is delivered.
    pub(in crate::flows) fn any(&self) -> bool {
        self.count.get() > 0
    }

    /// Notes a delivery for those who are coming back.
    pub(in crate::flows) fn note(&self, delivery: &Arc<Delivery>) {
        for recorded in &*self.recordings.borrow() {
            recorded.borrow_mut().note(delivery);
        }
    }

    /// Splits off whom an event must not reach as it is: answers the target without them, and those who get it with the
    /// position that they have reached. `id` and `position` are the delivery's own.
    pub(in crate::flows) fn spare(
        &self,
        partition: &Partition,
        target: &Target,
        id: Option<Id>,
        position: &Position,
    ) -> Option<(Target, Vec<Spared>)> {
        // The lane has caught up, or has moved to another log, whose positions are all new.
        self.drop_ahead(|ahead| {
            let behind = ahead.reached.epoch == position.epoch && position.id < ahead.reached.id;
            *ahead.partition == *partition && !behind
        });
        let ahead = self.ahead.borrow();
        let concerned = || ahead.iter().filter(|ahead| *ahead.partition == *partition);
        concerned().next()?;
        let mut target = target.clone();
        target.except.extend(concerned().map(|ahead| ahead.own.clone()));
        let told = |ahead: &Ahead| (ahead.client, ahead.socket, ahead.reached.clone());
        // With an id at or below what was reached it is known already.
        let others = concerned().filter(|ahead| id.is_none_or(|id| id > ahead.reached.id)).map(told).collect();
        Some((target, others))
    }

    fn drop_ahead(&self, over: impl Fn(&Ahead) -> bool) {
        let mut ahead = self.ahead.borrow_mut();
        let before = ahead.len();
        ahead.retain(|ahead| !over(ahead));
        self.count.set(self.count.get() - (before - ahead.len()));
    }
}

impl Recorded {
    fn note(&mut self, delivery: &Arc<Delivery>) {
        if self.overflowed || *self.partition != **delivery.partition() {
            return;
        }
        self.bytes += RECORDED_BYTES + delivery.frames().map_or(0, Frames::weight);
        self.overflowed = self.bytes > self.bytes_max;
        if self.overflowed {
            self.deliveries = Vec::new();
        } else {
            self.deliveries.push(Arc::clone(delivery));
        }
    }
}

impl Recording<'_> {
    /// Everything since the start; `None` if it was too much.
    pub(super) fn take(&self) -> Option<Vec<Arc<Delivery>>> {
        let mut recorded = self.recorded.borrow_mut();
        (!recorded.overflowed).then(|| std::mem::take(&mut recorded.deliveries))
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.resuming.recordings.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.recorded));
        self.resuming.count.set(self.resuming.count.get() - 1);
    }
}

/// Bounds the number of recorded deliveries as well as their bytes.
const RECORDED_BYTES: usize = 128;
