use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::{BATCH_MAX, Floor, Interest, LINGER_MS};
use crate::backplane::Unavailable;
use crate::event::{Id, Topic};
use crate::ids::Room;

#[test]
fn a_topic_watched_already_costs_nothing() {
    let mut interest = Interest::default();
    let mut first = interest.acquire(&[room(1)], None).unwrap();
    let batch = next_watch(&mut interest).unwrap();
    interest.watched(&batch, &Ok(None), 0);
    assert_eq!(first.try_recv(), Ok(Ok(None)));
    assert!(interest.acquire(&[room(1)], None).is_none());
    assert!(next_watch(&mut interest).is_none());
}

#[test]
fn a_storm_is_batched_behind_one_call() {
    let mut interest = Interest::default();
    let _first = interest.acquire(&[room(0)], None);
    let first = next_watch(&mut interest).unwrap();
    let _others: Vec<_> = (1..1_000).map(|number| interest.acquire(&[room(number)], None)).collect();
    assert!(next_watch(&mut interest).is_none(), "one call at a time");
    interest.watched(&first, &Ok(None), 0);
    assert_eq!(next_watch(&mut interest).unwrap().len(), BATCH_MAX);
}

#[test]
fn the_last_release_lets_go_only_after_a_while() {
    let mut interest = watching(&[1]);
    interest.release(&[room(1)], 0);
    assert_eq!(interest.next_unwatch(LINGER_MS - 1), None);
    assert_eq!(interest.deadline_ms(), Some(LINGER_MS));
    assert!(interest.acquire(&[room(1)], None).is_none(), "it is watched still");
    assert_eq!(interest.next_unwatch(LINGER_MS), None);
    interest.release(&[room(1)], LINGER_MS);
    assert_eq!(interest.next_unwatch(2 * LINGER_MS), Some(vec![room(1)]));
    interest.unwatched(&[room(1)]);
    assert!(interest.is_idle());
}

#[test]
fn a_topic_wanted_while_it_is_given_up_is_watched_again() {
    let mut interest = watching(&[1]);
    interest.release(&[room(1)], 0);
    let given_up = interest.next_unwatch(LINGER_MS).unwrap();
    let mut again = interest.acquire(&[room(1)], None).unwrap();
    assert!(next_watch(&mut interest).is_none(), "not before the other call is over");
    interest.unwatched(&given_up);
    let batch = next_watch(&mut interest).unwrap();
    interest.watched(&batch, &Ok(None), LINGER_MS);
    assert_eq!(again.try_recv(), Ok(Ok(None)));
}

#[test]
fn who_asks_since_a_position_while_the_call_is_under_way_is_not_forgotten() {
    let mut interest = Interest::default();
    let id = |ms| Id { ms, seq: 0 };
    let _first = interest.acquire(&[room(1), room(2)], None);
    let batch = next_watch(&mut interest).unwrap();
    let _others = [7, 5, 6].map(|ms| interest.acquire(&[room(1)], Some(id(ms))));
    assert_eq!(interest.late_since(&batch), [(room(1), id(5))]);
    assert_eq!(interest.late_since(&batch), [], "it is told once");
}

#[test]
fn an_acquire_that_was_dropped_is_released() {
    let mut interest = Interest::default();
    drop(interest.acquire(&[room(1)], None));
    let batch = next_watch(&mut interest).unwrap();
    interest.watched(&batch, &Ok(None), 0);
    assert_eq!(interest.next_unwatch(LINGER_MS), Some(vec![room(1)]));
}

#[test]
fn a_failed_call_refuses_all_that_waited_for_it_and_keeps_nothing() {
    let mut interest = watching(&[1]);
    let mut refused = interest.acquire(&[room(1), room(2)], None).unwrap();
    let batch = next_watch(&mut interest).unwrap();
    interest.watched(&batch, &Err(Unavailable("away".into())), 0);
    assert!(refused.try_recv().unwrap().is_err());
    interest.release(&[room(1)], 0);
    assert_eq!(interest.next_unwatch(LINGER_MS), Some(vec![room(1)]), "only its own hold is left");
}

