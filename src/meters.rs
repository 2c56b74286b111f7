//! Every metric: its name, meaning and handle. Label sets are closed; never a user, room or socket.

use metrics::{Counter, Gauge, Histogram, Unit};

use crate::closing::Closing;

/// Ready handles, made once after the recorder is installed. Clones are reference counts.
#[derive(Clone)]
pub struct Meters {
    pub clients_polling: Gauge,
    pub clients_websocket: Gauge,
    pub sockets: Gauge,
    pub rooms: Gauge,
    pub handshakes: Counter,
    pub upgrades: Counter,
    pub received_packets: Counter,
    pub received_bytes: Counter,
    pub sent_bytes: Counter,
    pub deliveries: Counter,
    pub deliveries_dropped: Counter,
    pub outbox_overflows: Counter,
    pub fan_out_seconds: Histogram,
    pub publish_to_queue_seconds: Histogram,
    pub publish_seconds: Histogram,
    pub flush_blocked: Counter,
    pub tunnels: Gauge,
    pub replayed_events: Counter,
    pub replay_reads: Counter,
    pub replay_seconds: Histogram,
}

impl Meters {
    pub fn new() -> Self {
        describe();
        Self {
            clients_polling: metrics::gauge!("fanfare_clients", "transport" => "polling"),
            clients_websocket: metrics::gauge!("fanfare_clients", "transport" => "websocket"),
            sockets: metrics::gauge!("fanfare_sockets"),
            rooms: metrics::gauge!("fanfare_rooms"),
            handshakes: metrics::counter!("fanfare_handshakes_total"),
            upgrades: metrics::counter!("fanfare_upgrades_total"),
            received_packets: metrics::counter!("fanfare_received_packets_total"),
            received_bytes: metrics::counter!("fanfare_received_bytes_total"),
            sent_bytes: metrics::counter!("fanfare_sent_bytes_total"),
            deliveries: metrics::counter!("fanfare_deliveries_total"),
            deliveries_dropped: metrics::counter!("fanfare_deliveries_dropped_total"),
            outbox_overflows: metrics::counter!("fanfare_outbox_overflows_total"),
            fan_out_seconds: metrics::histogram!("fanfare_fan_out_seconds"),
            publish_to_queue_seconds: metrics::histogram!("fanfare_publish_to_queue_seconds"),
            publish_seconds: metrics::histogram!("fanfare_publish_seconds"),
            flush_blocked: metrics::counter!("fanfare_flush_blocked_total"),
            tunnels: metrics::gauge!("fanfare_forwarded_websockets"),
            replayed_events: metrics::counter!("fanfare_replayed_events_total"),
            replay_reads: metrics::counter!("fanfare_replay_reads_total"),
            replay_seconds: metrics::histogram!("fanfare_replay_seconds"),
        }
    }

    pub fn clients(&self, polling: bool) -> &Gauge {
        if polling { &self.clients_polling } else { &self.clients_websocket }
    }

    /// A client went.
    pub fn closed(&self, reason: Closing) {
        metrics::counter!("fanfare_disconnects_total", "reason" => reason.name()).increment(1);
    }

    /// A CONNECT was answered; `outcome` is `ok` or the class of the refusal.
    pub fn connect(&self, outcome: &'static str) {
        metrics::counter!("fanfare_connects_total", "outcome" => outcome).increment(1);
    }

    /// A client came back; `outcome` is `recovered`, the class of what could not be proven, or why its transport was closed.
    pub fn replayed(&self, outcome: &'static str) {
        metrics::counter!("fanfare_replays_total", "outcome" => outcome).increment(1);
    }

    /// An HTTP request to the clients' door was refused; `reason` is the refusal's name.
    pub fn refused(&self, reason: &'static str) {
        metrics::counter!("fanfare_requests_refused_total", "reason" => reason).increment(1);
    }

    /// An event of a client was handled; `outcome` is `ok` or an error code.
    pub fn event(&self, outcome: &'static str) {
        metrics::counter!("fanfare_client_events_total", "outcome" => outcome).increment(1);
    }

    /// A publish ended; `way` is the way in, `outcome` is `ok`, `duplicate` or the name of the error.
    pub fn published(&self, way: &'static str, outcome: &'static str) {
        metrics::counter!("fanfare_publishes_total", "way" => way, "outcome" => outcome).increment(1);
    }

