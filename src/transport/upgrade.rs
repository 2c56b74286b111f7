//! From polling to WebSocket without losing a packet (Engine.IO protocol 4, "Upgrade").
//!
//! ```text
//! client            WebSocket        polling
//!   2probe ───────────►│                │
//!   ◄──────────── 3probe                │   every idle poll is now released with 6, again and again:
//!   (pauses polling)   │                │   the client may have polled once more before it paused
//!   5 ────────────────►│  switch: the outbox goes out here from now on
//! ```

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::doorway::Taken;
use super::links::{Link, Local, Wire};
use super::owner::Owner;
use super::refusal::{Refusal, UNKNOWN};
use super::request::{Entrance, Reply};
use super::websocket::{attend, limits, linger};
use crate::flows::Door;
use crate::hub::{ClientKey, Encoding};
use crate::ids::SessionId;
use crate::protocol::engine;
use crate::protocol::websocket::{Input, Limits, Message, Reader, check_upgrade, close_frame, pong_frame, text_frame};

/// How often idle polls are released while a WebSocket probes, as in the reference.
const RELEASE: Duration = Duration::from_millis(100);

/// A WebSocket for a session that polls.
pub(super) async fn probe(entrance: &Entrance, sid: SessionId, request: &Request<Incoming>) -> Result<Reply, Refusal> {
    let accept = check_upgrade(request.method(), request.version(), request.headers()).map_err(Refusal::Upgrade)?;
    let owner = Owner::of(&entrance.local, sid)?;
    if !owner.ask(move |local| local.find(&sid).is_some()).await? {
        return Err(UNKNOWN);
    }
    entrance.bequeath(move |entrance, Taken { io, answer, ahead }| {
        // Next to nothing was written to this connection before, so it fits.
        if !io.try_write(&answer).is_ok_and(|written| written == answer.len()) {
            return;
        }
        let timeout = Duration::from_millis(entrance.listener.upgrade_timeout_ms);
        let attempt = Attempt { sid, ahead, door: Arc::clone(&entrance.listener.door), timeout };
        if owner.is_here() {
            attempt.start(&entrance.local, io);
        } else if let Ok(io) = io.into_std() {
            entrance.local.worker.services.tasks.spawn_local(async move {
                // The connection moves to the worker that owns the session, and stays there.
                let _ = owner.ask(move |local| TcpStream::from_std(io).map(|io| attempt.start(local, io))).await;
            });
        }
    });
    Ok(accept.response())
}

struct Attempt {
    sid: SessionId,
    ahead: Bytes,
    door: Arc<Door>,
    timeout: Duration,
}

impl Attempt {
    /// On the owner's thread. A second WebSocket, or one for a session that does not poll, is closed without disturbing the
    /// session.
    fn start(self, local: &Rc<Local>, io: TcpStream) {
        let ended = Rc::new(Notify::new());
        let key = local.find(&self.sid).filter(|key| {
            let mut links = local.links.borrow_mut();
            match links.get_mut(*key) {
                Some(Link::Polling(polling)) if polling.probe.is_none() => {
                    polling.probe = Some(Rc::clone(&ended));
                    true
                }
                _ => false,
            }
        });
        let (local, tasks) = (Rc::clone(local), local.worker.services.tasks.clone());
        let Some(key) = key else {
            tasks.spawn_local(turn_away(local, io));
            return;
        };
        tasks.spawn_local(async move {
            let mut reader = Reader::default();
            let timeout = self.timeout;
            let switched = tokio::select! {
                biased;
                () = ended.notified() => None,
                switched = tokio::time::timeout(timeout, self.watch(&local, key, &io, &mut reader)) => switched.ok().flatten(),
            };
            if let Some(rest) = switched {
                return switch(&local, key, io, reader, &self.door, rest);
            }
            if let Some(Link::Polling(polling)) = local.links.borrow_mut().get_mut(key) {
                polling.probe = None;
            }
            turn_away(local, io).await;
        });
    }

