//! Takes what arrives on foreign channels, decodes it, and queues it for its partition.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::seat::{Desk, Job, Seat};
use crate::backplane::Foreign;
use crate::ids::Namespace;
use crate::ingest::channels::{Way, way_of};
use crate::ingest::{Decoded, Neglect, Outcome, Refusal, Source, emitter, plain, python, request};

pub(super) struct Router {
    desk: Arc<Desk>,
    served: Vec<Namespace>,
    /// Foreign formats know no tenants: one partition per namespace.
    seats: HashMap<Namespace, (Arc<Seat>, mpsc::Sender<Job>)>,
}

impl Router {
    pub(super) fn new(desk: Arc<Desk>, seats: Vec<Arc<Seat>>, queues: Vec<mpsc::Sender<Job>>) -> Self {
        let mut by_namespace = HashMap::new();
        for (seat, queue) in seats.into_iter().zip(queues) {
            by_namespace.entry(seat.partition.namespace.clone()).or_insert((seat, queue));
        }
        Self { desk, served: by_namespace.keys().cloned().collect(), seats: by_namespace }
    }

    /// Inputs: the stop token ends it, after what has already arrived; messages are routed as they come. Its end closes
    /// the queues, and so ends the publishers.
    pub(super) async fn run(self) {
        let Some(mut foreign) = self.desk.ingest.foreign() else {
            return;
        };
        loop {
            tokio::select! {
                biased;
                () = self.desk.stop.cancelled() => break,
                message = foreign.recv() => match message {
                    Some(message) => self.route(&message),
                    None => return,
                },
            }
        }
        while let Ok(message) = foreign.try_recv() {
            self.route(&message);
        }
    }

    fn route(&self, message: &Foreign) {
        // After stepping down from everything something may still be under way.
        let Some(way) = way_of(&self.desk.options, &message.channel) else {
            return;
        };
        let source = match way {
            Way::Emitter | Way::Request => Source::Emitter,
            Way::Python => Source::Python,
            Way::Plain => Source::Plain,
        };
        self.desk.counters.received(source);
        match self.decode(way, message) {
            Outcome::Decoded(decoded) => self.queue(source, &decoded),
            Outcome::Ignored(neglect) => self.desk.counters.ignored(source, neglect),
            Outcome::Refused(refusal) => self.refuse(source, refusal),
        }
    }

    fn decode(&self, way: Way, message: &Foreign) -> Outcome {
        let (options, now_ms) = (&self.desk.options, self.desk.now_ms());
        let (channel, payload) = (message.channel.as_str(), &*message.payload);
        if payload.len() > options.message_bytes_max {
            return Outcome::Refused(Refusal::TooLarge);
        }
        match way {
            Way::Emitter => emitter::decode(&options.emitter_key, channel, payload, now_ms),
            Way::Request => request::decode(&options.emitter_key, channel, payload, now_ms),
            Way::Python => python::decode(payload, now_ms),
            Way::Plain => plain::decode(&options.plain_prefix, &self.served, channel, payload, now_ms),
        }
    }

    fn queue(&self, source: Source, decoded: &Decoded) {
        let seat = self.seats.get(&decoded.namespace);
        let Some((seat, queue, fence)) = seat.and_then(|(seat, queue)| Some((seat, queue, seat.fence()?))) else {
            return self.desk.counters.ignored(source, Neglect::OtherNamespace);
        };
        let request = self.desk.request(seat, decoded, fence);
        let Some(room) = seat.admit(request.envelope.len()) else {
            return self.refuse(source, Refusal::Overflow);
        };
        if queue.try_send(Job { source, fence, request, _room: room }).is_err() {
            self.refuse(source, Refusal::Overflow);
        }
    }

    fn refuse(&self, source: Source, refusal: Refusal) {
        self.desk.counters.refused(source, refusal, self.desk.now_ms());
    }
}
