//! A client asks for a namespace.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::asked::Asked;
use super::policy::Policy;
use super::{SocketState, Worker, correlation_id, rules};
use crate::auth::{Claims, Identity, Refusal, token_from};
use crate::closing::Closing;
use crate::event::{Partition, Position, Topic};
use crate::hub::{ClientKey, Frames};
use crate::ids::{Namespace, PrivateId, Room, SocketId};
use crate::protocol::socket::PacketType;

/// The walk of a CONNECT: policy, token, rooms, interest, place in the hub, reply, greeting.
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

    let partition = worker.partition(&namespace);
    let topics = topics(&rooms);
    let floor = match services.lanes.acquire(&partition, &topics, None).await {
        Ok(floor) => floor,
        Err(cause) => {
            tracing::warn!(event = "realtime.unavailable", %cause, "the backplane is away: a connecting client is sent to try again");
            services.meters.connect("unavailable");
            return Err(Closing::Unavailable);
        }
    };
    let admitted = Admission { policy, partition, identity, auth, rooms, floor };
    if !admit(worker, key, admitted) {
        services.lanes.release(&services.partition(&namespace), &topics);
    }
    Ok(())
}

/// What a socket's interest consists of: everybody's topic and one for each room.
pub(super) fn topics(rooms: &[Room]) -> SmallVec<[Topic; 4]> {
    std::iter::once(Topic::All).chain(rooms.iter().map(Topic::of)).collect()
}

struct Admission {
    policy: Arc<Policy>,
    partition: Arc<Partition>,
    identity: Option<Arc<Identity>>,
    auth: Option<String>,
    rooms: Vec<Room>,
    /// Where the partition's lane stood when the interest was there.
    floor: Option<Position>,
}

/// Gives the client its socket and tells it so; false if it went away meanwhile.
fn admit(worker: &Rc<Worker>, key: ClientKey, admission: Admission) -> bool {
    let Admission { policy, partition, identity, auth, rooms, floor } = admission;
    let namespace = partition.namespace.clone();
    let id = SocketId::from_random(worker.random());
    // It may be as long as a message, and would stay as long as the socket.
    let auth = auth.filter(|_| policy.contract.reads_auth());
    let mut clients = worker.clients.borrow_mut();
    let mut hub = worker.hub.borrow_mut();
    let Some(client) = clients.get_mut(key) else { return false };
    let Some(socket) = hub.admit(key, &namespace, id.clone()) else { return false };
    for room in &rooms {
        hub.join(socket, room);
    }
    if let Some(floor) = floor {
        hub.begin(&namespace, floor);
    }
    client.session.joined();
    let user = identity.as_ref().map(|identity| identity.subject.clone());
    client.sockets.push(Box::new(SocketState {
        key: socket,
        partition,
        policy: Arc::clone(&policy),
        identity,
        auth,
        asked: Asked::default(),
    }));

    let pid = policy.recovery.then(|| PrivateId::from_random(worker.random()));
    let reply = match &pid {
        Some(pid) => format!(r#"{{"sid":"{id}","pid":"{pid}"}}"#),
        None => format!(r#"{{"sid":"{id}"}}"#),
    };
    hub.send(key, &Frames::control(PacketType::Connect, namespace.clone(), reply), false);
    let address = client.handshake.address;
    let request_id = client.handshake.request_id.clone();
    drop((clients, hub));
    worker.flush.notify_one();
    worker.services.meters.connect("ok");
    worker.services.meters.sockets.increment(1);
    tracing::info!(event = "realtime.connect", socket = %id, namespace = %namespace, user, %address, request_id, "connected");
    rules::greet(worker, key, &namespace);
    true
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
