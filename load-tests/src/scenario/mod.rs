//! The scenarios: each starts what it measures, bounded in time, and hands rows to the report.

mod connections;
mod fan_out;
mod forwarded;
mod function;
mod nodes;
mod replay;
mod scale;
mod slow;

use clap::ValueEnum as _;

use crate::report::Report;
use crate::target::{Places, Target};

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Everything, on two cores.
    Laptop,
    /// One or two minutes: the gateway and the floor, short windows.
    Ci,
    /// Names the script for a cluster somewhere else.
    Cluster,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// 1,000 sockets in a room.
    FanOut1k,
    /// 10,000 sockets in a room.
    FanOut10k,
    /// 1,000 rooms of 10.
    Rooms,
    /// 10,000 rooms of one.
    Unicast,
    /// Memory of 19,000 connections, and the storm in which they came.
    Idle,
    /// Connections with a token, so many a second.
    Tokens,
    /// One reader that does not read among 60.
    Slow,
    /// Three gateways on one Redis.
    Nodes,
    /// 5,000 clients of a dead node come back at another, with 20 missed events each.
    Replay,
    /// Long-polling through a node that does not own the session.
    Forwarded,
    /// The publish function beside a script.
    Function,
    /// The same load on one, two and three gateways, for the cost model.
    Scale,
}

/// What a scenario works with.
pub struct Bench<'a> {
    pub places: &'a Places,
    pub profile: Profile,
    pub targets: Vec<Target>,
    pub report: &'a mut Report,
}

impl Profile {
    pub fn targets(self) -> Vec<Target> {
        match self {
            Self::Ci => vec![Target::Floor, Target::RelayFloor, Target::Fanfare],
            Self::Laptop | Self::Cluster => Target::value_variants().to_vec(),
        }
    }
}

impl Scenario {
    /// All that have rows in the table; the points of the cost model are measured when they are asked for.
    pub fn for_the_table() -> Vec<Self> {
        Self::value_variants().iter().copied().filter(|scenario| *scenario != Self::Scale).collect()
    }

    pub fn run(self, bench: &mut Bench<'_>) {
        match self {
            Self::FanOut1k => fan_out::run(bench, &fan_out::ROOM_OF_1K),
            Self::FanOut10k => fan_out::run(bench, &fan_out::ROOM_OF_10K),
            Self::Rooms => fan_out::run(bench, &fan_out::ROOMS),
            Self::Unicast => fan_out::run(bench, &fan_out::UNICAST),
            Self::Idle => connections::idle(bench),
            Self::Tokens => connections::tokens(bench),
            Self::Slow => slow::run(bench),
            Self::Nodes => nodes::run(bench),
            Self::Replay => replay::run(bench),
            Self::Forwarded => forwarded::run(bench),
            Self::Function => function::run(bench),
            Self::Scale => scale::run(bench),
        }
    }
}

impl Bench<'_> {
    /// The targets of a scenario that are there; the report hears of those that are missing.
    fn present(&mut self, among: &[Target]) -> Vec<Target> {
        let asked: Vec<Target> = among.iter().copied().filter(|target| self.targets.contains(target)).collect();
        asked
            .into_iter()
            .filter(|target| match target.missing(self.places) {
                Some(why) => {
                    self.report.missing(*target, &why);
                    false
                }
                None => true,
            })
            .collect()
    }

    fn short(&self) -> bool {
        self.profile == Profile::Ci
    }
}
