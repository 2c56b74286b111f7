//! What a publish does and answers.

use fanfare::backplane::{Arrival, Durability, Options, PublishError, PublishRequest};
use fanfare::event::Id;

use super::{Ear, Fixture, keyed, partition, publish, request, room};

pub async fn announces_in_order_and_chains_each_topic(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a, b) = (partition(), room("a"), room("b"));
    let mut ear = Ear::of(&node);
    node.watch(&partition, &[a.clone(), b.clone()]).await.unwrap();
    let mut ids = Vec::new();
    for (topic, text) in [(&a, "1"), (&b, "2"), (&a, "3")] {
        ids.push(publish(&node, &partition, std::slice::from_ref(topic), text).await);
    }
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    for (index, (topic, prev, text)) in [(&a, Id::ZERO, "1"), (&b, Id::ZERO, "2"), (&a, ids[0], "3")].iter().enumerate()
    {
        let heard = ear.next().await;
        assert_eq!(heard.partition, partition);
        assert_eq!(heard.id, ids[index]);
        assert_eq!(heard.topics.to_vec(), vec![((*topic).clone(), *prev)]);
        assert_eq!(heard.envelope, text.as_bytes());
    }
}

pub async fn stores_several_topics_under_one_id(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a, b) = (partition(), room("a"), room("b"));
    let mut ear = Ear::of(&node);
    node.watch(&partition, &[a.clone(), b.clone()]).await.unwrap();
    let first = publish(&node, &partition, std::slice::from_ref(&b), "b").await;
    let both = publish(&node, &partition, &[a.clone(), b.clone()], "ab").await;
    assert_eq!(ear.next().await.id, first);
    let heard = ear.next().await;
    assert_eq!(heard.id, both);
    assert_eq!(heard.topics.to_vec(), vec![(a.clone(), Id::ZERO), (b.clone(), first)]);
    for (topic, prev) in [(&a, Id::ZERO), (&b, first)] {
        let read = node.read(&partition, topic, Id::ZERO, both, 10).await.unwrap();
        let last = read.last().unwrap();
        assert_eq!((last.id, last.prev, last.envelope.as_ref()), (both, prev, b"ab".as_slice()));
    }
    let heads = node.heads(&partition, &[b, a]).await.unwrap();
    assert_eq!((heads.last, heads.topics), (both, vec![both, both]));
}

pub async fn answers_a_repeated_key_with_the_first_receipt(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a) = (partition(), room("a"));
    let ask = || keyed(request(&partition, &[room("a")], "once"), "key", "digest");
    let first = node.publish(ask()).await.unwrap();
    let second = node.publish(ask()).await.unwrap();
    assert!(!first.duplicate && second.duplicate);
    assert_eq!(first.position, second.position);
    let last = publish(&node, &partition, std::slice::from_ref(&a), "after").await;
    assert_eq!(node.read(&partition, &a, Id::ZERO, last, 10).await.unwrap().len(), 2);
}

pub async fn refuses_a_key_for_another_publication(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let partition = partition();
    node.publish(keyed(request(&partition, &[room("a")], "one"), "key", "1")).await.unwrap();
    let second = node.publish(keyed(request(&partition, &[room("a")], "two"), "key", "2")).await;
    assert_eq!(second, Err(PublishError::Conflict));
    // Another partition has keys of its own.
    node.publish(keyed(request(&super::partition(), &[room("a")], "two"), "key", "2")).await.unwrap();
}

pub async fn remembers_a_key_as_long_as_asked(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let partition = partition();
    let ask = |key: &str, lifetime_ms| {
        let mut asked = keyed(request(&partition, &[room("a")], "once"), key, "digest");
        asked.idempotency.as_mut().unwrap().lifetime_ms = lifetime_ms;
        asked
    };
    node.publish(ask("long", None)).await.unwrap();
    node.publish(ask("short", Some(1))).await.unwrap();
    // A repetition within the lifetime has no effect, so this ends with the lifetime.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while node.publish(ask("short", Some(1))).await.unwrap().duplicate {
        assert!(tokio::time::Instant::now() < deadline, "it is remembered for ever");
        tokio::task::yield_now().await;
    }
    assert!(node.publish(ask("long", None)).await.unwrap().duplicate);
}

