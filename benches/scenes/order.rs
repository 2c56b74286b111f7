//! Between Redis and the workers: envelopes, and the lane that keeps their order.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use fanfare::backplane::{Announcement, Heads, Lane, LaneOptions, Step};
use fanfare::event::{Body, Epoch, Id, Partition, Publication, Target, Topic, decode, encode};
use fanfare::ids::{Namespace, Tenant};
use smallvec::SmallVec;

use super::{Scene, event, room};

const AT_ONCE: usize = 1_000;
const ROOMS: usize = 1_000;

pub fn lane() -> Box<dyn Scene> {
    let topics: Vec<Topic> = (0..ROOMS).map(|number| Topic::of(&room(number))).collect();
    let epoch = Epoch::new("benchmark").expect("a short word");
    let mut lane = Lane::new(LaneOptions::default());
    for topic in &topics {
        lane.watch(topic, None);
    }
    let heads = Heads { epoch: Some(epoch.clone()), last: Id::ZERO, topics: vec![Id::ZERO; ROOMS] };
    lane.confirm(&topics, &heads, 0);
    let tenant = Tenant::new("main").expect("a short word");
    let partition = Partition::new(tenant, Namespace::root());
    Box::new(Ordered { lane, partition, epoch, topics, last: vec![Id::ZERO; ROOMS], number: 0, waiting: Vec::new() })
}

struct Ordered {
    lane: Lane,
    partition: Arc<Partition>,
    epoch: Epoch,
    topics: Vec<Topic>,
    last: Vec<Id>,
    number: u64,
    waiting: Vec<Announcement>,
}

impl Scene for Ordered {
    fn prepare(&mut self) {
        let envelope = Bytes::from(encode(&publication(0)));
        for _ in 0..AT_ONCE {
            self.number += 1;
            let at = usize::try_from(self.number).unwrap_or_default() * 7_919 % ROOMS;
            let id = Id { ms: 1_000 + self.number, seq: 1 };
            let prev = std::mem::replace(&mut self.last[at], id);
            self.waiting.push(Announcement {
                partition: self.partition.clone(),
                epoch: self.epoch.clone(),
                id,
                topics: SmallVec::from_iter([(self.topics[at].clone(), prev)]),
                envelope: envelope.clone(),
            });
        }
    }

    fn perform(&mut self) -> u64 {
        let mut delivered = 0;
        for announcement in self.waiting.drain(..) {
            self.lane.on_announcement(announcement, 0);
            while let Some(step) = self.lane.next_step() {
                delivered += u64::from(matches!(black_box(step), Step::Deliver { .. }));
            }
        }
        assert_eq!(delivered, AT_ONCE as u64, "nothing is missing, so nothing waits");
        delivered
    }
}

pub fn envelope_encode() -> Box<dyn Scene> {
    Box::new(Encoded(Vec::new()))
}

struct Encoded(Vec<Publication>);

impl Scene for Encoded {
    fn prepare(&mut self) {
        self.0 = (0..AT_ONCE).map(publication).collect();
    }

    fn perform(&mut self) -> u64 {
        self.0.iter().map(|publication| u64::from(!black_box(encode(publication)).is_empty())).sum()
    }
}

pub fn envelope_decode() -> Box<dyn Scene> {
    Box::new(Decoded(Vec::new()))
}

struct Decoded(Vec<Vec<u8>>);

impl Scene for Decoded {
    fn prepare(&mut self) {
        self.0 = (0..AT_ONCE).map(|number| encode(&publication(number))).collect();
    }

    fn perform(&mut self) -> u64 {
        self.0.iter().map(|bytes| u64::from(black_box(decode(bytes)).is_ok())).sum()
    }
}

fn publication(number: usize) -> Publication {
    let body = Body::Event(event(number));
    Publication { target: Target::room(room(number)), body, volatile: false, published_at_ms: 1, traceparent: None }
}
