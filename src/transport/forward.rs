//! Passing a request on to the node that owns its session: one hop, over HTTP/1.1, to an address from the registry.
//!
//! ```text
//! client ── balancer ──► this node: origin, CORS, form of the request
//!                            │ sid sealed by one of us, names another node ──► its address (registry, cached)
//!                            ▼
//!                        owner: the mark holds ──► served like a request of its own, without CORS
//! ```
//!
//! Whatever stands in the way ends as "unknown session" at once, so that the client opens a new one and resumes. A body is
//! streamed and sent at most once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use axum::body::Body;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;

use super::admission::Admitted;
use super::hop;
use super::refusal::{Refusal, UNKNOWN};
use super::request::{Entrance, Reply};
use super::tunnel::{Tunnel, turn};
use crate::backplane::Address;
use crate::ids::NodeId;
use crate::tasks::Tasks;

/// One worker's connections to other nodes.
pub(super) struct Forwarder {
    client: Client<HttpConnector, Body>,
    under_way: Rc<Counts>,
    /// The window over which tunnels and waiting polls end; set when the node drains.
    draining: watch::Sender<Option<Duration>>,
}

#[derive(Default)]
struct Counts {
    by_node: RefCell<HashMap<NodeId, usize>>,
    all: Cell<usize>,
}

impl Forwarder {
    /// `idle_ms`: when the other nodes close a connection that is not used.
    pub fn new(tasks: &Tasks, idle_ms: u64) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_MAX));
        connector.set_nodelay(true);
        // A machine that is gone says nothing: neither an idle tunnel nor one that waits to be closed lasts for ever.
        connector.set_keepalive(Some(SILENCE_MAX));
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(SILENCE_MAX));
        let client = Client::builder(OnThisWorker(tasks.clone()))
            .pool_timer(TokioTimer::new())
            // A request on a connection that the other side is about to close would be lost.
            .pool_idle_timeout(Duration::from_millis(idle_ms / 2))
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Self { client, under_way: Rc::default(), draining: watch::channel(None).0 }
    }

    /// Requests and tunnels to other nodes.
    pub fn under_way(&self) -> usize {
        self.under_way.all.get()
    }

    /// Sends those away who reach their session through this node, spread over `window`.
    pub fn drain(&self, window: Duration) {
        self.draining.send_replace(Some(window));
    }

    fn begin(&self, node: NodeId) -> Option<UnderWay> {
        let mut by_node = self.under_way.by_node.borrow_mut();
        let count = by_node.entry(node).or_insert(0);
        if *count >= UNDER_WAY_MAX {
            return None;
        }
        *count += 1;
        self.under_way.all.set(self.under_way.all.get() + 1);
        Some(UnderWay { counts: Rc::clone(&self.under_way), node })
    }
}

/// Counts one request or tunnel until it is dropped.
pub(super) struct UnderWay {
    counts: Rc<Counts>,
    node: NodeId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut by_node = self.counts.by_node.borrow_mut();
        if let Some(count) = by_node.get_mut(&self.node) {
            *count -= 1;
            if *count == 0 {
                by_node.remove(&self.node);
            }
        }
        self.counts.all.set(self.counts.all.get() - 1);
    }
}

/// Why there is no answer of the owner; each name is a label in `fanfare_forwards_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Miss {
    /// It holds no lease, or lost it while we waited.
    Dead,
    Unreachable,
    /// The connection broke before an answer came.
    Broken,
    /// The answer took longer than any poll may.
    Late,
    /// The registry cannot be asked.
    Away,
    /// Too much is under way to that node.
    Busy,
}

impl Miss {
    fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::Away => "away",
            Self::Busy => "busy",
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Self::Dead | Self::Unreachable | Self::Broken | Self::Late => UNKNOWN,
            Self::Away | Self::Busy => Refusal::Unavailable,
        }
    }
}

/// Has `node` answer the request.
pub(super) async fn forward(
    entrance: &Rc<Entrance>,
    node: NodeId,
    admitted: Admitted,
    request: Request<Incoming>,
) -> Result<Reply, Refusal> {
    let services = &entrance.local.worker.services;
    let started = services.clock.elapsed();
    let outcome = pass_on(entrance, node, admitted, request).await;
    let (name, outcome) = match outcome {
        Ok(reply) if reply.status().is_success() || reply.status() == StatusCode::SWITCHING_PROTOCOLS => {
            ("ok", Ok(reply))
        }
        Ok(reply) => ("refused", Ok(reply)),
        Err(miss) => (miss.name(), Err(miss.refusal())),
    };
    services.meters.forwarded(kind(admitted), name, services.clock.since(started).as_secs_f64());
    outcome
}

fn kind(admitted: Admitted) -> &'static str {
    match admitted {
        Admitted::Poll(_) => "poll",
        Admitted::Post(_) => "post",
        Admitted::Upgrade(_) => "upgrade",
        Admitted::OpenPolling | Admitted::OpenWebSocket | Admitted::Wrong(..) => "other",
    }
}

