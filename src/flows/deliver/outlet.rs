//! Where a lane's output goes.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::backplane::GapNotice;
use crate::event::{Id, Partition, Position, Publication};

/// Takes what a partition's lane delivers, in order. A lane waits for it, so it must not wait for sockets.
pub trait Outlet: Send + Sync + 'static {
    fn deliver<'a>(&'a self, partition: &'a Arc<Partition>, item: LaneItem) -> BoxFuture<'a, ()>;
}

#[derive(Debug, Clone)]
pub enum LaneItem {
    Event {
        publication: Publication,
        /// Its own id; `None` if it is volatile. A socket whose replay reached this far has had it already.
        id: Option<Id>,
        /// What a client is given as its offset; never below what it was given before, unless a gap was told.
        position: Option<Position>,
    },
    Gap(GapNotice),
}
