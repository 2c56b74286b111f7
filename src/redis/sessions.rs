//! The records of sessions: what is to be written meets in batches, one call of the function for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pipeline};
use fred::interfaces::ClientLike as _;
use fred::types::Value;
use fred::util::redis_keyslot;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{late, unavailable};
use super::keys::Keys;
use super::library::{Call, Function, Library, command, options};
use super::read::position;
use crate::backplane::resume::{Claim, Claimant, Record, Save, Saved, Timeline, What};
use crate::backplane::{self, Unavailable};
use crate::event::{Id, Partition};
use crate::ids::{PrivateId, Room, SocketId};

pub(super) struct Records {
    client: Client,
    library: Arc<Library>,
    keys: Keys,
    deadline: Duration,
    idle_ms: u64,
    queue: mpsc::Sender<Waiting>,
}

struct Waiting {
    partition: Arc<Partition>,
    key: String,
    save: Save,
    answer: oneshot::Sender<Result<Saved, Unavailable>>,
}

impl Records {
    pub(super) fn new(
        client: Client,
        library: Arc<Library>,
        keys: Keys,
        limits: &backplane::Options,
        tracker: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let deadline = Duration::from_millis(limits.deadline_ms);
        // As `headless` of the publish function has it.
        let idle_ms = limits.history_age_s.max(1).saturating_mul(4_000).saturating_add(60_000);
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tracker.spawn(write(waiting, library.clone(), deadline, stop));
        Self { client, library, keys, deadline, idle_ms, queue }
    }

    pub(super) async fn save(&self, partition: &Arc<Partition>, save: Save) -> Result<Saved, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let key = self.keys.session(partition, &save.pid);
        let waiting = Waiting { partition: partition.clone(), key, save, answer };
        // What waits here is bounded by the clients, and the queue by itself.
        self.queue.send(waiting).await.map_err(|_| stopping())?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    pub(super) async fn claim(
        &self,
        partition: &Partition,
        pid: PrivateId,
        claimant: Claimant<'_>,
    ) -> Result<Claim, Unavailable> {
        let args = [claimant.subject.to_owned(), claimant.node.to_owned(), claimant.lifetime_ms.to_string()];
        let keys = vec![self.keys.session(partition, &pid)];
        let call = Call { function: Function::Claim, keys, args: args.map(Value::from).into() };
        let answer = Box::pin(self.library.call(&call, self.deadline)).await;
        let answer = answer.map_err(|error| unavailable(&error, self.deadline))?;
        if answer.is_null() {
            return Ok(Claim::Unknown);
        }
        let Ok([generation, fields]) = <[Value; 2]>::try_from(answer.into_array()) else { return Ok(Claim::Foreign) };
        let generation = generation.into_string().and_then(|text| text.parse().ok());
        let fields: Vec<String> = fields.into_array().into_iter().filter_map(Value::into_string).collect();
        match (generation, record(&fields)) {
            (Some(generation), Some(record)) => Ok(Claim::Claimed { record: Box::new(record), generation }),
            // Of a version that writes it otherwise, or cut by hand: as good as none.
            _ => Ok(Claim::Unknown),
        }
    }

    pub(super) async fn timeline(&self, partition: &Partition) -> Result<Timeline, Unavailable> {
        let head = self.keys.head(partition);
        let slot = redis_keyslot(head.as_bytes());
        let pipeline = Pipeline::from(self.client.with_options(&options(self.deadline)));
        let failed = |error| unavailable(&error, self.deadline);
        let words = vec![head.as_str(), "l", "b", "T"];
        let _: Value = pipeline.custom(command("HMGET", slot), words).await.map_err(failed)?;
        let _: Value = pipeline.custom(command("TIME", slot), Vec::<String>::new()).await.map_err(failed)?;
        let read = tokio::time::timeout(self.deadline, Box::pin(pipeline.all::<Vec<Value>>())).await;
        let answers = read.map_err(|_| late(self.deadline))?.map_err(failed)?;
        let mut words = answers.into_iter().flat_map(Value::into_array).map(Value::into_string);
        let mut word = || words.next().flatten();
        let (head, born, segments) = (word(), word(), word());
        let (second, micros) = (number(word()), number(word()));
        let head = head.as_deref().and_then(position);
        Ok(Timeline {
            last: head.as_ref().map_or(Id::ZERO, |head| head.id),
            epoch: head.map(|head| head.epoch),
            segments: Timeline::segments(&segments.unwrap_or_default()),
            born_ms: number(born),
            now_ms: second * 1_000 + micros / 1_000,
            idle_ms: self.idle_ms,
        })
    }
}

