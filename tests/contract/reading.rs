//! What the log keeps and shows.

use fanfare::backplane::Options;
use fanfare::event::Id;

use super::{Fixture, partition, publish, room};

pub async fn trims_by_entries_and_still_tells_the_head(fixture: &impl Fixture) {
    let node = fixture.nodes(Options { history_entries: 5, ..Options::default() }).await.first;
    let (partition, a) = (partition(), room("a"));
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(publish(&node, &partition, std::slice::from_ref(&a), &number.to_string()).await);
    }
    let kept = node.read(&partition, &a, Id::ZERO, ids[19], 100).await.unwrap();
    assert_eq!(kept.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids[15..]);
    assert_eq!(kept[0].prev, ids[14], "the oldest entry tells that there was one before it");
    assert_eq!(node.heads(&partition, &[a]).await.unwrap().topics, vec![ids[19]]);
}

pub async fn trims_by_bytes(fixture: &impl Fixture) {
    let node = fixture.nodes(Options { history_bytes: 10_000, ..Options::default() }).await.first;
    let (partition, a) = (partition(), room("a"));
    let text = "x".repeat(1_000);
    let mut head = Id::ZERO;
    for _ in 0..200 {
        head = publish(&node, &partition, std::slice::from_ref(&a), &text).await;
    }
    let kept = node.read(&partition, &a, Id::ZERO, head, 1_000).await.unwrap();
    // The limit is approximate: a store may trim in steps.
    assert!((1..=40).contains(&kept.len()), "{} entries", kept.len());
    assert_eq!(kept.last().unwrap().id, head);
}

pub async fn reads_after_and_until_and_no_more_than_asked(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a) = (partition(), room("a"));
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(publish(&node, &partition, std::slice::from_ref(&a), &number.to_string()).await);
    }
    let read = async |after, until, limit| {
        let entries = node.read(&partition, &a, after, until, limit).await.unwrap();
        entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(read(ids[1], ids[4], 10).await, ids[2..=4]);
    assert_eq!(read(ids[1], ids[4], 2).await, ids[2..=3]);
    assert_eq!(read(ids[5], ids[5], 10).await, []);
    assert_eq!(read(ids[4], ids[2], 10).await, []);
    let between = Id { ms: ids[2].ms, seq: ids[2].seq + 1 };
    assert_eq!(read(between.min(ids[3]), Id { ms: u64::MAX >> 11, seq: 0 }, 1).await.len(), 1);
}

pub async fn knows_nothing_of_what_was_never_published(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a) = (partition(), room("a"));
    let heads = node.heads(&partition, std::slice::from_ref(&a)).await.unwrap();
    assert_eq!((heads.epoch, heads.last, heads.topics), (None, Id::ZERO, vec![Id::ZERO]));
    assert_eq!(node.read(&partition, &a, Id::ZERO, Id { ms: 1 << 50, seq: 0 }, 10).await.unwrap(), []);
    let id = publish(&node, &partition, &[room("b")], "x").await;
    let heads = node.heads(&partition, &[a, room("b")]).await.unwrap();
    assert_eq!((heads.last, heads.topics), (id, vec![Id::ZERO, id]));
    assert!(heads.epoch.is_some());
    let alone = node.heads(&partition, &[]).await.unwrap();
    assert_eq!((alone.last, alone.topics), (id, vec![]));
}

pub async fn keeps_partitions_apart(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (one, other, a) = (partition(), partition(), room("a"));
    let id = publish(&node, &one, std::slice::from_ref(&a), "x").await;
    assert_eq!(node.heads(&other, std::slice::from_ref(&a)).await.unwrap().epoch, None);
    assert_eq!(node.read(&other, &a, Id::ZERO, id, 10).await.unwrap(), []);
}

pub async fn names_at_least_what_was_written_since_or_says_that_it_cannot(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a, b) = (partition(), room("a"), room("b"));
    let first = publish(&node, &partition, std::slice::from_ref(&a), "1").await;
    publish(&node, &partition, &[a.clone(), b.clone()], "2").await;
    let topics = node.written(&partition, first, 10).await.unwrap().expect("it was a moment ago");
    assert!(topics.contains(&a) && topics.contains(&b), "{topics:?}");
    assert_eq!(node.written(&partition, first, 1).await.unwrap(), None);
    assert_eq!(node.written(&super::partition(), first, 10).await.unwrap(), None);
}