    /// A request was sent on to the node that owns its session; `kind` says what it was, `outcome` what came of it, and
    /// `seconds` how long the answer took.
    pub fn forwarded(&self, kind: &'static str, outcome: &'static str, seconds: f64) {
        metrics::counter!("fanfare_forwards_total", "kind" => kind, "outcome" => outcome).increment(1);
        metrics::histogram!("fanfare_forward_seconds", "kind" => kind).record(seconds);
    }

    /// A request came from another node.
    pub fn arrived_by_hop(&self) {
        metrics::counter!("fanfare_forwards_received_total").increment(1);
    }

    pub fn node_entered() {
        metrics::counter!("fanfare_node_entries_total").increment(1);
    }

    pub fn node_buried() {
        metrics::counter!("fanfare_nodes_buried_total").increment(1);
    }

    /// Takes over a count that another room keeps, just before the metrics are written.
    pub fn counted(name: &'static str, labels: &[(&'static str, &'static str)], value: u64) {
        metrics::counter!(name, labels).absolute(value);
    }

    /// Partitions that this node leads.
    pub fn leads(partitions: usize) {
        #[expect(clippy::cast_precision_loss, reason = "partitions stay far below 2^52")]
        metrics::gauge!("fanfare_ingest_leads").set(partitions as f64);
    }

    /// How long ago the oldest connection to Redis was last proven.
    pub fn canary_age(seconds: f64) {
        metrics::gauge!("fanfare_redis_canary_age_seconds").set(seconds);
    }

