//! Who may connect, and what a user of Redis needs for it.

use fanfare::backplane::resume::{Claim, Claimant, Record, Save, Saved, Sessions as _, Since, What};
use fanfare::backplane::{self, Backplane as _, Ingest as _};
use fanfare::event::Topic;
use fanfare::ids::{PrivateId, Room, SocketId};
use fanfare::redis::{ConnectError, Verdict, connect, examine};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::node::{Node, options, room, until};
use super::server::Server;

/// As documented for operators.
pub const RIGHTS: &[&str] = &[
    "-@all",
    "+hello",
    "+ping",
    "+client|id",
    "+client|info",
    "+info",
    "+time",
    "+fcall",
    "+function|load",
    "+publish",
    "+spublish",
    "+subscribe",
    "+unsubscribe",
    "+psubscribe",
    "+punsubscribe",
    "+get",
    "+set",
    "+mget",
    "+setrange",
    "+del",
    "+hget",
    "+hset",
    "+hmget",
    "+hgetall",
    "+hincrby",
    "+hdel",
    "+pexpire",
    "+zadd",
    "+zscore",
    "+zrangebyscore",
    "+zremrangebyscore",
    "+xadd",
    "+xtrim",
    "+xrange",
    "+xrevrange",
    "+xpending",
    "+xack",
    "+xdel",
    "+xreadgroup",
    "+xgroup|create",
    "+zadd",
    "+zrem",
    "+zrange",
    "+wait",
    "+config|get",
    "+acl|dryrun",
    "+acl|whoami",
    "+quit",
];

#[tokio::test]
async fn a_user_with_the_documented_rights_and_no_more_can_do_everything() {
    let server = Server::start();
    let mut rule = vec!["ACL", "SETUSER", "gateway", "on", ">s3cret:/@", "~app:*", "&app:*", "&socket.io#/#*"];
    rule.extend(RIGHTS);
    assert_eq!(server.ask(&rule).text(), "OK");
    server.ask(&["ACL", "SETUSER", "default", "off"]);
    let mut settings = options(&server.url());
    settings.username = Some("gateway".into());
    settings.password = Some("s3cret:/@".into());
    settings.key_prefix = "app:".into();
    let mut node = Node::with(settings, backplane::Options::default()).await;
    node.watch(&[room("a")]).await;
    let id = node.send(node.once(&room("a"), "x", "k", "d")).await.unwrap().position.unwrap().id;
    assert!(node.send(node.once(&room("a"), "x", "k", "d")).await.unwrap().duplicate);
    assert_eq!(node.announcement().await.id, id);
    assert_eq!(node.all_entries(&room("a")).await.len(), 1);
    node.redis.lead(&node.partition).await.unwrap().unwrap();
    node.redis.listen(&[], &["socket.io#/#*".into()]).await.unwrap();
    assert!(node.redis.inbox(&node.partition, 1).await.unwrap().is_empty());
    node.redis.unwatch(&node.partition, &[room("a")]).await;
    node.redis.timeline(&node.partition).await.unwrap();
    let pid = PrivateId::from_random([1; 15]);
    let claimant = Claimant { subject: "", node: "n", lifetime_ms: 1_000 };
    let record = Record {
        socket: SocketId::from_random([1; 12]),
        subject: String::new(),
        node: "n".into(),
        began: Since::Nowhere,
        rooms: Vec::new(),
    };
    let left = What::Rooms { joined: Vec::new(), left: vec![Room::new("a").unwrap()] };
    for what in [What::Whole(Box::new(record)), left] {
        let save = Save { pid, generation: 1, lifetime_ms: 1_000, what };
        assert_eq!(node.redis.save(&node.partition, save).await.unwrap(), Saved::Done);
    }
    let claim = node.redis.claim(&node.partition, pid, claimant).await.unwrap();
    assert!(matches!(claim, Claim::Claimed { generation: 2, .. }), "{claim:?}");

    // What is not allowed is refused, by name, and spoils nothing.
    let refused = node.redis.listen(&["forbidden".into()], &[]).await.unwrap_err();
    assert!(refused.0.contains("NOPERM"), "{refused}");
    node.watch(&[room("b")]).await;
    let id = node.publish(&room("b"), "x").await;
    assert_eq!(node.announcement().await.id, id);
}

