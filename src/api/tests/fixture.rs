//! A gateway's services with nothing around them, and requests to its router.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::future::{BoxFuture, FutureExt as _};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use crate::api::{Options, router};
use crate::auth::{
    self, Access, Algorithm, ApiKey, ApiKeys, Authenticator, AutomaticRooms, FetchError, FetchKeys, Issuer, KeySource,
};
use crate::backplane::{
    self, Arrival, Backplane, Entry, Heads, LaneOptions, PublishError, PublishRequest, Receipt, Unavailable,
};
use crate::clock::Clock;
use crate::contract::{Contract, VerbLimits};
use crate::event::{Id, Partition, Publication, Topic, decode};
use crate::flows::cluster::Cluster;
use crate::flows::deliver::{LaneItem, Lanes, Outlet};
use crate::flows::policy::{Namespaces, Policy};
use crate::flows::{Caps, Limits, Replays, Services};
use crate::ids::{NodeId, Tenant};
use crate::memory::{LoneNode, MemoryBackplane};
use crate::meters::Meters;
use crate::tasks::Tasks;

pub(super) const SECRET: &str = "a secret of the tests, long enough for HS256";
pub(super) const LOCAL: &str = "127.0.0.1:40000";

/// The router with ways to look behind it. Namespaces are `/` and `/admin`.
pub(super) struct Gateway {
    router: axum::Router,
    pub backplane: Arc<Watched>,
    pub delivered: Arc<Delivered>,
}

pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Status and code of a refusal, whose form is checked.
    pub fn refusal(&self) -> (u16, String) {
        let body = self.json();
        assert!(body["message"].is_string() && body["correlationId"].as_str().unwrap().len() == 36, "{body}");
        assert_eq!(self.headers["content-type"], "application/json");
        (self.status.as_u16(), body["error"].as_str().unwrap().to_owned())
    }
}

pub(super) fn open() -> Options {
    Options { loopback_without_key: true, ..closed() }
}

/// Keys `orders` (everywhere) and `billing` (`/admin` only), service tokens of one issuer.
pub(super) fn closed() -> Options {
    let key = |name: &str, key: &str| ApiKey { name: name.to_owned(), key: key.into() };
    Options {
        keys: ApiKeys::new(&[key("orders", "key-orders"), key("billing", "key-billing")]).unwrap(),
        key_namespaces: [("billing".to_owned(), vec!["/admin".to_owned()])].into(),
        issuers: vec!["services".into()],
        body_bytes: 4_096,
        batch: 5,
        engine_path: "/socket.io/".to_owned(),
        ..Options::default()
    }
}

impl Gateway {
    pub fn new(options: Options) -> Self {
        let backplane = Arc::new(Watched::new());
        let delivered = Arc::new(Delivered::default());
        let services = services(backplane.clone(), delivered.clone());
        Self { router: router(options, Arc::new(services)), backplane, delivered }
    }

    /// Sends any request as it is.
    pub async fn send(&self, request: http::request::Builder, body: impl Into<Body>) -> Reply {
        let reply = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (head, body) = reply.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: head.status, headers: head.headers, text }
    }

    /// A publish of a program on this machine.
    pub async fn publish(&self, body: &str) -> Reply {
        self.send(post("/api/v1/publish"), body.to_owned()).await
    }

    pub async fn batch(&self, body: &str) -> Reply {
        self.send(post("/api/v1/publish/batch"), body.to_owned()).await
    }
}

/// A POST from this machine.
pub(super) fn post(path: &str) -> http::request::Builder {
    let peer: SocketAddr = LOCAL.parse().unwrap();
    Request::post(path).header("host", "localhost:3001").extension(ConnectInfo(peer))
}

/// The memory backplane, with a note of what was published; fails on demand.
pub(super) struct Watched {
    memory: MemoryBackplane,
    seen: Mutex<Vec<(String, Publication)>>,
    failures: Mutex<VecDeque<Option<PublishError>>>,
}

impl Watched {
    fn new() -> Self {
        let memory = MemoryBackplane::new(backplane::Options::default(), || 1_000);
        Self { memory, seen: Mutex::default(), failures: Mutex::default() }
    }

    /// How the next publishes end; `None` is well.
    pub fn fail(&self, failures: impl IntoIterator<Item = Option<PublishError>>) {
        self.failures.lock().unwrap().extend(failures);
    }

    /// Namespace and publication of all that was taken, in order.
    pub fn seen(&self) -> Vec<(String, Publication)> {
        self.seen.lock().unwrap().clone()
    }

    /// The arguments of all that was taken, in order.
    pub fn events(&self) -> Vec<String> {
        self.seen().into_iter().map(|(_, publication)| args(&publication)).collect()
    }
}

