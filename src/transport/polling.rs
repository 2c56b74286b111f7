//! HTTP long-polling (Engine.IO protocol 4, "HTTP long-polling"): one GET that waits for packets, POSTs that bring them.
//!
//! A request may arrive at any worker; what it asks for is done on the worker that owns the session.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::compress::gzip;
use super::links::{Link, Local, Polling, has_farewell};
use super::owner::{Abandoned, Owner};
use super::refusal::{BAD_REQUEST, Refusal, UNKNOWN};
use super::request::{Entrance, Reply, ok};
use super::upgrade::release_poll;
use crate::closing::Closing;
use crate::flows::{Door, Handshake, inbound};
use crate::hub::{ClientKey, Encoding};
use crate::ids::SessionId;
use crate::protocol::engine;
use crate::session::Speaks;

/// A new session. The answer holds the open packet and nothing else: some clients read it as one packet.
pub(super) fn open(entrance: &Entrance, handshake: Handshake) -> Result<Reply, Refusal> {
    let local = &entrance.local;
    local.admit_handshake()?;
    let door = &entrance.listener.door;
    let encoding = Encoding::of(door.parsing.speaks == Speaks::MsgpackSocketIo, true);
    let (key, id) = local.worker.open(door, handshake, encoding);
    let body = open_packet(entrance, &id, entrance.listener.websocket);
    local.attach(key, id, Link::Polling(Polling::default()));
    Ok(ok("text/plain; charset=UTF-8", body.into()))
}

/// `upgradable`: the client may go on to WebSocket.
pub(super) fn open_packet(entrance: &Entrance, id: &SessionId, upgradable: bool) -> String {
    let door = &entrance.listener.door;
    engine::open_packet(&engine::Handshake {
        sid: &id.to_string(),
        upgrades: if upgradable { &["websocket"] } else { &[] },
        ping_interval_ms: door.timing.ping_interval_ms,
        ping_timeout_ms: door.timing.ping_timeout_ms,
        max_payload_bytes: door.parsing.payload_bytes_max as u64,
    })
}

/// A request that asks for something no session gives: `refusal` if there is such a session.
pub(super) async fn wrong(entrance: &Entrance, sid: SessionId, refusal: Refusal) -> Refusal {
    let Ok(owner) = Owner::of(&entrance.local, sid) else { return UNKNOWN };
    match owner.ask(move |local| local.find(&sid).is_some()).await {
        Ok(true) => refusal,
        Ok(false) | Err(_) => UNKNOWN,
    }
}

/// Answers the poll that waits, if one does: the node through which it came goes away.
pub(super) async fn release(entrance: &Entrance, sid: Option<SessionId>) -> Result<Reply, Refusal> {
    let sid = sid.ok_or(UNKNOWN)?;
    let release = move |local: &Rc<Local>| local.find(&sid).map(|key| release_poll(local, key));
    Owner::of(&entrance.local, sid)?.ask(release).await?.ok_or(UNKNOWN)?;
    Ok(ok("text/plain", Bytes::new()))
}

/// GET: waits for packets.
pub(super) async fn poll(entrance: &Entrance, sid: SessionId, gzip_accepted: bool) -> Result<Reply, Refusal> {
    let owner = Owner::of(&entrance.local, sid)?;
    let waiting = owner.ask(move |local| begin_poll(local, &sid)).await??;
    // If the client gives the request up, this future is dropped and the session ends.
    let abandoned = Abandoned::new(&owner);
    let payload = waiting.await;
    abandoned.disarm();
    let payload = payload.map_err(|_| UNKNOWN)?;
    match gzip_accepted.then(|| gzip(&payload)).flatten() {
        Some(packed) => {
            let mut reply = ok("text/plain; charset=UTF-8", packed);
            reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            reply.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
            Ok(reply)
        }
        None => Ok(ok("text/plain; charset=UTF-8", payload)),
    }
}

fn begin_poll(local: &Rc<Local>, sid: &SessionId) -> Result<oneshot::Receiver<Bytes>, Refusal> {
    let (sender, receiver) = oneshot::channel();
    let Some(key) = local.find(sid) else {
        let (payload, until_ms) = local.farewells.borrow_mut().remove(sid).ok_or(UNKNOWN)?;
        if until_ms <= local.worker.services.clock.now_ms() {
            return Err(UNKNOWN);
        }
        let _ = sender.send(payload);
        return Ok(receiver);
    };
    let mut links = local.links.borrow_mut();
    let Some(Link::Polling(polling)) = links.get_mut(key) else { return Err(BAD_REQUEST) };
    if polling.poll.is_some() {
        drop(links);
        local.worker.close(key, Closing::EngineParseError);
        local.finish(key);
        return Err(Refusal::Overlap);
    }
    polling.poll = Some(sender);
    if let Some(outbox) = local.worker.hub.borrow_mut().outbox(key) {
        outbox.listening = true;
    }
    local.answer_poll(key, polling);
    Ok(receiver)
}

