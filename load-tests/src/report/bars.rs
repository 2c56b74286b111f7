//! The rows of the table in their order, and what the gateway must reach in each.
//!
//! Machines differ, so most bars are multiples of what the floor took in the same run.

use crate::target::Target;

pub struct Row {
    pub id: &'static str,
    pub label: &'static str,
    pub bar: Bar,
}

#[derive(Debug, Clone, Copy)]
pub enum Bar {
    None,
    AtMost(f64),
    AtLeast(f64),
    /// Times what this target took.
    Times(f64, Target),
    /// Either holds: the figure, or so many times the floor.
    AtMostOrTimesFloor(f64, f64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    /// The limit and its words, or `None` if there is no bar or its measure was not taken.
    pub fn limit(self, measured: impl Fn(Target) -> Option<f64>) -> Option<(Limit, String)> {
        let limit = match self {
            Self::None => return None,
            Self::AtMost(most) => Limit::AtMost(most),
            Self::AtLeast(least) => Limit::AtLeast(least),
            Self::Times(times, target) => Limit::AtMost(times * measured(target)?),
            Self::AtMostOrTimesFloor(most, times) => {
                Limit::AtMost(measured(Target::Floor).map_or(most, |floor| most.max(times * floor)))
            }
        };
        let figure = match limit {
            Limit::AtMost(most) => format!("≤ {}", super::number(Some(most))),
            Limit::AtLeast(least) => format!("≥ {}", super::number(Some(least))),
        };
        let words = if matches!(self, Self::Times(..)) { format!("{figure} ({})", self.words()) } else { figure };
        Some((limit, words))
    }

    pub fn words(self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::Times(times, target) => format!("{times} × {}", target.name()),
            Self::AtMostOrTimesFloor(most, times) => format!("≤ {most} or {times} × floor"),
        }
    }
}

/// Which of two values of a row noise has spoilt less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

pub fn better(id: &str) -> Better {
    match ROWS.iter().find(|row| row.id == id) {
        // What must never happen is not excused by a round in which it did not.
        Some(Row { id: "replay-recovered", .. }) => Better::Lower,
        Some(
            Row { bar: Bar::AtLeast(_), .. } | Row { id: "tokens-refused" | "replay-lost" | "replay-duplicates", .. },
        ) => Better::Higher,
        Some(row) if row.id.starts_with("function-") => Better::Higher,
        _ => Better::Lower,
    }
}

const fn row(id: &'static str, label: &'static str, bar: Bar) -> Row {
    Row { id, label, bar }
}

pub const ROWS: &[Row] = &[
    row("1k-w1", "1,000 in a room, 1 outstanding: CPU µs a delivery", Bar::Times(1.15, Target::Floor)),
    row("10k-w1", "10,000 in a room, 1 outstanding: CPU µs", Bar::Times(1.2, Target::Floor)),
    row("1k-sat", "1,000 in a room, 4 outstanding: CPU µs", Bar::Times(1.2, Target::Floor)),
    row("10k-sat", "10,000 in a room, 4 outstanding: CPU µs", Bar::Times(1.2, Target::Floor)),
    row("1k-w16", "1,000 in a room, 16 outstanding: CPU µs", Bar::AtMostOrTimesFloor(0.28, 1.3)),
    row("10k-w16", "10,000 in a room, 16 outstanding: CPU µs", Bar::None),
    row("1k-rate", "1,000 in a room, 100 messages/s: CPU µs", Bar::None),
    row("1k-rate-p99", "… latency p99, ms", Bar::None),
    row("10k-rate", "10,000 in a room, 10 messages/s: CPU µs", Bar::None),
    row("10k-rate-p99", "… latency p99, ms", Bar::None),
    row("rooms-rate", "1,000 rooms of 10, 2,000 messages/s: CPU µs", Bar::Times(1.25, Target::RelayFloor)),
    row("rooms-rate-p99", "… latency p99, ms", Bar::None),
    row("rooms-sat", "1,000 rooms of 10, 64 outstanding: CPU µs", Bar::Times(1.3, Target::RelayFloor)),
    row("rooms-sat-p99", "… latency p99, ms", Bar::AtMost(5.0)),
    row("unicast-sat", "10,000 rooms of one, 256 outstanding: CPU µs", Bar::Times(1.4, Target::RelayFloor)),
    row("unicast-sat-p99", "… latency p99, ms", Bar::None),
    row("idle-memory", "memory of an idle connection, bytes", Bar::AtMost(2_500.0)),
    row("storm-memory", "… the same in no room", Bar::None),
    row("idle-cpu", "… CPU while all are idle, % of a core", Bar::None),
    row("storm-cpu", "CPU µs a connection, as many as come", Bar::AtMost(45.0)),
    row("storm-rate", "connections a second, as many as come", Bar::AtLeast(15_000.0)),
    row("tokens-rate", "connections a second, each with a token", Bar::AtLeast(5_000.0)),
    row("tokens-cpu", "… CPU µs a connection", Bar::None),
    row("tokens-p95", "1,000 connections/s with tokens: p95, ms", Bar::AtMost(250.0)),
    row("tokens-refused", "… refused", Bar::AtMost(0.0)),
    row("nodes-3-p99", "3 nodes, 60 sockets, 200 messages/s: p99, ms", Bar::AtMost(8.0)),
    row("nodes-3-cpu", "… CPU µs a delivery, all nodes", Bar::None),
    row("nodes-2-p99", "2 nodes, 1,000 sockets, 100 messages/s: p99, ms", Bar::None),
    row("nodes-2-cpu", "… CPU µs a delivery, all nodes", Bar::None),
    row("replay-all-in", "5,000 clients back at once, 20 events missed each: all in after, s", Bar::AtMost(30.0)),
    row("replay-p99", "… p99 of one's coming back, ms", Bar::None),
    row("replay-recovered", "… recovered, %", Bar::AtLeast(99.0)),
    row("replay-lost", "… events lost", Bar::AtMost(0.0)),
    row("replay-duplicates", "… events twice or out of order", Bar::AtMost(0.0)),
    row("replay-reads", "… reads of Redis (XRANGE) for each room, of 10 clients", Bar::AtMost(2.0)),
    row("forwarded-p50", "long-polling through another node: p50 above the owner's, ms", Bar::None),
    row("forwarded-p99", "… p99 above the owner's, ms", Bar::AtMost(5.0)),
    row("forwarded-p99-owner", "… p99 at the owner, ms", Bar::None),
    row("slow-p99-ratio", "a slow reader among 59: their p99, with it / without", Bar::AtMost(1.2)),
    row("slow-p99-before", "… their p99 without it, ms", Bar::None),
    row("slow-closed", "… it is closed after the kernel was full, s", Bar::AtMost(6.0)),
    row("slow-memory", "… memory it costs, MiB", Bar::AtMost(2.0)),
    row("function-plain", "publish function, 50 connections: thousand calls a second of Redis CPU", Bar::None),
    row("function-plain-script", "… a broker's script of about the same promise", Bar::None),
    row("function-plain-counting", "… a broker's script that only counts", Bar::None),
    row("function-plain-ratio", "… function / script", Bar::AtLeast(1.0)),
    row("function-pipelined", "publish function pipelined: thousand calls a second of Redis CPU", Bar::AtLeast(75.0)),
    row("function-pipelined-script", "… a broker's script of about the same promise", Bar::None),
    row("function-pipelined-counting", "… a broker's script that only counts", Bar::None),
    row("function-pipelined-ratio", "… function / script", Bar::None),
];
