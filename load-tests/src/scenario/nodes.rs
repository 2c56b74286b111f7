//! Several gateways on one Redis: a message published once reaches sockets on all of them.

use std::time::Duration;

use super::Bench;
use crate::course::{Course, Pace, Timing};
use crate::crowd::{Arrival, Crowd, Group};
use crate::process::{self, LOAD_CORE};
use crate::publish::{Publisher, Way};
use crate::report::progress;
use crate::target::{self, OPEN, Target};

pub fn run(bench: &mut Bench<'_>) {
    for target in bench.present(&[Target::Fanfare]) {
        for (row, nodes, sockets, rate) in [("nodes-3", 3, 60, 200), ("nodes-2", 2, 1_000, 100)] {
            if let Err(error) = measure(bench, row, nodes, sockets, rate) {
                bench.report.failed(row, target, &error);
            }
        }
    }
}

fn measure(bench: &mut Bench<'_>, row: &str, nodes: usize, sockets: usize, rate: u32) -> anyhow::Result<()> {
    progress(&format!("{row}: {nodes} gateways, {sockets} sockets, {rate} messages a second"));
    let (_redis, redis_at) = process::redis(&bench.places.folder, LOAD_CORE)?;
    let mut servers = Vec::new();
    let mut crowd = Crowd::new(Target::Fanfare.speech(true))?;
    for _ in 0..nodes {
        let address = process::free_address()?;
        let mut server = target::gateway(bench.places, address, Some(redis_at), OPEN)?;
        server.wait_for(address)?;
        servers.push(server);
        let arrival = Arrival::AtOnce(64);
        let group = Group { address, count: sockets / nodes, rooms: 1, arrival, deaf: false };
        crowd.connect(group, Duration::from_secs(20))?;
    }
    crowd.employ(Publisher::connect(Way::Function, redis_at)?)?;
    std::thread::sleep(Duration::from_millis(500));
    let mut course = Course::new(crowd, 1, servers.iter().map(process::Server::pid).collect())?;
    let timing = Timing { warm_up_ms: 1_000, window_ms: 1_000, windows: if bench.short() { 2 } else { 8 } };
    let figures = course.measure(Pace::PerSecond(rate), timing)?;
    bench.report.measured(&format!("{row}-p99"), Target::Fanfare, figures.p99_ms, &figures);
    bench.report.derived(&format!("{row}-cpu"), Target::Fanfare, figures.cpu_us_min);
    Ok(())
}
