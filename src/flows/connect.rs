//! A client asks for a namespace.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::asked::Asked;
use super::policy::Policy;
use super::record::{self, Held};
use super::recover::{self, Outcome};
use super::{SocketState, Worker, correlation_id, rules};
use crate::auth::{Claims, Identity, Refusal, token_from};
use crate::backplane::resume::{By, Record, Stay};
use crate::backplane::{GapNotice, Unavailable};
use crate::closing::Closing;
use crate::event::{Partition, Position, Topic};
use crate::hub::{ClientKey, Frames, SocketKey};
use crate::ids::{Namespace, Room, SocketId};
use crate::protocol::socket::PacketType;

/// The walk of a CONNECT: policy, token, rooms; then the former session, if it names one that can be gone on with, or else
/// interest, record, place in the hub, reply, greeting.
///
/// # Errors
/// If the packet is invalid, or if the backplane is away: then the transport goes and the client comes back by itself,
/// which after a CONNECT_ERROR it would not do.
pub async fn connect(worker: &Rc<Worker>, key: ClientKey, name: &str, auth: Option<String>) -> Result<(), Closing> {
    if worker.with_socket(key, name, |_| ()).is_some() {
        return Err(Closing::ParseError);
    }
    let services = &worker.services;
    let known = services.namespaces.find(name).cloned();
    let (Some(policy), Ok(namespace)) = (known, Namespace::new(name)) else {
        services.meters.connect("unknown_namespace");
        return refuse(worker, key, name, "Invalid namespace", None);
    };
    if let Some(refusal) = &policy.refuse {
        services.meters.connect("refused");
        return refuse(worker, key, name, &refusal.message, refusal.data.as_deref());
    }
    if count_sockets(worker, key) >= services.limits.namespaces_per_client {
        services.meters.connect("too_many_namespaces");
        return refuse_with_code(worker, key, name, "Too many namespaces", "QUOTA_EXCEEDED", "too_many_namespaces");
    }
    let identity = match identify(worker, key, &policy, auth.as_deref()).await {
        Ok(identity) => identity.map(Arc::new),
        Err(refusal) => {
            services.meters.connect(refusal.class());
            let code = refusal.code();
            return refuse_with_code(worker, key, name, code.message(), code.as_str(), refusal.class());
        }
    };
    let nobody = Claims::new();
    let mut rooms = policy.automatic_rooms.rooms(identity.as_ref().map_or(&nobody, |identity| &identity.claims));
    rooms.sort_unstable();
    rooms.dedup();
    rooms.truncate(services.limits.rooms_per_socket);

    let asked = if policy.recovery { recover::Asked::read(auth.as_deref()) } else { None };
    let partition = worker.partition(&namespace);
    let admission = Admission { policy, partition, identity, auth, rooms };
    let Some(asked) = asked else { return begin(worker, key, &admission, &[]).await };
    match recover::recover(worker, key, admission, asked).await? {
        Outcome::Recovered => Ok(()),
        Outcome::Fresh(admission, gaps) => begin(worker, key, &admission, &gaps).await,
    }
}

/// A session from the start. `gaps` are told after the reply.
async fn begin(worker: &Rc<Worker>, key: ClientKey, admission: &Admission, gaps: &[GapNotice]) -> Result<(), Closing> {
    let services = &worker.services;
    let Admission { policy, partition, identity, rooms, .. } = admission;
    let away = |cause: Unavailable| {
        tracing::warn!(event = "realtime.unavailable", %cause, "the backplane is away: a connecting client is sent to try again");
        services.meters.connect("unavailable");
        Closing::Unavailable
    };
    let topics = topics(rooms);
    let floor = services.lanes.acquire(partition, &topics, None).await.map_err(away)?;
    let id = SocketId::from_random(worker.random());
    let mut session = None;
    if policy.recovery {
        let began = record::since(worker, partition, floor.clone());
        let stay = |room: &Room| (room.clone(), Stay { by: By::Rule, since: began.clone() });
        let record = Record {
            socket: id.clone(),
            subject: record::subject(identity.as_deref()),
            node: services.cluster.node().to_string(),
            rooms: rooms.iter().map(stay).collect(),
            began: began.clone(),
        };
        let written = record::begin(services, partition, policy, record).await;
        session = Some(written.inspect_err(|_| services.lanes.release(partition, &topics)).map_err(away)?);
    }
    let place = Place { id, rooms, session, floor, recovered: false };
    if admit(worker, key, admission, place).is_some() {
        recover::tell(worker, key, partition, gaps);
    } else {
        services.lanes.release(partition, &topics);
    }
    Ok(())
}

/// What a socket's interest consists of: everybody's topic and one for each room.
pub(super) fn topics(rooms: &[Room]) -> SmallVec<[Topic; 4]> {
    std::iter::once(Topic::All).chain(rooms.iter().map(Topic::of)).collect()
}

