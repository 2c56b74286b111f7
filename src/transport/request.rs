//! One HTTP request: to the Engine.IO endpoint, or to the rest of the gateway.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ORIGIN, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tower::ServiceExt;

use super::admission::{Admitted, Query, admit};
use super::compress::accepts_gzip;
use super::doorway::Heir;
use super::hop::Hop;
use super::links::Local;
use super::options::Listener;
use super::refusal::{BAD_REQUEST, Refusal, UNKNOWN};
use super::{forward, hop, polling, upgrade, websocket};
use crate::auth::Origin;
use crate::flows::Handshake;
use crate::flows::cluster::Owner;

pub(super) type Reply = Response<Body>;

/// What every request of a connection shares.
pub(super) struct Entrance {
    pub local: Rc<Local>,
    pub listener: Rc<Listener>,
    /// Everything that is not Engine.IO.
    pub router: axum::Router,
    pub peer: SocketAddr,
    /// Who takes the connection over, and the answer that is held back for it; see [`super::doorway`].
    pub heir: RefCell<Option<Heir>>,
    pub held: RefCell<Vec<u8>>,
}

impl Entrance {
    pub fn new(local: &Rc<Local>, listener: &Rc<Listener>, router: &axum::Router, peer: SocketAddr) -> Self {
        Self {
            local: Rc::clone(local),
            listener: Rc::clone(listener),
            router: router.clone(),
            peer,
            heir: RefCell::default(),
            held: RefCell::default(),
        }
    }
}

/// Serves one request.
pub(super) async fn serve(entrance: Rc<Entrance>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let cluster = &entrance.local.worker.services.cluster;
    match hop::read(cluster.seal(), &request, cluster.node(), || cluster.registry_ms()) {
        Hop::None => {}
        Hop::From { listener } => return Ok(from_node(&entrance, request, listener).await),
        Hop::Astray => return Ok(UNKNOWN.reply()),
    }
    if !request.uri().path().starts_with(&entrance.listener.path) {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(axum::extract::ConnectInfo(entrance.peer));
        return entrance.router.clone().oneshot(request).await;
    }
    let headers = request.headers();
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let (allowed, cors) = match entrance.listener.origins.decide(origin) {
        Origin::Allowed(cors) => (true, cors),
        Origin::Denied(cors) => (false, cors),
    };
    let cors = cors.headers();
    if request.method() == Method::OPTIONS {
        return Ok(preflight(&entrance, origin, headers));
    }
    let mut reply = engine(&entrance, request, Source::Client { origin_allowed: allowed }).await;
    for (name, value) in cors {
        insert(reply.headers_mut(), name, value);
    }
    if entrance.local.draining.get() && reply.status() != StatusCode::SWITCHING_PROTOCOLS {
        // What the client asks next should go elsewhere, also where a balancer keeps its connection to us.
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(reply)
}

/// A request that another node passed on. It came in there at the listener of this number, whose rules hold here, too.
async fn from_node(entrance: &Rc<Entrance>, request: Request<Incoming>, listener: usize) -> Reply {
    let local = &entrance.local;
    local.worker.services.meters.arrived_by_hop();
    let Some(listener) = local.options.listeners.get(listener) else { return UNKNOWN.reply() };
    if listener.address == entrance.listener.address {
        return engine(entrance, request, Source::Node).await;
    }
    let there = Rc::new(Entrance::new(local, &Rc::new(listener.clone()), &entrance.router, entrance.peer));
    let reply = engine(&there, request, Source::Node).await;
    if let Some(heir) = there.heir.take() {
        entrance.bequeath(move |_, taken| heir(&there, taken));
    }
    reply
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Client {
        origin_allowed: bool,
    },
    /// The node that the client asked has seen to the origin.
    Node,
}

async fn engine(entrance: &Rc<Entrance>, request: Request<Incoming>, source: Source) -> Reply {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    // Any other upgrade, such as the `h2c` that some HTTP clients offer with every request, is passed over (RFC 9110, 7.8).
    let upgrades = request.headers().get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let meters = &entrance.local.worker.services.meters;
    let refused = |refusal: Refusal| {
        meters.refused(refusal.name());
        if upgrades { refusal.upgrade_reply() } else { refusal.reply() }
    };
    let listener = &entrance.listener;
    let checked = listener.origins.is_for_this_machine() || upgrades && listener.check_websocket_origin;
    if checked && source == (Source::Client { origin_allowed: false }) {
        return refused(Refusal::Origin);
    }
    let method = request.method();
    if source == Source::Node && *method == hop::release() {
        return polling::release(entrance, query.session()).await.unwrap_or_else(refused);
    }
    let admitted = match admit(listener, method, request.headers(), &query, upgrades) {
        Ok(admitted) => admitted,
        Err(refusal) => return refused(refusal),
    };
    match admitted.session().map(|session| entrance.local.worker.services.cluster.owner(session)) {
        Some(Owner::Elsewhere(node)) if source != Source::Node => {
            return forward::forward(entrance, node, admitted, request).await.unwrap_or_else(refused);
        }
        Some(Owner::Elsewhere(_) | Owner::Nobody) => return refused(UNKNOWN),
        None if source == Source::Node => return refused(BAD_REQUEST),
        Some(Owner::Here) | None => {}
    }
    let handshake = || handshake(entrance, request.headers());
    let outcome = match admitted {
        Admitted::OpenPolling => polling::open(entrance, handshake()),
        Admitted::Poll(sid) => polling::poll(entrance, sid, accepts_gzip(request.headers())).await,
        Admitted::Post(sid) => polling::post(entrance, sid, request).await,
        Admitted::OpenWebSocket => {
            let handshake = handshake();
            websocket::open(entrance, &request, handshake)
        }
        Admitted::Wrong(sid, refusal) => Err(polling::wrong(entrance, sid, refusal).await),
        Admitted::Upgrade(sid) => upgrade::probe(entrance, sid, &request).await,
    };
    outcome.unwrap_or_else(refused)
}

fn handshake(entrance: &Entrance, headers: &HeaderMap) -> Handshake {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    Handshake {
        authorization: text(AUTHORIZATION).map(Box::from),
        address: entrance.peer.ip(),
        request_id: text(HeaderName::from_static("x-request-id")).filter(|id| id.len() <= 128).map(Box::from),
    }
}

fn preflight(entrance: &Entrance, origin: Option<&str>, headers: &HeaderMap) -> Reply {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    if let Some(preflight) = entrance.listener.origins.preflight(origin, asked) {
        for (name, value) in preflight.headers() {
            insert(reply.headers_mut(), name, &value);
        }
    }
    reply
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.append(name, value);
    }
}

/// A 200 of the polling transport.
pub(super) fn ok(content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Body::from(body));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
