//! The WebSocket transport: one task reads, the worker's flush writes.

use std::future::poll_fn;
use std::io::{ErrorKind, Read as _};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::doorway::Taken;
use super::links::{Goodbye, Link, Local, Wire};
use super::polling::open_packet;
use super::refusal::Refusal;
use super::request::{Entrance, Reply};
use crate::closing::Closing;
use crate::flows::{Door, Handshake, inbound};
use crate::hub::{ClientKey, Encoding, Frames};
use crate::protocol::engine::{self, Packet};
use crate::protocol::websocket::{Input, Limits, Message, Reader, Violation, check_upgrade, pong_frame};
use crate::session::Speaks;

/// A session that starts on WebSocket.
pub(super) fn open(entrance: &Entrance, request: &Request<Incoming>, handshake: Handshake) -> Result<Reply, Refusal> {
    let accept = check_upgrade(request.method(), request.version(), request.headers()).map_err(Refusal::Upgrade)?;
    entrance.local.admit_handshake()?;
    entrance.bequeath(move |entrance, taken| begin(entrance, handshake, taken));
    Ok(accept.response())
}

/// The answer to the upgrade and the open packet go out together.
fn begin(entrance: &Entrance, handshake: Handshake, taken: Taken) {
    let (local, door) = (&entrance.local, &entrance.listener.door);
    let encoding = Encoding::of(door.parsing.speaks == Speaks::MsgpackSocketIo, false);
    let (key, id) = local.worker.open(door, handshake, encoding);
    let Taken { io, answer: mut opening, ahead } = taken;
    opening.extend_from_slice(Frames::engine(open_packet(entrance, &id, false)).bytes(encoding));
    let wire = Rc::new(Wire::new(io));
    local.attach(key, id, Link::WebSocket(Rc::clone(&wire)));
    // Next to nothing was written to this connection before, so it fits.
    if wire.io.try_write(&opening).is_ok_and(|written| written == opening.len()) {
        local.worker.services.meters.sent_bytes.increment(opening.len() as u64);
        attend(local, key, &wire, door, Reader::default(), &mut ahead.to_vec());
    } else {
        local.worker.close(key, Closing::TransportError);
    }
}

pub(super) fn limits(door: &Door) -> Limits {
    Limits { message_bytes_max: door.parsing.payload_bytes_max, ..Limits::default() }
}

/// Takes what was read `ahead`, then starts the task that reads the rest.
pub(super) fn attend(
    local: &Rc<Local>,
    key: ClientKey,
    wire: &Rc<Wire>,
    door: &Arc<Door>,
    mut reader: Reader,
    ahead: &mut [u8],
) {
    if let Err(reason) = feed(local, key, wire, &mut reader, &limits(door), ahead) {
        return inbound::end(&local.worker, key, reason);
    }
    let reading = read(Rc::clone(local), key, Rc::clone(wire), Arc::clone(door), reader);
    wire.reading.set(Some(local.worker.services.tasks.spawn_local(reading)));
}

/// Reads until the client goes; the end of the link ends this task. Every connection at rest owns one of these, so little is
/// kept across its awaits: what is needed seldom is in a box, and what comes after has a task of its own ([`linger`]).
///
/// Inputs: bytes from the network; relief when too many of the client's packets were waiting and it was not read from.
async fn read(local: Rc<Local>, key: ClientKey, wire: Rc<Wire>, door: Arc<Door>, mut reader: Reader) {
    let reason = loop {
        if let Some(relief) = inbound::congestion(&local.worker, key) {
            Box::pin(async move { relief.notified().await }).await;
            continue;
        }
        if poll_fn(|context| wire.io.poll_read_ready(context)).await.is_err() {
            break Closing::TransportError;
        }
        if let Err(reason) = read_some(&local, key, &wire, &mut reader, &limits(&door)) {
            break reason;
        }
    };
    inbound::end(&local.worker, key, reason);
}

fn read_some(
    local: &Rc<Local>,
    key: ClientKey,
    wire: &Wire,
    reader: &mut Reader,
    limits: &Limits,
) -> Result<(), Closing> {
    let mut buffer = local.read_buffer.borrow_mut();
    let mut taken = None;
    let outcome = wire.io.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(&wire.io)).read(&mut buffer)?;
        taken = Some(count);
        // Less than there was room for: there is no more, and asking again would only tell the same (epoll(7), question 9).
        if (1..buffer.len()).contains(&count) { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match (taken, outcome) {
        (Some(0), _) => Err(Closing::TransportClose),
        (Some(count), _) => feed(local, key, wire, reader, limits, &mut buffer[..count]),
        (None, Err(error)) if error.kind() != ErrorKind::WouldBlock => Err(Closing::TransportError),
        (None, _) => Ok(()),
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
pub(super) async fn linger(local: &Local, io: &TcpStream) {
    let drain = async {
        while io.readable().await.is_ok() {
            match io.try_read(&mut local.read_buffer.borrow_mut()) {
                Ok(0) => return,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

const LINGER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, D, E, F>(_: fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    /// With what tokio keeps beside it that fits a block of 256 bytes; the next larger one would be 512.
    #[test]
    fn the_task_of_a_connection_at_rest_is_small() {
        assert!(future_bytes(read) <= 144, "{}", future_bytes(read));
    }
}