pub async fn remembers_no_key_of_what_is_volatile(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let partition = partition();
    let typing = || PublishRequest { volatile: true, ..keyed(request(&partition, &[room("a")], "typing"), "key", "1") };
    for _ in 0..2 {
        assert!(!node.publish(typing()).await.unwrap().duplicate);
    }
    let stored = node.publish(keyed(request(&partition, &[room("a")], "stored"), "key", "2")).await.unwrap();
    assert!(!stored.duplicate);
}

pub async fn lets_one_of_a_hundred_equal_publishes_through(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a) = (partition(), room("a"));
    let asked = (0..100).map(|_| node.publish(keyed(request(&partition, &[room("a")], "once"), "key", "digest")));
    let receipts: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt.position == receipts[0].position));
    let head = node.heads(&partition, std::slice::from_ref(&a)).await.unwrap().last;
    assert_eq!(node.read(&partition, &a, Id::ZERO, head, 200).await.unwrap().len(), 1);
}

pub async fn does_not_store_what_is_volatile(fixture: &impl Fixture) {
    let node = fixture.nodes(Options::default()).await.first;
    let (partition, a) = (partition(), room("a"));
    let mut ear = Ear::of(&node);
    node.watch(&partition, std::slice::from_ref(&a)).await.unwrap();
    let typing = PublishRequest { volatile: true, ..request(&partition, std::slice::from_ref(&a), "typing") };
    let receipt = node.publish(typing).await.unwrap();
    assert!(receipt.position.is_none() && !receipt.duplicate);
    let Arrival::Volatile { partition: heard, envelope } = ear.any().await else { panic!("a volatile arrival") };
    assert_eq!((heard, envelope.as_ref()), (partition.clone(), b"typing".as_slice()));
    let heads = node.heads(&partition, &[a]).await.unwrap();
    assert_eq!(heads.topics, vec![Id::ZERO]);
}

pub async fn brings_a_node_one_copy_of_what_is_volatile_however_many_of_its_topics_it_watches(fixture: &impl Fixture) {
    let nodes = fixture.nodes(Options::default()).await;
    let (partition, topics) = (partition(), [room("a"), room("b"), room("c")]);
    let mut ears = [Ear::of(&nodes.first), Ear::of(&nodes.second)];
    nodes.first.watch(&partition, &topics).await.unwrap();
    nodes.second.watch(&partition, &topics[1..]).await.unwrap();
    for text in ["one", "two"] {
        nodes.first.publish(PublishRequest { volatile: true, ..request(&partition, &topics, text) }).await.unwrap();
    }
    let last = publish(&nodes.first, &partition, &topics, "last").await;
    for ear in &mut ears {
        for text in ["one", "two"] {
            let Arrival::Volatile { envelope, .. } = ear.any().await else { panic!("a volatile arrival") };
            assert_eq!(envelope, text.as_bytes());
        }
        assert_eq!(ear.next().await.id, last);
    }
}

pub async fn tells_when_fewer_replicas_confirm_than_asked(fixture: &impl Fixture) {
    let node = fixture.nodes(Options { deadline_ms: 500, ..Options::default() }).await.first;
    let (partition, a) = (partition(), room("a"));
    let asked = PublishRequest {
        durability: Durability::Replicated(9),
        ..request(&partition, std::slice::from_ref(&a), "precious")
    };
    let answer = node.publish(asked).await;
    assert!(matches!(answer, Err(PublishError::NotReplicated { wanted: 9, .. })), "{answer:?}");
    assert_ne!(node.heads(&partition, &[a]).await.unwrap().topics, vec![Id::ZERO], "it is stored all the same");
}
