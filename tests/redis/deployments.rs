//! Redis in the forms that operators run it: TLS, Sentinel, Cluster, Valkey.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fanfare::backplane::{self, Backplane as _, Ingest as _, PublishRequest};
use fanfare::event::Topic;

use super::node::{Node, options, partition, room, until};
use super::server::{self, Answer, Server, ask, free_port};

/// Publishes until it works again and the subscriber hears it again. Returns how long that took.
async fn heals(node: &mut Node, topic: &Topic) -> Duration {
    let started = Instant::now();
    let healed = async {
        loop {
            if let Ok(receipt) = node.send(node.request(std::slice::from_ref(topic), "again")).await {
                let id = receipt.position.unwrap().id;
                let heard = async { while node.announcement().await.id < id {} };
                if tokio::time::timeout(Duration::from_millis(100), heard).await.is_ok() {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), healed).await.expect("what is published is heard again");
    until("proven", || node.redis.proven().is_ok()).await;
    started.elapsed()
}

#[tokio::test]
async fn tls_is_spoken_with_an_authority_of_ones_own_and_with_no_other() {
    let directory = std::env::temp_dir().join(format!("fanfare-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str| directory.join(name).to_string_lossy().into_owned();
    make_certificates(&file);
    let port = free_port();
    let tls = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("server.pem"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "no",
    ];
    let server = Server::with(&tls);
    let mut settings = options(&format!("rediss://localhost:{port}"));
    settings.ca_file = Some(file("ca.pem").into());
    let mut node = Node::with(settings.clone(), backplane::Options::default()).await;
    node.watch(&[room("a")]).await;
    let id = node.publish(&room("a"), "x").await;
    assert_eq!(node.announcement().await.id, id);
    settings.ca_file = Some(file("other.pem").into());
    let (tracker, stop) = Default::default();
    assert!(fanfare::redis::connect(settings, backplane::Options::default(), &tracker, &stop).await.is_err());
    drop(server);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Two authorities, `ca` and `other`, and a certificate for `server` signed by the first.
fn make_certificates(file: &dyn Fn(&str) -> String) {
    let openssl = |args: &[&str]| {
        let output =
            Command::new("openssl").args(args).output().expect("openssl is installed (apt-get install openssl)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for (name, subject) in [("ca", "/CN=test authority"), ("other", "/CN=other authority")] {
        let (key, certificate) = (file(&format!("{name}.key")), file(&format!("{name}.pem")));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            subject,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ]);
    }
    std::fs::write(file("ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost").unwrap();
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        &file("server.key"),
        "-out",
        &file("server.csr"),
    ]);
    openssl(&[
        "x509",
        "-req",
        "-in",
        &file("server.csr"),
        "-CA",
        &file("ca.pem"),
        "-CAkey",
        &file("ca.key"),
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        &file("ext"),
        "-out",
        &file("server.pem"),
    ]);
}

#[tokio::test]
async fn a_sentinel_failover_is_followed() {
    let primary = Server::start();
    let mut replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    server::until("the replica is in step", || primary.ask(&["INFO", "replication"]).text().contains("state=online"));
    let sentinels: Vec<Server> = (0..3).map(|_| sentinel(primary.port)).collect();
    server::until("the sentinels know each other and the replica", || {
        sentinels.iter().all(|sentinel| {
            let known = |what: &str| sentinel.ask(&["SENTINEL", what, "main"]).list().len();
            known("SENTINELS") == 2 && known("REPLICAS") == 1
        })
    });
    let others: Vec<String> =
        sentinels[1..].iter().map(|sentinel| format!("node=127.0.0.1:{}", sentinel.port)).collect();
    let url = format!("redis-sentinel://127.0.0.1:{}?sentinelServiceName=main&{}", sentinels[0].port, others.join("&"));
    let mut node = Node::on(&url).await;
    node.watch(&[room("a")]).await;
    let before = node.publish(&room("a"), "x").await;
    assert_eq!(node.announcement().await.id, before);
    server::until("replicated", || replica.ask(&["EXISTS", "fanfare:{default/}:head"]) == Answer::Number(1));

    // On request: the former primary lives on as a replica, which would answer, but only that it is one.
    assert_eq!(sentinels[0].ask(&["SENTINEL", "FAILOVER", "main"]).text(), "OK");
    // Until then it takes writes that nobody will ever see, as Redis does.
    server::until("the primary is demoted", || primary.ask(&["INFO", "replication"]).text().contains("role:slave"));
    println!("heard again after {:?}", heals(&mut node, &room("a")).await);
    let entries = node.all_entries(&room("a")).await;
    assert_eq!((entries[0].id, entries[1].prev), (before, before));
    assert_ne!(entries[1].id.lineage(), before.lineage());

    // By death, back to the first.
    server::until("the first is in step again", || {
        replica.ask(&["INFO", "replication"]).text().contains("state=online")
            && sentinels.iter().all(|sentinel| {
                let address = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
                address.list()[1].text() == replica.port.to_string()
            })
    });
    replica.stop();
    println!("heard again after {:?}", heals(&mut node, &room("a")).await);
    let third = node.all_entries(&room("a")).await.last().unwrap().id;
    assert!(third.lineage() != before.lineage() && third.lineage() != entries[1].id.lineage());
}

fn sentinel(primary: u16) -> Server {
    let path = std::env::temp_dir().join(format!("fanfare-sentinel-{}-{}.conf", std::process::id(), free_port()));
    let text = format!(
        "sentinel monitor main 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds main 1000\n\
         sentinel failover-timeout main 5000\nsentinel parallel-syncs main 1\n"
    );
    std::fs::write(&path, text).unwrap();
    Server::configured("redis-server".into(), Some(&path), &["--sentinel"])
}

/// Three primaries and three replicas.
struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    async fn start() -> Self {
        let nodes: Vec<Server> =
            (0..6).map(|_| Server::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"])).collect();
        let mut create: Vec<String> = ["--cluster", "create"].map(str::to_owned).to_vec();
        create.extend(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
        let output = Command::new("redis-cli").args(&create).output().expect("redis-cli is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { nodes };
        until("the cluster is up", || {
            cluster.nodes.iter().all(|node| {
                let info = node.ask(&["CLUSTER", "INFO"]);
                info.text().contains("cluster_state:ok") && info.text().contains("cluster_known_nodes:6")
            }) && cluster.nodes[3..]
                .iter()
                .all(|node| node.ask(&["INFO", "replication"]).text().contains("master_link_status:up"))
        })
        .await;
        cluster
    }

    fn url(&self) -> String {
        let others: Vec<String> = self.nodes[1..].iter().map(|node| format!("node=127.0.0.1:{}", node.port)).collect();
        format!("redis-cluster://127.0.0.1:{}?{}", self.nodes[0].port, others.join("&"))
    }

    /// Where the keys of a partition's head live: an index into `nodes`.
    fn owner(&self, key: &str) -> usize {
        let slot = ask(self.nodes[0].port, &["CLUSTER", "KEYSLOT", key]).number();
        let slots = self.nodes.iter().find(|node| node.is_there()).expect("a node answers").ask(&["CLUSTER", "SLOTS"]);
        let range =
            slots.list().iter().find(|range| (range.list()[0].number()..=range.list()[1].number()).contains(&slot));
        let port = range.expect("every slot is served").list()[2].list()[1].number();
        self.nodes.iter().position(|node| i64::from(node.port) == port).unwrap()
    }
}

#[tokio::test]
async fn a_cluster_serves_partitions_of_every_shard_and_survives_a_lost_primary() {
    let mut cluster = Cluster::start().await;
    let mut node = Node::on(&cluster.url()).await;
    for namespace in ["/", "/a", "/b", "/c", "/d"] {
        node.partition = partition(namespace);
        let rooms: Vec<Topic> = (0..600).map(|number| room(&number.to_string())).collect();
        node.watch(&rooms).await;
        for at in [0, 599] {
            let first = node.publish(&rooms[at], "x").await;
            let announcement = node.announcement().await;
            assert_eq!((announcement.id, &announcement.partition), (first, &node.partition));
        }
        let heads = node.redis.heads(&node.partition, &rooms).await.unwrap();
        assert_eq!(heads.topics[599], heads.last);
    }
    // The foreign ways in, on whatever shard.
    let mut foreign = node.redis.foreign().unwrap();
    node.redis.listen(&["plain".to_owned()], &["socket.io#*".to_owned()]).await.unwrap();
    for (at, server) in cluster.nodes.iter().enumerate() {
        server.ask(&["PUBLISH", if at % 2 == 0 { "plain" } else { "socket.io#/#" }, &at.to_string()]);
        assert_eq!(foreign.recv().await.unwrap().payload.as_ref(), at.to_string().as_bytes());
    }
    for namespace in ["/", "/a", "/b", "/c"] {
        node.partition = partition(namespace);
        let fence = node.redis.lead(&node.partition).await.unwrap();
        let inbox = format!("fanfare:{{default{namespace}}}:inbox");
        let owner = &cluster.nodes[cluster.owner(&inbox)];
        let inbox_id = Some(owner.ask(&["XADD", &inbox, "*", "a", "b"]).text().to_owned());
        let read = node.redis.inbox(&node.partition, 10).await.unwrap();
        assert_eq!(Some(&read[0].id), inbox_id.as_ref());
        let request = PublishRequest { fence, inbox_id, ..node.request(&[room("0")], "from the inbox") };
        assert!(!node.send(request).await.unwrap().duplicate);
    }

    node.partition = partition("/");
    let owner = cluster.owner("fanfare:{default/}:head");
    cluster.nodes[owner].stop();
    println!("heard again after {:?}", heals(&mut node, &room("599")).await);
}

#[tokio::test]
async fn a_frozen_primary_of_a_cluster_is_replaced() {
    let cluster = Cluster::start().await;
    let mut node = Node::on(&cluster.url()).await;
    node.watch(&[room("a")]).await;
    node.publish(&room("a"), "x").await;
    let owner = cluster.owner("fanfare:{default/}:head");
    cluster.nodes[owner].signal("STOP");
    println!("heard again after {:?}", heals(&mut node, &room("a")).await);
    cluster.nodes[owner].signal("CONT");
    println!("heard again after {:?}", heals(&mut node, &room("a")).await);
}

#[tokio::test]
async fn a_slot_that_moves_takes_its_subscriptions_along() {
    let cluster = Cluster::start().await;
    let mut node = Node::on(&cluster.url()).await;
    node.watch(&[room("a"), room("b")]).await;
    let before = node.publish(&room("a"), "x").await;
    assert_eq!(node.announcement().await.id, before);
    let slot = cluster.nodes[0].ask(&["CLUSTER", "KEYSLOT", "fanfare:{default/}:head"]).number().to_string();
    let from = cluster.owner("fanfare:{default/}:head");
    let to = (0..3).find(|&at| at != from).unwrap();
    let name = |at: usize| cluster.nodes[at].ask(&["CLUSTER", "MYID"]).text().to_owned();
    let (source, target) = (name(from), name(to));
    cluster.nodes[to].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]);
    cluster.nodes[from].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
    loop {
        let keys = cluster.nodes[from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
        if keys.list().is_empty() {
            break;
        }
        for key in keys.list() {
            let port = cluster.nodes[to].port.to_string();
            cluster.nodes[from].ask(&["MIGRATE", "127.0.0.1", &port, key.text(), "0", "5000"]);
        }
    }
    for at in [to, from, 0, 1, 2] {
        cluster.nodes[at].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]);
    }
    println!("heard again after {:?}", heals(&mut node, &room("a")).await);
    node.redis.watch(&node.partition, &[room("c")]).await.unwrap();
    let entries = node.all_entries(&room("a")).await;
    assert_eq!((entries[0].id, entries[1].prev), (before, before));
}

#[tokio::test]
async fn valkey_serves_as_well() {
    let program = std::env::var("FANFARE_TEST_VALKEY").expect("FANFARE_TEST_VALKEY names a valkey-server");
    let server = Server::run(Path::new(&program).to_owned(), &[]);
    let mut node = Node::on(&server.url()).await;
    node.watch(&[room("a")]).await;
    let first = node.publish(&room("a"), "1").await;
    let second = node.publish(&room("a"), "2").await;
    assert_eq!(node.announcement().await.id, first);
    let announcement = node.announcement().await;
    assert_eq!((announcement.id, announcement.topics[0].1), (second, first));
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    node.interrupted().await;
    heals(&mut node, &room("a")).await;
}
