//! Records of sessions: whoever comes back finds them, on any node, and once.

use std::sync::Arc;

use fanfare::backplane::Options;
use fanfare::backplane::resume::{By, Claim, Claimant, Record, Save, Saved, Sessions, Since, Stay, What};
use fanfare::event::{Id, Partition};
use fanfare::ids::{PrivateId, Room, SocketId};

use super::{Fixture, partition, publish, room};

const LIFETIME_MS: u64 = 600_000;

struct Session {
    partition: Arc<Partition>,
    pid: PrivateId,
}

impl Session {
    fn new() -> Self {
        let mut random = [0; 15];
        getrandom::fill(&mut random).unwrap();
        Self { partition: partition(), pid: PrivateId::from_random(random) }
    }

    async fn save(&self, store: &Arc<dyn Sessions>, generation: u64, what: What) -> Saved {
        self.save_for(store, generation, what, LIFETIME_MS).await
    }

    async fn save_for(&self, store: &Arc<dyn Sessions>, generation: u64, what: What, lifetime_ms: u64) -> Saved {
        store.save(&self.partition, Save { pid: self.pid, generation, lifetime_ms, what }).await.unwrap()
    }

    async fn claim(&self, store: &Arc<dyn Sessions>, subject: &str, node: &str) -> Claim {
        let claimant = Claimant { subject, node, lifetime_ms: LIFETIME_MS };
        store.claim(&self.partition, self.pid, claimant).await.unwrap()
    }
}

fn stay(by: By, since: &str) -> Stay {
    Stay { by, since: since.parse().unwrap() }
}

fn name(name: &str) -> Room {
    Room::new(name).unwrap()
}

fn record(subject: &str) -> Record {
    Record {
        socket: SocketId::from_random([7; 12]),
        subject: subject.to_owned(),
        node: "first".to_owned(),
        began: "ab.5-1".parse().unwrap(),
        rooms: vec![(name("user:ann"), stay(By::Rule, "ab.5-1"))],
    }
}

fn whole(subject: &str) -> What {
    What::Whole(Box::new(record(subject)))
}

fn rooms(joined: &[(&str, Stay)], left: &[&str]) -> What {
    let joined = joined.iter().map(|(room, stay)| (name(room), stay.clone())).collect();
    What::Rooms { joined, left: left.iter().map(|room| name(room)).collect() }
}

fn claimed(claim: Claim) -> (Record, u64) {
    let Claim::Claimed { mut record, generation } = claim else { panic!("{claim:?}") };
    record.rooms.sort_by(|(one, _), (other, _)| one.cmp(other));
    (*record, generation)
}

pub async fn are_claimed_on_another_node_with_all_that_was_written(fixture: &impl Fixture) {
    let [first, second] = fixture.nodes(Options::default()).await.sessions;
    let session = Session::new();
    assert_eq!(session.claim(&second, "ann", "second").await, Claim::Unknown);
    assert_eq!(session.save(&first, 1, rooms(&[], &[])).await, Saved::Missing);
    assert_eq!(session.save(&first, 1, whole("ann")).await, Saved::Done);
    let (client, backend) = (stay(By::Client, "ab.7-1"), stay(By::Backend, "?"));
    let joined = [("b c#\u{e9}", client.clone()), ("gone", client.clone()), ("r", backend.clone())];
    assert_eq!(session.save(&first, 1, rooms(&joined, &[])).await, Saved::Done);
    assert_eq!(session.save(&first, 1, rooms(&[], &["gone", "never"])).await, Saved::Done);
    let (found, generation) = claimed(session.claim(&second, "ann", "second").await);
    let mut expected = record("ann");
    expected.rooms.splice(..0, [(name("b c#\u{e9}"), client), (name("r"), backend)]);
    assert_eq!((found, generation), (expected, 2));
    let (found, generation) = claimed(session.claim(&first, "ann", "third").await);
    assert_eq!((found.node.as_str(), generation), ("second", 3), "a claim that failed half way can be repeated");
}

