//! The log of one partition: its head, and a trimmed stream per topic.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use smallvec::SmallVec;

use super::answers::Answers;
use crate::backplane::{Entry, Options};
use crate::event::{Epoch, Id, Topic};

pub(super) struct Log {
    pub(super) epoch: Epoch,
    pub(super) last: Id,
    pub(super) born_ms: u64,
    pub(super) answers: Answers,
    streams: HashMap<Topic, Stream>,
}

/// What is kept of one topic.
#[derive(Default)]
struct Stream {
    entries: VecDeque<Entry>,
    bytes: u64,
    /// Outlives the entries, so that trimming never looks like an empty room.
    last: Id,
}

impl Log {
    pub(super) fn new(epoch: Epoch, born_ms: u64) -> Self {
        Self { epoch, last: Id::ZERO, born_ms, answers: Answers::default(), streams: HashMap::new() }
    }

    /// Appends to each topic's stream; answers the new id, and for each topic the id before it there.
    pub(super) fn append(
        &mut self,
        topics: &[Topic],
        envelope: &Bytes,
        lineage: u32,
        now_ms: u64,
        options: &Options,
    ) -> (Id, SmallVec<[(Topic, Id); 1]>) {
        let id = next_id(self.last, lineage, now_ms);
        self.last = id;
        let mut chained = SmallVec::new();
        for topic in topics {
            let stream = self.streams.entry(topic.clone()).or_default();
            chained.push((topic.clone(), stream.last));
            stream.push(Entry { id, prev: stream.last, envelope: envelope.clone() });
            stream.trim(now_ms, options);
        }
        (id, chained)
    }

    pub(super) fn head(&self, topic: &Topic) -> Id {
        self.streams.get(topic).map_or(Id::ZERO, |stream| stream.last)
    }

    pub(super) fn written(&self, since: Id, limit: usize) -> Option<Vec<Topic>> {
        let written = self.streams.iter().filter(|(_, stream)| stream.last > since);
        let topics: Vec<Topic> = written.take(limit + 1).map(|(topic, _)| topic.clone()).collect();
        (topics.len() <= limit).then_some(topics)
    }

    pub(super) fn read(&self, topic: &Topic, after: Id, until: Id, limit: usize) -> Vec<Entry> {
        let Some(stream) = self.streams.get(topic) else { return Vec::new() };
        let start = stream.entries.partition_point(|entry| entry.id <= after);
        stream.entries.range(start..).take_while(|entry| entry.id <= until).take(limit).cloned().collect()
    }

    /// Lets go of what is older than the options allow; whole topics too.
    pub(super) fn expire(&mut self, now_ms: u64, options: &Options) {
        self.answers.expire(now_ms);
        let oldest_ms = oldest_ms(now_ms, options);
        self.streams.retain(|_, stream| {
            stream.trim(now_ms, options);
            stream.last.ms >= oldest_ms
        });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.answers.is_empty()
    }
}

impl Stream {
    fn push(&mut self, entry: Entry) {
        self.last = entry.id;
        self.bytes += entry.envelope.len() as u64;
        self.entries.push_back(entry);
    }

    /// The newest entry stays even if it alone is over the byte limit.
    fn trim(&mut self, now_ms: u64, options: &Options) {
        let oldest_ms = oldest_ms(now_ms, options);
        while let Some(first) = self.entries.front() {
            let many = self.entries.len() as u64 > options.history_entries
                || (self.bytes > options.history_bytes && self.entries.len() > 1);
            if !many && first.id.ms >= oldest_ms {
                return;
            }
            self.bytes -= first.envelope.len() as u64;
            self.entries.pop_front();
        }
    }
}

fn oldest_ms(now_ms: u64, options: &Options) -> u64 {
    now_ms.saturating_sub(options.history_age_s.saturating_mul(1_000))
}

/// The clock may stand still or go back, ids may not; a millisecond holds 2^20 of them.
fn next_id(last: Id, lineage: u32, now_ms: u64) -> Id {
    let first = u64::from(lineage) << COUNTER_BITS;
    if now_ms > last.ms {
        return Id { ms: now_ms, seq: first };
    }
    let counter = last.seq & COUNTER_MAX;
    if last == Id::ZERO {
        Id { ms: now_ms, seq: first }
    } else if counter == COUNTER_MAX {
        Id { ms: last.ms + 1, seq: first }
    } else {
        Id { ms: last.ms, seq: first | (counter + 1) }
    }
}

const COUNTER_BITS: u32 = 20;
const COUNTER_MAX: u64 = (1 << COUNTER_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_go_back_with_the_clock() {
        let first = next_id(Id::ZERO, 7, 100);
        let second = next_id(first, 7, 90);
        assert_eq!((first.ms, second.ms, second.lineage()), (100, 100, 7));
        assert!(second > first);
        let full = Id { ms: 100, seq: (7 << COUNTER_BITS) | COUNTER_MAX };
        assert_eq!(next_id(full, 7, 100), Id { ms: 101, seq: 7 << COUNTER_BITS });
    }

    #[test]
    fn an_idle_topic_goes_and_its_next_entry_is_its_first() {
        let options = Options { history_age_s: 1, ..Options::default() };
        let mut log = Log::new(Epoch::new("e").unwrap(), 1_000);
        log.append(&[Topic::All], &Bytes::from_static(b"x"), 1, 1_000, &options);
        log.expire(3_000, &options);
        assert!(log.is_idle());
        let (_, chained) = log.append(&[Topic::All], &Bytes::from_static(b"y"), 1, 3_000, &options);
        assert_eq!(chained[0].1, Id::ZERO);
    }
}