async fn pass_on(
    entrance: &Rc<Entrance>,
    node: NodeId,
    admitted: Admitted,
    request: Request<Incoming>,
) -> Result<Reply, Miss> {
    let forwarder = &entrance.local.forwarder;
    let under_way = forwarder.begin(node).ok_or(Miss::Busy)?;
    let found = entrance.local.worker.services.cluster.find(node).await;
    let address = found.map_err(|_| Miss::Away)?.ok_or(Miss::Dead)?;
    let letter = Letter::of(entrance, node, &address, &request).ok_or(Miss::Dead)?;
    let mut answer = if let Admitted::Post(_) = admitted {
        deliver(entrance, &letter, Body::new(request.into_body())).await
    } else {
        match deliver(entrance, &letter, Body::empty()).await {
            // Nothing of an answer has come, and the request has nothing that could be done twice.
            Err(Miss::Broken) => deliver(entrance, &letter, Body::empty()).await,
            outcome => outcome,
        }
    }?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        open_tunnel(entrance, hyper::upgrade::on(&mut answer), under_way);
        return Ok(relayed(answer).map(|_| Body::empty()));
    }
    Ok(relayed(answer))
}

fn open_tunnel(entrance: &Entrance, owner: OnUpgrade, under_way: UnderWay) {
    let services = &entrance.local.worker.services;
    let draining = entrance.local.forwarder.draining.subscribe();
    let (meters, tasks) = (services.meters.clone(), services.tasks.clone());
    let tunnel = Tunnel { owner, draining, under_way, meters, tasks };
    entrance.bequeath(move |entrance, client| {
        entrance.local.worker.services.tasks.spawn_local(tunnel.run(client));
    });
}

/// What goes to the owner beside the body; can be written more than once.
struct Letter {
    node: NodeId,
    method: Method,
    uri: Uri,
    target: String,
    headers: HeaderMap,
    listener: usize,
}

impl Letter {
    /// Only what the owner looks at goes along: no cookies, no tokens, no origin.
    fn of<B>(entrance: &Entrance, node: NodeId, address: &Address, request: &Request<B>) -> Option<Self> {
        let target = request.uri().path_and_query()?;
        let uri = Uri::builder().scheme("http").authority(address.as_str()).path_and_query(target.clone());
        let mut headers = HeaderMap::new();
        for name in SENT_ON {
            if let Some(value) = request.headers().get(&name) {
                headers.insert(name, value.clone());
            }
        }
        if headers.contains_key(UPGRADE) {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        let listeners = &entrance.local.options.listeners;
        let listener = listeners.iter().position(|listener| listener.address == entrance.listener.address)?;
        let (method, target) = (request.method().clone(), target.to_string());
        Some(Self { node, method, uri: uri.build().ok()?, target, headers, listener })
    }

    /// Marked now, with another method where it is not the client's request itself that goes.
    fn write(&self, entrance: &Entrance, method: &Method, body: Body) -> Request<Body> {
        let cluster = &entrance.local.worker.services.cluster;
        let now_ms = cluster.registry_ms();
        let mark = hop::mark(cluster.seal(), method.as_str(), &self.target, self.node, self.listener, now_ms);
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(&hop::HOP, mark);
        request
    }
}

const SENT_ON: [HeaderName; 7] = [
    CONTENT_TYPE,
    ACCEPT_ENCODING,
    UPGRADE,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
];

/// Inputs: the answer; the end of the owner's lease, or of all patience; the end of this node, upon which the owner is asked
/// to answer now.
async fn deliver(entrance: &Rc<Entrance>, letter: &Letter, body: Body) -> Result<Response<Incoming>, Miss> {
    let local = &entrance.local;
    let mut sent = pin!(local.forwarder.client.request(letter.write(entrance, &letter.method, body)));
    let mut lost = pin!(lost(entrance, letter.node));
    let mut draining = local.forwarder.draining.subscribe();
    let mut released = pin!(async {
        turn(&mut draining).await;
        let release = letter.write(entrance, &hop::release(), Body::empty());
        let _ = local.forwarder.client.request(release).await;
        std::future::pending::<()>().await;
    });
    tokio::select! {
        biased;
        answer = &mut sent => answer.map_err(|error| {
            if !error.is_connect() {
                return Miss::Broken;
            }
            local.worker.services.cluster.unreachable(letter.node);
            Miss::Unreachable
        }),
        miss = &mut lost => Err(miss),
        () = &mut released => Err(Miss::Broken),
    }
}

/// Resolves when no answer can be hoped for. A process that was stopped keeps its connections open and answers nothing; its
/// lease tells.
async fn lost(entrance: &Entrance, node: NodeId) -> Miss {
    let timing = &entrance.listener.door.timing;
    let patience = Duration::from_millis(timing.ping_interval_ms + timing.ping_timeout_ms) + PATIENCE;
    let dead = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Ok(None) = entrance.local.worker.services.cluster.find(node).await {
                return;
            }
        }
    };
    match tokio::time::timeout(patience, dead).await {
        Ok(()) => Miss::Dead,
        Err(_) => Miss::Late,
    }
}

/// The owner's answer as this node's own. What belongs to the connection between the two stays behind.
fn relayed(answer: Response<Incoming>) -> Reply {
    let mut reply = answer.map(Body::new);
    let switches = reply.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.remove(DATE);
    headers.remove(TRANSFER_ENCODING);
    if switches {
        headers.remove(CONTENT_LENGTH);
    }
    reply
}

/// hyper's connections live on the worker that made them.
#[derive(Clone)]
struct OnThisWorker(Tasks);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for OnThisWorker {
    fn execute(&self, connection: F) {
        self.0.spawn_local(connection);
    }
}

/// A node that is there answers within a network's round trip.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// After so long without a word from the other machine, a connection is probed or given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Idle connections kept to one node; those in use have no such bound, as each waiting poll has its own.
const IDLE_MAX: usize = 64;
/// Requests and tunnels to one node from one worker.
const UNDER_WAY_MAX: usize = 8_192;
/// How often the lease of a node that has not answered is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// What an answer may take beyond the longest poll.
const PATIENCE: Duration = Duration::from_secs(10);
