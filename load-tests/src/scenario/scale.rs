//! The same load on one, two and three gateways, and loads that make one cost large and the others small.
//!
//! All gateways share the server's core, and Redis the other one with the load: what counts is processor time, of each process
//! by itself. A room's members are dealt evenly to the gateways, so every gateway hears of every publication.

use std::time::Duration;

use super::Bench;
use crate::clock::{SECOND_NS, now_ns};
use crate::course::ratio;
use crate::crowd::{Arrival, Crowd, Group, Nobody};
use crate::machine;
use crate::mark::Mark;
use crate::model::{Load, Point};
use crate::process::{self, LOAD_CORE, Server};
use crate::publish::{Publisher, Way};
use crate::report::progress;
use crate::target::{self, OPEN, Target};

/// Can be dealt to one, two and three gateways.
const MEMBERS: usize = 12;
const ROOMS: u32 = 300;
const ROOM: usize = 1_200;
const ARRIVALS: usize = 3_000;
/// Messages a second that keep a core busy: on an idle one everything costs more, and nobody plans for that.
const RATE: u64 = 5_000;
const RATE_OF_ROOM: u64 = 150;
/// A room that nobody is in.
const ELSEWHERE: u32 = 5_000;

pub fn run(bench: &mut Bench<'_>) {
    for target in bench.present(&[Target::Fanfare]) {
        if let Err(error) = measure(bench) {
            bench.report.failed("scale", target, &error);
        }
    }
}

fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let for_ms = if bench.short() { 1_500 } else { 3_000 };
    for nodes in 1..=3 {
        progress(&format!("scale: {nodes} gateways, {ROOMS} rooms of {MEMBERS}, then one of {ROOM}"));
        let mut stage = Stage::open(bench, nodes, 1)?;
        stage.fill(MEMBERS * ROOMS as usize, ROOMS)?;
        if nodes == 1 {
            let quiet = stage.pour(0, 0..ROOMS, for_ms)?;
            bench.report.point(stage.point("quiet", &quiet));
            let unheard = stage.pour(RATE, ELSEWHERE..ELSEWHERE + ROOMS, for_ms)?;
            bench.report.point(stage.point("unheard", &unheard));
            let light = stage.pour(RATE / 10, 0..ROOMS, for_ms)?;
            bench.report.point(stage.point("light: rooms of 12 at a tenth of the rate", &light));
        }
        let rooms = stage.pour(RATE, 0..ROOMS, for_ms)?;
        bench.report.point(stage.point("rooms of 12", &rooms));

        let mut stage = Stage::open(bench, nodes, 1)?;
        stage.fill(ROOM, 1)?;
        let room = stage.pour(RATE_OF_ROOM, 0..1, for_ms)?;
        bench.report.point(stage.point("room of 1,200", &room));
    }
    let mut stage = Stage::open(bench, 1, 4)?;
    stage.fill(MEMBERS * ROOMS as usize, ROOMS)?;
    let rooms = stage.pour(RATE, 0..ROOMS, for_ms)?;
    bench.report.point(stage.point("rooms of 12", &rooms));

    let mut stage = Stage::open(bench, 1, 1)?;
    let before = stage.now()?;
    stage.fill(ARRIVALS, u32::try_from(ARRIVALS)?)?;
    let arriving = stage.poured(&before, ARRIVALS as u64)?;
    bench.report.point(stage.point("arriving", &arriving));
    let many = stage.pour(RATE, 0..u32::try_from(ARRIVALS)?, for_ms)?;
    bench.report.point(stage.point("3,000 rooms of one", &many));
    Ok(())
}

/// Gateways on one Redis, and those who are connected to them.
struct Stage {
    redis: Server,
    servers: Vec<Server>,
    addresses: Vec<std::net::SocketAddr>,
    workers: u32,
    crowd: Crowd,
    published: Vec<u32>,
    number: u32,
}

/// What the processes' accounts say.
struct Accounts {
    nodes_ns: Vec<u64>,
    redis_ns: u64,
    marks: u64,
    number: u32,
    at_ns: u64,
}

/// What was done by the second, and what it took.
struct Poured {
    load: Load,
    nodes_us: Vec<f64>,
    redis_us: f64,
}

