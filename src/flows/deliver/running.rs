//! The task of one lane: does what the lane asks for, and tells it what came of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};

use super::inlet::Outflow;
use super::lanes::{Door, Shared, stopping};
use super::outlet::LaneItem;
use crate::backplane::{Arrival, Entry, Heads, Lane, Step, Unavailable};
use crate::event::{Id, Partition, Position, Topic, decode};

pub(super) struct Running {
    shared: Arc<Shared>,
    partition: Arc<Partition>,
    door: Arc<Door>,
    outflow: Outflow,
    lane: Lane,
    /// Calls to the backplane under way; bounded by what the lane and the interest have under way at once.
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    unreadable_told_ms: Option<u64>,
}

enum Answer {
    Watched { topics: Vec<Topic>, heads: Result<Heads, Unavailable> },
    Unwatched { topics: Vec<Topic> },
    Heads { ticket: u64, heads: Result<Heads, Unavailable> },
    Written { ticket: u64, topics: Result<Option<Vec<Topic>>, Unavailable> },
    Fetched { ticket: u64, entries: Result<Vec<Entry>, Unavailable> },
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>, partition: Arc<Partition>, door: Arc<Door>, outflow: Outflow) -> Self {
        let lane = Lane::new(shared.options.clone());
        Self { shared, partition, door, outflow, lane, calls: FuturesUnordered::new(), unreadable_told_ms: None }
    }

    /// Inputs, in the order in which they win:
    /// - stop: refuses whoever waits for a subscription and ends the task;
    /// - an answer of the backplane: goes to the lane (first, since it may end a hold);
    /// - a wake: somebody wants a topic, or wants it no more;
    /// - arrivals: go to the lane, as many as are ready up to a bound;
    /// - the next deadline of lane or interest. It also counts when the inputs before it never pause.
    ///
    /// After each, new subscriptions are asked for and the lane's steps are done. The task ends when nobody wants anything.
    pub(super) async fn run(mut self) {
        let (stop, door) = (self.shared.stop.clone(), self.door.clone());
        loop {
            self.tick();
            self.subscribe();
            self.do_steps().await;
            if self.calls.is_empty() && self.shared.retire(&self.partition, &self.door) {
                return;
            }
            let pause = self.pause();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(answer) = self.calls.next() => self.take_answer(answer),
                () = door.wake.notified() => {}
                Some(arrival) = self.outflow.next() => self.take_arrivals(arrival),
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.door.state().interest.refuse_all(&stopping());
    }

    fn now_ms(&self) -> u64 {
        (self.shared.clock)()
    }

    fn tick(&mut self) {
        let now_ms = self.now_ms();
        if self.lane.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            self.lane.on_tick(now_ms);
        }
    }

    fn pause(&self) -> Duration {
        let deadlines = [self.lane.deadline_ms(), self.door.state().interest.deadline_ms()];
        let pause_ms = deadlines.into_iter().flatten().min().map(|due_ms| due_ms.saturating_sub(self.now_ms()));
        Duration::from_millis(pause_ms.unwrap_or(PAUSE_MS_MAX).clamp(1, PAUSE_MS_MAX))
    }

    /// The lane starts to care before the subscription is asked for, so that nothing is taken for foreign meanwhile.
    fn subscribe(&mut self) {
        let now_ms = self.now_ms();
        let (wanted, unwanted) = {
            let mut state = self.door.state();
            (state.interest.next_watch(), state.interest.next_unwatch(now_ms))
        };
        if let Some(batch) = wanted {
            for (topic, since) in &batch {
                self.lane.watch(topic, *since);
            }
            let topics: Vec<Topic> = batch.into_iter().map(|(topic, _)| topic).collect();
            self.call(|shared, partition| async move {
                let heads = shared.backplane.watch(&partition, &topics).await;
                Answer::Watched { topics, heads }
            });
        }
        if let Some(topics) = unwanted {
            self.lane.unwatch(&topics, now_ms);
            self.call(|shared, partition| async move {
                shared.backplane.unwatch(&partition, &topics).await;
                Answer::Unwatched { topics }
            });
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        let now_ms = self.now_ms();
        match answer {
            Answer::Watched { topics, heads } => {
                // Under one lock, so that nobody asks since a position between the lane's being told and their answer.
                let door = self.door.clone();
                let mut state = door.state();
                for (topic, since) in state.interest.late_since(&topics) {
                    self.lane.watch(&topic, Some(since));
                }
                let confirmed = match heads {
                    Ok(heads) => {
                        self.lane.confirm(&topics, &heads, now_ms);
                        Ok(floor(self.lane.position(), &heads))
                    }
                    Err(why) => {
                        self.lane.unwatch(&topics, now_ms);
                        Err(why)
                    }
                };
                state.position = self.lane.position();
                let floor = confirmed.map(|floor| {
                    let same = |before: &Position| floor.as_ref().is_some_and(|floor| floor.epoch == before.epoch);
                    let before = state.confirmed.take().filter(same);
                    state.confirmed = [before, floor].into_iter().flatten().max_by_key(|position| position.id);
                    state.floor()
                });
                state.interest.watched(&topics, &floor, now_ms);
            }
            Answer::Unwatched { topics } => self.door.state().interest.unwatched(&topics),
            Answer::Heads { ticket, heads } => self.lane.on_heads(ticket, heads.ok().as_ref(), now_ms),
            Answer::Written { ticket, topics } => self.lane.on_written(ticket, topics.ok().flatten(), now_ms),
            Answer::Fetched { ticket, entries } => self.lane.on_fetched(ticket, entries.ok(), now_ms),
        }
    }

    fn take_arrivals(&mut self, first: Arrival) {
        let now_ms = self.now_ms();
        let mut next = Some(first);
        for _ in 0..ARRIVALS_AT_ONCE {
            match next {
                None => return,
                Some(Arrival::Sequenced(announcement)) => self.lane.on_announcement(announcement, now_ms),
                Some(Arrival::Volatile { envelope, .. }) => self.lane.on_volatile(envelope, now_ms),
                Some(Arrival::Interrupted { .. }) => self.lane.on_interrupted(now_ms),
                // The dispatcher counts these; they name no partition.
                Some(Arrival::Unreadable) => {}
            }
            next = self.outflow.next_ready();
        }
    }

    async fn do_steps(&mut self) {
        {
            // Before anything is handed on: whoever acquires meanwhile must not get a floor below it.
            let mut state = self.door.state();
            state.position = self.lane.position();
            state.counters = self.lane.counters();
        }
        while let Some(step) = self.lane.next_step() {
            match step {
                Step::Deliver { envelope, id, position } => self.hand_on(&envelope, id, position).await,
                Step::Gap(notice) => self.shared.outlet.deliver(&self.partition, LaneItem::Gap(notice)).await,
                Step::Fetch { ticket, topic, after, until, limit } => self.call(move |shared, partition| async move {
                    let entries = shared.backplane.read(&partition, &topic, after, until, limit).await;
                    Answer::Fetched { ticket, entries }
                }),
                Step::CheckHeads { ticket, topics } => self.call(move |shared, partition| async move {
                    let heads = read_heads(&shared, &partition, &topics).await;
                    Answer::Heads { ticket, heads }
                }),
                Step::ListWritten { ticket, since, limit } => self.call(move |shared, partition| async move {
                    let topics = shared.backplane.written(&partition, since, limit).await;
                    Answer::Written { ticket, topics }
                }),
            }
        }
    }

    async fn hand_on(&mut self, envelope: &Bytes, id: Option<Id>, position: Option<Position>) {
        match decode(envelope) {
            Ok(publication) => {
                let item = LaneItem::Event { publication, id, position };
                self.shared.outlet.deliver(&self.partition, item).await;
            }
            Err(why) => {
                self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
                let now_ms = self.now_ms();
                if self.unreadable_told_ms.is_none_or(|told_ms| now_ms.saturating_sub(told_ms) >= TELL_EVERY_MS) {
                    self.unreadable_told_ms = Some(now_ms);
                    tracing::warn!(namespace = %self.partition.namespace, %why, "dropped a publication that cannot be read");
                }
            }
        }
    }

    fn call<F>(&self, call: impl FnOnce(Arc<Shared>, Arc<Partition>) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.calls.push(call(self.shared.clone(), self.partition.clone()).boxed());
    }
}

