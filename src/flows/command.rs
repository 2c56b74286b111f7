//! A client emits an event: the namespace's contract says what it does.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::policy::Policy;
use super::{Worker, correlation_id, publish, record, rules};
use crate::auth::{Claims, Identity};
use crate::backplane::resume::{By, Stay};
use crate::closing::Closing;
use crate::contract::{Code, Verb, ok, refusal};
use crate::event::{Body, Event, Partition, Publication, Target};
use crate::hub::{ClientKey, Frames, SocketKey};
use crate::ids::{Room, SocketId};
use crate::protocol::socket::{arguments, event_name};

/// An event as it came in. `args` is the whole array, the event's name first.
pub struct Incoming {
    pub namespace: String,
    pub id: Option<u64>,
    pub args: String,
    pub attachments: SmallVec<[Bytes; 0]>,
}

/// Who emitted, as far as the steps below need it.
pub(super) struct Sender {
    pub client: ClientKey,
    pub socket: SocketKey,
    pub partition: Arc<Partition>,
    pub policy: Arc<Policy>,
    pub identity: Option<Arc<Identity>>,
    pub auth: Option<String>,
}

impl Sender {
    /// `None` if the client is not in that namespace.
    pub fn of(worker: &Worker, client: ClientKey, namespace: &str) -> Option<Self> {
        worker.with_socket(client, namespace, |socket| Self {
            client,
            socket: socket.key,
            partition: Arc::clone(&socket.partition),
            policy: Arc::clone(&socket.policy),
            identity: socket.identity.clone(),
            auth: socket.auth.clone(),
        })
    }
}

/// A refusal on its way to the client.
struct Refused {
    code: Code,
    message: String,
}

/// The walk of an event: its rule, or the verb of that name, or the refusal that there is neither.
///
/// # Errors
/// If the client is not in that namespace.
pub async fn event(worker: &Rc<Worker>, key: ClientKey, incoming: Incoming) -> Result<(), Closing> {
    let sender = Sender::of(worker, key, &incoming.namespace).ok_or(Closing::ParseError)?;
    // An event without payload is legal on the wire and means nothing.
    if incoming.args.is_empty() {
        return Ok(());
    }
    let args = arguments(&incoming.args).map_err(|_| Closing::ParseError)?;
    let Some((name, args)) = args.split_first() else { return Ok(()) };
    let name = event_name(name);
    let policy = Arc::clone(&sender.policy);
    if let Some(rule) = policy.contract.on_event(&name) {
        rules::follow(worker, &sender, rule, args, &incoming);
        worker.services.meters.event("ok");
        return Ok(());
    }
    let answer = match Verb::parse(&name, args, &worker.services.limits.verbs) {
        Ok(verb) if policy.contract.allows(verb.name()) => perform(worker, &sender, verb, &incoming.attachments).await,
        Ok(_) => Err(Refused { code: Code::NotFound, message: "there is no such event here".into() }),
        Err(fault) => Err(Refused { code: fault.code(), message: fault.to_string() }),
    };
    let body = match answer {
        Ok(body) => {
            worker.services.meters.event("ok");
            body
        }
        Err(refused) => {
            let correlation_id = correlation_id();
            worker.services.meters.event(refused.code.as_str());
            tracing::debug!(
                event = "realtime.event_refused",
                code = refused.code.as_str(),
                correlation_id,
                namespace = incoming.namespace
            );
            refusal(refused.code, &refused.message, &correlation_id)
        }
    };
    // An event that was sent without an ack id is never answered.
    if let Some(id) = incoming.id {
        ack(worker, &sender, id, format!("[{body}]"), SmallVec::new());
    }
    Ok(())
}

pub(super) fn ack(worker: &Worker, sender: &Sender, id: u64, args: String, attachments: SmallVec<[Bytes; 0]>) {
    let frames = Frames::ack(sender.partition.namespace.clone(), id, args, attachments);
    worker.send(sender.client, &frames);
}

/// A built-in verb; answers with the body of the ack.
async fn perform(
    worker: &Rc<Worker>,
    sender: &Sender,
    verb: Verb,
    attachments: &SmallVec<[Bytes; 0]>,
) -> Result<String, Refused> {
    match verb {
        Verb::Join { room } => join(worker, sender, &room).await,
        Verb::Leave { room } => leave(worker, sender, &room).await,
        Verb::Publish { room, event, data } => publish_event(worker, sender, room, &event, data, attachments).await,
        Verb::Whoami => Ok(whoami(worker, sender)),
        Verb::Ping => Ok(ok(&[("serverTime", worker.services.clock.wall_ms().into())])),
    }
}

