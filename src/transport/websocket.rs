//! The WebSocket transport: one task reads, the worker's flush writes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Parts};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::links::{Goodbye, Link, Local, Wire};
use super::polling::open_packet;
use super::refusal::Refusal;
use super::request::{Entrance, Reply};
use crate::closing::Closing;
use crate::flows::{Handshake, inbound};
use crate::hub::{ClientKey, Encoding, Frames};
use crate::protocol::engine::{self, Packet};
use crate::protocol::websocket::{Input, Limits, Message, Reader, Violation, check_upgrade, pong_frame};
use crate::session::Speaks;

/// A session that starts on WebSocket.
pub(super) fn open(
    entrance: &Rc<Entrance>,
    request: Request<Incoming>,
    handshake: Handshake,
) -> Result<Reply, Refusal> {
    let accept = check_upgrade(request.method(), request.version(), request.headers()).map_err(Refusal::Upgrade)?;
    entrance.local.admit_handshake()?;
    let reply = accept.response();
    let upgraded = hyper::upgrade::on(request);
    let entrance = Rc::clone(entrance);
    entrance.local.worker.services.tasks.clone().spawn_local(async move {
        let Some((io, leftover)) = take_over(upgraded).await else { return };
        let local = &entrance.local;
        let door = &entrance.listener.door;
        let encoding = Encoding::of(door.parsing.speaks == Speaks::MsgpackSocketIo, false);
        let (key, id) = local.worker.open(door, handshake, encoding);
        let packet = open_packet(&entrance, &id, false);
        let wire = Rc::new(Wire::new(io));
        local.attach(key, id, Link::WebSocket(Rc::clone(&wire)));
        local.worker.send(key, &Arc::new(Frames::engine(packet)));
        let limits = limits(door.parsing.payload_bytes_max);
        let local = Rc::clone(local);
        // The connection's own state (its HTTP part, its router) is not kept while the socket lives.
        drop(entrance);
        run(local, key, wire, Reader::default(), limits, leftover).await;
    });
    Ok(reply)
}

/// The bare connection behind an upgrade, and what the client sent ahead on it.
pub(super) async fn take_over(upgraded: OnUpgrade) -> Option<(TcpStream, Bytes)> {
    let upgraded = upgraded.await.ok()?;
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((io.into_inner(), read_buf))
}

pub(super) fn limits(payload_bytes_max: usize) -> Limits {
    Limits { message_bytes_max: payload_bytes_max, ..Limits::default() }
}

/// Reads until the client goes or is sent away.
///
/// Inputs: bytes from the network; the stop signal when the link is gone; relief when too many of the client's packets
/// were waiting and it was not read from.
pub(super) async fn run(
    local: Rc<Local>,
    key: ClientKey,
    wire: Rc<Wire>,
    mut reader: Reader,
    limits: Limits,
    leftover: Bytes,
) {
    let mut outcome = feed(&local, key, &wire, &mut reader, &limits, &mut leftover.to_vec());
    drop(leftover);
    while let Ok(()) = outcome {
        if let Some(relief) = inbound::congestion(&local.worker, key) {
            tokio::select! {
                biased;
                () = wire.stop.notified() => break,
                () = relief.notified() => {}
            }
            continue;
        }
        tokio::select! {
            biased;
            () = wire.stop.notified() => break,
            readable = wire.io.readable() => {
                outcome = match readable {
                    Ok(()) => read_some(&local, key, &wire, &mut reader, &limits),
                    Err(_) => Err(Closing::TransportError),
                };
            }
        }
    }
    if let Err(reason) = outcome {
        inbound::end(&local.worker, key, reason);
    }
    drop((local, reader));
    linger(&wire.io).await;
}

fn read_some(
    local: &Rc<Local>,
    key: ClientKey,
    wire: &Wire,
    reader: &mut Reader,
    limits: &Limits,
) -> Result<(), Closing> {
    let mut buffer = local.read_buffer.borrow_mut();
    match wire.io.try_read(&mut buffer) {
        Ok(0) => Err(Closing::TransportClose),
        Ok(count) => feed(local, key, wire, reader, limits, &mut buffer[..count]),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(_) => Err(Closing::TransportError),
    }
}

fn feed(
    local: &Rc<Local>,
    key: ClientKey,
    wire: &Wire,
    reader: &mut Reader,
    limits: &Limits,
    bytes: &mut [u8],
) -> Result<(), Closing> {
    let mut input = Input::new(bytes);
    while let Some(message) = reader.next(&mut input, limits).map_err(closing)? {
        let meters = &local.worker.services.meters;
        match message {
            Message::Text(text) => {
                meters.received_bytes.increment(text.len() as u64);
                let packet = engine::decode_text(text).map_err(|_| Closing::EngineParseError)?;
                inbound::receive(&local.worker, key, packet)?;
            }
            Message::Binary(bytes) => {
                meters.received_bytes.increment(bytes.len() as u64);
                inbound::receive(&local.worker, key, Packet::Binary(bytes.into()))?;
            }
            Message::Ping(payload) => pong(local, key, wire, payload),
            Message::Pong(_) => {}
            Message::Close(code, _) => {
                wire.goodbye.set(Some(Goodbye(code)));
                return Err(Closing::TransportClose);
            }
        }
    }
    Ok(())
}

/// Control frames may stand between others but not inside one, so a pong waits for nothing only when nothing is queued.
fn pong(local: &Local, key: ClientKey, wire: &Wire, payload: &[u8]) {
    let idle = local.worker.hub.borrow_mut().outbox(key).is_some_and(|outbox| outbox.is_empty());
    // A peer that floods pings without reading gets fewer pongs (RFC 6455, section 5.5.3, allows that).
    if idle {
        let frame = pong_frame(payload);
        // What follows half a frame would be read as the rest of it.
        if wire.io.try_write(&frame).is_ok_and(|written| written < frame.len()) {
            local.worker.close(key, Closing::TransportError);
        }
    }
}

fn closing(violation: Violation) -> Closing {
    use crate::protocol::websocket::CloseCode;
    match violation.close_code() {
        CloseCode::TOO_BIG => Closing::TooLarge,
        CloseCode::INVALID_PAYLOAD => Closing::InvalidText,
        _ => Closing::ProtocolViolation,
    }
}

/// After our close frame the client's rest is read and dropped, so that closing does not reset the connection under it.
pub(super) async fn linger(io: &TcpStream) {
    let drain = async {
        let mut scrap = [0; 512];
        while io.readable().await.is_ok() {
            match io.try_read(&mut scrap) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

const LINGER: Duration = Duration::from_secs(2);
