//! How others reach a worker: one message for each publication and worker, never one for each socket.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::links::Local;
use crate::event::Partition;
use crate::flows::Services;
use crate::flows::deliver::{LaneItem, Outlet};
use crate::flows::fan_out::{Delivery, prepare};

pub(super) enum Message {
    Deliver(Arc<Delivery>),
    /// Something to be done on the worker's own thread.
    Run(Work),
}

type Work = Box<dyn FnOnce(&Rc<Local>) + Send>;

/// The workers' mailboxes, in the order of their indexes. Bounded: a lane waits for a worker that does not keep up.
#[derive(Clone)]
pub struct Mailboxes(Arc<[mpsc::Sender<Message>]>);

pub(super) type Mailbox = mpsc::Receiver<Message>;

const MAILBOX_MESSAGES: usize = 8_192;

impl Mailboxes {
    pub(super) fn new(workers: usize) -> (Self, Vec<Mailbox>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel(MAILBOX_MESSAGES)).unzip();
        (Self(senders.into()), receivers)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    async fn deliver(&self, delivery: Delivery) {
        let delivery = Arc::new(delivery);
        for mailbox in &*self.0 {
            // A worker that is gone has no sockets left.
            let _ = mailbox.send(Message::Deliver(Arc::clone(&delivery))).await;
        }
    }

    /// Runs `work` on a worker; false if there is no such worker (any more).
    pub(super) async fn run(&self, worker: u8, work: impl FnOnce(&Rc<Local>) + Send + 'static) -> bool {
        let Some(mailbox) = self.0.get(usize::from(worker)) else { return false };
        mailbox.send(Message::Run(Box::new(work))).await.is_ok()
    }

    /// As [`Mailboxes::run`] where nobody can wait; lost if the mailbox is full.
    pub(super) fn try_run(&self, worker: u8, work: impl FnOnce(&Rc<Local>) + Send + 'static) {
        if let Some(mailbox) = self.0.get(usize::from(worker)) {
            let _ = mailbox.try_send(Message::Run(Box::new(work)));
        }
    }
}

/// The lanes' way to the workers. Made before the workers are, since the services they share need it.
#[derive(Default)]
pub struct WorkerOutlet(OnceLock<(Mailboxes, Arc<Services>)>);

impl WorkerOutlet {
    pub(super) fn open(&self, mailboxes: Mailboxes, services: Arc<Services>) {
        // A second opening would be a second set of workers; the first stays.
        let _ = self.0.set((mailboxes, services));
    }
}

impl Outlet for WorkerOutlet {
    fn deliver<'a>(&'a self, partition: &'a Arc<Partition>, item: LaneItem) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some((mailboxes, services)) = self.0.get() {
                mailboxes.deliver(prepare(services, partition, item)).await;
            }
        })
    }
}
