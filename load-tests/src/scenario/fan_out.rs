//! Rooms and messages: how much processor each delivery costs, and how long it takes.

use std::time::Duration;

use super::Bench;
use crate::course::{Course, Pace, Timing};
use crate::crowd::{Arrival, Crowd, Group};
use crate::machine;
use crate::publish::Publisher;
use crate::report::progress;
use crate::target::Target;

/// Sockets, their rooms, and the paces at which messages come.
pub struct Shape {
    name: &'static str,
    sockets: usize,
    rooms: u32,
    paces: &'static [(&'static str, Pace)],
}

pub const ROOM_OF_1K: Shape = Shape {
    name: "1k",
    sockets: 1_000,
    rooms: 1,
    paces: &[
        ("w1", Pace::Outstanding(1)),
        ("sat", Pace::Outstanding(4)),
        ("w16", Pace::Outstanding(16)),
        ("rate", Pace::PerSecond(100)),
    ],
};

pub const ROOM_OF_10K: Shape = Shape {
    name: "10k",
    sockets: 10_000,
    rooms: 1,
    paces: &[
        ("w1", Pace::Outstanding(1)),
        ("sat", Pace::Outstanding(4)),
        ("w16", Pace::Outstanding(16)),
        ("rate", Pace::PerSecond(10)),
    ],
};

pub const ROOMS: Shape = Shape {
    name: "rooms",
    sockets: 10_000,
    rooms: 1_000,
    paces: &[("rate", Pace::PerSecond(2_000)), ("sat", Pace::Outstanding(64))],
};

pub const UNICAST: Shape =
    Shape { name: "unicast", sockets: 10_000, rooms: 10_000, paces: &[("sat", Pace::Outstanding(256))] };

const TARGETS: &[Target] = &[
    Target::Floor,
    Target::FloorOneFrame,
    Target::RelayFloor,
    Target::Fanfare,
    Target::FanfareMemory,
    Target::FanfareEmitter,
    Target::Node,
    Target::Socketioxide,
    Target::Nchan,
    Target::Nats,
];

pub fn run(bench: &mut Bench<'_>, shape: &Shape) {
    for target in bench.present(TARGETS) {
        if let Err(error) = measure(bench, shape, target) {
            bench.report.failed(shape.name, target, &error);
        }
    }
}

fn measure(bench: &mut Bench<'_>, shape: &Shape, target: Target) -> anyhow::Result<()> {
    progress(&format!("{}: {} connects {} sockets", shape.name, target.name(), shape.sockets));
    let mut running = target.start(bench.places)?;
    let mut crowd = Crowd::new(target.speech(true))?;
    let group = Group {
        address: running.address,
        count: shape.sockets,
        rooms: shape.rooms,
        arrival: Arrival::AtOnce(128),
        deaf: false,
    };
    crowd.connect(group, Duration::from_secs(60))?;
    anyhow::ensure!(crowd.counts.closed == 0, "{} of the connections were refused", crowd.counts.closed);
    running.server.wait_for(running.address)?;
    crowd.employ(Publisher::connect(running.way, running.publish_at)?)?;
    // Subscriptions of the peers are confirmed to nobody; this is ample.
    std::thread::sleep(Duration::from_millis(500));
    let pids = machine::family(running.server.pid());
    let mut course = Course::new(crowd, shape.rooms, pids)?;
    let timing = if bench.short() {
        Timing { warm_up_ms: 300, window_ms: 300, windows: 5 }
    } else {
        Timing { warm_up_ms: 1_000, window_ms: 500, windows: 10 }
    };
    for (pace_name, pace) in shape.paces {
        let figures = course.measure(*pace, timing)?;
        let row = format!("{}-{pace_name}", shape.name);
        progress(&format!(
            "{row}: {}: {:.2} us, p99 {:.2} ms, {:.0} deliveries/s, {:.1} frames/read",
            target.name(),
            figures.cpu_us_min,
            figures.p99_ms,
            figures.deliveries_per_s,
            figures.frames_per_read
        ));
        bench.report.measured(&row, target, figures.cpu_us_min, &figures);
        bench.report.derived(&format!("{row}-p99"), target, figures.p99_ms);
    }
    Ok(())
}
