//! The registry of nodes where there is one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _, ready};

use crate::backplane::{Address, Dead, Incarnation, Member, Nodes, Tenure, Unavailable};
use crate::ids::NodeId;

/// The only node of its registry: its lease ends when it leaves.
pub struct LoneNode {
    node: NodeId,
    now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    last: AtomicU64,
    member: Mutex<Option<Member>>,
}

impl LoneNode {
    /// `now_ms` is the wall clock in milliseconds since 1970.
    pub fn new(node: NodeId, now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { node, now_ms: Arc::new(now_ms), last: AtomicU64::new(0), member: Mutex::default() }
    }

    /// The lease is held for single steps, never across an await.
    fn with_member<T>(&self, step: impl FnOnce(&mut Option<Member>) -> T) -> T {
        step(&mut self.member.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Nodes for LoneNode {
    fn enter<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, Result<Tenure, Unavailable>> {
        let now_ms = (self.now_ms)();
        let incarnation = Incarnation(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let entered = Member { incarnation, entered_ms: now_ms, address: address.clone() };
        self.with_member(|member| *member = Some(entered));
        ready(Ok(Tenure { incarnation, now_ms })).boxed()
    }

    fn renew(&self, incarnation: Incarnation) -> BoxFuture<'_, Result<Option<Tenure>, Unavailable>> {
        let holds = self.with_member(|member| member.as_ref().is_some_and(|member| member.incarnation == incarnation));
        ready(Ok(holds.then(|| Tenure { incarnation, now_ms: (self.now_ms)() }))).boxed()
    }

    fn leave(&self, incarnation: Incarnation) -> BoxFuture<'_, ()> {
        self.with_member(|member| member.take_if(|member| member.incarnation == incarnation));
        ready(()).boxed()
    }

    fn find(&self, node: NodeId) -> BoxFuture<'_, Result<Option<Member>, Unavailable>> {
        let found = if node == self.node { self.with_member(|member| member.clone()) } else { None };
        ready(Ok(found)).boxed()
    }

    /// What is in this process dies with it.
    fn dead(&self) -> BoxFuture<'_, Result<Vec<Dead>, Unavailable>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn bury<'a>(&'a self, _dead: &'a Dead) -> BoxFuture<'a, Result<bool, Unavailable>> {
        ready(Ok(false)).boxed()
    }

    /// There is nobody to share it with.
    fn share<'a>(&'a self, proposed: &'a str) -> BoxFuture<'a, Result<String, Unavailable>> {
        ready(Ok(proposed.to_owned())).boxed()
    }
}