pub async fn are_given_to_their_subject_only(fixture: &impl Fixture) {
    let [first, second] = fixture.nodes(Options::default()).await.sessions;
    let session = Session::new();
    session.save(&first, 1, whole("ann")).await;
    for other in ["", "bob", "ann\n", "an"] {
        assert_eq!(session.claim(&second, other, "second").await, Claim::Foreign);
    }
    let elsewhere = Session { partition: partition(), pid: session.pid };
    assert_eq!(elsewhere.claim(&second, "ann", "second").await, Claim::Unknown, "of another partition");
    assert_eq!(claimed(session.claim(&second, "ann", "second").await).1, 2, "nothing was changed by them");
}

pub async fn refuse_what_an_earlier_holder_writes(fixture: &impl Fixture) {
    let [first, second] = fixture.nodes(Options::default()).await.sessions;
    let session = Session::new();
    session.save(&first, 1, whole("")).await;
    claimed(session.claim(&second, "", "second").await);
    for late in [rooms(&[("x", stay(By::Client, "?"))], &[]), rooms(&[], &[]), whole(""), What::Forget] {
        assert_eq!(session.save(&first, 1, late).await, Saved::Fenced);
    }
    assert_eq!(session.save(&second, 2, rooms(&[], &["user:ann"])).await, Saved::Done);
    assert_eq!(claimed(session.claim(&second, "", "second").await).0.rooms, []);
}

pub async fn are_claimed_by_several_one_after_the_other(fixture: &impl Fixture) {
    let [first, second] = fixture.nodes(Options::default()).await.sessions;
    let session = Session::new();
    session.save(&first, 1, whole("ann")).await;
    let claims = [&first, &second, &first, &second].map(|store| session.claim(store, "ann", "n"));
    let mut generations: Vec<u64> =
        futures::future::join_all(claims).await.into_iter().map(|claim| claimed(claim).1).collect();
    generations.sort_unstable();
    assert_eq!(generations, [2, 3, 4, 5]);
}

pub async fn are_gone_when_forgotten_or_expired(fixture: &impl Fixture) {
    let [first, second] = fixture.nodes(Options::default()).await.sessions;
    let (forgotten, expired) = (Session::new(), Session::new());
    forgotten.save(&first, 1, whole("ann")).await;
    assert_eq!(forgotten.save(&first, 1, What::Forget).await, Saved::Done);
    assert_eq!(forgotten.claim(&second, "ann", "second").await, Claim::Unknown);
    expired.save_for(&first, 1, whole("ann"), 1).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while expired.save(&second, 1, rooms(&[], &[])).await != Saved::Missing {
        assert!(tokio::time::Instant::now() < deadline, "it was kept too long");
        expired.save_for(&first, 1, whole("ann"), 1).await;
    }
    assert_eq!(expired.claim(&second, "ann", "second").await, Claim::Unknown);
}

pub async fn know_the_timeline_of_the_log(fixture: &impl Fixture) {
    let nodes = fixture.nodes(Options::default()).await;
    let (partition, a) = (partition(), room("a"));
    let before = nodes.sessions[1].timeline(&partition).await.unwrap();
    assert_eq!((before.epoch.clone(), before.last), (None, Id::ZERO));
    let first = publish(&nodes.first, &partition, std::slice::from_ref(&a), "1").await;
    let last = publish(&nodes.first, &partition, std::slice::from_ref(&a), "2").await;
    let timeline = nodes.sessions[1].timeline(&partition).await.unwrap();
    assert_eq!(timeline.epoch, nodes.first.heads(&partition, &[]).await.unwrap().epoch);
    assert_eq!(timeline.last, last);
    assert!(timeline.holds(first) && timeline.holds(last) && timeline.holds(Id::ZERO));
    assert!(!timeline.holds(Id { ms: last.ms + 1, ..last }), "not written yet");
    assert!(!timeline.holds(Id { seq: 1, ..first }), "of another lineage");
    assert!(timeline.remembers(first.ms) && timeline.now_ms >= first.ms);
    assert_eq!("?".parse(), Ok(Since::Unknown));
}
