//! How the log of a partition grows, is trimmed, and survives what happens to Redis.

use fanfare::backplane::{self, Backplane as _};
use fanfare::event::{Id, Topic};

use super::node::{Node, options, room};
use super::server::Server;

const HEAD: &str = "fanfare:{default/}:head";
const WRITTEN: &str = "fanfare:{default/}:written";
const STREAM_A: &str = "fanfare:{default/}:stream:rYQ";
const TOPIC_A: &str = "fanfare:{default/}:topic:rYQ";

#[tokio::test]
async fn a_stream_keeps_as_many_entries_as_it_may() {
    let server = Server::start();
    let limits = backplane::Options { history_entries: 3, ..backplane::Options::default() };
    let node = Node::with(options(&server.url()), limits).await;
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(node.publish(&room("a"), &number.to_string()).await);
    }
    let entries = node.all_entries(&room("a")).await;
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids[7..]);
    assert_eq!(entries[0].prev, ids[6]);
}

#[tokio::test]
async fn a_stream_keeps_as_many_bytes_as_it_may_and_always_the_newest() {
    let server = Server::start();
    let limits = backplane::Options { history_bytes: 1_000, history_entries: 50, ..backplane::Options::default() };
    let node = Node::with(options(&server.url()), limits).await;
    for length in [300, 300, 300, 300, 100, 1, 1, 1, 990] {
        node.publish(&room("a"), &"x".repeat(length)).await;
        let kept: usize = node.all_entries(&room("a")).await.iter().map(|entry| entry.envelope.len()).sum();
        assert!(kept <= 1_000 && kept + 300 > length, "{kept}");
    }
    let lengths = |entries: Vec<backplane::Entry>| entries.iter().map(|entry| entry.envelope.len()).collect::<Vec<_>>();
    assert_eq!(lengths(node.all_entries(&room("a")).await), [1, 1, 1, 990]);
    node.publish(&room("a"), &"x".repeat(5_000)).await;
    assert_eq!(lengths(node.all_entries(&room("a")).await), [5_000]);
    for _ in 0..200 {
        node.publish(&room("a"), "0123456789").await;
    }
    assert_eq!(lengths(node.all_entries(&room("a")).await), [10; 50]);
}

#[tokio::test]
async fn what_is_too_old_goes_and_idle_keys_end() {
    let server = Server::start();
    let limits = backplane::Options { history_age_s: 60, ..backplane::Options::default() };
    let node = Node::with(options(&server.url()), limits).await;
    let old = node.publish(&room("a"), "old").await;
    // Sixty-one seconds pass for the log by setting its clock ahead.
    set_head(&server, Id { ms: old.ms + 61_000, ..old });
    let new = node.publish(&room("a"), "new").await;
    assert_eq!(
        node.all_entries(&room("a")).await.iter().map(|entry| (entry.id, entry.prev)).collect::<Vec<_>>(),
        [(new, old)]
    );
    assert!((60_000..=120_000).contains(&server.ask(&["PTTL", STREAM_A]).number()));
    assert!(server.ask(&["PTTL", TOPIC_A]).number() > 200_000);
}

#[tokio::test]
async fn ids_grow_while_the_clock_stands_behind_them() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    let first = node.publish(&room("a"), "1").await;
    set_head(&server, Id { ms: first.ms + 3_600_000, ..first });
    let mut last = first;
    for number in 0..100 {
        let id = node.publish(&room(if number % 2 == 0 { "a" } else { "b" }), "x").await;
        assert!(id > last && id.ms == first.ms + 3_600_000 && id.lineage() == first.lineage(), "{id}");
        last = id;
    }
}

#[tokio::test]
async fn an_emptied_redis_has_another_epoch() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    node.publish(&room("a"), "1").await;
    let before = node.announcement().await;
    server.ask(&["FLUSHALL"]);
    node.publish(&room("a"), "2").await;
    let after = node.announcement().await;
    assert_ne!(before.epoch, after.epoch);
    assert_eq!(after.topics[0].1, Id::ZERO);
}

