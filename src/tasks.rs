//! The only place that starts tasks: each has a name, is counted, and stops with the process.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks and waits for them. Clones share one life.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: CancellationToken,
}

impl Tasks {
    /// Starts a task on the current runtime. It should end soon after [`Tasks::stopping`] resolves.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        tracing::trace!(task = name, "started");
        self.tracker.spawn(task);
    }

    /// Starts a task of one worker, on that worker's thread. It goes on if the handle is dropped.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    pub fn spawn_local(&self, task: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
        tokio::task::spawn_local(self.tracker.track_future(task))
    }

    /// Held by what the process cannot do without: if it is dropped before the stop, as by a panic, the process has failed.
    pub fn vital(&self, name: &'static str) -> Vital {
        Vital { name, tasks: self.clone() }
    }

    /// Resolves when something vital has ended before its time.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
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

/// See [`Tasks::vital`].
#[derive(Debug)]
pub struct Vital {
    name: &'static str,
    tasks: Tasks,
}

impl Drop for Vital {
    fn drop(&mut self) {
        if !self.tasks.stop.is_cancelled() {
            tracing::error!(
                event = "realtime.vital_task_ended",
                task = self.name,
                "the process cannot go on without it"
            );
            self.tasks.failed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_vital_task_that_panics_fails_the_process() {
        let tasks = Tasks::default();
        let vital = tasks.vital("writer");
        tasks.spawn("writer", async move {
            let _vital = vital;
            panic!("as a test");
        });
        tasks.failed().await;
    }

    #[tokio::test]
    async fn a_vital_task_may_end_with_the_process() {
        let tasks = Tasks::default();
        let vital = tasks.vital("writer");
        tasks.stop();
        drop(vital);
        assert!(!tasks.failed.is_cancelled());
    }
}
