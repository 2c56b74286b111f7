//! The contract of all backplanes, kept by Redis, with functions and without.

use std::sync::Arc;

use fanfare::backplane::Options;
use fanfare::redis::{RedisBackplane, connect};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::contract::registry::Seat;
use super::contract::{Fixture, Nodes};
use super::node::options;
use super::server::Server;

/// A server and its nodes, for one test.
pub struct OwnServer {
    server: Server,
    stop: DropGuard,
}

impl OwnServer {
    pub fn start() -> Self {
        Self { server: Server::start(), stop: CancellationToken::new().drop_guard() }
    }

    pub fn without_functions() -> Self {
        let own = Self::start();
        own.server.ask(&["ACL", "SETUSER", "default", "-function", "-fcall"]);
        own
    }

    async fn node(&self, limits: Options) -> Arc<RedisBackplane> {
        let (tracker, stop) = (TaskTracker::new(), self.stop.token().child_token());
        Arc::new(connect(options(&self.server.url()), limits, &tracker, &stop).await.unwrap())
    }

    pub async fn seat(self) -> Seat {
        let (settings, tracker) = (options(&self.server.url()), TaskTracker::new());
        let node = settings.node;
        let stop = self.stop.token().child_token();
        let redis = connect(settings, Options::default(), &tracker, &stop).await.unwrap();
        Seat::new(redis, node, self)
    }
}

impl Fixture for OwnServer {
    async fn nodes(&self, limits: Options) -> Nodes {
        let (first, second) = (self.node(limits.clone()).await, self.node(limits).await);
        Nodes { sessions: [first.clone(), second.clone()], first, second }
    }
}

mod with_functions {
    use super::super::contract;
    use super::OwnServer;

    contract::suite!(OwnServer::start());
    contract::registry::registry!(crate::suite::OwnServer::start().seat());
}

mod as_scripts {
    use super::super::contract;
    use super::OwnServer;

    contract::suite!(OwnServer::without_functions());
    contract::registry::registry!(crate::suite::OwnServer::without_functions().seat());
}