impl Stage {
    fn open(bench: &Bench<'_>, nodes: usize, workers: u32) -> anyhow::Result<Self> {
        let (redis, redis_at) = process::redis(&bench.places.folder, LOAD_CORE)?;
        let (mut servers, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..nodes {
            let address = process::free_address()?;
            let configuration = format!("workers: {workers}\n{OPEN}");
            let mut server = target::gateway(bench.places, address, Some(redis_at), &configuration)?;
            server.wait_for(address)?;
            servers.push(server);
            addresses.push(address);
        }
        let mut crowd = Crowd::new(Target::Fanfare.speech(true))?;
        crowd.employ(Publisher::connect(Way::Function, redis_at)?)?;
        Ok(Self { redis, servers, addresses, workers, crowd, published: Vec::new(), number: 0 })
    }

    fn fill(&mut self, sockets: usize, rooms: u32) -> anyhow::Result<()> {
        for address in &self.addresses {
            let count = sockets / self.addresses.len();
            let group = Group { address: *address, count, rooms, arrival: Arrival::AtOnce(64), deaf: false };
            self.crowd.connect(group, Duration::from_secs(30))?;
        }
        anyhow::ensure!(self.crowd.counts.closed == 0, "{} connections were refused", self.crowd.counts.closed);
        self.published = vec![0; rooms as usize];
        Ok(())
    }

    /// So many messages a second, in turn to these rooms; the first second is not counted.
    fn pour(&mut self, rate: u64, rooms: std::ops::Range<u32>, for_ms: u64) -> anyhow::Result<Poured> {
        self.send_for(rate, &rooms, 1_000)?;
        let before = self.now()?;
        self.send_for(rate, &rooms, for_ms)?;
        let poured = self.poured(&before, 0)?;
        self.send_for(0, &rooms, 300)?;
        let lost = self.crowd.lost(&self.published);
        let counts = self.crowd.counts;
        anyhow::ensure!(lost + counts.duplicates + counts.reordered == 0, "{lost} lost or worse");
        Ok(poured)
    }

    fn send_for(&mut self, rate: u64, rooms: &std::ops::Range<u32>, for_ms: u64) -> anyhow::Result<()> {
        let (begun_ns, mut sent) = (now_ns(), 0);
        let until_ns = begun_ns + for_ms * 1_000_000;
        while now_ns() < until_ns {
            let due = ((now_ns() - begun_ns) * rate / SECOND_NS).saturating_sub(sent);
            sent += due;
            for _ in 0..due {
                self.number += 1;
                let room = rooms.start + u32::try_from(u64::from(self.number) * 7_919 % rooms.len() as u64)?;
                let sequence = self.published.get_mut(room as usize).map_or(self.number, |published| {
                    *published += 1;
                    *published
                });
                let mark = Mark { sequence, number: self.number, sent_ns: now_ns() };
                self.crowd.publisher()?.publish(room, mark);
            }
            self.crowd.publisher()?.flush()?;
            self.crowd.turn(Duration::from_millis(1), &mut Nobody)?;
        }
        Ok(())
    }

    fn now(&self) -> anyhow::Result<Accounts> {
        Ok(Accounts {
            nodes_ns: self.servers.iter().map(|server| machine::cpu_ns(server.pid())).collect::<Result<_, _>>()?,
            redis_ns: machine::cpu_ns(self.redis.pid())?,
            marks: self.crowd.counts.marks,
            number: self.number,
            at_ns: now_ns(),
        })
    }

    fn poured(&self, before: &Accounts, arrivals: u64) -> anyhow::Result<Poured> {
        let now = self.now()?;
        let elapsed_ns = now.at_ns - before.at_ns;
        let per_s = |count: u64| ratio(count, elapsed_ns) * 1e9;
        let deliveries = per_s(now.marks - before.marks);
        let load = Load {
            nodes: ratio(self.servers.len() as u64, 1),
            workers: f64::from(self.workers),
            publishes: per_s(u64::from(now.number - before.number)),
            audience: if deliveries > 0.0 { ratio(self.servers.len() as u64, 1) } else { 0.0 },
            deliveries,
            arrivals: per_s(arrivals),
        };
        let us_per_s = |now: u64, before: u64| per_s(now - before) / 1_000.0;
        let nodes = now.nodes_ns.iter().zip(&before.nodes_ns);
        Ok(Poured {
            load,
            nodes_us: nodes.map(|(now, before)| us_per_s(*now, *before)).collect(),
            redis_us: us_per_s(now.redis_ns, before.redis_ns),
        })
    }

    fn point(&self, name: &str, poured: &Poured) -> Point {
        let (nodes, plural) = (self.servers.len(), if self.servers.len() == 1 { "" } else { "s" });
        let name = match self.workers {
            1 => format!("{name}, {nodes} node{plural}"),
            workers => format!("{name}, {workers} workers"),
        };
        Point { name, load: poured.load, nodes_us: poured.nodes_us.clone(), redis_us: poured.redis_us }
    }
}