#[tokio::test]
async fn a_lost_partition_head_makes_a_new_epoch_without_the_old_entries() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    let old = node.publish(&room("a"), "1").await;
    let epoch = node.watch(&[room("a")]).await.epoch;
    server.ask(&["DEL", HEAD]);
    // Nothing is published yet: what the topics say belongs to nobody.
    let between = node.redis.heads(&node.partition, &[room("a")]).await.unwrap();
    assert_eq!((between.epoch, between.topics), (None, vec![Id::ZERO]));
    let new = node.publish(&room("a"), "2").await;
    assert_ne!(node.watch(&[room("a")]).await.epoch, epoch);
    let entries = node.all_entries(&room("a")).await;
    assert_eq!(entries.iter().map(|entry| (entry.id, entry.prev)).collect::<Vec<_>>(), [(new, Id::ZERO)]);
    assert!(old < new);
}

#[tokio::test]
async fn a_lost_topic_head_is_found_again_in_the_stream() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    node.publish(&room("a"), "1").await;
    let last = node.publish(&room("a"), "2").await;
    server.ask(&["DEL", TOPIC_A]);
    let next = node.publish(&room("a"), "3").await;
    let entries = node.all_entries(&room("a")).await;
    assert_eq!((entries.len(), entries[2].id, entries[2].prev), (3, next, last));
}

#[tokio::test]
async fn a_lost_stream_leaves_a_gap_that_shows() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    node.publish(&room("a"), "1").await;
    let lost = node.publish(&room("a"), "2").await;
    server.ask(&["DEL", STREAM_A]);
    node.publish(&room("a"), "3").await;
    assert_eq!(node.all_entries(&room("a")).await[0].prev, lost);
}

#[tokio::test]
async fn a_topic_idle_so_long_that_it_was_forgotten_does_not_claim_to_be_new() {
    let server = Server::start();
    let limits = backplane::Options { history_age_s: 60, ..backplane::Options::default() };
    let node = Node::with(options(&server.url()), limits).await;
    let forgotten = node.publish(&room("a"), "1").await;
    server.ask(&["DEL", STREAM_A]);
    server.ask(&["DEL", TOPIC_A]);
    set_head(&server, Id { ms: forgotten.ms + 3_600_000, ..forgotten });
    node.publish(&room("a"), "2").await;
    let prev = node.all_entries(&room("a")).await[0].prev;
    assert!(prev > forgotten && prev.ms < forgotten.ms + 3_600_000, "{prev}");
    node.publish(&room("b"), "1").await;
    node.publish(&room("b"), "2").await;
}

#[tokio::test]
async fn a_stream_with_ids_of_the_future_is_given_up_and_the_gap_shows() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    node.publish(&room("a"), "1").await;
    let last = node.publish(&room("b"), "1").await;
    let future = format!("{}-0", last.ms + 3_600_000);
    server.ask(&["XADD", STREAM_A, &future, "p", "0-0 0", "e", "x"]);
    let next = node.publish(&room("a"), "2").await;
    let entries = node.all_entries(&room("a")).await;
    assert_eq!(entries.iter().map(|entry| (entry.id, entry.prev)).collect::<Vec<_>>(), [(next, last)]);
}

#[tokio::test]
async fn another_redis_process_writes_another_lineage_and_the_timeline_remembers_both() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let node = Node::on(&server.url()).await;
    let first = node.publish(&room("a"), "1").await;
    let epoch = node.watch(&[]).await.epoch;
    // Ids go on growing although the clock is behind and the lineage may be a smaller number.
    set_head(&server, Id { ms: first.ms + 3_600_000, ..first });
    let ahead = node.publish(&room("a"), "2").await;
    server.restart();
    drop(node);
    let node = Node::on(&server.url()).await;
    let second = node.publish(&room("a"), "3").await;
    assert!(second > ahead && second.lineage() != first.lineage(), "{ahead} {second}");
    let third = node.publish(&room("a"), "4").await;
    assert!(third > second && third.lineage() == second.lineage());
    assert_eq!(node.watch(&[]).await.epoch, epoch);
    let timeline = format!("{}@0-0,{}@{ahead}", first.lineage(), second.lineage());
    assert_eq!(server.ask(&["HGET", HEAD, "T"]).text(), timeline);
}

#[tokio::test]
async fn the_timeline_keeps_its_last_segments() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    let mut last = node.publish(&Topic::All, "x").await;
    let mut found = last;
    for lineage in 0..40 {
        found = Id { ms: last.ms + 1, seq: lineage << 20 };
        set_head(&server, found);
        let id = node.publish(&Topic::All, "x").await;
        assert!(id > found);
        last = id;
    }
    let timeline = server.ask(&["HGET", HEAD, "T"]);
    assert_eq!(timeline.text().split(',').count(), 32);
    assert!(timeline.text().ends_with(&format!("{}@{found}", last.lineage())));
}

