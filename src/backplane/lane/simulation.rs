//! Many lanes against a plain model of a log, under loss, repetition, interruptions, forks, new epochs and slow or failing
//! calls. Everything follows from the seed, which a failure prints.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{GapNotice, GapReason, Lane, LaneOptions, Step};
use crate::backplane::{Announcement, Entry, Heads};
use crate::event::{Epoch, Id, Partition, Position, Topic};
use crate::ids::{Namespace, Room, Tenant};

#[test]
fn without_faults_everything_is_delivered_in_order_and_no_gap_is_told() {
    for seed in 1..=300 {
        let world = World::run(seed, Faults::default());
        assert_eq!(world.lane.counters().gaps, 0, "seed {seed}");
    }
}

#[test]
fn what_gets_lost_silently_is_delivered_or_told() {
    for seed in 1..=1_500 {
        World::run(seed, Faults { lose: 10, repeat: 5, fail: 5, ..Faults::default() });
    }
}

#[test]
fn after_an_interruption_positions_cover_only_what_was_delivered() {
    for seed in 1..=1_500 {
        let faults = Faults { lose: 10, repeat: 5, fail: 5, owns_up: true, ..Faults::default() };
        World::run(seed, faults);
    }
}

#[test]
fn forks_and_new_epochs_are_told() {
    for seed in 1..=1_500 {
        let faults = Faults { lose: 10, repeat: 5, fail: 5, reset: true, fork: true, owns_up: seed % 2 == 0 };
        World::run(seed, faults);
    }
}

/// Probabilities in percent.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    lose: u64,
    repeat: u64,
    fail: u64,
    /// Whatever is lost is followed by an interruption before the next announcement.
    owns_up: bool,
    reset: bool,
    fork: bool,
}

struct World {
    seed: u64,
    random: Random,
    faults: Faults,
    now_ms: u64,
    lane: Lane,
    log: Log,
    wire: VecDeque<Wire>,
    lost: bool,
    calls: Vec<Call>,
    subscribed: BTreeSet<Topic>,
    asked: BTreeSet<Topic>,
    confirmed: BTreeSet<Topic>,
    /// What must be delivered or told, and what was.
    owed: BTreeSet<(Topic, Id)>,
    delivered: HashSet<Id>,
    /// With the epoch the lane was in after it.
    told: Vec<(GapNotice, Option<Epoch>)>,
    last_in_topic: HashMap<Topic, Id>,
    last_position: Option<Position>,
}

enum Wire {
    Announcement(Announcement, Topic),
    Volatile,
    Interrupted,
}

enum Call {
    Watch(Topic),
    Watched(Topic, Heads),
    Heads(u64, Vec<Topic>),
    HeadsRead(u64, Heads),
    List(u64, Id, usize),
    Listed(u64, Option<Vec<Topic>>),
    Fetch(u64, Topic, Id, Id, usize),
    Fetched(u64, Vec<Entry>),
}

impl World {
    fn run(seed: u64, faults: Faults) -> Self {
        let mut world = Self {
            seed,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            faults,
            now_ms: 1_000,
            // With so few topics as here, every other world would never ask which were written.
            lane: Lane::new(LaneOptions {
                compare_all_topics: if seed.is_multiple_of(2) { 0 } else { 32 },
                ..LaneOptions::default()
            }),
            log: Log::default(),
            wire: VecDeque::new(),
            lost: false,
            calls: Vec::new(),
            subscribed: BTreeSet::new(),
            asked: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            owed: BTreeSet::new(),
            delivered: HashSet::new(),
            told: Vec::new(),
            last_in_topic: HashMap::new(),
            last_position: None,
        };
        for _ in 0..300 {
            world.act();
            world.observe();
        }
        world.settle();
        world
    }

    fn act(&mut self) {
        match self.random.below(100) {
            0..35 => self.publish(),
            35..62 => self.receive(),
            62..80 => self.progress(self.faults.fail),
            80..84 => self.watch(),
            84..86 => self.unwatch(),
            86..87 => self.wire.push_back(Wire::Interrupted),
            87..89 => self.wire.push_back(Wire::Volatile),
            89..90 if self.faults.reset => self.log.reset(),
            90..91 if self.faults.fork => self.fork(),
            91..92 => self.log.written.clear(),
            _ => self.pass_time(),
        }
    }