async fn join(worker: &Rc<Worker>, sender: &Sender, room: &Room) -> Result<String, Refused> {
    // Another socket's id as a room would be a way to overhear it.
    let own = SocketId::recognizes(room.as_str());
    if own || !with_claims(sender, |claims| sender.policy.access.may_join(room, claims)) {
        return Err(forbidden());
    }
    let rooms = worker.hub.borrow().rooms_of(sender.socket);
    if rooms.contains(room) {
        return Ok(ok(&[]));
    }
    let most = worker.services.limits.rooms_per_socket;
    if rooms.len() >= most {
        return Err(Refused { code: Code::Forbidden, message: format!("a socket can be in {most} rooms at most") });
    }
    let topics = [crate::event::Topic::of(room)];
    let lanes = &worker.services.lanes;
    let Ok(floor) = lanes.acquire(&sender.partition, &topics, None).await else { return Err(unavailable()) };
    let since = record::since(worker, &sender.partition, floor);
    // An unsettled join ordered by a backend holds the room for the socket already.
    if !worker.hub.borrow_mut().join(sender.socket, room) || worker.is_unsettled(sender.socket, room) {
        lanes.release(&sender.partition, &topics);
    }
    // Before the ack: from then on a resume brings the room back.
    let joined = vec![(room.clone(), Stay { by: By::Client, since })];
    if record::change(worker, sender.socket, joined, Vec::new()).await.is_err() {
        leave_room(worker, sender, room);
        return Err(unavailable());
    }
    Ok(ok(&[]))
}

async fn leave(worker: &Worker, sender: &Sender, room: &Room) -> Result<String, Refused> {
    leave_room(worker, sender, room);
    record::change(worker, sender.socket, Vec::new(), vec![room.clone()]).await.map_err(|_| unavailable())?;
    Ok(ok(&[]))
}

fn leave_room(worker: &Worker, sender: &Sender, room: &Room) {
    if worker.hub.borrow_mut().leave(sender.socket, room) {
        worker.release(&sender.partition, sender.socket, std::slice::from_ref(room));
    }
}

async fn publish_event(
    worker: &Worker,
    sender: &Sender,
    room: Room,
    event: &str,
    data: Option<Box<str>>,
    attachments: &SmallVec<[Bytes; 0]>,
) -> Result<String, Refused> {
    if !with_claims(sender, |claims| sender.policy.access.may_publish(&room, claims)) {
        return Err(forbidden());
    }
    let name = serde_json::Value::from(event);
    let args = data.map_or_else(|| format!("[{name}]"), |data| format!("[{name},{data}]"));
    let publication = Publication {
        target: Target::room(room),
        body: Body::Event(Event { args, attachments: attachments.clone() }),
        volatile: false,
        published_at_ms: worker.services.clock.wall_ms(),
        traceparent: None,
    };
    let publish = publish::Publish::new(Arc::clone(&sender.partition), publication, "socket");
    match publish::publish(&worker.services, publish).await {
        Ok(receipt) => {
            let id = receipt.position.map(|position| position.id.to_string());
            Ok(ok(&[("id", id.into())]))
        }
        Err(_) => Err(unavailable()),
    }
}

fn whoami(worker: &Worker, sender: &Sender) -> String {
    let hub = worker.hub.borrow();
    let id = hub.socket(sender.socket).map(|socket| socket.id.to_string());
    let rooms: Vec<String> = hub.rooms_of(sender.socket).iter().map(ToString::to_string).collect();
    let user = sender.identity.as_ref().map(|identity| identity.subject.clone());
    ok(&[("id", id.into()), ("user", user.into()), ("rooms", rooms.into())])
}

fn with_claims<T>(sender: &Sender, look: impl FnOnce(&Claims) -> T) -> T {
    match &sender.identity {
        Some(identity) => look(&identity.claims),
        None => look(&Claims::new()),
    }
}

/// The same words whether the room exists or not.
fn forbidden() -> Refused {
    Refused { code: Code::Forbidden, message: "not allowed".into() }
}

fn unavailable() -> Refused {
    Refused { code: Code::Unavailable, message: "the service is away for a moment, try again".into() }
}