/// Random callers against a model that only counts: whoever was told yes holds a watched topic, and nothing stays for nobody.
#[test]
fn no_race_leaves_a_held_topic_unwatched() {
    for seed in 1..=2_000_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = move |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 11) % bound
        };
        let mut world = World::default();
        for _ in 0..200 {
            match below(8) {
                0 | 1 => world.acquire(&[room(below(3)), room(below(3))]),
                2 => world.release(below(u64::MAX)),
                3 => world.forget(below(u64::MAX)),
                4 => world.begin(),
                5 => world.finish_watch(below(5) > 0),
                6 => world.finish_unwatch(),
                _ => world.now_ms += below(LINGER_MS),
            }
            world.check(seed);
        }
        world.wind_down(seed);
    }
}

#[derive(Default)]
struct World {
    interest: Interest,
    now_ms: u64,
    waiting: Vec<(Vec<Topic>, oneshot::Receiver<Floor>)>,
    holding: Vec<Vec<Topic>>,
    watch: Option<Vec<Topic>>,
    unwatch: Option<Vec<Topic>>,
    /// What the backplane was last told.
    watched: BTreeMap<Topic, bool>,
}

impl World {
    fn acquire(&mut self, topics: &[Topic]) {
        match self.interest.acquire(topics, None) {
            None => self.holding.push(topics.to_vec()),
            Some(answer) => self.waiting.push((topics.to_vec(), answer)),
        }
    }

    fn release(&mut self, pick: u64) {
        if let Some(index) = index(pick, self.holding.len()) {
            let topics = self.holding.swap_remove(index);
            self.interest.release(&topics, self.now_ms);
        }
    }

    fn forget(&mut self, pick: u64) {
        if let Some(index) = index(pick, self.waiting.len()) {
            self.waiting.swap_remove(index);
        }
    }

    fn begin(&mut self) {
        self.watch = self.watch.take().or_else(|| next_watch(&mut self.interest));
        if self.unwatch.is_none() {
            self.unwatch = self.interest.next_unwatch(self.now_ms);
            for topic in self.unwatch.iter().flatten() {
                self.watched.insert(topic.clone(), false);
            }
        }
    }

    fn finish_watch(&mut self, well: bool) {
        let Some(batch) = self.watch.take() else { return };
        for topic in &batch {
            self.watched.insert(topic.clone(), well);
        }
        let floor = if well { Ok(None) } else { Err(Unavailable("away".into())) };
        self.interest.watched(&batch, &floor, self.now_ms);
        let mut waiting = Vec::new();
        for (topics, mut answer) in std::mem::take(&mut self.waiting) {
            match answer.try_recv() {
                Ok(Ok(_)) => self.holding.push(topics),
                Ok(Err(_)) => {}
                Err(_) => waiting.push((topics, answer)),
            }
        }
        self.waiting = waiting;
    }

    fn finish_unwatch(&mut self) {
        if let Some(batch) = self.unwatch.take() {
            self.interest.unwatched(&batch);
        }
    }

    fn check(&self, seed: u64) {
        for topic in self.holding.iter().flatten() {
            assert_eq!(self.watched.get(topic), Some(&true), "seed {seed}: {topic:?} is held and not watched");
        }
    }

    fn wind_down(&mut self, seed: u64) {
        for round in 0..20 {
            self.begin();
            self.finish_watch(true);
            self.finish_unwatch();
            assert!(round < 10 || self.waiting.is_empty(), "seed {seed}: somebody waits for ever");
            while !self.holding.is_empty() {
                self.release(0);
            }
            self.now_ms += LINGER_MS;
        }
        assert!(self.interest.is_idle(), "seed {seed}: something is kept for nobody");
        assert!(self.interest.waiters.is_empty() && self.interest.wanted.is_empty(), "seed {seed}");
    }
}

fn watching(rooms: &[u64]) -> Interest {
    let mut interest = Interest::default();
    let topics: Vec<Topic> = rooms.iter().map(|number| room(*number)).collect();
    let mut answer = interest.acquire(&topics, None).unwrap();
    let batch = next_watch(&mut interest).unwrap();
    interest.watched(&batch, &Ok(None), 0);
    assert_eq!(answer.try_recv(), Ok(Ok(None)));
    interest
}

fn next_watch(interest: &mut Interest) -> Option<Vec<Topic>> {
    interest.next_watch().map(|batch| batch.into_iter().map(|(topic, _)| topic).collect())
}

fn index(pick: u64, length: usize) -> Option<usize> {
    (length > 0).then(|| usize::try_from(pick % length as u64).unwrap())
}

fn room(number: u64) -> Topic {
    Topic::Room(Room::new(&format!("r{number}")).unwrap())
}
