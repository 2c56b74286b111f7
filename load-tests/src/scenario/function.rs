//! The publish function in Redis, beside what a broker's script does.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::Bench;
use crate::clock::now_ns;
use crate::course::ratio;
use crate::crowd::room_name;
use crate::machine;
use crate::mark;
use crate::process::{self, SERVER_CORE, Server};
use crate::publish::{self, COUNTING_SCRIPT, Resp, SCRIPT_OF_COMPARISON};
use crate::report::progress;
use crate::target::{self, OPEN, Target};

/// Connections, as redis-benchmark has them, and rooms among which messages are dealt.
const CONNECTIONS: usize = 50;
const ROOMS: u32 = 100;
/// Commands under way on each connection.
const DEPTHS: [(&str, usize); 2] = [("plain", 1), ("pipelined", 16)];

pub fn run(bench: &mut Bench<'_>) {
    for target in bench.present(&[Target::Fanfare]) {
        if let Err(error) = measure(bench) {
            bench.report.failed("function", target, &error);
        }
    }
}

fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    // Redis is what is measured here, so it has the server's core; the gateway only brings the function along.
    let (redis, redis_at) = process::redis(&bench.places.folder, SERVER_CORE)?;
    let address = process::free_address()?;
    let mut gateway = target::gateway(bench.places, address, Some(redis_at), OPEN)?;
    gateway.wait_for(address)?;
    drop(gateway);
    let mut resp = Resp::connect(redis_at)?;

    let payload = mark::blank();
    let function: Vec<Vec<u8>> = (0..ROOMS).map(|room| publish::function_call(&room_name(room), &payload)).collect();
    let mut script = |family: &str, text: &str| -> anyhow::Result<Vec<Vec<u8>>> {
        let digest = resp.ask(&[b"SCRIPT", b"LOAD", text.as_bytes()])?;
        Ok((0..ROOMS).map(|room| publish::script_call(&digest, family, &room_name(room), &payload)).collect())
    };
    let (timing, counting) = (script("timing", SCRIPT_OF_COMPARISON)?, script("counting", COUNTING_SCRIPT)?);
    let for_ms = if bench.short() { 500 } else { 2_000 };
    for (name, depth) in DEPTHS {
        progress(&format!("function: {CONNECTIONS} connections, {depth} under way on each"));
        let (mut best_function, mut best_script, mut best_counting) = (0.0_f64, 0.0_f64, 0.0_f64);
        // In turns, so that a busy moment of the machine does not favour one of them.
        for _ in 0..3 {
            best_script = best_script.max(rate(&redis, redis_at, &timing, depth, for_ms)?);
            best_counting = best_counting.max(rate(&redis, redis_at, &counting, depth, for_ms)?);
            best_function = best_function.max(rate(&redis, redis_at, &function, depth, for_ms)?);
        }
        bench.report.derived(&format!("function-{name}"), Target::Fanfare, best_function / 1_000.0);
        bench.report.derived(&format!("function-{name}-script"), Target::Fanfare, best_script / 1_000.0);
        bench.report.derived(&format!("function-{name}-counting"), Target::Fanfare, best_counting / 1_000.0);
        bench.report.derived(&format!("function-{name}-ratio"), Target::Fanfare, best_function / best_script);
    }
    Ok(())
}

struct Line {
    stream: TcpStream,
    under_way: usize,
}

/// Commands answered for each second that Redis was on its processor: with one Redis and a client that never lets it rest that
/// is the rate, without what other processes take.
fn rate(server: &Server, redis: SocketAddr, commands: &[Vec<u8>], depth: usize, for_ms: u64) -> anyhow::Result<f64> {
    let mut poll = Poll::new()?;
    let mut lines = Vec::new();
    for index in 0..CONNECTIONS {
        let stream = std::net::TcpStream::connect(redis)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
        lines.push(Line { stream, under_way: 0 });
    }
    let (mut events, mut buffer, mut out) = (Events::with_capacity(256), vec![0; 64 << 10], Vec::new());
    let (mut next, mut answered) = (0, 0_u64);
    let cpu = machine::cpu_ns(server.pid())?;
    let until_ns = now_ns() + for_ms * 1_000_000;
    for line in &mut lines {
        refill(line, commands, depth, &mut next, &mut out)?;
    }
    while now_ns() < until_ns {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let line = &mut lines[event.token().0];
            loop {
                let count = match line.stream.read(&mut buffer) {
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                };
                anyhow::ensure!(count > 0, "Redis closed a connection");
                anyhow::ensure!(buffer[0] != b'-', "{}", String::from_utf8_lossy(&buffer[..count.min(200)]));
                // Every answer is a list, and nothing inside one begins with an asterisk.
                let answers = memchr::memchr_iter(b'*', &buffer[..count]).count();
                line.under_way = line.under_way.saturating_sub(answers);
                answered += answers as u64;
                if count < buffer.len() {
                    break;
                }
            }
            refill(line, commands, depth, &mut next, &mut out)?;
        }
    }
    Ok(ratio(answered, machine::cpu_ns(server.pid())? - cpu) * 1e9)
}

/// At most a few kilobytes a connection, which the kernel takes at once.
fn refill(
    line: &mut Line,
    commands: &[Vec<u8>],
    depth: usize,
    next: &mut usize,
    out: &mut Vec<u8>,
) -> anyhow::Result<()> {
    out.clear();
    while line.under_way < depth {
        out.extend_from_slice(&commands[*next % commands.len()]);
        *next += 1;
        line.under_way += 1;
    }
    if !out.is_empty() {
        line.stream.write_all(out)?;
    }
    Ok(())
}
