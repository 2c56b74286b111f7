//! Which backplane, and what only Redis has beside it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::build;
use crate::backplane::resume::Sessions;
use crate::backplane::{Address, Backplane, Ingest, Nodes};
use crate::clock::wall_ms;
use crate::config::Settings;
use crate::flows::Services;
use crate::flows::deliver::Lanes;
use crate::ids::{Namespace, NodeId};
use crate::ingest::Leader;
use crate::memory::{LoneNode, MemoryBackplane};
use crate::meters::Meters;
use crate::redis::{self, RedisBackplane};
use crate::tasks::Tasks;

/// What stands between the nodes.
pub(super) struct Middle {
    pub backplane: Arc<dyn Backplane>,
    pub nodes: Arc<dyn Nodes>,
    pub sessions: Arc<dyn Sessions>,
    /// Only Redis has the foreign ways in, and counts of its own.
    redis: Option<Arc<RedisBackplane>>,
}

/// Counts that other rooms keep, for whoever writes the metrics.
pub(super) struct Counts {
    redis: Option<Arc<redis::Counters>>,
    leader: Option<Leader>,
    lanes: Lanes,
}

impl Middle {
    pub async fn open(settings: &Settings, node: NodeId, tasks: &Tasks) -> anyhow::Result<Self> {
        let options = build::backplane_options(settings);
        let Some(redis) = build::redis_options(settings, node) else {
            tracing::info!(
                event = "realtime.backplane",
                kind = "memory",
                "embedded backplane: one node, nothing survives a restart; give --redis URL for more"
            );
            let memory = Arc::new(MemoryBackplane::new(options, wall_ms));
            let nodes = Arc::new(LoneNode::new(node, wall_ms));
            return Ok(Self { backplane: memory.clone(), sessions: memory, nodes, redis: None });
        };
        let (tracker, stop) = tasks.parts();
        let connected = redis::connect(redis, options, &tracker, &stop).await;
        let connected = Arc::new(connected.context("the backplane could not be opened; `fanfare doctor` says more")?);
        tracing::info!(event = "realtime.backplane", kind = "redis", "connected");
        Ok(Self {
            backplane: connected.clone(),
            sessions: connected.clone(),
            nodes: connected.clone(),
            redis: Some(connected),
        })
    }

    /// Where the others reach this node, whose clients come in at `listener`.
    pub async fn advertised(&self, settings: &Settings, listener: SocketAddr) -> Address {
        if let Some(address) = settings.cluster.advertise.as_deref().and_then(|address| address.parse().ok()) {
            return address;
        }
        let towards_redis = match &self.redis {
            Some(redis) => redis.local_address().await.unwrap_or(Ipv4Addr::LOCALHOST.into()),
            None => Ipv4Addr::LOCALHOST.into(),
        };
        if listener.ip().is_unspecified() {
            return SocketAddr::new(towards_redis, listener.port()).into();
        }
        if listener.ip().is_loopback() && !towards_redis.is_loopback() {
            tracing::warn!(
                event = "realtime.node_hidden",
                address = %listener,
                "Redis is on another machine, and nodes there cannot reach this one: set listen, or cluster.advertise"
            );
        }
        listener.into()
    }

    /// Takes part in the election for the foreign ways in, for every namespace that is written out.
    pub fn lead(&self, settings: &Settings, services: &Services, tasks: &Tasks) -> Counts {
        let leader = self.redis.as_ref().map(|redis| {
            let ingest: Arc<dyn Ingest> = redis.clone();
            let named = services.namespaces.names().filter_map(|name| Namespace::new(name).ok());
            let partitions = named.map(|namespace| services.partition(&namespace)).collect();
            let (tracker, stop) = tasks.parts();
            let options = build::ingest_options(settings);
            Leader::start(Arc::clone(&self.backplane), ingest, options, partitions, (&tracker, stop), wall_ms)
        });
        Counts { redis: self.redis.as_ref().map(|redis| redis.counters()), leader, lanes: services.lanes.clone() }
    }
}

impl Counts {
    /// Hands every count to the metrics recorder.
    pub fn report(&self) {
        let lanes = self.lanes.counters();
        for (name, value) in [
            ("fanfare_lane_delivered_total", lanes.delivered),
            ("fanfare_lane_late_total", lanes.late),
            ("fanfare_lane_holds_total", lanes.holds),
            ("fanfare_lane_backfilled_total", lanes.backfilled),
            ("fanfare_lane_duplicates_total", lanes.duplicates),
            ("fanfare_lane_gaps_total", lanes.gaps),
            ("fanfare_lane_volatile_dropped_total", lanes.volatile_dropped),
            ("fanfare_lane_unreadable_total", self.lanes.unreadable()),
        ] {
            Meters::counted(name, &[], value);
        }
        if let Some(redis) = &self.redis {
            report_redis(&redis.snapshot());
        }
        if let Some(leader) = &self.leader {
            report_ingest(leader);
        }
    }
}

fn report_redis(counts: &redis::Snapshot) {
    for (outcome, value) in [
        ("ok", counts.published),
        ("duplicate", counts.duplicates),
        ("conflict", counts.conflicts),
        ("busy", counts.busy),
        ("fenced", counts.fenced),
        ("unavailable", counts.unavailable),
        ("not_replicated", counts.not_replicated),
    ] {
        Meters::counted("fanfare_redis_publishes_total", &[("outcome", outcome)], value);
    }
    for (name, value) in [
        ("fanfare_redis_arrivals_total", counts.arrivals),
        ("fanfare_redis_unreadable_total", counts.unreadable),
        ("fanfare_redis_lagged_total", counts.lagged),
        ("fanfare_redis_overflowed_total", counts.overflowed),
        ("fanfare_redis_interrupts_total", counts.interrupts),
        ("fanfare_redis_resubscriptions_total", counts.resubscriptions),
        ("fanfare_redis_replacements_total", counts.replacements),
        ("fanfare_redis_library_loads_total", counts.reloads),
        ("fanfare_redis_foreign_lost_total", counts.foreign_lost),
    ] {
        Meters::counted(name, &[], value);
    }
    Meters::canary_age(Duration::from_millis(counts.canary_age_ms).as_secs_f64());
}

fn report_ingest(leader: &Leader) {
    Meters::leads(leader.leads());
    for count in leader.counters().snapshot() {
        let source = ("source", count.source.as_str());
        Meters::counted("fanfare_ingest_received_total", &[source], count.received);
        Meters::counted("fanfare_ingest_published_total", &[source], count.published);
        for (neglect, value) in count.ignored {
            Meters::counted("fanfare_ingest_ignored_total", &[source, ("reason", neglect.as_str())], value);
        }
        for (refusal, value) in count.refused {
            Meters::counted("fanfare_ingest_refused_total", &[source, ("reason", refusal.as_str())], value);
        }
    }
}
