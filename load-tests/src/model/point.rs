//! A measured point: a load, and the processor time that nodes and Redis took for it.

use std::fmt;

use anyhow::Context as _;
use serde_json::{Value, json};

/// What is done, by the second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    pub nodes: f64,
    /// Threads of each node that own sockets.
    pub workers: f64,
    pub publishes: f64,
    /// Nodes that hear of each publication.
    pub audience: f64,
    pub deliveries: f64,
    /// Connections that come, each into a room that its node did not watch before.
    pub arrivals: f64,
}

/// A load that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub name: String,
    pub load: Load,
    /// Microseconds of processor time a second of each node.
    pub nodes_us: Vec<f64>,
    pub redis_us: f64,
}

impl Load {
    /// Of the frames, those that go to few sockets at a time: what the processor has forgotten about a socket costs as much as
    /// sending, and in a large room it is read in order.
    pub fn scattered(&self) -> f64 {
        let announcements = self.publishes * self.audience;
        if announcements > 0.0 { self.deliveries / (1.0 + self.deliveries / announcements / IN_ORDER) } else { 0.0 }
    }
}

/// Sockets at a time from which on half of them are met in order.
const IN_ORDER: f64 = 100.0;

impl Point {
    /// A core that is mostly idle works slower: such a point is shown, and no costs are made from it.
    pub fn is_light(&self) -> bool {
        self.name.starts_with("light")
    }

    pub fn node_us(&self) -> f64 {
        self.nodes_us.iter().sum()
    }

    pub fn json(&self) -> Value {
        let load = &self.load;
        json!({
            "name": self.name, "nodes": load.nodes, "workers": load.workers, "publishesPerS": load.publishes,
            "audience": load.audience, "deliveriesPerS": load.deliveries, "arrivalsPerS": load.arrivals,
            "nodesUsPerS": self.nodes_us, "redisUsPerS": self.redis_us,
        })
    }

    /// The points of a results file.
    pub fn all(results: &Value) -> anyhow::Result<Vec<Self>> {
        let points =
            results["points"].as_array().context("the results have no points: measure the scenario `scale`")?;
        points.iter().map(Self::read).collect()
    }

    fn read(value: &Value) -> anyhow::Result<Self> {
        let number = |name: &str| value[name].as_f64().with_context(|| format!("a point without {name}"));
        let load = Load {
            nodes: number("nodes")?,
            workers: number("workers")?,
            publishes: number("publishesPerS")?,
            audience: number("audience")?,
            deliveries: number("deliveriesPerS")?,
            arrivals: number("arrivalsPerS")?,
        };
        let nodes_us = value["nodesUsPerS"].as_array().context("a point without nodes")?;
        Ok(Self {
            name: value["name"].as_str().context("a point without a name")?.to_owned(),
            load,
            nodes_us: nodes_us.iter().filter_map(Value::as_f64).collect(),
            redis_us: number("redisUsPerS")?,
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |us: f64| us / 10_000.0;
        let nodes: Vec<String> = self.nodes_us.iter().map(|us| format!("{:.1}", percent(*us))).collect();
        write!(f, "{}: nodes {} % of a core, Redis {:.1} %", self.name, nodes.join(" + "), percent(self.redis_us))
    }
}