    fn publish(&mut self) {
        self.now_ms += self.random.below(3);
        let mut topics: SmallVec<[Topic; 1]> = SmallVec::from_iter([topic(self.random.below(TOPICS))]);
        let other = topic(self.random.below(TOPICS));
        if self.random.chance(30) && !topics.contains(&other) {
            topics.push(other);
        }
        let announcement = self.log.append(&topics, self.now_ms);
        for topic in &topics {
            if !self.subscribed.contains(topic) {
                continue;
            }
            self.owed.insert((topic.clone(), announcement.id));
            if self.random.chance(self.faults.lose) {
                self.lost = true;
                continue;
            }
            if std::mem::take(&mut self.lost) && self.faults.owns_up {
                self.wire.push_back(Wire::Interrupted);
            }
            self.wire.push_back(Wire::Announcement(announcement.clone(), topic.clone()));
            if self.random.chance(self.faults.repeat) {
                self.wire.push_back(Wire::Announcement(announcement.clone(), topic.clone()));
            }
        }
    }

    fn receive(&mut self) {
        match self.wire.pop_front() {
            None => {}
            Some(Wire::Announcement(announcement, _)) => self.lane.on_announcement(announcement, self.now_ms),
            Some(Wire::Volatile) => self.lane.on_volatile(Bytes::from_static(b"v"), self.now_ms),
            Some(Wire::Interrupted) => self.lane.on_interrupted(self.now_ms),
        }
    }

    /// A random call is done at the log, or its answer comes back, or it fails.
    fn progress(&mut self, fail: u64) {
        if self.calls.is_empty() {
            return;
        }
        let index = usize::try_from(self.random.below(self.calls.len() as u64)).unwrap();
        let call = self.calls.swap_remove(index);
        let fails = self.random.chance(fail);
        match call {
            Call::Watch(topic) if fails => {
                self.asked.remove(&topic);
                self.lane.unwatch(&[topic], self.now_ms);
            }
            Call::Watch(topic) => {
                self.subscribed.insert(topic.clone());
                let heads = self.log.heads(std::slice::from_ref(&topic));
                self.calls.push(Call::Watched(topic, heads));
            }
            Call::Watched(topic, heads) => {
                self.lane.confirm(std::slice::from_ref(&topic), &heads, self.now_ms);
                // Whoever asked for it is told this floor, and finds what lies below in the log.
                let floor = self.lane.position.max(heads.last);
                self.owed.retain(|(of, id)| *of != topic || *id > floor);
                self.confirmed.insert(topic);
            }
            Call::Heads(ticket, _) | Call::HeadsRead(ticket, _) if fails => {
                self.lane.on_heads(ticket, None, self.now_ms);
            }
            Call::Heads(ticket, topics) => self.calls.push(Call::HeadsRead(ticket, self.log.heads(&topics))),
            Call::HeadsRead(ticket, heads) => self.lane.on_heads(ticket, Some(&heads), self.now_ms),
            Call::List(ticket, ..) | Call::Listed(ticket, _) if fails => {
                self.lane.on_written(ticket, None, self.now_ms);
            }
            Call::List(ticket, since, limit) => {
                self.calls.push(Call::Listed(ticket, self.log.list_written(since, limit)));
            }
            Call::Listed(ticket, topics) => self.lane.on_written(ticket, topics, self.now_ms),
            Call::Fetch(ticket, ..) if fails => self.lane.on_fetched(ticket, None, self.now_ms),
            Call::Fetch(ticket, topic, after, until, limit) => {
                let entries = self.log.read(&topic, after, until, limit);
                self.calls.push(Call::Fetched(ticket, entries));
            }
            Call::Fetched(ticket, entries) => self.lane.on_fetched(ticket, Some(entries), self.now_ms),
        }
    }

    fn watch(&mut self) {
        let topic = topic(self.random.below(TOPICS));
        if self.asked.insert(topic.clone()) {
            self.lane.watch(&topic, None);
            self.calls.push(Call::Watch(topic));
        }
    }

    fn unwatch(&mut self) {
        let topic = topic(self.random.below(TOPICS));
        if self.confirmed.remove(&topic) {
            self.asked.remove(&topic);
            self.subscribed.remove(&topic);
            self.lane.unwatch(std::slice::from_ref(&topic), self.now_ms);
            self.wire.retain(|wire| !matches!(wire, Wire::Announcement(_, of) if *of == topic));
            self.owed.retain(|(of, _)| *of != topic);
            self.last_in_topic.remove(&topic);
        }
    }