/// Who comes in, and where.
pub(super) struct Admission {
    pub policy: Arc<Policy>,
    pub partition: Arc<Partition>,
    pub identity: Option<Arc<Identity>>,
    pub auth: Option<String>,
    /// The automatic ones.
    pub rooms: Vec<Room>,
}

/// The place of a socket, whose interest is held already.
pub(super) struct Place<'a> {
    pub id: SocketId,
    pub rooms: &'a [Room],
    pub session: Option<Held>,
    /// Everything stored after it is delivered from now on.
    pub floor: Option<Position>,
    pub recovered: bool,
}

/// Gives the client its socket and tells it so; `None` if it went away meanwhile.
pub(super) fn admit(worker: &Rc<Worker>, key: ClientKey, admission: &Admission, place: Place<'_>) -> Option<SocketKey> {
    let Admission { policy, partition, identity, auth, .. } = admission;
    let Place { id, rooms, session, floor, recovered } = place;
    let namespace = partition.namespace.clone();
    let mut clients = worker.clients.borrow_mut();
    let mut hub = worker.hub.borrow_mut();
    let client = clients.get_mut(key)?;
    let socket = hub.admit(key, &namespace, id.clone())?;
    for room in rooms {
        hub.join(socket, room);
    }
    if let Some(floor) = floor {
        hub.begin(&namespace, floor);
    }
    client.session.joined();
    client.sockets.push(Box::new(SocketState {
        key: socket,
        partition: Arc::clone(partition),
        policy: Arc::clone(policy),
        identity: identity.clone(),
        // It may be as long as a message, and would stay as long as the socket.
        auth: auth.clone().filter(|_| policy.contract.reads_auth()),
        session,
        asked: Asked::default(),
    }));
    let reply = match &session {
        Some(session) => format!(r#"{{"sid":"{id}","pid":"{}"}}"#, session.pid.expose()),
        None => format!(r#"{{"sid":"{id}"}}"#),
    };
    hub.send(key, &Frames::control(PacketType::Connect, namespace.clone(), reply), false);
    let address = client.handshake.address;
    let request_id = client.handshake.request_id.clone();
    drop((clients, hub));
    worker.flush.notify_one();
    worker.services.meters.connect("ok");
    worker.services.meters.sockets.increment(1);
    let user = identity.as_ref().map(|identity| identity.subject.clone());
    tracing::info!(event = "realtime.connect", socket = %id, namespace = %namespace, user, %address, request_id, recovered, "connected");
    if session.is_some() {
        record::renew(worker, socket, policy);
    }
    rules::greet(worker, key, &namespace);
    Some(socket)
}

async fn identify(
    worker: &Worker,
    key: ClientKey,
    policy: &Policy,
    auth: Option<&str>,
) -> Result<Option<Identity>, Refusal> {
    let authorization = worker.clients.borrow().get(key).and_then(|client| client.handshake.authorization.clone());
    let services = &worker.services;
    match token_from(auth, authorization.as_deref()) {
        Ok(Some(token)) if !services.authenticator.issuers().is_empty() => {
            services.authenticator.authenticate(&token, &policy.issuers, services.clock.wall_ms()).await.map(Some)
        }
        // Where anybody may enter and no issuer is configured, a token means nothing.
        Ok(_) if policy.anonymous => Ok(None),
        Ok(_) => Err(Refusal::Missing),
        Err(refusal) => Err(refusal),
    }
}

fn refuse_with_code(
    worker: &Worker,
    key: ClientKey,
    name: &str,
    message: &str,
    code: &str,
    class: &'static str,
) -> Result<(), Closing> {
    let correlation_id = correlation_id();
    let address = worker.clients.borrow().get(key).map(|client| client.handshake.address);
    tracing::info!(
        event = "realtime.auth_failed",
        reason = class,
        correlation_id,
        namespace = name,
        address = address.map(tracing::field::display),
        "connect refused"
    );
    let data = serde_json::json!({ "code": code, "correlationId": correlation_id }).to_string();
    refuse(worker, key, name, message, Some(&data))
}

/// CONNECT_ERROR; the session stays open for other namespaces. The name goes back as it came, valid or not.
fn refuse(worker: &Worker, key: ClientKey, name: &str, message: &str, data: Option<&str>) -> Result<(), Closing> {
    let mut body = format!(r#"{{"message":{}"#, serde_json::Value::from(message));
    if let Some(data) = data {
        body.push_str(r#","data":"#);
        body.push_str(data);
    }
    body.push('}');
    let namespace = Namespace::unchecked_echo(name).ok_or(Closing::ParseError)?;
    worker.send(key, &Frames::control(PacketType::ConnectError, namespace, body));
    Ok(())
}

fn count_sockets(worker: &Worker, key: ClientKey) -> usize {
    worker.clients.borrow().get(key).map_or(0, |client| client.sockets.len())
}