    /// Reads the probe and the upgrade, releasing idle polls between the two. Returns what followed the upgrade packet;
    /// `None` for anything else than these two packets.
    async fn watch(&self, local: &Rc<Local>, key: ClientKey, io: &TcpStream, reader: &mut Reader) -> Option<Vec<u8>> {
        let mut probed = false;
        let mut pending = self.ahead.to_vec();
        let limits = limits(&self.door);
        // As in `turn_away`: from here on the answer to the probe is written by trying.
        io.writable().await.ok()?;
        loop {
            match step(reader, &limits, &mut pending, io, &mut probed) {
                ControlFlow::Break(rest) => return rest,
                ControlFlow::Continue(()) => {}
            }
            if probed {
                release_poll(local, key);
            }
            tokio::select! {
                biased;
                readable = io.readable() => {
                    readable.ok()?;
                    let mut buffer = local.read_buffer.borrow_mut();
                    match io.try_read(&mut buffer) {
                        Ok(0) => return None,
                        Ok(count) => pending = buffer[..count].to_vec(),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(_) => return None,
                    }
                }
                () = tokio::time::sleep(RELEASE), if probed => {}
            }
        }
    }
}

/// Closes a WebSocket that came to nothing, so that the client sees the close frame and not a reset connection.
async fn turn_away(local: Rc<Local>, io: TcpStream) {
    // A connection that has just come to this worker is not known to be writable yet, and trying alone does not ask.
    if matches!(tokio::time::timeout(RELEASE, io.writable()).await, Ok(Ok(()))) {
        let _ = io.try_write(&close_frame(None, ""));
    }
    let _ = socket2::SockRef::from(&io).shutdown(std::net::Shutdown::Write);
    linger(&local, &io).await;
}

/// Handles what is in `pending`.
fn step(
    reader: &mut Reader,
    limits: &Limits,
    pending: &mut Vec<u8>,
    io: &TcpStream,
    probed: &mut bool,
) -> ControlFlow<Option<Vec<u8>>> {
    let mut bytes = std::mem::take(pending);
    let mut input = Input::new(&mut bytes);
    loop {
        match reader.next(&mut input, limits) {
            Ok(None) => return ControlFlow::Continue(()),
            Ok(Some(Message::Text(text))) if text == engine::PROBE_PING => {
                let frame = text_frame(engine::PROBE_PONG);
                if !io.try_write(&frame).is_ok_and(|written| written == frame.len()) {
                    return ControlFlow::Break(None);
                }
                *probed = true;
            }
            Ok(Some(Message::Text(text))) if text == engine::UPGRADE && *probed => {
                return ControlFlow::Break(Some(input.rest().to_vec()));
            }
            Ok(Some(Message::Ping(payload))) => {
                let frame = pong_frame(payload);
                if io.try_write(&frame).is_ok_and(|written| written < frame.len()) {
                    return ControlFlow::Break(None);
                }
            }
            Ok(Some(Message::Pong(_))) => {}
            Ok(Some(Message::Text(_) | Message::Binary(_) | Message::Close(..))) | Err(_) => {
                return ControlFlow::Break(None);
            }
        }
    }
}

/// An idle poll is answered with a noop, so that the client's polling comes to rest.
pub(super) fn release_poll(local: &Local, key: ClientKey) {
    if let Some(Link::Polling(polling)) = local.links.borrow_mut().get_mut(key) {
        local.answer_poll(key, polling);
        if let Some(poll) = polling.poll.take() {
            if let Some(outbox) = local.worker.hub.borrow_mut().outbox(key) {
                outbox.listening = false;
            }
            let _ = poll.send(Bytes::from_static(engine::NOOP.as_bytes()));
        }
    }
}

/// The session's packets go over the WebSocket from now on.
fn switch(local: &Rc<Local>, key: ClientKey, io: TcpStream, reader: Reader, door: &Arc<Door>, mut rest: Vec<u8>) {
    release_poll(local, key);
    let wire = Rc::new(Wire::new(io));
    if local.links.borrow_mut().insert(key, Link::WebSocket(Rc::clone(&wire))).is_none() {
        local.links.borrow_mut().remove(key);
        return;
    }
    {
        let mut hub = local.worker.hub.borrow_mut();
        let Some(outbox) = hub.outbox(key) else { return };
        let encoding = Encoding::of(outbox.encoding().is_msgpack(), false);
        outbox.switch(encoding);
        hub.touch(key);
    }
    let meters = &local.worker.services.meters;
    meters.upgrades.increment(1);
    meters.clients_polling.decrement(1);
    meters.clients_websocket.increment(1);
    local.worker.flush.notify_one();
    attend(local, key, &wire, door, reader, &mut rest);
}
