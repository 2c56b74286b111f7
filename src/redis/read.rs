//! Heads and ranges of the streams.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pipeline, WithOptions};
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use fred::util::redis_keyslot;
use tokio::sync::Semaphore;

use super::canary::Canaries;
use super::client::{late, unavailable};
use super::keys::{Keys, topic_named};
use super::library::{command, options};
use crate::backplane::{Entry, Heads, Unavailable};
use crate::event::{Epoch, Id, Partition, Position, Topic};

pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) keys: Keys,
    pub(super) deadline: Duration,
    pub(super) canaries: Arc<Canaries>,
    /// Reads under way at once; the rest waits here and not in fred's queue.
    pub(super) under_way: Semaphore,
}

impl Reader {
    /// The partition first: a topic may then be ahead of it, but never behind what the partition's position promises.
    pub(super) async fn heads(&self, partition: &Partition, topics: &[Topic]) -> Result<Heads, Unavailable> {
        let pipeline = self.pipeline();
        self.queue(&pipeline, partition, "HGET", vec![self.keys.head(partition), "l".to_owned()]).await?;
        if !topics.is_empty() {
            let keys: Vec<String> = topics.iter().map(|topic| self.keys.topic(partition, topic)).collect();
            self.queue(&pipeline, partition, "MGET", keys).await?;
        }
        let mut answers = self.in_time(pipeline.all::<Vec<Value>>()).await?.into_iter();
        let head = answers.next().and_then(Value::into_string).and_then(|text| position(&text));
        let known = answers.next().map_or_else(Vec::new, Value::into_array);
        let last = |state: Value| head.as_ref().and_then(|head| last_of(&state.into_string()?, &head.epoch));
        let topics = known.into_iter().map(|state| last(state).unwrap_or(Id::ZERO)).collect();
        let (epoch, last) = head.map_or((None, Id::ZERO), |head| (Some(head.epoch), head.id));
        Ok(Heads { epoch, last, topics })
    }

    /// As exact as the seconds in which topics are remembered, so a few from before `since` come along.
    pub(super) async fn written(
        &self,
        partition: &Partition,
        since: Id,
        limit: usize,
    ) -> Result<Option<Vec<Topic>>, Unavailable> {
        let (pipeline, key, second) = (self.pipeline(), self.keys.written(partition), (since.ms / 1_000).to_string());
        self.queue(&pipeline, partition, "ZSCORE", vec![key.clone(), String::new()]).await?;
        // One more for the empty name, and one to tell that there are too many.
        let count = (limit + 2).to_string();
        let words = [&key, &second, "+inf", "LIMIT", "0", &count].map(str::to_owned).to_vec();
        self.queue(&pipeline, partition, "ZRANGEBYSCORE", words).await?;
        let mut answers = self.in_time(pipeline.all::<Vec<Value>>()).await?.into_iter();
        let whole_from = answers.next().and_then(Value::into_string).and_then(|score| score.parse::<u64>().ok());
        if whole_from.is_none_or(|whole_from| whole_from > since.ms / 1_000) {
            return Ok(None);
        }
        let names = answers.next().map_or_else(Vec::new, Value::into_array).into_iter().filter_map(Value::into_string);
        let topics: Vec<Topic> = names.filter_map(|name| topic_named(&name)).collect();
        Ok((topics.len() <= limit).then_some(topics))
    }

    fn pipeline(&self) -> Pipeline<WithOptions<Client>> {
        Pipeline::from(self.client.with_options(&options(self.deadline)))
    }

    async fn queue(
        &self,
        pipeline: &Pipeline<WithOptions<Client>>,
        partition: &Partition,
        verb: &'static str,
        words: Vec<String>,
    ) -> Result<(), Unavailable> {
        let slot = redis_keyslot(self.keys.head(partition).as_bytes());
        let queued = pipeline.custom::<Value, _>(command(verb, slot), words).await;
        queued.map(drop).map_err(|error| unavailable(&error, self.deadline))
    }

    pub(super) async fn read(
        &self,
        partition: &Partition,
        topic: &Topic,
        after: Id,
        until: Id,
        limit: usize,
    ) -> Result<Vec<Entry>, Unavailable> {
        let stream = self.keys.stream(partition, topic);
        let slot = redis_keyslot(stream.as_bytes());
        let args = vec![stream, format!("({after}"), until.to_string(), "COUNT".to_owned(), limit.to_string()];
        let client = self.client.with_options(&options(self.deadline));
        // fred's futures are large; on the heap it is not copied at each step.
        let answer = Box::pin(client.custom::<Value, _>(command("XRANGE", slot), args));
        let answer = self.in_time(answer).await?;
        Ok(answer.into_array().into_iter().filter_map(entry).collect())
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, fred::error::Error>>) -> Result<T, Unavailable> {
        let bounded = async {
            let _place = self.under_way.acquire().await;
            answer.await
        };
        let answer = tokio::time::timeout(self.deadline, bounded).await.map_err(|_| late(self.deadline))?;
        let answer = answer.map_err(|error| unavailable(&error, self.deadline))?;
        self.canaries.command_succeeded();
        Ok(answer)
    }
}

/// The head of a partition: `<epoch> <id>`.
pub(super) fn position(text: &str) -> Option<Position> {
    let (epoch, id) = text.split_once(' ')?;
    Some(Position { epoch: Epoch::new(epoch)?, id: id.parse().ok()? })
}

/// The last id in the head of a topic, `<epoch> <second> <id> …`, if it is of this epoch.
fn last_of(state: &str, epoch: &Epoch) -> Option<Id> {
    let mut words = state.split(' ');
    (words.next()? == epoch.as_str()).then_some(())?;
    words.nth(1)?.parse().ok()
}

/// `None` for an entry that the publish function did not write.
fn entry(value: Value) -> Option<Entry> {
    let [id, fields] = <[Value; 2]>::try_from(value.into_array()).ok()?;
    let [_, before, _, envelope] = <[Value; 4]>::try_from(fields.into_array()).ok()?;
    let before = before.into_string()?;
    let (prev, _) = before.split_once(' ')?;
    Some(Entry { id: id.into_string()?.parse().ok()?, prev: prev.parse().ok()?, envelope: envelope.into_bytes()? })
}