/// In bounded calls, so that a node with many rooms does not stop the backplane for others. The partition's head is taken from
/// the first: it is the oldest, and what came after it shows at the next comparison.
async fn read_heads(shared: &Shared, partition: &Arc<Partition>, topics: &[Topic]) -> Result<Heads, Unavailable> {
    let (first, rest) = topics.split_at(topics.len().min(HEADS_AT_ONCE));
    let mut heads = shared.backplane.heads(partition, first).await?;
    for chunk in rest.chunks(HEADS_AT_ONCE) {
        let more = shared.backplane.heads(partition, chunk).await?;
        if more.epoch != heads.epoch {
            return Err(Unavailable("the log changed while its heads were read".to_owned()));
        }
        heads.topics.extend(more.topics);
    }
    Ok(heads)
}

/// What the lane handed on and what was stored when the subscription was confirmed lie at or below the floor. A topic's head
/// may be beyond the partition's, which was read before it.
fn floor(position: Option<Position>, heads: &Heads) -> Option<Position> {
    position.map(|position| {
        let same = heads.epoch.as_ref() == Some(&position.epoch);
        let newest = heads.topics.iter().copied().fold(heads.last, Id::max);
        Position { id: if same { position.id.max(newest) } else { position.id }, ..position }
    })
}

const HEADS_AT_ONCE: usize = 512;
/// Arrivals taken before answers and deadlines get their turn again.
const ARRIVALS_AT_ONCE: usize = 256;
const PAUSE_MS_MAX: u64 = 1_000;
const TELL_EVERY_MS: u64 = 60_000;
