//! The end: drain at the first signal, stop hard at the second.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::Readiness;
use crate::config::Settings;
use crate::flows::cluster::Cluster;
use crate::tasks::Tasks;
use crate::transport::Started;

/// What has to end, in this order.
pub(super) struct Running<'a> {
    pub readiness: &'a Readiness,
    pub started: Started,
    pub cluster: &'a Cluster,
    /// The leader of the foreign ways in; it hands its seats over while the backplane is still there.
    pub foreign: &'a Tasks,
    pub tasks: &'a Tasks,
}

/// Inputs: the first SIGTERM or SIGINT drains; a second one stops hard.
pub(super) async fn until_told(settings: &Settings, running: Running<'_>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // Whoever restarts the process does better than what is left of it.
        () = running.tasks.failed() => anyhow::bail!("a vital task has ended; the log says which"),
    }
    let grace = Duration::from_millis(settings.drain.grace_ms);
    let window = Duration::from_millis(settings.drain.window_ms);
    let Running { readiness, started, cluster, foreign, tasks } = running;
    readiness.drain();
    tracing::info!(event = "realtime.drain", ?grace, ?window, "draining; a second signal stops at once");
    let drained = async {
        tokio::time::sleep(grace).await;
        started.drain(window).await;
        started.emptied().await;
    };
    tokio::select! {
        biased;
        _ = terminate.recv() => tracing::warn!(event = "realtime.stop_hard", "second signal: stopping at once"),
        _ = interrupt.recv() => tracing::warn!(event = "realtime.stop_hard", "second signal: stopping at once"),
        _ = tokio::time::timeout(grace + window + STOP_SLACK, drained) => {}
    }
    foreign.stop();
    let _ = tokio::time::timeout(STOP_SLACK, foreign.ended()).await;
    // Until here the others could still send what belongs to this node's sessions.
    let _ = tokio::time::timeout(STOP_SLACK, cluster.leave()).await;
    tasks.stop();
    let _ = tokio::time::timeout(STOP_SLACK, tasks.ended()).await;
    started.join();
    tracing::info!(event = "realtime.stopped", "stopped");
    Ok(())
}

/// What ending may take beyond its grace and window.
const STOP_SLACK: Duration = Duration::from_secs(5);
