//! One reader that does not read, among many that do.

use std::time::Duration;

use anyhow::Context as _;

use super::Bench;
use crate::clock::now_ns;
use crate::course::{Course, Pace, Timing, ms, ratio};
use crate::crowd::{Arrival, Crowd, Group};
use crate::machine;
use crate::publish::Publisher;
use crate::report::progress;
use crate::target::Target;

const HEALTHY: usize = 59;
/// Fast enough that what waits for the slow one passes what the kernel holds for it in seconds.
const RATE: u32 = 2_000;

pub fn run(bench: &mut Bench<'_>) {
    for target in bench.present(&[Target::Fanfare]) {
        if let Err(error) = measure(bench, target) {
            bench.report.failed("slow", target, &error);
        }
    }
}

fn measure(bench: &mut Bench<'_>, target: Target) -> anyhow::Result<()> {
    progress("slow: 59 healthy readers, then one more that does not read");
    let running = target.start(bench.places)?;
    let pid = running.server.pid();
    let mut crowd = Crowd::new(target.speech(true))?;
    let group = Group { address: running.address, count: HEALTHY, rooms: 1, arrival: Arrival::AtOnce(16), deaf: false };
    crowd.connect(group, Duration::from_secs(10))?;
    crowd.connect(Group { count: 1, deaf: true, ..group }, Duration::from_secs(10))?;
    crowd.employ(Publisher::connect(running.way, running.publish_at)?)?;
    std::thread::sleep(Duration::from_millis(500));
    let timing = Timing { warm_up_ms: 1_000, window_ms: 1_000, windows: 3 };

    let mut course = Course::new(crowd, 1, vec![pid])?;
    let before = course.measure(Pace::PerSecond(RATE), timing)?;
    let memory = machine::anonymous_bytes(pid)?;
    let deaf = course.crowd.address(HEALTHY).context("the slow reader is gone")?;
    course.crowd.deafen(HEALTHY);
    course.excuse(0);
    let (mut highest, mut full_ns, mut closed_ns, mut waiting) = (memory, now_ns(), None, 0);
    for _ in 0..120 {
        course.drive(Pace::PerSecond(RATE), 250)?;
        highest = highest.max(machine::anonymous_bytes(pid)?);
        let Some(now_waiting) = machine::waiting_bytes(running.address, deaf) else {
            closed_ns = Some(now_ns());
            break;
        };
        // The gateway's patience begins when the kernel takes no more for it.
        if now_waiting > waiting {
            (waiting, full_ns) = (now_waiting, now_ns());
        }
    }
    let healthy = course.latency_since();
    bench.report.derived("slow-p99-before", target, before.p99_ms);
    bench.report.derived("slow-p99-ratio", target, healthy / before.p99_ms.max(0.001));
    bench.report.derived("slow-closed", target, closed_ns.map_or(f64::INFINITY, |at| ms(at - full_ns) / 1_000.0));
    bench.report.derived("slow-memory", target, ratio(highest - memory, 1 << 20));
    Ok(())
}
