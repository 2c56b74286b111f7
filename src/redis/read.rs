//! Heads and ranges of the streams.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pipeline};
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use fred::util::redis_keyslot;
use tokio::sync::Semaphore;

use super::canary::Canaries;
use super::client::{late, unavailable};
use super::keys::Keys;
use super::library::{command, options};
use crate::backplane::{Entry, Heads, Unavailable};
use crate::event::{Epoch, Id, Partition, Topic};

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
        let head = self.keys.head(partition);
        let slot = redis_keyslot(head.as_bytes());
        let pipeline = Pipeline::from(self.client.with_options(&options(self.deadline)));
        let failed = |error| unavailable(&error, self.deadline);
        let _: Value =
            pipeline.custom(command("HMGET", slot), vec![head.as_str(), "e", "m", "s"]).await.map_err(failed)?;
        for topic in topics {
            let key = self.keys.topic(partition, topic);
            let _: Value =
                pipeline.custom(command("HMGET", slot), vec![key.as_str(), "e", "l"]).await.map_err(failed)?;
        }
        let mut answers = self.in_time(pipeline.all::<Vec<Value>>()).await?.into_iter();
        let mut words = texts(answers.next().unwrap_or(Value::Null));
        let (epoch, ms, seq) = (words.next().flatten(), words.next().flatten(), words.next().flatten());
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or_default();
        let last = Id { ms: number(ms), seq: number(seq) };
        let topics = answers
            .map(|answer| {
                let mut words = texts(answer);
                let (of_epoch, id) = (words.next().flatten(), words.next().flatten());
                if of_epoch.is_some() && of_epoch == epoch {
                    id.and_then(|id| id.parse().ok()).unwrap_or(Id::ZERO)
                } else {
                    Id::ZERO
                }
            })
            .collect();
        Ok(Heads { epoch: epoch.as_deref().and_then(Epoch::new), last, topics })
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

fn texts(answer: Value) -> impl Iterator<Item = Option<String>> {
    answer.into_array().into_iter().map(Value::into_string)
}

/// `None` for an entry that the publish function did not write.
fn entry(value: Value) -> Option<Entry> {
    let [id, fields] = <[Value; 2]>::try_from(value.into_array()).ok()?;
    let [_, prev, _, _, _, envelope] = <[Value; 6]>::try_from(fields.into_array()).ok()?;
    Some(Entry {
        id: id.into_string()?.parse().ok()?,
        prev: prev.into_string()?.parse().ok()?,
        envelope: envelope.into_bytes()?,
    })
}
