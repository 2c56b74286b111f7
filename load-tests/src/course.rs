//! A measurement under way: messages go out at a pace, what comes back is counted, timed and charged to the server.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock::{SECOND_NS, now_ns};
use crate::crowd::{Audience, Counts, Crowd};
use crate::machine::{self, CoreTicks};
use crate::mark::Mark;
use crate::process::SERVER_CORE;

/// When the next message goes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many messages are on their way at any time; one is done when every member of its room has it.
    Outstanding(u32),
    PerSecond(u32),
}

/// How long a measurement takes.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub warm_up_ms: u64,
    pub window_ms: u64,
    pub windows: usize,
}

/// What a measurement found.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Processor microseconds of the server for each frame that a client received: the quietest window and the middle one.
    pub cpu_us_min: f64,
    pub cpu_us_median: f64,
    pub deliveries_per_s: f64,
    pub messages_per_s: f64,
    pub frames_per_read: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Share of its core that the server used, and what others took of that core.
    pub server_busy: f64,
    pub foreign_busy: f64,
    pub steal: f64,
    pub lost: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub stalls: u64,
    pub complaints: u64,
    pub complaint: String,
}

/// A crowd, the servers it is at, and how far each room's count is.
pub struct Course {
    pub crowd: Crowd,
    pub pids: Vec<u32>,
    published: Vec<u32>,
    members: Vec<u32>,
    flight: Flight,
    number: u32,
    stalls: u64,
}

/// What is on its way.
struct Flight {
    /// By the message's number: that number, and how many members have not had it.
    awaited: Vec<(u32, u32)>,
    outstanding: u32,
    latency_ns: Histogram<u64>,
}

const RING: u32 = 1 << 16;
const STALL_NS: u64 = 2 * SECOND_NS;

impl Audience for Flight {
    fn heard(&mut self, mark: Mark, now_ns: u64) {
        let _ = self.latency_ns.record(now_ns.saturating_sub(mark.sent_ns));
        let slot = &mut self.awaited[(mark.number % RING) as usize];
        if slot.0 == mark.number && slot.1 > 0 {
            slot.1 -= 1;
            if slot.1 == 0 {
                self.outstanding = self.outstanding.saturating_sub(1);
            }
        }
    }
}

impl Course {
    /// `crowd` is connected and employs a publisher; its members were dealt to `rooms` in turn.
    pub fn new(crowd: Crowd, rooms: u32, pids: Vec<u32>) -> anyhow::Result<Self> {
        let (sockets, rooms_count) = (u32::try_from(crowd.len())?, rooms.max(1));
        let members = (0..rooms_count).map(|room| (sockets + rooms_count - 1 - room) / rooms_count).collect();
        let flight = Flight { awaited: vec![(0, 0); RING as usize], outstanding: 0, latency_ns: Histogram::new(3)? };
        Ok(Self { crowd, pids, published: vec![0; rooms_count as usize], members, flight, number: 0, stalls: 0 })
    }

    /// One member fewer of `room` is expected to hear.
    pub fn excuse(&mut self, room: u32) {
        self.members[room as usize] -= 1;
    }

    pub fn measure(&mut self, pace: Pace, timing: Timing) -> anyhow::Result<Figures> {
        self.drive(pace, timing.warm_up_ms)?;
        self.settle()?;
        self.crowd.forgive(&self.published);
        self.flight.latency_ns.reset();
        let (before, ready) = (self.crowd.counts, self.crowd.counts.ready);
        self.stalls = 0;
        let mut windows = Vec::new();
        let (ticks, begun_ns, cpu_begun, number) =
            (machine::core_ticks(SERVER_CORE), now_ns(), self.cpu_ns()?, self.number);
        // A window ends when all of it has arrived: what the server did and what clients got are then the same messages.
        for _ in 0..timing.windows {
            let (cpu, marks) = (self.cpu_ns()?, self.crowd.counts.marks);
            self.drive(pace, timing.window_ms)?;
            self.settle()?;
            let frames = self.crowd.counts.marks - marks;
            if frames > 0 {
                windows.push(ratio(self.cpu_ns()? - cpu, frames) / 1_000.0);
            }
        }
        let (elapsed_ns, cpu) = (now_ns() - begun_ns, self.cpu_ns()? - cpu_begun);
        let after = machine::core_ticks(SERVER_CORE);
        let messages = u64::from(self.number - number);
        let at_end = self.crowd.counts;
        anyhow::ensure!(at_end.ready == ready, "{} sockets were closed", ready - at_end.ready);
        let mut figures = self.figures(before, at_end, &mut windows);
        self.flight.latency_ns.reset();
        figures.deliveries_per_s = ratio(at_end.marks - before.marks, elapsed_ns) * 1e9;
        figures.messages_per_s = ratio(messages, elapsed_ns) * 1e9;
        figures.server_busy = ratio(cpu, elapsed_ns);
        (figures.foreign_busy, figures.steal) = foreign(ticks, after, figures.server_busy);
        Ok(figures)
    }

