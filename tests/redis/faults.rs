//! What a node does while Redis misbehaves, and that it heals without anybody's help.

use std::time::{Duration, Instant};

use fanfare::backplane::{self, Arrival, Backplane as _, Durability, PublishError, PublishRequest};
use fanfare::event::Topic;

use super::node::{Node, options, room, until};
use super::server::{Answer, Server};

fn channel(name: &str) -> String {
    use base64::Engine as _;
    format!("fanfare:{{default/}}:channel:r{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(name))
}

#[tokio::test]
async fn after_a_killed_subscriber_connection_everything_is_heard_again_and_then_the_interruption_is_told() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    let rooms: Vec<Topic> = (0..1_300).map(|number| room(&number.to_string())).collect();
    node.watch(&rooms).await;
    for round in 0..3 {
        server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        node.interrupted().await;
        // Everything counts as watched by the time that the interruption is told.
        for name in ["0", "600", "1299"] {
            assert_eq!(
                server.ask(&["PUBSUB", "NUMSUB", &channel(name)]).list()[1],
                Answer::Number(1),
                "{round} {name}"
            );
        }
        let id = node.publish(&rooms[1_299], "x").await;
        assert_eq!(node.announcement().await.id, id);
    }
    assert!(node.redis.counters().snapshot().resubscriptions >= 3);
}

#[tokio::test]
async fn killed_command_connections_come_back() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    for _ in 0..3 {
        server.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let mut healed = false;
        for _ in 0..200 {
            healed = node.send(node.request(&[Topic::All], "x")).await.is_ok();
            if healed {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(healed);
    }
}

#[tokio::test]
async fn a_subscription_that_the_server_dropped_is_noticed() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    // A user that may not hear the channel any more loses its connection; then it may again.
    server.ask(&["ACL", "SETUSER", "default", "resetchannels"]);
    server.ask(&["ACL", "SETUSER", "default", "allchannels"]);
    node.interrupted().await;
    let id = node.publish(&room("a"), "x").await;
    assert_eq!(node.announcement().await.id, id);
}

#[tokio::test]
async fn a_frozen_redis_costs_a_publisher_its_deadline_and_shows_until_it_is_over() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    until("proven", || node.redis.proven().is_ok()).await;
    server.signal("STOP");
    let started = Instant::now();
    let refused = node.send(node.request(&[room("a")], "x")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
    until("not proven", || node.redis.proven().is_err()).await;
    // Long enough for every connection to have been given up.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let refused = node.send(node.request(&[room("a")], "y")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    server.signal("CONT");
    let started = Instant::now();
    until("proven again", || node.redis.proven().is_ok()).await;
    node.interrupted().await;
    println!("healed after {:?}", started.elapsed());
    let id = node.publish(&room("a"), "z").await;
    while node.announcement().await.id != id {}
}

#[tokio::test]
async fn nothing_published_while_disconnected_appears_later() {
    let mut server = Server::start();
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    let port = server.port;
    server.stop();
    until("the loss is noticed", || node.redis.proven().is_err()).await;
    let started = Instant::now();
    for _ in 0..100 {
        let refused = node.send(node.request(&[room("a")], "lost")).await;
        assert!(matches!(refused, Err(PublishError::Unavailable(_))));
    }
    assert!(started.elapsed() < Duration::from_secs(1), "refused at once");
    server.restart();
    assert_eq!(server.port, port);
    node.interrupted().await;
    until("proven again", || node.redis.proven().is_ok()).await;
    let id = node.publish(&room("a"), "kept").await;
    assert_eq!(node.announcement().await.id, id);
    assert_eq!(node.all_entries(&room("a")).await.len(), 1);
}

#[tokio::test]
async fn a_lost_function_library_is_put_back() {
    let server = Server::start();
    let node = Node::on(&server.url()).await;
    node.publish(&room("a"), "1").await;
    server.ask(&["FUNCTION", "FLUSH"]);
    let topic = room("a");
    let many = (0..50).map(|_| node.publish(&topic, "2"));
    futures::future::join_all(many).await;
    assert_eq!(node.all_entries(&room("a")).await.len(), 51);
}

