//! What arrives on a node that watches.

use fanfare::backplane::{Arrival, Options};

use super::{Ear, Fixture, partition, publish, room};

pub async fn misses_nothing_published_after_watch_returned(fixture: &impl Fixture) {
    let nodes = fixture.nodes(Options::default()).await;
    let partition = partition();
    let mut ear = Ear::of(&nodes.first);
    for number in 0..50 {
        let topic = room(&format!("r{number}"));
        let before = publish(&nodes.second, &partition, std::slice::from_ref(&topic), "before").await;
        let heads = nodes.first.watch(&partition, std::slice::from_ref(&topic)).await.unwrap();
        assert_eq!(heads.topics, vec![before]);
        let after = publish(&nodes.second, &partition, std::slice::from_ref(&topic), "after").await;
        let mut heard = ear.next().await;
        if heard.id == before {
            // It was under way while the subscription was made.
            heard = ear.next().await;
        }
        assert_eq!((heard.id, heard.topics[0].1), (after, before));
        assert_eq!(Some(heard.epoch), heads.epoch);
    }
}

pub async fn delivers_only_watched_topics(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, other, a, b) = (partition(), partition(), room("a"), room("b"));
    let mut ear = Ear::of(&node);
    node.watch(&partition, std::slice::from_ref(&a)).await.unwrap();
    publish(&node, &partition, std::slice::from_ref(&b), "unwatched").await;
    publish(&node, &other, std::slice::from_ref(&a), "elsewhere").await;
    let id = publish(&node, &partition, &[b, a], "both").await;
    assert_eq!(ear.next().await.id, id);
}

pub async fn stops_after_unwatch_and_starts_again(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a, b) = (partition(), room("a"), room("b"));
    let mut ear = Ear::of(&node);
    node.watch(&partition, &[a.clone(), b.clone()]).await.unwrap();
    // Twice is as good as once.
    node.watch(&partition, std::slice::from_ref(&a)).await.unwrap();
    node.unwatch(&partition, std::slice::from_ref(&a)).await;
    let unheard = publish(&node, &partition, std::slice::from_ref(&a), "unheard").await;
    let marker = publish(&node, &partition, std::slice::from_ref(&b), "marker").await;
    assert_eq!(ear.next().await.id, marker);
    let heads = node.watch(&partition, std::slice::from_ref(&a)).await.unwrap();
    assert_eq!(heads.topics, vec![unheard]);
    let heard = publish(&node, &partition, std::slice::from_ref(&a), "heard").await;
    let announcement = ear.next().await;
    assert_eq!((announcement.id, announcement.topics[0].1), (heard, unheard));
}

pub async fn gives_its_arrivals_once(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    assert!(node.arrivals().is_some());
    assert!(node.arrivals().is_none());
}

pub async fn proves_itself(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a) = (partition(), room("a"));
    let mut ear = Ear::of(&node);
    node.watch(&partition, std::slice::from_ref(&a)).await.unwrap();
    publish(&node, &partition, &[a], "x").await;
    assert!(matches!(ear.any().await, Arrival::Sequenced(_)));
    // What was just shown to work may take a moment to be believed.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while node.proven().is_err() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", node.proven());
        tokio::task::yield_now().await;
    }
}