#[tokio::test]
async fn the_topics_written_lately_are_known_and_what_was_lost_of_them_is_not_made_up() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    let first = node.publish(&room("a"), "1").await;
    let written = async |since| {
        let topics = node.redis.written(&node.partition, since, 10).await.unwrap();
        topics.map(|mut topics| {
            topics.sort_unstable();
            topics
        })
    };
    assert_eq!(written(first).await, Some(vec![room("a")]));
    let ago = |seconds: u64| Id { ms: first.ms - seconds * 1_000, ..first };
    assert_eq!(written(ago(1)).await, None, "nobody knows what was before the first");
    // A hundred seconds pass without a word: as if all that had been so long ago.
    set_head(&server, ago(100));
    let long_ago = (ago(100).ms / 1_000).to_string();
    server.ask(&["ZADD", WRITTEN, &long_ago, "", &long_ago, "rYQ"]);
    node.publish(&room("b"), "1").await;
    assert_eq!(written(ago(100)).await, Some(vec![room("a"), room("b")]));
    assert_eq!(written(ago(99)).await, Some(vec![room("b")]));
    // Something was written since, and a while after it what was before is forgotten.
    set_head(&server, ago(20));
    let last = node.publish(&room("b"), "2").await;
    assert_eq!((written(ago(100)).await, written(ago(20)).await), (None, Some(vec![room("b")])));
    assert_eq!(node.redis.written(&node.partition, last, 0).await.unwrap(), None, "more than asked for");
    // What is lost is not made up.
    server.ask(&["DEL", WRITTEN]);
    assert_eq!(written(last).await, None);
    set_head(&server, ago(5));
    let last = node.publish(&room("c"), "1").await;
    assert_eq!((written(ago(5)).await, written(last).await), (None, Some(vec![room("c")])));
}

/// What the log must be, in the plainest words: every id above all before it, every `prev` the id before it in the topic.
#[tokio::test]
async fn any_sequence_of_publishes_and_mishaps_leaves_unbroken_chains() {
    let server = Server::start();
    let limits = backplane::Options { history_entries: 7, history_bytes: 64, ..backplane::Options::default() };
    let node = Node::with(options(&server.url()), limits).await;
    let topics = [Topic::All, room("a"), room("b")];
    let mut model: [Vec<(Id, Id, usize)>; 3] = Default::default();
    let (mut last, mut seed) = (Id::ZERO, 0x2545_f491_4f6c_dd1d_u64);
    for step in 0..600 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let chosen: Vec<usize> = (0..3).filter(|topic| seed >> topic & 1 == 1).collect();
        match seed >> 8 & 15 {
            0 if last != Id::ZERO => set_head(&server, Id { ms: last.ms + 50, ..last }),
            1 if last != Id::ZERO => set_head(&server, Id { ms: last.ms + 1, seq: 1 << 20 }),
            2 => drop(server.ask(&["FUNCTION", "FLUSH"])),
            _ => {}
        }
        if chosen.is_empty() {
            continue;
        }
        let length = usize::try_from(seed >> 16 & 31).unwrap();
        let request =
            node.request(&chosen.iter().map(|&at| topics[at].clone()).collect::<Vec<_>>(), &"x".repeat(length));
        let id = node.send(request).await.unwrap().position.unwrap().id;
        assert!(id > last, "step {step}: {id} after {last}");
        last = id;
        for at in chosen {
            let chain = &mut model[at];
            let prev = chain.last().map_or(Id::ZERO, |entry| entry.0);
            chain.push((id, prev, length));
            while chain.len() > 7 || chain.len() > 1 && chain.iter().map(|entry| entry.2).sum::<usize>() > 64 {
                chain.remove(0);
            }
        }
    }
    for (topic, chain) in topics.iter().zip(model) {
        let entries = node.all_entries(topic).await;
        let stored: Vec<_> = entries.iter().map(|entry| (entry.id, entry.prev, entry.envelope.len())).collect();
        assert_eq!(stored, chain, "{topic:?}");
    }
}

/// As if this were the last publication of the partition.
fn set_head(server: &Server, id: Id) {
    let head = server.ask(&["HGET", HEAD, "l"]);
    let (epoch, _) = head.text().split_once(' ').unwrap();
    server.ask(&["HSET", HEAD, "l", &format!("{epoch} {id}")]);
}
