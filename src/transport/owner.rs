//! The worker of this node that owns a session. A request may arrive at any; what it asks for is done there.

use std::rc::Rc;

use tokio::sync::oneshot;

use super::links::{Link, Local};
use super::refusal::{Refusal, UNKNOWN};
use crate::closing::Closing;
use crate::ids::SessionId;

/// The worker that owns a session.
pub(super) struct Owner {
    local: Rc<Local>,
    session: SessionId,
}

impl Owner {
    /// # Errors
    /// If the node never had such a worker.
    pub fn of(local: &Rc<Local>, session: SessionId) -> Result<Self, Refusal> {
        let exists = usize::from(session.worker()) < local.mailboxes.len();
        if exists { Ok(Self { local: Rc::clone(local), session }) } else { Err(UNKNOWN) }
    }

    pub fn is_here(&self) -> bool {
        self.session.worker() == self.local.worker.index
    }

    /// Asks the owner, which may be this worker.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Rc<Local>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        if self.is_here() {
            return Ok(work(&self.local));
        }
        let (reply, answer) = oneshot::channel();
        let sent = self.local.mailboxes.run(self.session.worker(), |local| {
            let _ = reply.send(work(local));
        });
        if !sent.await {
            return Err(UNKNOWN);
        }
        answer.await.map_err(|_| UNKNOWN)
    }

    fn tell(&self, work: impl FnOnce(&Rc<Local>) + Send + 'static) {
        if self.is_here() { work(&self.local) } else { self.local.mailboxes.try_run(self.session.worker(), work) }
    }
}

/// Ends the session if the request it guards is dropped before its time: Engine.IO packets have no ids, so a lost request
/// cannot be repeated.
pub(super) struct Abandoned<'a> {
    owner: &'a Owner,
    armed: bool,
}

impl<'a> Abandoned<'a> {
    pub fn new(owner: &'a Owner) -> Self {
        Self { owner, armed: true }
    }

    pub fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if self.armed {
            let sid = self.owner.session;
            self.owner.tell(move |local| {
                let Some(key) = local.find(&sid) else { return };
                // It may have gone on to WebSocket by now, where the request means nothing any more.
                if matches!(local.links.borrow().get(key), Some(Link::Polling(_))) {
                    local.worker.close(key, Closing::TransportError);
                } else {
                    return;
                }
                local.finish(key);
            });
        }
    }
}
