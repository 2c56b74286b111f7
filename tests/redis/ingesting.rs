//! The foreign ways in: one leader, nothing lost in the inbox, nothing twice.

use fanfare::backplane::{Fence, Ingest as _, PublishError, PublishRequest};
use fanfare::event::Topic;
use fanfare::redis::{OutsideError, append_to_inbox};

use super::node::{Node, options, until};
use super::server::Server;

const INBOX: &str = "fanfare:{default/}:inbox";

fn settling(node: &Node, inbox_id: &str, fence: Option<Fence>) -> PublishRequest {
    PublishRequest { inbox_id: Some(inbox_id.to_owned()), fence, ..node.request(&[Topic::All], inbox_id) }
}

#[tokio::test]
async fn one_node_leads_and_a_former_leader_is_refused() {
    let server = Server::start();
    let (one, other) = (Node::on(&server.url()).await, Node::on(&server.url()).await);
    let fence = one.redis.lead(&one.partition).await.unwrap().expect("nobody else leads");
    assert_eq!(one.redis.lead(&one.partition).await.unwrap(), Some(fence));
    assert_eq!(other.redis.lead(&other.partition).await.unwrap(), None);
    let led = |fence| PublishRequest { fence: Some(fence), ..one.request(&[Topic::All], "x") };
    assert!(one.send(led(fence)).await.is_ok());

    one.redis.resign(&one.partition, fence).await;
    let newer = other.redis.lead(&other.partition).await.unwrap().expect("the place is free");
    assert!(newer > fence);
    assert_eq!(one.send(led(fence)).await, Err(PublishError::Fenced));
    // Giving up what one no longer has changes nothing.
    one.redis.resign(&one.partition, fence).await;
    assert_eq!(one.redis.lead(&one.partition).await.unwrap(), None);

    server.ask(&["FLUSHALL"]);
    assert_eq!(other.send(led(newer)).await, Err(PublishError::Fenced));
    assert!(one.redis.lead(&one.partition).await.unwrap().expect("the place is free") > newer);
}

#[tokio::test]
async fn an_unrenewed_lease_ends_by_itself() {
    let server = Server::start();
    let (one, other) = (Node::on(&server.url()).await, Node::on(&server.url()).await);
    let fence = one.redis.lead(&one.partition).await.unwrap().unwrap();
    let ttl = server.ask(&["PTTL", "fanfare:{default/}:lease"]).number();
    assert!((1_000..=2_000).contains(&ttl));
    server.ask(&["DEL", "fanfare:{default/}:lease"]);
    let newer = other.redis.lead(&other.partition).await.unwrap().unwrap();
    assert!(newer > fence);
}

#[tokio::test]
async fn inbox_entries_are_published_once_also_when_a_leader_dies_in_between() {
    let server = Server::start();
    let add = |text: &str| server.ask(&["XADD", INBOX, "*", "event", text]).text().to_owned();
    let ids: Vec<String> = ["1", "2", "3"].iter().map(|text| add(text)).collect();
    let one = Node::on(&server.url()).await;
    let read = one.redis.inbox(&one.partition, 2).await.unwrap();
    assert_eq!(read.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), ids[..2]);
    assert_eq!(read[0].fields[0].0, "event");
    assert_eq!(read[0].fields[0].1.as_ref(), b"1");
    assert!(!one.send(settling(&one, &ids[0], None)).await.unwrap().duplicate);
    // The answer got lost and the leader died: a successor starts with what is unsettled.
    drop(one);
    let other = Node::on(&server.url()).await;
    assert!(other.send(settling(&other, &ids[0], None)).await.unwrap().duplicate);
    let left = other.redis.inbox(&other.partition, 10).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), ids[1..2]);
    assert!(!other.send(settling(&other, &ids[1], None)).await.unwrap().duplicate);
    let new = other.redis.inbox(&other.partition, 10).await.unwrap();
    assert_eq!(new.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), ids[2..]);
    other.redis.discard(&other.partition, &ids[2]).await.unwrap();
    assert!(other.redis.inbox(&other.partition, 10).await.unwrap().is_empty());

    let published: Vec<_> = other.all_entries(&Topic::All).await.into_iter().map(|entry| entry.envelope).collect();
    assert_eq!(published, [ids[0].as_bytes().to_vec(), ids[1].as_bytes().to_vec()]);
    assert_eq!(server.ask(&["XLEN", INBOX]).number(), 0);
}

#[tokio::test]
async fn an_inbox_entry_deleted_while_pending_holds_nothing_up() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    let deleted = server.ask(&["XADD", INBOX, "*", "event", "1"]).text().to_owned();
    assert_eq!(node.redis.inbox(&node.partition, 10).await.unwrap().len(), 1);
    server.ask(&["XDEL", INBOX, &deleted]);
    let kept = server.ask(&["XADD", INBOX, "*", "event", "2"]).text().to_owned();
    let read = node.redis.inbox(&node.partition, 10).await.unwrap();
    assert_eq!(read.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), [kept]);
}

#[tokio::test]
async fn waiting_for_the_inbox_holds_up_nothing_else_and_ends_with_the_first_entry() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    assert!(node.redis.inbox(&node.partition, 1).await.unwrap().is_empty());
    let waiting = node.redis.inbox(&node.partition, 1);
    let adding = async {
        node.publish(&Topic::All, "meanwhile").await;
        server.ask(&["XADD", INBOX, "*", "event", "1"]);
    };
    let (read, ()) = tokio::join!(waiting, adding);
    assert_eq!(read.unwrap().len(), 1);
}

#[tokio::test]
async fn foreign_channels_and_patterns_are_heard_from_the_confirmation_on() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    let mut foreign = node.redis.foreign().unwrap();
    let (channels, patterns) = (["plain".to_owned()], ["socket.io#/#*".to_owned()]);
    node.redis.listen(&channels, &patterns).await.unwrap();
    assert_eq!(server.ask(&["PUBLISH", "plain", "1"]).number(), 1);
    assert_eq!(server.ask(&["PUBLISH", "socket.io#/#room#", "2"]).number(), 1);
    let (first, second) = (foreign.recv().await.unwrap(), foreign.recv().await.unwrap());
    assert_eq!((first.channel.as_str(), first.payload.as_ref()), ("plain", b"1".as_ref()));
    assert_eq!((second.channel.as_str(), second.payload.as_ref()), ("socket.io#/#room#", b"2".as_ref()));

    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    until("listening again", || server.ask(&["PUBLISH", "plain", "3"]).number() == 1).await;
    assert_eq!(foreign.recv().await.unwrap().payload.as_ref(), b"3");
    node.redis.unlisten(&channels, &patterns).await;
    until("nobody listens", || server.ask(&["PUBLISH", "plain", "4"]).number() == 0).await;
}

#[tokio::test]
async fn what_the_command_line_appends_waits_for_the_leader() {
    let mut server = Server::start();
    let node = Node::on(&server.url()).await;
    let fields = [("event", "news"), ("data", r#"{"a":1}"#), ("room", "kitchen")];
    let id = append_to_inbox(&options(&server.url()), &node.partition, &fields).await.unwrap();

    let entries = node.redis.inbox(&node.partition, 10).await.unwrap();
    let read: Vec<_> = entries[0].fields.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
    let written: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    assert_eq!((entries[0].id.as_str(), read), (id.as_str(), written));

    server.stop();
    let outcome = append_to_inbox(&options(&server.url()), &node.partition, &fields).await;
    assert!(matches!(outcome, Err(OutsideError::Connect(_))), "{outcome:?}");
}
