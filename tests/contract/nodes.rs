//! What several nodes on one store see of each other.

use fanfare::backplane::Options;
use fanfare::event::Id;

use super::{Ear, Fixture, keyed, partition, publish, request, room};

pub async fn reach_each_other_in_one_order(fixture: &impl Fixture) {
    let nodes = fixture.nodes(Options::default()).await;
    let (partition, a) = (partition(), room("a"));
    let (mut first, mut second) = (Ear::of(&nodes.first), Ear::of(&nodes.second));
    nodes.first.watch(&partition, std::slice::from_ref(&a)).await.unwrap();
    nodes.second.watch(&partition, std::slice::from_ref(&a)).await.unwrap();
    let topics = std::slice::from_ref(&a);
    let publishes = (0..50).map(|number| {
        let node = if number % 2 == 0 { &nodes.first } else { &nodes.second };
        publish(node, &partition, topics, "x")
    });
    let mut ids = futures::future::join_all(publishes).await;
    ids.sort_unstable();
    let mut prev = Id::ZERO;
    for id in ids {
        let (one, other) = (first.next().await, second.next().await);
        assert_eq!((one.id, one.topics[0].1), (id, prev));
        assert_eq!(one, other);
        prev = id;
    }
}

pub async fn share_idempotency(fixture: &impl Fixture) {
    let nodes = fixture.nodes(Options::default()).await;
    let partition = partition();
    let ask = || keyed(request(&partition, &[room("a")], "once"), "key", "digest");
    let first = nodes.first.publish(ask()).await.unwrap();
    let second = nodes.second.publish(ask()).await.unwrap();
    assert_eq!((first.position, second.duplicate), (second.position, true));
}