#[tokio::test]
async fn a_key_prefix_keeps_two_gateways_apart() {
    let server = Server::start();
    let mut settings = options(&server.url());
    settings.key_prefix = "two:".into();
    let mut two = Node::with(settings, backplane::Options::default()).await;
    let one = Node::on(&server.url()).await;
    two.watch(&[Topic::All]).await;
    one.publish(&Topic::All, "one").await;
    let id = two.publish(&Topic::All, "two").await;
    assert_eq!(two.announcement().await.id, id);
    for key in server.ask(&["KEYS", "*"]).list() {
        assert!(key.text().starts_with("fanfare:{default/}:") || key.text().starts_with("two:{default/}:"), "{key:?}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_a_reason_and_without_secrets() {
    let server = Server::with(&["--requirepass", "right"]);
    let refused = |url: String, prefix: &str| {
        let mut settings = options(&url);
        settings.key_prefix = prefix.to_owned();
        async {
            let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
            let outcome = connect(settings, backplane::Options::default(), &tracker, &stop).await;
            tracker.close();
            tracker.wait().await;
            outcome.err().expect("refused")
        }
    };
    let wrong = refused(format!("redis://:wr0ng@127.0.0.1:{}", server.port), "x:").await;
    assert!(matches!(wrong, ConnectError::Unreachable { .. }) && !wrong.to_string().contains("wr0ng"), "{wrong}");
    let nobody = refused("redis://127.0.0.1:1".into(), "x:").await;
    assert!(matches!(nobody, ConnectError::Unreachable { .. }), "{nobody}");
    assert!(matches!(refused(server.url(), "{x}").await, ConnectError::KeyPrefix));
    assert!(matches!(refused("not a url".into(), "x:").await, ConnectError::Url(_)));
    let shown = format!("{:?}", options("redis://:s3cret@localhost"));
    assert!(!shown.contains("s3cret"));
}

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_with_a_plain_server() {
    let server = Server::start();
    let findings = examine(&options(&server.url())).await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{findings:#?}");
    assert_eq!(findings.len(), 5);
}

#[tokio::test]
async fn the_doctor_names_each_missing_right_and_each_bad_setting_with_its_cure() {
    let server = Server::with(&["--maxmemory-policy", "allkeys-lru"]);
    server.ask(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 1mb 1"]);
    server.ask(&["ACL", "SETUSER", "default", "-xadd", "-fcall", "-function"]);
    let findings = examine(&options(&server.url())).await;
    let found = |verdict, text: &str| {
        findings.iter().any(|f| f.verdict == verdict && f.what.contains(text) && !f.cure.is_empty())
    };
    assert!(found(Verdict::Fault, "may not do xadd"), "{findings:#?}");
    assert!(found(Verdict::Warning, "scripts"), "{findings:#?}");
    assert!(found(Verdict::Warning, "allkeys-lru"), "{findings:#?}");
    assert!(found(Verdict::Warning, "cut off at 1048576"), "{findings:#?}");
    drop(server);
    let findings = examine(&options("redis://127.0.0.1:1")).await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].verdict, Verdict::Fault);
}

#[tokio::test]
async fn a_password_that_is_wrong_for_a_while_is_no_reason_to_give_up() {
    let server = Server::start();
    let allow = |password: &str| {
        server.ask(&["ACL", "SETUSER", "gateway", "on", "resetpass", password, "allkeys", "allchannels", "+@all"])
    };
    allow(">right");
    let mut node = Node::on(&format!("redis://gateway:right@127.0.0.1:{}", server.port)).await;
    node.watch(&[room("a")]).await;
    allow(">wrong");
    server.ask(&["CLIENT", "KILL", "USER", "gateway"]);
    until("the loss is noticed", || node.redis.proven().is_err()).await;
    allow(">right");
    node.interrupted().await;
    until("proven again", || node.redis.proven().is_ok()).await;
    let id = node.publish(&room("a"), "x").await;
    assert_eq!(node.announcement().await.id, id);
}

#[tokio::test]
async fn when_it_stops_every_task_and_connection_ends() {
    let server = Server::start();
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let redis = connect(options(&server.url()), backplane::Options::default(), &tracker, &stop).await.unwrap();
    let partition = super::node::partition("/");
    redis.watch(&partition, &[room("a")]).await.unwrap();
    redis.listen(&["plain".into()], &[]).await.unwrap();
    redis.inbox(&partition, 1).await.unwrap();
    stop.cancel();
    tracker.close();
    tokio::time::timeout(std::time::Duration::from_secs(5), tracker.wait()).await.expect("every task ends");
    until("nobody is connected", || server.ask(&["CLIENT", "LIST"]).text().lines().count() == 1).await;
    assert!(redis.watch(&partition, &[room("b")]).await.is_err());
}
