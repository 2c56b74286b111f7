//! The registry of nodes: leases that end, the dead and who buries them, the secret that all share.

use fanfare::backplane::{self, Address, Dead, Nodes as _};
use fanfare::ids::NodeId;

use super::node::{Node, options};
use super::server::Server;

const REGISTRY: &str = "fanfare:{default}:nodes";

async fn joined(server: &Server) -> (Node, NodeId) {
    let settings = options(&server.url());
    let node = settings.node;
    (Node::with(settings, backplane::Options::default()).await, node)
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// As if the node had not renewed its lease for so long.
fn let_the_lease_end(server: &Server, dead: &Dead) {
    server.ask(&["DEL", &format!("{REGISTRY}:lease:{}", dead.node)]);
    let member = format!("{} {}", dead.node, dead.incarnation);
    server.ask(&["ZADD", &format!("{REGISTRY}:members"), "XX", "1", &member]);
}

#[tokio::test]
async fn a_lease_ends_by_itself_and_whoever_held_it_is_fenced() {
    let server = Server::start();
    let ((one, first), (other, _)) = (joined(&server).await, joined(&server).await);
    let tenure = one.redis.enter(&address("a:1")).await.unwrap();
    let lease = format!("{REGISTRY}:lease:{first}");
    assert!((5_000..=6_000).contains(&server.ask(&["PTTL", &lease]).number()));
    server.ask(&["PEXPIRE", &lease, "10"]);
    assert!(one.redis.renew(tenure.incarnation).await.unwrap().is_some());
    assert!(server.ask(&["PTTL", &lease]).number() > 5_000, "renewed");

    let_the_lease_end(&server, &Dead { node: first, incarnation: tenure.incarnation });
    assert_eq!(other.redis.find(first).await, Ok(None));
    assert_eq!(one.redis.renew(tenure.incarnation).await, Ok(None));
    let again = one.redis.enter(&address("a:1")).await.unwrap();
    assert!(again.incarnation > tenure.incarnation);
    assert_eq!(one.redis.renew(tenure.incarnation).await, Ok(None), "the earlier life stays fenced");
    assert_eq!(other.redis.find(first).await.unwrap().unwrap().incarnation, again.incarnation);
}

#[tokio::test]
async fn incarnations_grow_also_when_redis_came_back_empty() {
    let server = Server::start();
    let (one, _) = joined(&server).await;
    let before = one.redis.enter(&address("a:1")).await.unwrap();
    server.ask(&["FLUSHALL"]);
    assert_eq!(one.redis.renew(before.incarnation).await, Ok(None));
    assert!(one.redis.enter(&address("a:1")).await.unwrap().incarnation > before.incarnation);
}

#[tokio::test]
async fn one_node_sweeps_and_each_dead_life_is_buried_once() {
    let server = Server::start();
    let ((one, _), (other, _), (third, dying)) = (joined(&server).await, joined(&server).await, joined(&server).await);
    for (node, at) in [(&one, "a:1"), (&other, "b:1")] {
        node.redis.enter(&address(at)).await.unwrap();
    }
    let incarnation = third.redis.enter(&address("c:1")).await.unwrap().incarnation;
    assert_eq!(one.redis.dead().await, Ok(Vec::new()));
    let dead = Dead { node: dying, incarnation };
    let_the_lease_end(&server, &dead);
    assert_eq!(other.redis.dead().await, Ok(Vec::new()), "one sweeps at a time");
    assert_eq!(one.redis.dead().await, Ok(vec![dead]));
    assert_eq!(one.redis.dead().await, Ok(vec![dead]), "until it is buried");
    assert_eq!((one.redis.bury(&dead).await, one.redis.bury(&dead).await), (Ok(true), Ok(false)));
    assert_eq!(one.redis.dead().await, Ok(Vec::new()));

    server.ask(&["DEL", &format!("{REGISTRY}:sweeper")]);
    let_the_lease_end(&server, &dead);
    assert_eq!(other.redis.dead().await, Ok(Vec::new()), "another one takes over, and nothing is left to do");
}

#[tokio::test]
async fn the_first_secret_is_everybodys() {
    let server = Server::start();
    let ((one, _), (other, _)) = (joined(&server).await, joined(&server).await);
    assert_eq!(one.redis.share("first").await.as_deref(), Ok("first"));
    assert_eq!(other.redis.share("second").await.as_deref(), Ok("first"));
    assert_eq!(one.redis.share("first").await.as_deref(), Ok("first"));
}

#[tokio::test]
async fn an_entry_with_a_strange_address_is_no_node() {
    let server = Server::start();
    let (one, own) = joined(&server).await;
    let tenure = one.redis.enter(&address("a:1")).await.unwrap();
    let lease = format!("{REGISTRY}:lease:{own}");
    for strange in ["user@a:1", "a:1/path", "http://a:1", "a", "a:1 b:2", "a:0", "a\r\nb:1"] {
        server.ask(&["SET", &lease, &format!("{} 1 {strange}", tenure.incarnation)]);
        assert_eq!(one.redis.find(own).await, Ok(None), "{strange:?}");
    }
    server.ask(&["DEL", &lease]);
    server.ask(&["LPUSH", &lease, "x"]);
    assert!(one.redis.find(own).await.is_err());
    server.ask(&["ZADD", &format!("{REGISTRY}:members"), "1", "no member of ours"]);
    assert_eq!(one.redis.dead().await, Ok(Vec::new()));
}

#[tokio::test]
async fn tenants_do_not_know_each_others_nodes() {
    let server = Server::start();
    let (one, own) = joined(&server).await;
    one.redis.enter(&address("a:1")).await.unwrap();
    let mut settings = options(&server.url());
    settings.tenant = fanfare::ids::Tenant::new("other").unwrap();
    let other = Node::with(settings, backplane::Options::default()).await;
    assert_eq!(other.redis.find(own).await, Ok(None));
    assert_eq!(other.redis.share("theirs").await.as_deref(), Ok("theirs"));
}