    /// Whether the backplane works, as asked just before the metrics are written.
    pub fn backplane_proven(proven: bool) {
        metrics::gauge!("fanfare_backplane_proven").set(if proven { 1.0 } else { 0.0 });
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

/// How a metric is described to Prometheus.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Name, kind, unit and help of every metric; `docs/metrics.md` is checked against it.
pub const METRICS: &[(&str, Kind, Unit, &str)] = &[
    ("fanfare_clients", Kind::Gauge, Unit::Count, "Engine.IO sessions on this node, by transport"),
    ("fanfare_sockets", Kind::Gauge, Unit::Count, "Sockets on this node: clients times the namespaces they joined"),
    ("fanfare_rooms", Kind::Gauge, Unit::Count, "Rooms with a member on this node, summed over its workers"),
    ("fanfare_handshakes_total", Kind::Counter, Unit::Count, "Engine.IO sessions opened"),
    ("fanfare_upgrades_total", Kind::Counter, Unit::Count, "Sessions that moved from polling to WebSocket"),
    ("fanfare_disconnects_total", Kind::Counter, Unit::Count, "Sessions that ended, by reason"),
    ("fanfare_connects_total", Kind::Counter, Unit::Count, "Answers to Socket.IO CONNECT, by outcome"),
    ("fanfare_requests_refused_total", Kind::Counter, Unit::Count, "Requests refused at the clients' door, by reason"),
    ("fanfare_client_events_total", Kind::Counter, Unit::Count, "Events received from clients, by outcome"),
    ("fanfare_received_packets_total", Kind::Counter, Unit::Count, "Engine.IO packets received"),
    ("fanfare_received_bytes_total", Kind::Counter, Unit::Bytes, "Bytes of messages received from clients"),
    ("fanfare_sent_bytes_total", Kind::Counter, Unit::Bytes, "Bytes written to clients"),
    ("fanfare_deliveries_total", Kind::Counter, Unit::Count, "Events queued for a client"),
    (
        "fanfare_deliveries_dropped_total",
        Kind::Counter,
        Unit::Count,
        "Events not queued: volatile, or the client is closing",
    ),
    ("fanfare_outbox_overflows_total", Kind::Counter, Unit::Count, "Clients closed because their outbox was full"),
    ("fanfare_flush_blocked_total", Kind::Counter, Unit::Count, "Flushes that the network did not take at once"),
    (
        "fanfare_fan_out_seconds",
        Kind::Histogram,
        Unit::Seconds,
        "Time to queue one publication for its sockets on one worker",
    ),
    (
        "fanfare_publish_to_queue_seconds",
        Kind::Histogram,
        Unit::Seconds,
        "From the publisher's clock to the sockets' outboxes",
    ),
    ("fanfare_replays_total", Kind::Counter, Unit::Count, "Clients that came back to a session, by outcome"),
    (
        "fanfare_replayed_events_total",
        Kind::Counter,
        Unit::Count,
        "Events that clients got because they had missed them",
    ),
    ("fanfare_replay_reads_total", Kind::Counter, Unit::Count, "Reads of the log for clients that came back"),
    ("fanfare_replay_seconds", Kind::Histogram, Unit::Seconds, "Time until a client that came back was served"),
    ("fanfare_publish_seconds", Kind::Histogram, Unit::Seconds, "Time until the backplane answered a publish"),
    ("fanfare_publishes_total", Kind::Counter, Unit::Count, "Publishes by way in and outcome"),
    ("fanfare_backplane_proven", Kind::Gauge, Unit::Count, "1 while publishes and subscriptions are proven to work"),
    ("fanfare_lane_delivered_total", Kind::Counter, Unit::Count, "Publications handed to the workers, in order"),
    ("fanfare_lane_late_total", Kind::Counter, Unit::Count, "Of those, found after something later was delivered"),
    ("fanfare_lane_holds_total", Kind::Counter, Unit::Count, "Times a lane waited for missing publications"),
    (
        "fanfare_lane_backfilled_total",
        Kind::Counter,
        Unit::Count,
        "Publications read from the log because their announcement did not come",
    ),
    (
        "fanfare_lane_duplicates_total",
        Kind::Counter,
        Unit::Count,
        "Announcements dropped because they were delivered already",
    ),
    ("fanfare_lane_gaps_total", Kind::Counter, Unit::Count, "Gap notices sent to rooms"),
    (
        "fanfare_lane_volatile_dropped_total",
        Kind::Counter,
        Unit::Count,
        "Volatile publications dropped while a lane waited",
    ),
    ("fanfare_lane_unreadable_total", Kind::Counter, Unit::Count, "Publications that could not be decoded"),
    ("fanfare_redis_publishes_total", Kind::Counter, Unit::Count, "Answers of the publish function, by outcome"),
    ("fanfare_redis_arrivals_total", Kind::Counter, Unit::Count, "Announcements received"),
    (
        "fanfare_redis_unreadable_total",
        Kind::Counter,
        Unit::Count,
        "Messages on watched channels that are no announcements",
    ),
    (
        "fanfare_redis_lagged_total",
        Kind::Counter,
        Unit::Count,
        "Messages lost inside the client library because they were taken too slowly",
    ),
    ("fanfare_redis_overflowed_total", Kind::Counter, Unit::Count, "Announcements dropped because the lanes were late"),
    ("fanfare_redis_interrupts_total", Kind::Counter, Unit::Count, "Times that announcements may have been missed"),
    (
        "fanfare_redis_resubscriptions_total",
        Kind::Counter,
        Unit::Count,
        "Times that every channel was subscribed to again",
    ),
    ("fanfare_redis_replacements_total", Kind::Counter, Unit::Count, "Connections given up because they were silent"),
    (
        "fanfare_redis_library_loads_total",
        Kind::Counter,
        Unit::Count,
        "Times that the function library had to be loaded again",
    ),
    (
        "fanfare_redis_foreign_lost_total",
        Kind::Counter,
        Unit::Count,
        "Messages of foreign publishers dropped because they came too fast",
    ),
    ("fanfare_redis_canary_age_seconds", Kind::Gauge, Unit::Seconds, "Age of the oldest connection's last proof"),
    ("fanfare_ingest_received_total", Kind::Counter, Unit::Count, "Messages of foreign publishers, by source"),
    ("fanfare_ingest_published_total", Kind::Counter, Unit::Count, "Of those, published, by source"),
    ("fanfare_ingest_ignored_total", Kind::Counter, Unit::Count, "Of those, passed over, by source and reason"),
    ("fanfare_ingest_refused_total", Kind::Counter, Unit::Count, "Of those, refused, by source and reason"),
    (
        "fanfare_forwards_total",
        Kind::Counter,
        Unit::Count,
        "Requests sent on to the node of their session, by kind and outcome",
    ),
    (
        "fanfare_forward_seconds",
        Kind::Histogram,
        Unit::Seconds,
        "Time until such a request was answered, by kind; a poll waits for events",
    ),
    ("fanfare_forwards_received_total", Kind::Counter, Unit::Count, "Requests that came from another node"),
    ("fanfare_forwarded_websockets", Kind::Gauge, Unit::Count, "WebSockets whose session is on another node"),
    (
        "fanfare_node_entries_total",
        Kind::Counter,
        Unit::Count,
        "Times that this node entered the registry; the second and later after its lease had ended",
    ),
    ("fanfare_nodes_buried_total", Kind::Counter, Unit::Count, "Dead nodes whose leftovers this node removed"),
    ("fanfare_ingest_leads", Kind::Gauge, Unit::Count, "Partitions whose foreign ways in this node leads"),
];

fn describe() {
    for (name, kind, unit, help) in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *unit, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *unit, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *unit, *help),
        }
    }
}
