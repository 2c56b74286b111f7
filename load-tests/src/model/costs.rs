//! What each thing costs: a table of a few figures, made from measured points and kept in a file that people read.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::fit::fit;
use super::point::{Load, Point};

/// Microseconds of processor time, in the order of [`NODE`] and [`REDIS`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    node: [f64; NODE.len()],
    redis: [f64; REDIS.len()],
}

/// A cost: its name in the file, its meaning, and how much of it a load asks for each second.
type Cost = (&'static str, &'static str, fn(&Load) -> f64);

const NODE: [Cost; 6] = [
    ("node", "a node, each second, whatever happens", |load| load.nodes),
    ("announcement", "a publication that a node hears of", |load| load.publishes * load.audience),
    ("worker", "the same, for each worker beyond the first", |load| {
        load.publishes * load.audience * (load.workers - 1.0)
    }),
    ("delivery", "a frame that a socket gets", |load| load.deliveries),
    ("scattered", "the same, beyond that, where few sockets get it at a time", Load::scattered),
    ("arrival", "a connection that comes, with a room of its own", |load| load.arrivals),
];

const REDIS: [Cost; 4] = [
    ("redis-node", "Redis, each second, for each node", |load| load.nodes),
    ("redis-publish", "a call of the publish function", |load| load.publishes),
    ("redis-announcement", "its announcement to one node", |load| load.publishes * load.audience),
    ("redis-arrival", "a connection into a room that its node did not watch", |load| load.arrivals),
];

impl Costs {
    /// Fitted to the points of one gateway; those of several are left to be predicted.
    pub fn from_points(points: &[Point]) -> anyhow::Result<Self> {
        let alone: Vec<&Point> = points.iter().filter(|point| point.nodes_us.len() == 1 && !point.is_light()).collect();
        // One large room keeps a node busy with few publishes, and Redis idle.
        let busy = |point: &&Point| point.load.publishes == 0.0 || point.load.publishes >= BUSY_PUBLISHES;
        let at_redis: Vec<&Point> = alone.iter().copied().filter(busy).collect();
        let rows = |points: &[&Point], costs: &[Cost]| -> Vec<Vec<f64>> {
            points.iter().map(|point| costs.iter().map(|(_, _, amount)| amount(&point.load)).collect()).collect()
        };
        let nodes: Vec<f64> = alone.iter().map(|point| point.node_us()).collect();
        let redis: Vec<f64> = at_redis.iter().map(|point| point.redis_us).collect();
        Ok(Self {
            node: fit(&rows(&alone, &NODE), &nodes).context("the points do not tell the costs of nodes apart")?,
            redis: fit(&rows(&at_redis, &REDIS), &redis).context("the points do not tell the costs of Redis apart")?,
        })
    }

    /// All nodes together, microseconds a second.
    pub fn nodes_us(&self, load: &Load) -> f64 {
        NODE.iter().zip(self.node).map(|((_, _, amount), cost)| amount(load) * cost).sum()
    }

    /// All shards of Redis together, microseconds a second.
    pub fn redis_us(&self, load: &Load) -> f64 {
        REDIS.iter().zip(self.redis).map(|((_, _, amount), cost)| amount(load) * cost).sum()
    }

    pub fn announcement_us(&self) -> f64 {
        self.node[1]
    }

    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let figure = |name: &str| {
            let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
            let figure = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|digits| digits.parse().ok());
            figure.with_context(|| format!("{}: no figure for {name}", path.display()))
        };
        let mut costs = Self { node: [0.0; NODE.len()], redis: [0.0; REDIS.len()] };
        for (into, (name, ..)) in costs.node.iter_mut().zip(NODE).chain(costs.redis.iter_mut().zip(REDIS)) {
            *into = figure(name)?;
        }
        Ok(costs)
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = String::from(HEAD);
        for (name, meaning, figure) in self.rows() {
            writeln!(text, "{name:<20} {figure:>9.2}  {meaning}")?;
        }
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// The same for a document.
    pub fn table(&self) -> String {
        let mut text = String::from("| cost | CPU µs |\n|---|---|\n");
        for (_, meaning, figure) in self.rows() {
            let _ = writeln!(text, "| {meaning} | {figure:.1} |");
        }
        text
    }

    fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, f64)> {
        let rows = NODE.into_iter().zip(self.node).chain(REDIS.into_iter().zip(self.redis));
        rows.map(|((name, meaning, _), figure)| (name, meaning, figure))
    }
}

/// A second, from which on Redis has something to do.
const BUSY_PUBLISHES: f64 = 1_000.0;

const HEAD: &str = "\
# Microseconds of processor time, from which `fanfare-load model` computes the tables of docs/scaling.md.
# Measured and written by `load-tests/run --scaling`.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_found_again_in_points_made_from_them() {
        let costs = Costs { node: [1_000.0, 20.0, 5.0, 2.0, 1.5, 60.0], redis: [300.0, 25.0, 4.0, 12.0] };
        let one = Load { nodes: 1.0, workers: 1.0, audience: 1.0, ..Load::default() };
        let rooms = Load { publishes: 2_000.0, deliveries: 24_000.0, ..one };
        let loads = [
            one,
            Load { publishes: 2_000.0, audience: 0.0, ..one },
            rooms,
            Load { publishes: 50.0, deliveries: 60_000.0, ..one },
            Load { workers: 4.0, ..rooms },
            Load { publishes: 2_000.0, deliveries: 2_000.0, ..one },
            Load { arrivals: 1_500.0, ..one },
        ];
        let point = |load: Load| Point {
            name: String::new(),
            load,
            nodes_us: vec![costs.nodes_us(&load)],
            redis_us: costs.redis_us(&load),
        };
        let found = Costs::from_points(&loads.map(point)).unwrap();
        for ((name, _, found), (_, _, known)) in found.rows().zip(costs.rows()) {
            assert!((found - known).abs() < 1e-3, "{name}: {found}, not {known}");
        }
    }
}
