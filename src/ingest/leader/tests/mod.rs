mod fake;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Leader;
use crate::event::Partition;
use crate::ids::{Namespace, Tenant};
use crate::ingest::{Options, Refusal, Source};
use fake::{Node, Redis};

struct Running {
    node: Arc<Node>,
    leader: Leader,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    fn start(redis: &Arc<Redis>, namespaces: &[&str]) -> Self {
        let (node, tasks, stop) = (redis.node(), TaskTracker::new(), CancellationToken::new());
        let tenant = Tenant::new("default").unwrap();
        let partition = |name: &&str| Partition::new(tenant.clone(), Namespace::new(name).unwrap());
        let leader = Leader::start(
            Arc::clone(&node) as _,
            Arc::clone(&node) as _,
            Options::default(),
            namespaces.iter().map(partition).collect(),
            (&tasks, stop.clone()),
            || 1_000_000,
        );
        tasks.close();
        Self { node, leader, tasks, stop }
    }

    async fn leading(redis: &Arc<Redis>, namespaces: &[&str]) -> Self {
        let running = Self::start(redis, namespaces);
        until(|| running.node.hears("socketio")).await;
        running
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn refused(&self, source: Source, refusal: Refusal) -> u64 {
        let counts = self.leader.counters().snapshot();
        let of_source = counts.iter().find(|count| count.source == source).unwrap();
        of_source.refused.iter().find(|(reason, _)| *reason == refusal).unwrap().1
    }
}

/// Time is virtual, so this waits for the condition and costs nothing.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the condition did not come true");
}

