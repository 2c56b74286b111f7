//! Addresses of nodes, remembered for a moment: requests in plenty ask the registry once a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt as _, Shared};

use crate::backplane::{Address, Nodes, Unavailable};
use crate::ids::NodeId;

pub(super) struct Directory {
    nodes: Arc<dyn Nodes>,
    /// Behind a lock that is held for single steps: all workers share what one of them asked.
    seats: Arc<Mutex<HashMap<NodeId, Seat>>>,
}

/// What is known of one node.
#[derive(Default)]
struct Seat {
    /// The last answer, and until when it holds.
    known: Option<(Option<Address>, u64)>,
    /// The question that is under way.
    asked: Option<Question>,
}

type Question = Shared<BoxFuture<'static, Answer>>;
type Answer = Result<Option<Address>, Unavailable>;

impl Directory {
    pub(super) fn new(nodes: Arc<dyn Nodes>) -> Self {
        Self { nodes, seats: Arc::default() }
    }

    /// While the registry is away, what it said last still counts: better a dead address than no attempt.
    pub(super) async fn find(&self, node: NodeId, now_ms: u64) -> Answer {
        let question = {
            let mut seats = self.seats();
            if let Some((known, until_ms)) = seats.get(&node).and_then(|seat| seat.known.as_ref())
                && now_ms < *until_ms
            {
                return Ok(known.clone());
            }
            make_room(&mut seats, now_ms);
            let seat = seats.entry(node).or_default();
            seat.asked.get_or_insert_with(|| self.ask(node, now_ms)).clone()
        };
        question.await.or_else(|away| match self.seats().get(&node).and_then(|seat| seat.known.as_ref()) {
            Some((Some(address), _)) => Ok(Some(address.clone())),
            Some((None, _)) | None => Err(away),
        })
    }

    /// The node counts as dead for a moment.
    pub(super) fn bar(&self, node: NodeId, now_ms: u64) {
        if let Some(seat) = self.seats().get_mut(&node) {
            seat.known = Some((None, now_ms + REMEMBERED_MS));
        }
    }

    /// Whoever waits for the answer drives the question; who drives it to the end writes it down.
    fn ask(&self, node: NodeId, now_ms: u64) -> Question {
        let (nodes, seats) = (Arc::clone(&self.nodes), Arc::clone(&self.seats));
        let question = async move {
            let answer = nodes.find(node).await.map(|member| member.map(|member| member.address));
            let mut seats = seats.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seat) = seats.get_mut(&node) {
                seat.asked = None;
                if let Ok(address) = &answer {
                    seat.known = Some((address.clone(), now_ms + REMEMBERED_MS));
                }
            }
            answer
        };
        question.boxed().shared()
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<NodeId, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only ids that one of us sealed lead here, so it takes a thousand restarts within an hour to fill it.
fn make_room(seats: &mut HashMap<NodeId, Seat>, now_ms: u64) {
    if seats.len() >= SEATS_MAX {
        seats.retain(|_, seat| seat.known.as_ref().is_some_and(|(_, until_ms)| now_ms < *until_ms));
    }
    if seats.len() >= SEATS_MAX {
        seats.clear();
    }
}

const REMEMBERED_MS: u64 = 1_000;
const SEATS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::backplane::{Dead, Incarnation, Member, Tenure};

    /// Answers when told to, and counts the questions.
    struct Registry {
        member: Mutex<Result<Option<Member>, Unavailable>>,
        asked: AtomicUsize,
        answers: Semaphore,
    }

    impl Nodes for Registry {
        fn find(&self, _: NodeId) -> BoxFuture<'_, Result<Option<Member>, Unavailable>> {
            async {
                self.asked.fetch_add(1, Ordering::Relaxed);
                self.answers.acquire().await.unwrap().forget();
                self.member.lock().unwrap().clone()
            }
            .boxed()
        }

        fn enter<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, Result<Tenure, Unavailable>> {
            unreachable!("not asked for here")
        }

