//! A WebSocket whose session is on another node: bytes are copied both ways until one side or this node ends it.

use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::sync::watch;

use super::doorway::Taken;
use super::forward::UnderWay;
use crate::meters::Meters;
use crate::tasks::Tasks;

pub(super) struct Tunnel {
    pub owner: OnUpgrade,
    pub draining: watch::Receiver<Option<Duration>>,
    pub under_way: UnderWay,
    pub meters: Meters,
    pub tasks: Tasks,
}

impl Tunnel {
    /// What the client sees of the end is the end of its connection; the session hears of it in the same way.
    pub async fn run(mut self, client: Taken) {
        let Ok(owner) = self.owner.await else { return };
        let mut owner = TokioIo::new(owner);
        self.meters.tunnels.increment(1);
        tokio::select! {
            biased;
            () = self.tasks.stopping() => {}
            () = turn(&mut self.draining) => {}
            _ = carry(client, &mut owner) => {}
        }
        self.meters.tunnels.decrement(1);
        drop(self.under_way);
    }
}

async fn carry(client: Taken, owner: &mut TokioIo<Upgraded>) -> std::io::Result<()> {
    let Taken { mut io, answer, ahead } = client;
    io.write_all(&answer).await?;
    owner.write_all(&ahead).await?;
    copy_bidirectional(&mut io, owner).await?;
    Ok(())
}

/// Resolves when the node drains and it is one's turn: at a random moment of the window, so that clients do not return all
/// at once.
pub(super) async fn turn(draining: &mut watch::Receiver<Option<Duration>>) {
    let window = draining.wait_for(Option::is_some).await.ok().and_then(|window| *window);
    let Some(window) = window else { return std::future::pending().await };
    let part = f64::from(u16::from_ne_bytes(crate::flows::random())) / f64::from(u16::MAX);
    tokio::time::sleep(window.mul_f64(part)).await;
}