fn event(number: usize) -> String {
    format!(r#"{{"event":"e","data":{number}}}"#)
}

fn published(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!(r#"/["e",{number}]"#)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_of_two_nodes_listens_and_publishes_in_order() {
    let redis = Arc::new(Redis::default());
    let first = Running::leading(&redis, &["/", "/admin"]).await;
    let second = Running::start(&redis, &["/", "/admin"]);
    until(|| second.node.turned_away.load(Ordering::Relaxed) > 3).await;
    redis.say("fanfare:/", &event(0));
    redis.say("fanfare:/:room", &event(1));
    redis.say("socketio", r#"{"method":"emit","event":"e","data":[2]}"#);
    redis.say("socket.io#/#", r#"["emitter",{"type":2,"data":["e",3],"nsp":"/"},{"rooms":[]}]"#);
    until(|| redis.log().len() == 4).await;
    assert_eq!(redis.log(), published(0..4));
    assert_eq!((first.leader.leads(), second.leader.leads()), (2, 0));
    assert!(!second.node.hears("socketio"));
    first.end().await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn each_namespace_gets_its_own_messages_once() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/a", "/a:b", "/a#c"]).await;
    redis.say("fanfare:/a:b", &event(0));
    redis.say("fanfare:/a:b:room", &event(1));
    redis.say("fanfare:/a:room", &event(2));
    redis.say("socket.io#/a#c#", r#"["emitter",{"type":2,"data":["e",3],"nsp":"/a#c"},{"rooms":[]}]"#);
    until(|| redis.log().len() >= 4).await;
    running.end().await;
    let mut log = redis.log();
    log.sort();
    assert_eq!(log, [r#"/a#c["e",3]"#, r#"/a:b["e",0]"#, r#"/a:b["e",1]"#, r#"/a["e",2]"#]);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_leader_publishes_what_it_heard_and_hands_over() {
    let redis = Arc::new(Redis::default());
    let first = Running::leading(&redis, &["/"]).await;
    let second = Running::start(&redis, &["/"]);
    for number in 0..100 {
        redis.say("fanfare:/", &event(number));
    }
    first.end().await;
    assert_eq!(redis.log(), published(0..100));
    until(|| second.node.hears("fanfare:/")).await;
    redis.say("fanfare:/", &event(100));
    until(|| redis.log().len() == 101).await;
    assert_eq!(redis.log(), published(0..101));
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_is_succeeded_and_nothing_is_published_twice() {
    let redis = Arc::new(Redis::default());
    let first = Running::leading(&redis, &["/"]).await;
    let second = Running::start(&redis, &["/"]);
    first.node.cut();
    until(|| second.node.hears("fanfare:/")).await;
    assert!(first.node.hears("fanfare:/"), "it cannot know yet");
    for number in 0..10 {
        redis.say("fanfare:/", &event(number));
    }
    until(|| redis.log().len() == 10).await;
    until(|| first.refused(Source::Plain, Refusal::Unavailable) == 10).await;
    assert_eq!(redis.log(), published(0..10));
    first.end().await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_fenced_leader_steps_down_at_once() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/"]).await;
    redis.depose();
    redis.say("fanfare:/", &event(0));
    redis.say("fanfare:/", &event(1));
    until(|| running.refused(Source::Plain, Refusal::Fenced) == 2).await;
    until(|| !running.node.hears("fanfare:/")).await;
    assert!(redis.log().is_empty());
    // The usurper's lease ends, and the node leads again.
    until(|| running.node.hears("fanfare:/")).await;
    redis.say("fanfare:/", &event(2));
    until(|| redis.log() == published(2..3)).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_of_unknown_outcome_is_repeated_and_equal_messages_are_not_one() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/"]).await;
    redis.state().fail_before = 2;
    redis.state().fail_after = 2;
    for _ in 0..3 {
        redis.say("fanfare:/", &event(7));
    }
    redis.say("fanfare:/", &event(8));
    until(|| redis.log().len() == 4).await;
    assert_eq!(redis.log(), [published(7..8), published(7..8), published(7..9)].concat());
    running.end().await;
    assert_eq!(redis.log().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_publishers_own_key_makes_two_messages_one() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/"]).await;
    for _ in 0..2 {
        redis.say("fanfare:/", r#"{"event":"e","data":0,"idempotencyKey":"k"}"#);
    }
    redis.say("fanfare:/", &event(1));
    until(|| redis.log().len() == 2).await;
    assert_eq!(redis.log(), published(0..2));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn poison_is_counted_and_stops_nothing() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/"]).await;
    for poison in ["", "hello", "{\"event\":\"connect\"}", &"[".repeat(100_000), &"x".repeat(1_000_001)] {
        redis.say("fanfare:/", poison);
        redis.say("socketio", poison);
        redis.say("socket.io#/#", poison);
        redis.say("socket.io-request#/#", poison);
    }
    redis.push(&[("json", "{")]);
    redis.push(&[("event", "e"), ("data", "1")]);
    redis.push(&[("nonsense", "")]);
    redis.push(&[("event", "e"), ("data", "2")]);
    until(|| redis.log().len() == 2).await;
    assert_eq!(redis.log(), published(1..3));
    until(|| redis.state().inbox.iter().all(|(_, settled)| *settled)).await;
    redis.say("fanfare:/", &event(3));
    until(|| redis.log().len() == 3).await;
    assert_eq!(running.refused(Source::Plain, Refusal::Json), 2);
    assert_eq!(running.refused(Source::Plain, Refusal::EventReserved), 1);
    assert_eq!(running.refused(Source::Plain, Refusal::TooDeep), 1);
    assert_eq!(running.refused(Source::Plain, Refusal::TooLarge), 1);
    assert_eq!(running.refused(Source::Inbox, Refusal::Json), 1);
    assert_eq!(running.refused(Source::Inbox, Refusal::Shape), 1);
    for count in running.leader.counters().snapshot() {
        let ignored: u64 = count.ignored.iter().map(|(_, count)| count).sum();
        let refused: u64 = count.refused.iter().map(|(_, count)| count).sum();
        assert_eq!(count.received, count.published + ignored + refused, "{count:?}");
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn inbox_entries_survive_their_reader_and_are_published_once_in_order() {
    let redis = Arc::new(Redis::default());
    let first = Running::leading(&redis, &["/"]).await;
    let second = Running::start(&redis, &["/"]);
    redis.state().fail_after = 3;
    let push = |number: usize| redis.push(&[("event", "e"), ("data", &number.to_string())]);
    (0..200).for_each(push);
    until(|| redis.log().len() > 50).await;
    first.node.cut();
    (200..300).for_each(push);
    until(|| redis.log().len() >= 300).await;
    second.end().await;
    first.end().await;
    assert_eq!(redis.log(), published(0..300));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_does_not_pile_up() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/"]).await;
    redis.state().fail_before = usize::MAX;
    let large = format!(r#"{{"event":"e","data":"{}"}}"#, "x".repeat(900_000));
    for _ in 0..30 {
        redis.say("fanfare:/", &large);
    }
    until(|| running.refused(Source::Plain, Refusal::Overflow) > 5).await;
    redis.state().fail_before = 0;
    redis.say("socketio", r#"{"method":"emit","event":"e","data":[1]}"#);
    until(|| redis.log().last().is_some_and(|last| *last == published(1..2)[0])).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_volatile_inbox_entry_is_announced_once() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/"]).await;
    redis.push(&[("event", "e"), ("data", "0"), ("volatile", "true")]);
    redis.push(&[("event", "e"), ("data", "1")]);
    until(|| redis.log().len() >= 2 && redis.state().inbox.iter().all(|(_, settled)| *settled)).await;
    running.end().await;
    assert_eq!(redis.log(), published(0..2));
}

#[tokio::test(start_paused = true)]
async fn joins_and_disconnects_keep_their_place_among_the_events() {
    let redis = Arc::new(Redis::default());
    let running = Running::leading(&redis, &["/"]).await;
    redis.say("socketio", r#"{"method":"enter_room","sid":"S","room":"r"}"#);
    redis.say("fanfare:/:r", &event(0));
    redis.say("socket.io-request#/#", r#"{"type":4,"opts":{"rooms":["r"],"except":[]},"close":true}"#);
    until(|| redis.log().len() == 3).await;
    assert_eq!(redis.log(), [r#"/Join(["r"])"#, r#"/["e",0]"#, "/Disconnect { close: true }"]);
    running.end().await;
}