    /// What the log lost itself is not owed by the lane.
    fn fork(&mut self) {
        self.now_ms += 1;
        let gone = self.log.fork(self.random.below(4));
        self.owed.retain(|(_, id)| !gone.contains(id));
    }

    /// Where losses are owned up, announcements and calls are faster than the lane is patient.
    fn pass_time(&mut self) {
        if self.faults.owns_up || self.faults.lose == 0 {
            if std::mem::take(&mut self.lost) {
                self.wire.push_back(Wire::Interrupted);
            }
            while !self.wire.is_empty() {
                self.receive();
                self.observe();
            }
            while !self.calls.is_empty() {
                self.progress(self.faults.fail);
                self.observe();
            }
        }
        self.now_ms += self.random.below(300);
        self.tick();
    }

    fn tick(&mut self) {
        if self.lane.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= self.now_ms) {
            self.lane.on_tick(self.now_ms);
        }
    }

    fn observe(&mut self) {
        while let Some(step) = self.lane.next_step() {
            match step {
                Step::Deliver { id, position, .. } => self.take_delivery(id, position),
                Step::Fetch { ticket, topic, after, until, limit } => {
                    self.calls.push(Call::Fetch(ticket, topic, after, until, limit));
                }
                Step::CheckHeads { ticket, topics } => self.calls.push(Call::Heads(ticket, topics)),
                Step::ListWritten { ticket, since, limit } => self.calls.push(Call::List(ticket, since, limit)),
                Step::Gap(notice) if notice.reason == GapReason::Epoch => {
                    // Two logs have no order between them.
                    self.last_in_topic.remove(&notice.topic);
                    self.told.push((notice, self.lane.epoch.clone()));
                }
                Step::Gap(notice) => self.told.push((notice, self.lane.epoch.clone())),
            }
        }
    }

    fn take_delivery(&mut self, id: Option<Id>, position: Option<Position>) {
        let seed = self.seed;
        if let Some(id) = id {
            assert!(self.delivered.insert(id), "seed {seed}: {id} delivered twice");
            let (topics, _) = &self.log.published[&id];
            // An entry read from one topic does not tell its others, so only a publication of one topic is sure of its turn.
            if let [topic] = topics.as_slice() {
                let last = self.last_in_topic.entry(topic.clone()).or_default();
                assert!(*last < id, "seed {seed}: {id} after {last} in {topic:?}");
                *last = id;
            }
        }
        if let (Some(position), Some(last)) = (&position, &self.last_position)
            && position.epoch == last.epoch
            && !self.faults.fork
        {
            assert!(position.id >= last.id, "seed {seed}: position went back from {last} to {position}");
        }
        if let Some(position) = &position
            && self.faults.owns_up
            && !self.faults.fork
        {
            for (topic, owed) in
                self.owed.iter().filter(|(topic, owed)| *owed <= position.id && self.confirmed.contains(topic))
            {
                assert!(
                    self.is_settled(topic, *owed),
                    "seed {seed}: {position} was given before {owed} of {topic:?}: {:?}",
                    self.told
                );
            }
        }
        self.last_position = position.or(self.last_position.take());
    }

    fn is_settled(&self, topic: &Topic, id: Id) -> bool {
        let told = |(notice, epoch): &(GapNotice, Option<Epoch>)| {
            // What another log had is over with it; of the new one nothing is.
            let over = *epoch != Some(self.log.published[&id].1.clone());
            let within = if notice.reason == GapReason::Epoch { over } else { id <= notice.head };
            notice.topic == *topic && notice.last < id && within
        };
        self.delivered.contains(&id) || self.told.iter().any(told)
    }

    /// Faults end, and some seconds later nothing may be owed.
    fn settle(&mut self) {
        for _ in 0..600 {
            self.now_ms += 10;
            self.receive();
            self.observe();
            let mut rounds = 0;
            while !self.calls.is_empty() {
                self.progress(0);
                self.observe();
                rounds += 1;
                assert!(rounds < 5_000, "seed {}: it asks without end at {}", self.seed, self.now_ms);
            }
            self.tick();
            self.observe();
        }
        for (topic, id) in &self.owed {
            let settled = self.is_settled(topic, *id);
            assert!(settled, "seed {}: {id} of {topic:?} neither delivered nor told: {:?}", self.seed, self.told);
        }
    }
}