/// POST: brings packets.
pub(super) async fn post(entrance: &Entrance, sid: SessionId, request: Request<Incoming>) -> Result<Reply, Refusal> {
    let owner = Owner::of(&entrance.local, sid)?;
    let binary = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet-stream"));
    owner.ask(move |local| begin_post(local, &sid, binary)).await??;
    let abandoned = Abandoned::new(&owner);
    let body = read_body(&entrance.listener.door, request).await?;
    let too_large = body.is_none();
    let taken = owner.ask(move |local| finish_post(local, sid, body)).await?;
    abandoned.disarm();
    if too_large {
        return Err(Refusal::TooLarge);
    }
    // Held back while the client has too much waiting already.
    let _ = taken.await;
    Ok(ok("text/html", Bytes::from_static(b"ok")))
}

/// The whole body; `None` if it is too large.
async fn read_body(door: &Door, request: Request<Incoming>) -> Result<Option<Bytes>, Refusal> {
    // Pongs come by POST, one at a time: whoever takes longer for one than the heartbeat allows has no session any more.
    let patience = Duration::from_millis(door.timing.ping_interval_ms + door.timing.ping_timeout_ms);
    let body = Limited::new(request.into_body(), door.parsing.payload_bytes_max).collect();
    match tokio::time::timeout(patience, body).await {
        Ok(Ok(body)) => Ok(Some(body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Ok(None),
        // Cut off in the middle: what was sent is lost, so the session ends and the client starts over.
        Ok(Err(_)) | Err(_) => Err(BAD_REQUEST),
    }
}

fn begin_post(local: &Rc<Local>, sid: &SessionId, binary: bool) -> Result<(), Refusal> {
    let key = local.find(sid).ok_or(UNKNOWN)?;
    let mut links = local.links.borrow_mut();
    let Some(Link::Polling(polling)) = links.get_mut(key) else { return Err(BAD_REQUEST) };
    if polling.posting || binary {
        drop(links);
        local.worker.close(key, Closing::EngineParseError);
        local.finish(key);
        return Err(if binary { Refusal::ContentType } else { Refusal::Overlap });
    }
    polling.posting = true;
    Ok(())
}

/// Takes the packets of a body; `None` was too large. The receiver resolves when the client may send more.
fn finish_post(local: &Rc<Local>, sid: SessionId, body: Option<Bytes>) -> oneshot::Receiver<()> {
    let (taken, wait) = oneshot::channel();
    let Some(key) = local.find(&sid) else { return wait };
    let local = Rc::clone(local);
    let tasks = local.worker.services.tasks.clone();
    tasks.spawn_local(async move {
        let outcome = match body {
            Some(body) => take_payload(&local, key, &body).await,
            None => Ok(()),
        };
        if let Some(Link::Polling(polling)) = local.links.borrow_mut().get_mut(key) {
            polling.posting = false;
        }
        if let Err(reason) = outcome {
            // What came before the fault is still worked through, while further requests find no session already.
            if !has_farewell(reason) {
                local.sessions.borrow_mut().remove(&sid);
            }
            inbound::end(&local.worker, key, reason);
        }
        let _ = taken.send(());
    });
    wait
}

/// Packets before a faulty one count. A body of many small ones is taken in as fast as they are worked through, since each
/// takes far more room than it took in the body.
async fn take_payload(local: &Rc<Local>, key: ClientKey, body: &[u8]) -> Result<(), Closing> {
    local.worker.services.meters.received_bytes.increment(body.len() as u64);
    let body = std::str::from_utf8(body).map_err(|_| Closing::EngineParseError)?;
    for packet in engine::decode_payload(body) {
        inbound::receive(&local.worker, key, packet.map_err(|_| Closing::EngineParseError)?)?;
        while let Some(relief) = inbound::congestion(&local.worker, key) {
            relief.notified().await;
        }
    }
    Ok(())
}

impl Local {
    /// Whether a new session may be opened now.
    pub fn admit_handshake(&self) -> Result<(), Refusal> {
        let services = &self.worker.services;
        // Counted by worker: the connections are spread evenly, and nobody has to share a counter.
        let full = self.worker.hub.borrow().client_count() >= self.options.clients_max.div_ceil(self.mailboxes.len());
        if full || self.draining.get() || services.backplane.proven().is_err() {
            return Err(Refusal::Unavailable);
        }
        Ok(())
    }
}
