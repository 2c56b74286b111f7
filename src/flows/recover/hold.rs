//! The interest of a socket that is not there yet.

use std::sync::Arc;

use crate::backplane::Unavailable;
use crate::event::{Partition, Position, Topic};
use crate::flows::Services;

/// Topics that are watched for somebody; given back when this goes, unless they were handed over.
pub(super) struct Hold<'a> {
    services: &'a Services,
    partition: Arc<Partition>,
    topics: Vec<Topic>,
}

impl<'a> Hold<'a> {
    pub(super) fn new(services: &'a Services, partition: &Arc<Partition>) -> Self {
        Self { services, partition: Arc::clone(partition), topics: Vec::new() }
    }

    /// As [`crate::flows::deliver::Lanes::acquire`], in addition to what is held.
    pub(super) async fn take(&mut self, topics: &[Topic]) -> Result<Option<Position>, Unavailable> {
        let floor = self.services.lanes.acquire(&self.partition, topics, None).await?;
        self.topics.extend_from_slice(topics);
        Ok(floor)
    }

    pub(super) fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The holds belong to the socket from now on; each of `surplus` is given back.
    pub(super) fn hand_over(mut self, surplus: &[Topic]) {
        self.services.lanes.release(&self.partition, surplus);
        self.topics.clear();
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.services.lanes.release(&self.partition, &self.topics);
    }
}
