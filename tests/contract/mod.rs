//! What every backplane does, whatever it is made of. A test binary per adapter names its [`Fixture`] in [`suite!`].
//!
//! Nothing here waits for a fixed time: what must arrive is awaited with a deadline, and what must not arrive is known not to
//! have arrived when something published after it has.

pub mod delivery;
pub mod nodes;
pub mod publishing;
pub mod reading;
pub mod registry;
pub mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare::backplane::resume::Sessions;
use fanfare::backplane::{Announcement, Arrival, Backplane, Durability, Idempotency, Options, PublishRequest};
use fanfare::event::{Id, Partition, Topic};
use fanfare::ids::{Namespace, Room, Tenant};
use tokio::sync::mpsc;

/// How a test gets its backplanes.
pub trait Fixture {
    /// Two nodes on one store that holds nothing of other tests' partitions.
    async fn nodes(&self, options: Options) -> Nodes;
}

pub struct Nodes {
    pub first: Arc<dyn Backplane>,
    pub second: Arc<dyn Backplane>,
    /// The same two, as keepers of sessions.
    pub sessions: [Arc<dyn Sessions>; 2],
}

/// Turns every test of the contract into one of the calling binary.
macro_rules! suite {
    ($fixture:expr) => {
        contract::suite!($fixture;
            publishing: announces_in_order_and_chains_each_topic,
            publishing: stores_several_topics_under_one_id,
            publishing: answers_a_repeated_key_with_the_first_receipt,
            publishing: refuses_a_key_for_another_publication,
            publishing: remembers_a_key_as_long_as_asked,
            publishing: remembers_no_key_of_what_is_volatile,
            publishing: lets_one_of_a_hundred_equal_publishes_through,
            publishing: does_not_store_what_is_volatile,
            publishing: brings_a_node_one_copy_of_what_is_volatile_however_many_of_its_topics_it_watches,
            publishing: tells_when_fewer_replicas_confirm_than_asked,
            reading: trims_by_entries_and_still_tells_the_head,
            reading: trims_by_bytes,
            reading: reads_after_and_until_and_no_more_than_asked,
            reading: knows_nothing_of_what_was_never_published,
            reading: keeps_partitions_apart,
            reading: names_at_least_what_was_written_since_or_says_that_it_cannot,
            delivery: misses_nothing_published_after_watch_returned,
            delivery: delivers_only_watched_topics,
            delivery: stops_after_unwatch_and_starts_again,
            delivery: gives_its_arrivals_once,
            delivery: proves_itself,
            nodes: reach_each_other_in_one_order,
            nodes: share_idempotency,
            sessions: are_claimed_on_another_node_with_all_that_was_written,
            sessions: are_given_to_their_subject_only,
            sessions: refuse_what_an_earlier_holder_writes,
            sessions: are_claimed_by_several_one_after_the_other,
            sessions: are_gone_when_forgotten_or_expired,
            sessions: know_the_timeline_of_the_log,
        );
    };
    ($fixture:expr; $($room:ident: $test:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                contract::$room::$test(&$fixture).await;
            }
        )*
    };
}
pub(crate) use suite;

/// A partition no other test uses, also not an earlier run on the same store.
pub fn partition() -> Arc<Partition> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 6];
    getrandom::fill(&mut random).unwrap();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random = random.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    Partition::new(Tenant::new(&format!("t{random:x}-{number}")).unwrap(), Namespace::root())
}

pub fn room(name: &str) -> Topic {
    Topic::Room(Room::new(name).unwrap())
}

pub fn request(partition: &Arc<Partition>, topics: &[Topic], text: &str) -> PublishRequest {
    PublishRequest {
        partition: partition.clone(),
        topics: topics.iter().cloned().collect(),
        envelope: Bytes::copy_from_slice(text.as_bytes()),
        volatile: false,
        idempotency: None,
        durability: Durability::Accepted,
        fence: None,
        inbox_id: None,
    }
}

pub fn keyed(request: PublishRequest, key: &str, digest: &str) -> PublishRequest {
    let idempotency = Some(Idempotency { key: key.to_owned(), digest: digest.to_owned(), lifetime_ms: None });
    PublishRequest { idempotency, ..request }
}

/// Publishes and answers the id.
pub async fn publish(node: &Arc<dyn Backplane>, partition: &Arc<Partition>, topics: &[Topic], text: &str) -> Id {
    let receipt = node.publish(request(partition, topics, text)).await.unwrap();
    assert!(!receipt.duplicate);
    receipt.position.unwrap().id
}

/// The next announcement, without repetitions of an id (several rooms may be announced one by one).
pub struct Ear {
    arrivals: mpsc::Receiver<Arrival>,
    last: Id,
}

impl Ear {
    pub fn of(node: &Arc<dyn Backplane>) -> Self {
        Self { arrivals: node.arrivals().expect("nobody took the arrivals"), last: Id::ZERO }
    }

    pub async fn next(&mut self) -> Announcement {
        loop {
            if let Arrival::Sequenced(announcement) = self.any().await
                && announcement.id != self.last
            {
                self.last = announcement.id;
                return announcement;
            }
        }
    }

    pub async fn any(&mut self) -> Arrival {
        tokio::time::timeout(Duration::from_secs(10), self.arrivals.recv())
            .await
            .expect("something arrives in time")
            .expect("the backplane lives")
    }
}
