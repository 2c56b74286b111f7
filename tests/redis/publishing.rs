//! What a publish stores, announces and answers.

use fanfare::backplane::{Arrival, Backplane as _, PublishError, PublishRequest};
use fanfare::event::{Id, Topic};

use super::node::{Node, room};
use super::server::Server;

#[tokio::test]
async fn what_is_published_is_announced_with_the_id_before_it_and_can_be_read_again() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    let heads = node.watch(&[room("a")]).await;
    assert_eq!((heads.epoch, heads.last, heads.topics), (None, Id::ZERO, vec![Id::ZERO]));
    let first = node.publish(&room("a"), "one").await;
    let elsewhere = node.publish(&room("b"), "not watched").await;
    let second = node.publish(&room("a"), "two\n").await;
    assert!(first < elsewhere && elsewhere < second);

    let (one, two) = (node.announcement().await, node.announcement().await);
    assert_eq!(
        (one.id, one.envelope.as_ref(), one.topics.to_vec()),
        (first, b"one".as_ref(), vec![(room("a"), Id::ZERO)])
    );
    assert_eq!(
        (two.id, two.envelope.as_ref(), two.topics.to_vec()),
        (second, b"two\n".as_ref(), vec![(room("a"), first)])
    );

    let heads = node.redis.heads(&node.partition, &[room("b"), room("a"), room("c")]).await.unwrap();
    assert_eq!((heads.epoch.unwrap(), heads.last), (two.epoch, second));
    assert_eq!(heads.topics, vec![elsewhere, second, Id::ZERO]);
    let entries = node.redis.read(&node.partition, &room("a"), first, second, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].id, entries[0].prev, entries[0].envelope.as_ref()), (second, first, b"two\n".as_ref()));
}

#[tokio::test]
async fn several_topics_get_one_id_and_each_its_own_chain() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    let topics = [Topic::All, room("{x}:\u{2028}")];
    node.watch(&topics).await;
    let before = node.publish(&topics[1], "1").await;
    node.announcement().await;
    let id = node.send(node.request(&topics, "2")).await.unwrap().position.unwrap().id;
    for _ in 0..2 {
        let announcement = node.announcement().await;
        assert_eq!(announcement.id, id);
        assert_eq!(announcement.topics.to_vec(), vec![(Topic::All, Id::ZERO), (topics[1].clone(), before)]);
    }
}

#[tokio::test]
async fn a_volatile_publication_is_announced_and_not_stored() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    let request = PublishRequest { volatile: true, ..node.request(&[room("a")], "typing") };
    assert_eq!(node.send(request).await.unwrap().position, None);
    let Arrival::Volatile { envelope, .. } = node.arrival().await else { panic!("not volatile") };
    assert_eq!(envelope.as_ref(), b"typing");
    assert!(node.all_entries(&room("a")).await.is_empty());
}

#[tokio::test]
async fn a_key_has_one_effect_however_often_and_at_once_it_is_used() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    let sent = (0..100).map(|_| node.send(node.once(&room("a"), "x", "key", "digest of x")));
    let receipts: Vec<_> = futures::future::join_all(sent).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt.position == receipts[0].position));
    assert_eq!(node.all_entries(&room("a")).await.len(), 1);
    let other = node.send(node.once(&room("a"), "y", "key", "digest of y")).await;
    assert_eq!(other, Err(PublishError::Conflict));
    assert_eq!(node.all_entries(&room("a")).await.len(), 1);
}
