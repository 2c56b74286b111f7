//! Long-polling through a node that does not own the session, beside polling its owner.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;

use super::Bench;
use crate::clock::now_ns;
use crate::course::ms;
use crate::crowd::room_name;
use crate::mark::Mark;
use crate::process::{self, LOAD_CORE};
use crate::publish::{Publisher, Way};
use crate::report::progress;
use crate::target::{self, OPEN, Target};

/// A poll is pending at the owner by then.
const SETTLE: Duration = Duration::from_millis(3);

pub fn run(bench: &mut Bench<'_>) {
    for target in bench.present(&[Target::Fanfare]) {
        if let Err(error) = measure(bench) {
            bench.report.failed("forwarded", target, &error);
        }
    }
}

fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let rounds = if bench.short() { 100 } else { 1_000 };
    progress(&format!("forwarded: {rounds} events each through the owner and through the other of two gateways"));
    let (_redis, redis_at) = process::redis(&bench.places.folder, LOAD_CORE)?;
    let (mut servers, mut addresses) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let address = process::free_address()?;
        let mut server = target::gateway(bench.places, address, Some(redis_at), OPEN)?;
        server.wait_for(address)?;
        servers.push(server);
        addresses.push(address);
    }
    let mut owner = Http::connect(addresses[0])?;
    let mut other = Http::connect(addresses[1])?;
    let path = enter(&mut owner)?;
    other.ask("POST", &path, "3")?;
    let (status, answer) = other.answer()?;
    if status != 200 {
        let why = format!("a node that does not own the session answers {status}: {}", answer.trim());
        bench.report.skipped("forwarded-p99", &why);
        return Ok(());
    }

    let mut publisher = Publisher::connect(Way::Function, redis_at)?;
    let mut buffer = vec![0; 4_096];
    let mut latencies = [Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?];
    let mut sequence = 0;
    for _ in 0..rounds {
        for (http, latency) in [&mut owner, &mut other].into_iter().zip(&mut latencies) {
            sequence += 1;
            http.ask("GET", &path, "")?;
            std::thread::sleep(SETTLE);
            publisher.publish(0, Mark { sequence, number: sequence, sent_ns: now_ns() });
            publisher.flush()?;
            let mark = next_event(http, &path);
            publisher.attend(&mut buffer)?;
            ensure!(publisher.complaints().0 == 0, "Redis refused: {}", publisher.complaints().1);
            let mark = mark?;
            latency.record(now_ns() - mark.sent_ns)?;
            ensure!(mark.sequence == sequence, "event {} came instead of {sequence}", mark.sequence);
        }
    }
    let [by_owner, by_other] = latencies;
    for (row, quantile) in [("forwarded-p50", 0.5), ("forwarded-p99", 0.99)] {
        let [owner, other] = [&by_owner, &by_other].map(|latency| ms(latency.value_at_quantile(quantile)));
        bench.report.derived(&format!("{row}-owner"), Target::Fanfare, owner);
        bench.report.derived(row, Target::Fanfare, other - owner);
    }
    Ok(())
}

/// A polling session that is in room 0; answers the path at which it is polled.
fn enter(http: &mut Http) -> anyhow::Result<String> {
    let path = "/socket.io/?EIO=4&transport=polling";
    http.ask("GET", path, "")?;
    let (_, opened) = http.answer()?;
    let sid = opened.split(r#""sid":""#).nth(1).and_then(|rest| rest.split('"').next());
    let path = format!("{path}&sid={}", sid.with_context(|| format!("no session in {opened:?}"))?);
    for packet in ["40".to_owned(), format!(r#"420["join",{{"room":"{}"}}]"#, room_name(0))] {
        http.ask("POST", &path, &packet)?;
        http.answer()?;
        http.ask("GET", &path, "")?;
        let (status, answer) = http.answer()?;
        ensure!(status == 200 && !answer.contains("false"), "{packet} was answered with {status}: {answer}");
    }
    Ok(path)
}

/// The event of a poll that is under way. One heartbeat may come before it and is answered; a second means that nothing will.
fn next_event(http: &mut Http, path: &str) -> anyhow::Result<Mark> {
    for _ in 0..2 {
        let (status, payload) = http.answer()?;
        ensure!(status == 200, "a poll was answered with {status}: {payload}");
        if let Some((_, mark)) = Mark::find(payload.as_bytes()) {
            return Ok(mark);
        }
        http.ask("POST", path, "3")?;
        http.answer()?;
        http.ask("GET", path, "")?;
    }
    bail!("the event did not come")
}

/// One connection that is kept alive.
struct Http(BufReader<TcpStream>, SocketAddr);

impl Http {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(BufReader::new(stream), address))
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
            self.1,
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).context("a request")
    }

    fn answer(&mut self) -> anyhow::Result<(u16, String)> {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                bail!("the gateway closed a polling connection");
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.get(..3).and_then(|digits| digits.parse().ok()).context("an answer without a status")?;
            } else if let Some(digits) = line.strip_prefix("content-length: ") {
                length = digits.parse()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
