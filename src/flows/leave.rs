//! A client leaves a namespace, or goes for good.

use super::{Worker, record};
use crate::closing::Closing;
use crate::event::Topic;
use crate::hub::{ClientKey, Departure, Frames, SocketKey};
use crate::protocol::socket::PacketType;

/// DISCONNECT from the client.
///
/// # Errors
/// If it was not in that namespace.
pub fn namespace(worker: &Worker, key: ClientKey, name: &str) -> Result<(), Closing> {
    let socket = worker.with_socket(key, name, |socket| socket.key).ok_or(Closing::ParseError)?;
    record::forget(worker, socket);
    dismiss(worker, key, socket, "client_disconnect");
    Ok(())
}

/// The server takes a socket out of its namespace: the stock client stays away after that.
pub fn disconnect(worker: &Worker, socket: SocketKey, close: bool) {
    let found = worker.hub.borrow().socket(socket).map(|socket| (socket.client, socket.namespace.clone()));
    let Some((client, namespace)) = found else { return };
    worker.send(client, &Frames::control(PacketType::Disconnect, namespace, String::new()));
    record::forget(worker, socket);
    dismiss(worker, client, socket, "server_disconnect");
    if close {
        worker.close(client, Closing::ServerDisconnect);
    }
}

/// The socket's session has gone to another connection. Nothing is said to a client that is there already.
pub(super) fn fenced(worker: &Worker, socket: SocketKey) {
    let Some(client) = worker.hub.borrow().socket(socket).map(|socket| socket.client) else { return };
    dismiss(worker, client, socket, Closing::Resumed.name());
    worker.close(client, Closing::Resumed);
}

/// The transport is gone: the client goes with all its sockets. Called once for each client, by whoever owned the transport.
pub fn client(worker: &Worker, key: ClientKey, reason: Closing) {
    let Some(client) = worker.clients.borrow_mut().remove(key) else { return };
    // Whoever waits until more may be read from the client would wait for ever.
    if let Some(relief) = client.waiting.as_ref().and_then(|waiting| waiting.relief.as_ref()) {
        relief.notify_waiters();
    }
    let departures = worker.hub.borrow_mut().remove(key);
    worker.services.meters.closed(reason);
    for departure in departures {
        released(worker, &departure, reason.name());
    }
    tracing::debug!(
        event = "realtime.close",
        reason = reason.name(),
        address = %client.handshake.address,
        "transport closed"
    );
}

fn dismiss(worker: &Worker, key: ClientKey, socket: SocketKey, reason: &'static str) {
    let departure = worker.hub.borrow_mut().dismiss(socket);
    if let Some(departure) = departure {
        worker.forget_socket(key, &departure.namespace);
        released(worker, &departure, reason);
    }
}

fn released(worker: &Worker, departure: &Departure, reason: &'static str) {
    let services = &worker.services;
    let partition = services.partition(&departure.namespace);
    services.lanes.release(&partition, &[Topic::All]);
    worker.release(&partition, departure.key, &departure.rooms);
    worker.resuming.forget(departure.key);
    services.meters.sockets.decrement(1);
    let Departure { id, namespace, .. } = departure;
    tracing::info!(event = "realtime.disconnect", socket = %id, namespace = %namespace, reason, "disconnected");
}