pub(super) fn args(publication: &Publication) -> String {
    match &publication.body {
        crate::event::Body::Event(event) => event.args.clone(),
        crate::event::Body::Command(command) => panic!("{command:?}"),
    }
}

impl Backplane for Watched {
    fn publish(&self, request: PublishRequest) -> BoxFuture<'_, Result<Receipt, PublishError>> {
        async move {
            // Lets the others of a batch run in between.
            tokio::task::yield_now().await;
            if let Some(error) = self.failures.lock().unwrap().pop_front().flatten() {
                return Err(error);
            }
            let seen = (request.partition.namespace.to_string(), decode(&request.envelope).unwrap());
            let receipt = self.memory.publish(request).await?;
            if !receipt.duplicate {
                self.seen.lock().unwrap().push(seen);
            }
            Ok(receipt)
        }
        .boxed()
    }

    fn watch<'a>(&'a self, at: &'a Arc<Partition>, topics: &'a [Topic]) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        self.memory.watch(at, topics)
    }

    fn unwatch<'a>(&'a self, at: &'a Arc<Partition>, topics: &'a [Topic]) -> BoxFuture<'a, ()> {
        self.memory.unwatch(at, topics)
    }

    fn heads<'a>(&'a self, at: &'a Arc<Partition>, topics: &'a [Topic]) -> BoxFuture<'a, Result<Heads, Unavailable>> {
        self.memory.heads(at, topics)
    }

    fn read<'a>(
        &'a self,
        at: &'a Arc<Partition>,
        topic: &'a Topic,
        after: Id,
        until: Id,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Unavailable>> {
        self.memory.read(at, topic, after, until, limit)
    }

    fn arrivals(&self) -> Option<mpsc::Receiver<Arrival>> {
        self.memory.arrivals()
    }

    fn proven(&self) -> Result<(), Unavailable> {
        self.memory.proven()
    }
}

/// What went to this node's sockets alone.
#[derive(Default)]
pub(super) struct Delivered(pub Mutex<Vec<Publication>>);

impl Outlet for Delivered {
    fn deliver<'a>(&'a self, _: &'a Arc<Partition>, item: LaneItem) -> BoxFuture<'a, ()> {
        if let LaneItem::Event { publication, .. } = item {
            self.0.lock().unwrap().push(publication);
        }
        async {}.boxed()
    }
}

fn services(backplane: Arc<Watched>, outlet: Arc<Delivered>) -> Services {
    let (clock, tasks) = (Clock::start(), Tasks::default());
    let mut namespaces = Namespaces::default();
    for name in ["/", "/admin"] {
        namespaces.add(name, policy());
    }
    let (lane_clock, options) = (Arc::new(move || clock.now_ms()), LaneOptions::default());
    let node = NodeId::from_random([1; 9]);
    let lanes = Lanes::start(backplane.clone(), outlet.clone(), lane_clock, options, tasks.parts());
    Services {
        cluster: Cluster::new(node, "127.0.0.1:1".parse().unwrap(), Arc::new(LoneNode::new(node, || 1)), clock, None),
        tenant: Tenant::new("main").unwrap(),
        clock,
        tasks,
        meters: Meters::new(),
        backplane,
        sessions: Arc::new(MemoryBackplane::new(backplane::Options::default(), || 0)),
        replays: Replays::new(Caps { room_events: 100, session_events: 100, session_bytes: 1 << 20 }, 4),
        lanes,
        outlet,
        authenticator: authenticator(),
        namespaces,
        limits: Limits {
            rooms_per_socket: 100,
            namespaces_per_client: 10,
            pending_acks: 256,
            verbs: VerbLimits::default(),
            waiting_packets: 100,
            waiting_bytes: 1 << 20,
        },
    }
}

fn policy() -> Policy {
    Policy {
        anonymous: true,
        issuers: Vec::new(),
        automatic_rooms: AutomaticRooms::default(),
        access: Access::default(),
        recovery: true,
        recovery_window_ms: 120_000,
        refuse: None,
        contract: Contract::default(),
    }
}

/// `services` may publish by the options above, `users` is there to be refused.
fn authenticator() -> Authenticator {
    let key = || KeySource::Secret(SECRET.into());
    let issuers = ["services", "users"].map(|name| {
        let rules = Issuer::new(name, vec![Algorithm::Hs256], key());
        Issuer { issuer: Some(name.to_owned()), ..rules }
    });
    let port: Arc<dyn FetchKeys> = Arc::new(NoKeys);
    Authenticator::new(auth::Options { issuers: issuers.into() }, &port).unwrap_or_else(|faults| panic!("{faults:?}"))
}

struct NoKeys;

impl FetchKeys for NoKeys {
    fn fetch<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<String, FetchError>> {
        async { Err(FetchError::Connection) }.boxed()
    }
}