#[derive(Default)]
struct Log {
    epoch: Option<Epoch>,
    resets: u64,
    lineage: u64,
    last: Id,
    /// The largest id ever made, by any timeline.
    top: Id,
    streams: BTreeMap<Topic, Vec<Entry>>,
    /// The second in which each topic was last written, and under `None` from when on that is known.
    written: BTreeMap<Option<Topic>, u64>,
    published: HashMap<Id, (SmallVec<[Topic; 1]>, Epoch)>,
}

impl Log {
    fn append(&mut self, topics: &SmallVec<[Topic; 1]>, now_ms: u64) -> Announcement {
        let epoch = self.epoch.get_or_insert_with(|| Epoch::new(&format!("e{}", self.resets)).unwrap()).clone();
        let ms = now_ms.max(self.top.ms);
        let counter = if ms == self.top.ms { (self.top.seq & 0xf_ffff) + 1 } else { 0 };
        let id = Id { ms, seq: (self.lineage << 20) + counter };
        let (second, last_second) = (ms / 1_000, self.last.ms / 1_000);
        if second != last_second {
            let from = second.saturating_sub(15).min(last_second);
            let whole_from = *self.written.entry(None).or_insert(second);
            if whole_from < from {
                self.written.retain(|_, written| *written >= from);
                self.written.insert(None, from);
            }
        }
        (self.last, self.top) = (id, id);
        let mut chained = SmallVec::new();
        for topic in topics {
            let stream = self.streams.entry(topic.clone()).or_default();
            let prev = stream.last().map_or(Id::ZERO, |entry| entry.id);
            if prev == Id::ZERO || prev.ms / 1_000 != second {
                self.written.insert(Some(topic.clone()), second);
            }
            stream.push(Entry { id, prev, envelope: Bytes::from(id.to_string()) });
            chained.push((topic.clone(), prev));
        }
        self.published.insert(id, (topics.clone(), epoch.clone()));
        Announcement { partition: partition(), epoch, id, topics: chained, envelope: Bytes::from(id.to_string()) }
    }

    fn heads(&self, topics: &[Topic]) -> Heads {
        let head = |topic| self.streams.get(topic).and_then(|stream| stream.last()).map_or(Id::ZERO, |entry| entry.id);
        let last = if self.epoch.is_some() { self.last } else { Id::ZERO };
        Heads { epoch: self.epoch.clone(), last, topics: topics.iter().map(head).collect() }
    }

    fn list_written(&self, since: Id, limit: usize) -> Option<Vec<Topic>> {
        let second = since.ms / 1_000;
        self.written.get(&None).filter(|whole_from| **whole_from <= second)?;
        let written = self.written.iter().filter(|(_, written)| **written >= second);
        let topics: Vec<Topic> = written.filter_map(|(topic, _)| topic.clone()).collect();
        (topics.len() <= limit).then_some(topics)
    }

    /// Only the newest entries are kept.
    fn read(&self, topic: &Topic, after: Id, until: Id, limit: usize) -> Vec<Entry> {
        let Some(stream) = self.streams.get(topic) else { return Vec::new() };
        let kept = &stream[stream.len().saturating_sub(KEPT)..];
        kept.iter().filter(|entry| entry.id > after && entry.id <= until).take(limit).cloned().collect()
    }

    fn reset(&mut self) {
        if self.epoch.take().is_some() {
            self.resets += 1;
            self.streams.clear();
            self.written.clear();
            self.last = Id::ZERO;
        }
    }

    fn fork(&mut self, entries: u64) -> BTreeSet<Id> {
        self.lineage += 1;
        let ids: BTreeSet<Id> = self.streams.values().flatten().map(|entry| entry.id).collect();
        let gone: BTreeSet<Id> = ids.iter().rev().take(usize::try_from(entries).unwrap()).copied().collect();
        for stream in self.streams.values_mut() {
            stream.retain(|entry| !gone.contains(&entry.id));
        }
        self.last = ids.iter().rev().nth(gone.len()).copied().unwrap_or_default();
        gone
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn topic(number: u64) -> Topic {
    Topic::Room(Room::new(&format!("r{number}")).unwrap())
}

fn partition() -> Arc<Partition> {
    Partition::new(Tenant::new("t").unwrap(), Namespace::root())
}

const TOPICS: u64 = 4;
const KEPT: usize = 12;