fn number(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Inputs: the stop, which ends it; changes, which it takes as many at a time as are there. One batch is under way at once, so
/// that changes of one record keep their order: the more wait, the more go together.
async fn write(
    mut waiting: mpsc::Receiver<Waiting>,
    library: Arc<Library>,
    deadline: Duration,
    stop: CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            count = waiting.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
        }
        let mut partitions: HashMap<Arc<Partition>, Vec<Waiting>> = HashMap::new();
        for change in batch.drain(..) {
            partitions.entry(change.partition.clone()).or_default().push(change);
        }
        let writes = partitions.into_values().map(|changes| write_batch(&library, changes, deadline));
        futures::future::join_all(writes).await;
    }
}

async fn write_batch(library: &Library, changes: Vec<Waiting>, deadline: Duration) {
    let mut call = Call { function: Function::Save, keys: Vec::with_capacity(changes.len()), args: Vec::new() };
    let mut answers = Vec::with_capacity(changes.len());
    for change in changes {
        call.args.extend(words(change.save).into_iter().map(Value::from));
        call.keys.push(change.key);
        answers.push(change.answer);
    }
    let called = Box::pin(library.call(&call, deadline)).await.map_err(|error| unavailable(&error, deadline));
    let mut outcomes = called.map(|value| value.into_array().into_iter().map(Value::into_string));
    for answer in answers {
        let outcome = match &mut outcomes {
            Ok(words) => match words.next().flatten().as_deref() {
                Some("done") => Ok(Saved::Done),
                Some("missing") => Ok(Saved::Missing),
                Some("fenced") => Ok(Saved::Fenced),
                _ => Err(Unavailable("the function for sessions answered something unknown".to_owned())),
            },
            Err(why) => Err(why.clone()),
        };
        // Whoever stopped waiting needs no answer.
        let _ = answer.send(outcome);
    }
}

/// The arguments of one change, as `save_one` reads them.
fn words(save: Save) -> Vec<String> {
    let generation = save.generation.to_string();
    let (mut sets, mut drops, whole) = (Vec::new(), Vec::new(), matches!(save.what, What::Whole(_)));
    let lifetime_ms = if matches!(save.what, What::Forget) { 0 } else { save.lifetime_ms.max(1) };
    let rooms = match save.what {
        What::Whole(record) => {
            let Record { socket, subject, node, began, rooms } = *record;
            let fields = [("s", socket.to_string()), ("u", subject), ("n", node), ("b", began.to_string())];
            sets.extend(fields.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
            sets.extend(["g".to_owned(), generation.clone()]);
            rooms
        }
        What::Rooms { joined, left } => {
            drops.extend(left.iter().map(|room| format!("r{room}")));
            joined
        }
        What::Forget => Vec::new(),
    };
    sets.extend(rooms.into_iter().flat_map(|(room, stay)| [format!("r{room}"), stay.to_string()]));
    let mut words = vec![generation, lifetime_ms.to_string(), if whole { "1" } else { "" }.to_owned()];
    words.extend([sets.len().to_string(), drops.len().to_string()]);
    words.append(&mut sets);
    words.append(&mut drops);
    words
}

fn record(fields: &[String]) -> Option<Record> {
    let field = |name: &str| fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
    let rooms = fields.chunks_exact(2).filter_map(|pair| Some((pair[0].strip_prefix('r')?, &pair[1])));
    let rooms = rooms.map(|(room, stay)| Some((Room::new(room).ok()?, stay.parse().ok()?)));
    Some(Record {
        socket: SocketId::parse(field("s")?)?,
        subject: field("u")?.to_owned(),
        node: field("n")?.to_owned(),
        began: field("b")?.parse().ok()?,
        rooms: rooms.collect::<Option<_>>()?,
    })
}

fn stopping() -> Unavailable {
    Unavailable("the node is stopping".to_owned())
}

/// Changes in one call; some hundred microseconds of Redis' time.
const BATCH_MAX: usize = 256;
/// Changes that wait for a batch; whoever comes after them waits, too.
const WAITING_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::resume::{By, Since, Stay};

    #[test]
    fn a_record_is_read_back_from_the_words_that_it_is_written_in() {
        let stay = Stay { by: By::Client, since: Since::Nowhere };
        let record_written = Record {
            socket: SocketId::from_random([1; 12]),
            subject: "suites\nann".to_owned(),
            node: "n1".to_owned(),
            began: Since::Unknown,
            rooms: vec![(Room::new("r c#").unwrap(), stay.clone()), (Room::new("é").unwrap(), stay)],
        };
        let whole = What::Whole(Box::new(record_written.clone()));
        let pid = PrivateId::from_random([2; 15]);
        let words = words(Save { pid, generation: 3, lifetime_ms: 9, what: whole });
        assert_eq!(words[..5], ["3", "9", "1", "14", "0"]);
        assert_eq!(record(&words[5..]), Some(record_written));
        assert_eq!(record(&words[7..]), None, "without its socket");
    }
}
