//! How many nodes and shards a given number of users needs.

use std::fmt::Write as _;

use super::costs::Costs;
use super::point::Load;

/// What the users of an application do.
pub struct Habit {
    name: &'static str,
    rooms_each: f64,
    members: f64,
    /// Events that a user publishes each second.
    publishes_each: f64,
    /// How long a connection stays, in seconds.
    stay_s: f64,
}

/// What a deployment is made of.
struct Machine {
    cores: f64,
    connections_max: f64,
    /// Share of a core that is planned for; the rest is for storms and neighbours.
    busy_max: f64,
    connection_bytes: f64,
}

pub const HABITS: &[Habit] = &[
    Habit { name: "chats of ten", rooms_each: 3.0, members: 10.0, publishes_each: 0.01, stay_s: 1_800.0 },
    Habit { name: "notifications", rooms_each: 1.0, members: 1.0, publishes_each: 0.002, stay_s: 1_800.0 },
    Habit { name: "boards of 10,000", rooms_each: 1.0, members: 10_000.0, publishes_each: 0.000_1, stay_s: 1_800.0 },
];

const MACHINE: Machine = Machine { cores: 8.0, connections_max: 250_000.0, busy_max: 0.6, connection_bytes: 8_000.0 };
const CONNECTIONS: [f64; 4] = [10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0];
const CORE_US: f64 = 1e6;

/// What a number of connections asks for.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub load: Load,
    pub node_cores: f64,
    pub redis_cores: f64,
    /// Announcements that a node hears of each second.
    pub heard: f64,
}

/// The smallest number of nodes, at least two, on which the load stays within the plan.
pub fn size(costs: &Costs, habit: &Habit, connections: f64) -> Size {
    let mut nodes = 2.0;
    loop {
        let load = load(habit, connections, nodes);
        let node_cores = costs.nodes_us(&load) / CORE_US;
        let within = node_cores / nodes <= MACHINE.cores * MACHINE.busy_max;
        if (within && connections / nodes <= MACHINE.connections_max) || nodes >= NODES_MAX {
            let redis = costs.redis_us(&load);
            return Size {
                load,
                node_cores,
                redis_cores: redis / CORE_US,
                heard: load.publishes * load.audience / nodes,
            };
        }
        nodes += 1.0;
    }
}

const NODES_MAX: f64 = 5_000.0;

fn load(habit: &Habit, connections: f64, nodes: f64) -> Load {
    let members = habit.members.min(connections);
    let publishes = connections * habit.publishes_each;
    // Members are spread by chance: so many nodes have at least one of them.
    let audience = nodes * (1.0 - (1.0 - 1.0 / nodes).powf(members));
    Load {
        nodes,
        workers: MACHINE.cores,
        publishes,
        audience,
        deliveries: publishes * members,
        arrivals: connections * habit.rooms_each / habit.stay_s,
    }
}

/// The table of sizes, in Markdown.
pub fn table(costs: &Costs) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| users | connections | publishes/s | deliveries/s | nodes of {} cores | their cores, busy | heard by a node/s | memory of a node, GB | Redis cores, busy | shards |",
        MACHINE.cores
    );
    let _ = writeln!(text, "|{}", "---|".repeat(10));
    for habit in HABITS {
        for connections in CONNECTIONS {
            let size = size(costs, habit, connections);
            let cells = [
                habit.name.to_owned(),
                whole(connections),
                whole(size.load.publishes),
                whole(size.load.deliveries),
                whole(size.load.nodes),
                format!("{:.1}", size.node_cores),
                whole(size.heard),
                format!("{:.1}", connections / size.load.nodes * MACHINE.connection_bytes / 1e9),
                format!("{:.2}", size.redis_cores),
                whole((size.redis_cores / MACHINE.busy_max).ceil().max(1.0)),
            ];
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    let most = MACHINE.busy_max * CORE_US;
    let one = Load { nodes: 20.0, workers: MACHINE.cores, publishes: 1.0, ..Load::default() };
    let each =
        |audience: f64| costs.redis_us(&Load { audience, ..one }) - costs.redis_us(&Load { publishes: 0.0, ..one });
    let _ = writeln!(
        text,
        "\nA shard planned to {:.0} % takes {} publishes a second that one node hears of, {} that ten hear of, {} that a hundred hear of.\n\
         One lane, planned the same, takes in {} announcements a second.",
        MACHINE.busy_max * 100.0,
        whole(most / each(1.0)),
        whole(most / each(10.0)),
        whole(most / each(100.0)),
        whole(most / costs.announcement_us()),
    );
    text
}

/// With separators.
fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
