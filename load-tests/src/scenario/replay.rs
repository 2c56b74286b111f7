//! A node dies, and all its clients come back at once, at another node, each with events to catch up with.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::Bench;
use crate::clock::{SECOND_NS, now_ns};
use crate::course::{ms, ratio};
use crate::crowd::{Arrival, Crowd, Group, Left, Nobody, Speech};
use crate::mark::Mark;
use crate::process::{self, LOAD_CORE, Server};
use crate::publish::{Publisher, Resp, Way};
use crate::report::progress;
use crate::target::{self, OPEN, Target};

/// Events of each room that its members miss.
const MISSED: u32 = 20;
const MEMBERS: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(bench: &mut Bench<'_>) {
    for target in bench.present(&[Target::Fanfare]) {
        if let Err(error) = measure(bench) {
            bench.report.failed("replay", target, &error);
        }
    }
}

fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let count = if bench.short() { 500 } else { 5_000 };
    let rooms = u32::try_from(count)? / MEMBERS;
    let (_redis, redis_at) = process::redis(&bench.places.folder, LOAD_CORE)?;
    let (dying, address) = gateway(bench, redis_at)?;
    let (_living, refuge) = gateway(bench, redis_at)?;

    progress(&format!("replay: {count} clients hear one event each"));
    let mut crowd = Crowd::new(Speech::SocketIo { auth: Vec::new(), join: true })?;
    crowd.remember();
    let group = Group { address, count, rooms, arrival: Arrival::AtOnce(128), deaf: false };
    crowd.connect(group, PATIENCE)?;
    anyhow::ensure!(crowd.counts.closed == 0, "{} of the connections were refused", crowd.counts.closed);
    crowd.employ(Publisher::connect(Way::Function, redis_at)?)?;
    publish(&mut crowd, rooms, 1..=1)?;
    until(&mut crowd, "the first event reached everyone", |crowd| Ok(crowd.counts.marks >= count as u64))?;
    let left = crowd.left();
    anyhow::ensure!(left.iter().all(|left| !left.memo.offset.is_empty()), "events carry no offset");
    drop(dying);
    drop(crowd);

    progress(&format!("replay: the node is gone, {MISSED} events in each of {rooms} rooms are missed"));
    let mut redis = Resp::connect(redis_at)?;
    let mut crowd = Crowd::new(Speech::SocketIo { auth: left.iter().map(Left::auth).collect(), join: false })?;
    crowd.remember();
    crowd.expect_back(&left);
    crowd.employ(Publisher::connect(Way::Function, redis_at)?)?;
    let wanted = calls(&mut redis, "fcall")? + u64::from(rooms * MISSED);
    publish(&mut crowd, rooms, 2..=MISSED + 1)?;
    until(&mut crowd, "everything was published", |_| Ok(calls(&mut redis, "fcall")? >= wanted))?;

    progress("replay: all of them come back at the other node");
    let (reads, begun_ns) = (calls(&mut redis, "xrange")?, now_ns());
    let group = Group { address: refuge, arrival: Arrival::AtOnce(512), ..group };
    crowd.connect(group, PATIENCE)?;
    let elapsed_ns = now_ns() - begun_ns;
    let reads = calls(&mut redis, "xrange")? - reads;
    anyhow::ensure!(crowd.counts.closed == 0, "{} of the connections were refused", crowd.counts.closed);
    let same = crowd.left().iter().zip(&left).filter(|(now, before)| now.memo.pid == before.memo.pid).count();
    if same == 0 {
        bench.report.skipped("replay-all-in", "the gateway gave every client that came back a new session");
        return Ok(());
    }
    let lost = crowd.lost(&vec![MISSED + 1; rooms as usize]);
    for (row, value) in [
        ("replay-all-in", ms(elapsed_ns) / 1_000.0),
        ("replay-p99", ms(crowd.connect_ns.value_at_quantile(0.99))),
        ("replay-recovered", ratio(same as u64, count as u64) * 100.0),
        ("replay-lost", ratio(lost, 1)),
        ("replay-duplicates", ratio(crowd.counts.duplicates + crowd.counts.reordered, 1)),
        ("replay-reads", ratio(reads, u64::from(rooms))),
    ] {
        bench.report.derived(row, Target::Fanfare, value);
    }
    Ok(())
}

fn gateway(bench: &Bench<'_>, redis: SocketAddr) -> anyhow::Result<(Server, SocketAddr)> {
    let address = process::free_address()?;
    let mut server = target::gateway(bench.places, address, Some(redis), OPEN)?;
    server.wait_for(address)?;
    Ok((server, address))
}

/// Each of these in every room.
fn publish(crowd: &mut Crowd, rooms: u32, sequences: std::ops::RangeInclusive<u32>) -> anyhow::Result<()> {
    for sequence in sequences {
        for room in 0..rooms {
            let mark = Mark { sequence, number: sequence * rooms + room, sent_ns: now_ns() };
            crowd.publisher()?.publish(room, mark);
        }
    }
    crowd.publisher()?.flush()
}

fn until(crowd: &mut Crowd, what: &str, mut reached: impl FnMut(&Crowd) -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline_ns = now_ns() + 30 * SECOND_NS;
    while !reached(crowd)? {
        anyhow::ensure!(now_ns() < deadline_ns, "30 s passed before {what}");
        crowd.turn(Duration::from_millis(20), &mut Nobody)?;
    }
    Ok(())
}

/// How often Redis has done a command, in functions and out of them.
fn calls(redis: &mut Resp, command: &str) -> anyhow::Result<u64> {
    let text = redis.ask(&[b"INFO", b"commandstats"])?;
    let name = format!("cmdstat_{command}:calls=");
    let Some(line) = text.lines().find_map(|line| line.strip_prefix(&name)) else { return Ok(0) };
    line.split(',').next().and_then(|digits| digits.parse().ok()).context("commandstats without a number")
}