        fn renew(&self, _: Incarnation) -> BoxFuture<'_, Result<Option<Tenure>, Unavailable>> {
            unreachable!("not asked for here")
        }

        fn leave(&self, _: Incarnation) -> BoxFuture<'_, ()> {
            unreachable!("not asked for here")
        }

        fn dead(&self) -> BoxFuture<'_, Result<Vec<Dead>, Unavailable>> {
            unreachable!("not asked for here")
        }

        fn bury<'a>(&'a self, _: &'a Dead) -> BoxFuture<'a, Result<bool, Unavailable>> {
            unreachable!("not asked for here")
        }

        fn share<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<String, Unavailable>> {
            unreachable!("not asked for here")
        }
    }

    fn node(number: u8) -> NodeId {
        NodeId::from_random([number; 9])
    }

    fn address() -> Address {
        "10.0.0.7:3001".parse().unwrap()
    }

    fn directory(member: Result<Option<Address>, Unavailable>, answers: usize) -> (Directory, Arc<Registry>) {
        let member =
            member.map(|address| address.map(|address| Member { incarnation: Incarnation(1), entered_ms: 1, address }));
        let registry =
            Registry { member: Mutex::new(member), asked: AtomicUsize::new(0), answers: Semaphore::new(answers) };
        let registry = Arc::new(registry);
        (Directory::new(registry.clone()), registry)
    }

    fn asked(registry: &Registry) -> usize {
        registry.asked.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_ask_the_registry_once() {
        let (directory, registry) = directory(Ok(Some(address())), 0);
        let questions = join_all((0..100).map(|_| directory.find(node(1), 0)));
        let answering = async { registry.answers.add_permits(1) };
        let (answers, ()) = tokio::join!(questions, answering);
        assert!(answers.into_iter().all(|answer| answer == Ok(Some(address()))));
        assert_eq!(asked(&registry), 1);
    }

    #[tokio::test]
    async fn answers_are_remembered_for_a_moment_also_that_there_is_no_such_node() {
        for known in [Some(address()), None] {
            let (directory, registry) = directory(Ok(known.clone()), 2);
            assert_eq!(directory.find(node(1), 0).await, Ok(known.clone()));
            assert_eq!(directory.find(node(1), REMEMBERED_MS - 1).await, Ok(known.clone()));
            assert_eq!(asked(&registry), 1);
            assert_eq!(directory.find(node(1), REMEMBERED_MS).await, Ok(known));
            assert_eq!(asked(&registry), 2);
        }
    }

    #[tokio::test]
    async fn while_the_registry_is_away_its_last_word_counts() {
        let (directory, registry) = directory(Ok(Some(address())), 9);
        assert_eq!(directory.find(node(1), 0).await, Ok(Some(address())));
        let away = Unavailable("away".to_owned());
        *registry.member.lock().unwrap() = Err(away.clone());
        assert_eq!(directory.find(node(1), 60_000).await, Ok(Some(address())));
        assert_eq!(directory.find(node(2), 60_000).await, Err(away));
    }

    #[tokio::test]
    async fn who_does_not_answer_counts_as_dead_for_a_moment() {
        let (directory, registry) = directory(Ok(Some(address())), 2);
        directory.find(node(1), 0).await.unwrap();
        directory.bar(node(1), 10);
        assert_eq!(directory.find(node(1), REMEMBERED_MS).await, Ok(None));
        assert_eq!(directory.find(node(1), REMEMBERED_MS + 10).await, Ok(Some(address())));
        assert_eq!(asked(&registry), 2);
    }

    #[tokio::test]
    async fn the_directory_is_bounded() {
        let (directory, _registry) = directory(Ok(None), 3_000);
        for number in 0..2_000_u16 {
            let mut random = [0; 9];
            random[..2].copy_from_slice(&number.to_be_bytes());
            directory.find(NodeId::from_random(random), 0).await.unwrap();
        }
        assert!(directory.seats().len() <= SEATS_MAX);
    }
}
