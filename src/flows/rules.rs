//! What the configuration says about an event, about a new socket, and about an ack that was asked for.

use bytes::Bytes;
use smallvec::SmallVec;

use super::Worker;
use super::command::{Incoming, Sender, ack};
use crate::closing::Closing;
use crate::contract::{Action, Emit, Expression, Rule};
use crate::event::Event;
use crate::hub::{ClientKey, Frames};
use crate::ids::Namespace;
use crate::protocol::socket::arguments;

/// Does what the namespace does for a new socket.
pub fn greet(worker: &Worker, key: ClientKey, namespace: &Namespace) {
    let Some(sender) = Sender::of(worker, key, namespace.as_str()) else { return };
    for action in sender.policy.contract.on_connect() {
        match action {
            Action::Emit(emit) => send(worker, &sender, emit, &[], &SmallVec::new()),
        }
    }
}

/// A configured rule: the reply first, then the ack.
pub(super) fn follow(worker: &Worker, sender: &Sender, rule: &Rule, args: &[&str], incoming: &Incoming) {
    if let Some(reply) = &rule.reply {
        send(worker, sender, reply, args, &incoming.attachments);
    }
    if let (Some(id), Some(expression)) = (incoming.id, &rule.ack) {
        let values = expression.evaluate(args, sender.auth.as_deref());
        let attachments = carried(expression, &incoming.attachments);
        ack(worker, sender, id, format!("[{}]", values.join(",")), attachments);
    }
}

/// The client's ack to an event that asked for one.
///
/// # Errors
/// If the client is not in that namespace, or its arguments are no list.
pub fn answered(worker: &Worker, key: ClientKey, incoming: &Incoming) -> Result<(), Closing> {
    let sender = Sender::of(worker, key, &incoming.namespace).ok_or(Closing::ParseError)?;
    let now_ms = worker.services.clock.now_ms();
    let asked = |id| worker.with_asked(key, &sender.partition.namespace, |asked| asked.answered(id, now_ms)).flatten();
    let Some(follow_up) = incoming.id.and_then(asked) else { return Ok(()) };
    let args = arguments(&incoming.args).map_err(|_| Closing::ParseError)?;
    send(worker, &sender, &follow_up, &args, &incoming.attachments);
    Ok(())
}

/// Sends a configured event to one socket, asking for an ack where something is to follow it.
fn send(worker: &Worker, sender: &Sender, emit: &Emit, args: &[&str], attachments: &SmallVec<[Bytes; 0]>) {
    let mut array = serde_json::Value::from(&*emit.event).to_string();
    array.insert(0, '[');
    for value in emit.args.evaluate(args, sender.auth.as_deref()) {
        array.push(',');
        array.push_str(value);
    }
    array.push(']');
    let event = Event { args: array, attachments: carried(&emit.args, attachments) };
    let Some(answer) = &emit.answer else {
        return worker.emit(sender.socket, sender.policy.recovery, event);
    };
    let namespace = &sender.partition.namespace;
    let (most, now_ms) = (worker.services.limits.pending_acks, worker.services.clock.now_ms());
    match worker.with_asked(sender.client, namespace, |asked| asked.ask(answer, most, now_ms)).flatten() {
        Some(id) => worker.send(sender.client, &Frames::request(namespace.clone(), id, event)),
        None => worker.services.meters.event("too_many_pending_acks"),
    }
}

fn carried(expression: &Expression, attachments: &SmallVec<[Bytes; 0]>) -> SmallVec<[Bytes; 0]> {
    if expression.carries_attachments() { attachments.clone() } else { SmallVec::new() }
}
