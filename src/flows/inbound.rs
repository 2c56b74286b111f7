//! A client's packets, one after the other.

use std::rc::Rc;

use tokio::sync::Notify;

use super::{Application, Worker, command, connect, leave, rules};
use crate::closing::Closing;
use crate::hub::{ClientKey, Frames};
use crate::protocol::engine::Packet;
use crate::session::Received;

/// Takes one Engine.IO packet. What it asks for is done in order by a task that lives only while there is work, so a slow
/// step (a token's key, the backplane) holds up this client's later packets but neither its heartbeat nor anybody else.
///
/// # Errors
/// The reason for which the client has to be closed.
pub fn receive(worker: &Rc<Worker>, key: ClientKey, packet: Packet<'_>) -> Result<(), Closing> {
    let now_ms = worker.services.clock.now_ms();
    let mut clients = worker.clients.borrow_mut();
    let Some(client) = clients.get_mut(key).filter(|client| client.ended.is_none()) else { return Ok(()) };
    worker.services.meters.received_packets.increment(1);
    let Some(received) = client.session.receive(packet, &client.door.parsing, &client.door.timing, now_ms)? else {
        return Ok(());
    };
    let idle = client.waiting.is_none();
    let waiting = client.waiting.get_or_insert_default();
    waiting.bytes += size(&received);
    waiting.packets.push_back(received);
    if idle {
        worker.services.tasks.spawn_local(drive(Rc::clone(worker), key));
    }
    Ok(())
}

/// The client's input has ended. What it sent before still counts: it is worked through, then the client is closed.
pub fn end(worker: &Worker, key: ClientKey, reason: Closing) {
    if let Some(client) = worker.clients.borrow_mut().get_mut(key) {
        client.ended.get_or_insert(reason);
        if client.waiting.is_some() {
            return;
        }
    }
    worker.close(key, reason);
}

/// Something to wait for before more is read from the client; `None` while there is room.
pub fn congestion(worker: &Worker, key: ClientKey) -> Option<Rc<Notify>> {
    let limits = &worker.services.limits;
    let mut clients = worker.clients.borrow_mut();
    let waiting = clients.get_mut(key)?.waiting.as_mut()?;
    let full = waiting.packets.len() >= limits.waiting_packets || waiting.bytes >= limits.waiting_bytes;
    full.then(|| Rc::clone(waiting.relief.get_or_insert_default()))
}

/// Works through what waits, until nothing does or the client is gone. Others get their turn after a few packets: most are
/// done without waiting for anything, so a flood would otherwise hold the whole worker.
async fn drive(worker: Rc<Worker>, key: ClientKey) {
    let mut done = 0_u32;
    while let Some((received, application)) = next(&worker, key) {
        done += 1;
        if done.is_multiple_of(PACKETS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        let outcome = match application {
            Application::SocketIo => socket_io(&worker, key, received).await,
            Application::Messages(answer) => {
                if let Some(content) = answer(received) {
                    worker.send(key, &std::sync::Arc::new(Frames::new(content)));
                }
                Ok(())
            }
        };
        if let Err(reason) = outcome {
            worker.close(key, reason);
            // Nothing after it counts, also not what comes in while the network still takes what is queued.
            if let Some(client) = worker.clients.borrow_mut().get_mut(key) {
                client.ended.get_or_insert(reason);
                if let Some(waiting) = &mut client.waiting {
                    waiting.packets.clear();
                }
            }
        }
    }
}

fn next(worker: &Worker, key: ClientKey) -> Option<(Received, Application)> {
    let mut clients = worker.clients.borrow_mut();
    let client = clients.get_mut(key)?;
    let waiting = client.waiting.as_mut()?;
    let received = waiting.packets.pop_front();
    if let Some(relief) = waiting.relief.take() {
        relief.notify_waiters();
    }
    let Some(received) = received else {
        client.waiting = None;
        let ended = client.ended;
        drop(clients);
        if let Some(reason) = ended {
            worker.close(key, reason);
        }
        return None;
    };
    waiting.bytes = waiting.bytes.saturating_sub(size(&received));
    Some((received, client.door.application))
}

async fn socket_io(worker: &Rc<Worker>, key: ClientKey, received: Received) -> Result<(), Closing> {
    match received {
        Received::Connect { namespace, auth } => connect::connect(worker, key, &namespace, auth).await,
        Received::Disconnect { namespace } => leave::namespace(worker, key, &namespace),
        Received::Event { namespace, id, args, attachments } => {
            command::event(worker, key, command::Incoming { namespace, id, args, attachments }).await
        }
        Received::Ack { namespace, id, args, attachments } => {
            rules::answered(worker, key, &command::Incoming { namespace, id: Some(id), args, attachments })
        }
        Received::Text(_) | Received::Binary(_) => Err(Closing::ParseError),
    }
}

/// Packets of one client that are worked through before others get their turn.
const PACKETS_AT_ONCE: u32 = 32;

/// All that a peer sized; a namespace, too, may be as long as a message.
fn size(received: &Received) -> usize {
    match received {
        Received::Connect { namespace, auth } => namespace.len() + auth.as_ref().map_or(0, String::len),
        Received::Disconnect { namespace } => namespace.len(),
        Received::Event { namespace, args, attachments, .. } | Received::Ack { namespace, args, attachments, .. } => {
            namespace.len() + args.len() + attachments.iter().map(bytes::Bytes::len).sum::<usize>()
        }
        Received::Text(text) => text.len(),
        Received::Binary(bytes) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_weighs_all_that_the_peer_wrote_into_it() {
        let namespace = || "/".repeat(1_000);
        let args = "[1]".to_owned();
        let attachments = [bytes::Bytes::from_static(b"four")];
        for (received, bytes) in [
            (Received::Connect { namespace: namespace(), auth: Some("{}".into()) }, 1_002),
            (Received::Disconnect { namespace: namespace() }, 1_000),
            (
                Received::Event {
                    namespace: namespace(),
                    id: None,
                    args,
                    attachments: attachments.into_iter().collect(),
                },
                1_007,
            ),
        ] {
            assert_eq!(size(&received), bytes);
        }
    }
}