#[tokio::test]
async fn where_functions_are_forbidden_the_same_code_runs_as_scripts() {
    let server = Server::start();
    server.ask(&["ACL", "SETUSER", "default", "-function", "-fcall"]);
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    let first = node.publish(&room("a"), "1").await;
    server.ask(&["SCRIPT", "FLUSH"]);
    let second = node.publish(&room("a"), "2").await;
    assert_eq!(node.announcement().await.id, first);
    let announcement = node.announcement().await;
    assert_eq!((announcement.id, announcement.topics[0].1), (second, first));
    assert!(node.send(node.once(&room("a"), "x", "k", "d")).await.is_ok());
    assert!(node.send(node.once(&room("a"), "x", "k", "d")).await.unwrap().duplicate);
}

#[tokio::test]
async fn a_slow_reader_is_told_that_it_missed_something() {
    let server = Server::start();
    let mut settings = options(&server.url());
    settings.arrivals_max = 4;
    let mut node = Node::with(settings, backplane::Options::default()).await;
    node.watch(&[room("a")]).await;
    for _ in 0..10 {
        node.publish(&room("a"), "x").await;
    }
    until("overflowed", || node.redis.counters().snapshot().overflowed == 6).await;
    for _ in 0..4 {
        assert!(matches!(node.arrival().await, Arrival::Sequenced(_)));
    }
    assert!(matches!(node.arrival().await, Arrival::Interrupted { .. }));
    let id = node.publish(&room("a"), "x").await;
    assert_eq!(node.announcement().await.id, id);
}

#[tokio::test]
async fn what_is_under_way_at_once_is_bounded_by_number_and_bytes() {
    let server = Server::start();
    let limits = backplane::Options { in_flight: 2, in_flight_bytes: 100, ..backplane::Options::default() };
    let node = Node::with(options(&server.url()), limits).await;
    let sent = |length: usize| node.send(node.request(&[Topic::All], &"x".repeat(length)));
    let outcomes = futures::future::join_all([sent(1), sent(1), sent(1)]).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(PublishError::Busy)).count(), 1);
    let (one, other) = tokio::join!(sent(60), sent(60));
    assert!(one.is_ok());
    assert_eq!(other, Err(PublishError::Busy));
    assert!(sent(5_000).await.is_ok(), "one that is larger than all together still gets through alone");
}

#[tokio::test]
async fn a_foreign_message_on_a_watched_channel_is_counted_and_nothing_else() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    server.ask(&["PUBLISH", &channel("a"), "hello"]);
    assert!(matches!(node.arrival().await, Arrival::Unreadable));
    let id = node.publish(&room("a"), "x").await;
    assert_eq!(node.announcement().await.id, id);
    assert_eq!(node.redis.counters().snapshot().unreadable, 1);
}

#[tokio::test]
async fn an_unwatched_topic_is_silent_and_can_be_watched_again() {
    let server = Server::start();
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a"), room("b")]).await;
    node.redis.unwatch(&node.partition, &[room("a")]).await;
    until("unsubscribed", || server.ask(&["PUBLISH", &channel("a"), "x"]).number() == 0).await;
    node.publish(&room("a"), "unheard").await;
    let heard = node.publish(&room("b"), "heard").await;
    assert_eq!(node.announcement().await.id, heard);
    node.watch(&[room("a")]).await;
    let heard = node.publish(&room("a"), "heard").await;
    assert_eq!(node.announcement().await.id, heard);
}

#[tokio::test]
async fn replication_is_confirmed_or_refused_also_for_a_duplicate() {
    let server = Server::start();
    let replica = Server::with(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
    let node = Node::on(&server.url()).await;
    super::server::until("the replica is in step", || {
        server.ask(&["INFO", "replication"]).text().contains("state=online")
    });
    let durable = |wanted| PublishRequest {
        durability: Durability::Replicated(wanted),
        ..node.once(&Topic::All, "x", &format!("key {wanted}"), "d")
    };
    assert_eq!(node.send(durable(1)).await.unwrap().replicas, Some(1));
    let refused = node.send(durable(2)).await;
    assert_eq!(refused, Err(PublishError::NotReplicated { confirmed: 1, wanted: 2 }));
    replica.signal("STOP");
    // The replica stands still, so not even the answer to a known key may claim that it has it.
    let refused = node.send(durable(1)).await;
    assert_eq!(refused, Err(PublishError::NotReplicated { confirmed: 0, wanted: 1 }));
    replica.signal("CONT");
    let again = node.send(durable(1)).await.unwrap();
    assert_eq!((again.duplicate, again.replicas), (true, Some(1)));
}