    fn figures(&mut self, before: Counts, after: Counts, windows: &mut [f64]) -> Figures {
        windows.sort_by(f64::total_cmp);
        let latency = |quantile| ms(self.flight.latency_ns.value_at_quantile(quantile));
        let (complaints, complaint) = self.crowd.publisher().map_or((0, String::new()), |publisher| {
            let (count, words) = publisher.complaints();
            (count, words.to_owned())
        });
        Figures {
            cpu_us_min: windows.first().copied().unwrap_or(f64::NAN),
            cpu_us_median: windows.get(windows.len() / 2).copied().unwrap_or(f64::NAN),
            frames_per_read: ratio(after.marks - before.marks, after.reads - before.reads),
            p50_ms: latency(0.5),
            p99_ms: latency(0.99),
            max_ms: ms(self.flight.latency_ns.max()),
            lost: self.crowd.lost(&self.published),
            duplicates: self.crowd.counts.duplicates - before.duplicates,
            reordered: self.crowd.counts.reordered - before.reordered,
            stalls: self.stalls,
            complaints,
            complaint,
            ..Figures::default()
        }
    }

    fn cpu_ns(&self) -> anyhow::Result<u64> {
        self.pids.iter().map(|pid| machine::cpu_ns(*pid)).sum()
    }

    /// The 99th percentile in milliseconds of all that was heard since the last measurement ended.
    pub fn latency_since(&self) -> f64 {
        ms(self.flight.latency_ns.value_at_quantile(0.99))
    }

    /// Publishes and listens for `for_ms`.
    pub fn drive(&mut self, pace: Pace, for_ms: u64) -> anyhow::Result<()> {
        let begun_ns = now_ns();
        let until_ns = begun_ns + for_ms * 1_000_000;
        let (mut sent, mut heard, mut heard_ns) = (0_u64, self.crowd.counts.marks, begun_ns);
        loop {
            let now_ns = now_ns();
            if now_ns >= until_ns {
                return Ok(());
            }
            let due = match pace {
                Pace::Outstanding(most) => u64::from(most.saturating_sub(self.flight.outstanding)),
                Pace::PerSecond(rate) => ((now_ns - begun_ns) * u64::from(rate) / SECOND_NS + 1).saturating_sub(sent),
            };
            for _ in 0..due {
                self.send(now_ns)?;
            }
            sent += due;
            if due > 0 {
                self.crowd.publisher()?.flush()?;
            }
            let patience_ms = if matches!(pace, Pace::PerSecond(_)) { 1 } else { 50 };
            self.crowd.turn(Duration::from_millis(patience_ms), &mut self.flight)?;
            if self.crowd.counts.marks != heard || self.flight.outstanding == 0 {
                (heard, heard_ns) = (self.crowd.counts.marks, now_ns);
            } else if now_ns - heard_ns > STALL_NS {
                self.write_off();
                heard_ns = now_ns;
            }
        }
    }

    fn send(&mut self, now_ns: u64) -> anyhow::Result<()> {
        self.number = self.number.wrapping_add(1);
        // Rooms in an order that no cache foresees; the step is prime, so all of them have their turn.
        let rooms = u64::try_from(self.published.len())?;
        let room = u32::try_from(u64::from(self.number) * STRIDE % rooms)?;
        self.published[room as usize] += 1;
        self.flight.awaited[(self.number % RING) as usize] = (self.number, self.members[room as usize]);
        self.flight.outstanding += 1;
        let mark = Mark { sequence: self.published[room as usize], number: self.number, sent_ns: now_ns };
        self.crowd.publisher()?.publish(room, mark);
        Ok(())
    }

    /// Waits until everything that was sent has come, or will not.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        let (mut heard, mut heard_ns) = (self.crowd.counts.marks, now_ns());
        while self.flight.outstanding > 0 {
            self.crowd.turn(Duration::from_millis(10), &mut self.flight)?;
            let now_ns = now_ns();
            if self.crowd.counts.marks != heard {
                (heard, heard_ns) = (self.crowd.counts.marks, now_ns);
            } else if now_ns - heard_ns > STALL_NS {
                self.write_off();
            }
        }
        Ok(())
    }

    fn write_off(&mut self) {
        self.stalls += 1;
        self.flight.outstanding = 0;
        self.flight.awaited.fill((0, 0));
    }
}

const STRIDE: u64 = 7_919;

/// What others than the server took of its core, and what the machine below took of it.
fn foreign(before: CoreTicks, after: CoreTicks, server: f64) -> (f64, f64) {
    let all = after.all.saturating_sub(before.all);
    let busy = 1.0 - ratio(after.idle.saturating_sub(before.idle), all);
    let steal = ratio(after.steal.saturating_sub(before.steal), all);
    ((busy - steal - server).max(0.0), steal)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people have three digits")]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

pub fn ms(ns: u64) -> f64 {
    ratio(ns, 1_000_000)
}
