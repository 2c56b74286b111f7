//! The only place that starts tasks: each has a name, is counted, and stops with the process.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks and waits for them. Clones share one life.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task on the current runtime. It should end soon after [`Tasks::stopping`] resolves.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        tracing::trace!(task = name, "started");
        self.tracker.spawn(task);
    }

    /// Starts a task of one worker, on that worker's thread.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    pub fn spawn_local(&self, task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(self.tracker.track_future(task));
    }

    /// The parts, for rooms that start tasks of their own in the same life.
    pub fn parts(&self) -> (TaskTracker, CancellationToken) {
        (self.tracker.clone(), self.stop.clone())
    }

    /// Asks every task to end.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Resolves when every task has ended.
    pub async fn ended(&self) {
        self.tracker.wait().await;
    }
}
