//! Connections: what coming costs, and what staying costs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Bench;
use crate::clock::{now_ns, wall_s};
use crate::course::{ms, ratio};
use crate::crowd::{Arrival, Crowd, Group, Speech};
use crate::machine;
use crate::process::{self, LOAD_CORE};
use crate::report::progress;
use crate::target::{self, Target};

const TARGETS: &[Target] = &[
    Target::Floor,
    Target::Fanfare,
    Target::FanfareMemory,
    Target::Node,
    Target::Socketioxide,
    Target::Nchan,
    Target::Nats,
];

/// A storm of connections, then the memory they hold when all is quiet, each in a room of ten.
pub fn idle(bench: &mut Bench<'_>) {
    let count = if bench.short() { 2_000 } else { 19_000 };
    for target in bench.present(TARGETS) {
        for (join, rows) in [(false, &["storm-rate", "storm-cpu"][..]), (true, &["idle-memory"][..])] {
            progress(&format!("{}: {} connects {count} sockets", rows[0], target.name()));
            match storm(bench, target, count, join) {
                Ok(found) if join => {
                    bench.report.derived("idle-memory", target, found.bytes);
                    bench.report.derived("idle-cpu", target, found.idle_percent);
                }
                Ok(found) => {
                    bench.report.derived("storm-rate", target, found.per_s);
                    bench.report.derived("storm-memory", target, found.bytes);
                    bench.report.derived("storm-cpu", target, found.cpu_us);
                }
                Err(error) => bench.report.failed(rows[0], target, &error),
            }
        }
    }
}

struct Storm {
    per_s: f64,
    cpu_us: f64,
    bytes: f64,
    /// Of a core, while nothing happens.
    idle_percent: f64,
}

fn storm(bench: &Bench<'_>, target: Target, count: usize, join: bool) -> anyhow::Result<Storm> {
    let running = target.start(bench.places)?;
    let pids = machine::family(running.server.pid());
    let sum = |of: fn(u32) -> anyhow::Result<u64>| pids.iter().map(|pid| of(*pid)).sum::<anyhow::Result<u64>>();
    let mut crowd = Crowd::new(target.speech(join))?;
    // The first connections pay for what is made once.
    let group = Group { address: running.address, count: 100, rooms: 1, arrival: Arrival::AtOnce(16), deaf: false };
    crowd.connect(group, Duration::from_secs(10))?;
    let (cpu, memory, begun_ns) = (sum(machine::cpu_ns)?, sum(machine::anonymous_bytes)?, now_ns());
    let rooms = u32::try_from(count / 10)?;
    let count = count - 100;
    crowd.connect(Group { count, rooms, arrival: Arrival::AtOnce(512), ..group }, Duration::from_secs(90))?;
    let elapsed_ns = now_ns() - begun_ns;
    let cpu = sum(machine::cpu_ns)? - cpu;
    anyhow::ensure!(crowd.counts.closed == 0, "{} of the connections were refused", crowd.counts.closed);
    // Nothing is said to anyone for three seconds; the last two tell what staying costs in processor time.
    std::thread::sleep(Duration::from_secs(1));
    let (quiet, quiet_ns) = (sum(machine::cpu_ns)?, now_ns());
    std::thread::sleep(Duration::from_secs(2));
    let idle = ratio(sum(machine::cpu_ns)? - quiet, now_ns() - quiet_ns);
    let memory = sum(machine::anonymous_bytes)?.saturating_sub(memory);
    Ok(Storm {
        per_s: ratio(count as u64, elapsed_ns) * 1e9,
        cpu_us: ratio(cpu, count as u64) / 1_000.0,
        bytes: ratio(memory, count as u64),
        idle_percent: idle * 100.0,
    })
}

const ISSUER: &str = "https://load.test/";
const SECRET: &str = "a-secret-of-the-load-test-and-nobody-else-0123456789";

/// Connections that each bring a token of their own, first at a rate, then as fast as they are taken.
pub fn tokens(bench: &mut Bench<'_>) {
    for target in bench.present(&[Target::Fanfare]) {
        if let Err(error) = with_tokens(bench) {
            bench.report.failed("tokens", target, &error);
        }
    }
}

fn with_tokens(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let configuration = format!(
        r#"auth:
  issuers:
    - {{ name: load, issuer: "{ISSUER}", audiences: [load], algorithms: [HS256], secret: "{SECRET}" }}
namespaces:
  "/": {{ recovery: true, rooms: ["user:{{sub}}"], join: ["*"] }}
"#
    );
    let (_redis, redis_at) = process::redis(&bench.places.folder, LOAD_CORE)?;
    let address = process::free_address()?;
    let mut server = target::gateway(bench.places, address, Some(redis_at), &configuration)?;
    server.wait_for(address)?;
    let (offered, storm) = if bench.short() { (2_000, 1_000) } else { (8_000, 8_000) };
    let auth: Vec<String> = (0..offered).map(token).map(|token| format!(r#"{{"token":"{token}"}}"#)).collect();

    progress("tokens: connects 1,000 a second");
    let mut crowd = Crowd::new(Speech::SocketIo { auth: auth.clone(), join: false })?;
    let group = Group { address, count: offered, rooms: 1, arrival: Arrival::PerSecond(1_000), deaf: false };
    crowd.connect(group, Duration::from_secs(60))?;
    bench.report.derived("tokens-p95", Target::Fanfare, ms(crowd.connect_ns.value_at_quantile(0.95)));
    bench.report.derived("tokens-refused", Target::Fanfare, ratio(crowd.counts.closed, 1));
    drop(crowd);

    progress("tokens: connects as fast as they are taken");
    let mut crowd = Crowd::new(Speech::SocketIo { auth, join: false })?;
    let (cpu, begun_ns) = (machine::cpu_ns(server.pid())?, now_ns());
    crowd.connect(Group { count: storm, arrival: Arrival::AtOnce(512), ..group }, Duration::from_secs(60))?;
    let (elapsed_ns, cpu) = (now_ns() - begun_ns, machine::cpu_ns(server.pid())? - cpu);
    anyhow::ensure!(crowd.counts.closed == 0, "{} of the connections were refused", crowd.counts.closed);
    bench.report.derived("tokens-rate", Target::Fanfare, ratio(storm as u64, elapsed_ns) * 1e9);
    bench.report.derived("tokens-cpu", Target::Fanfare, ratio(cpu, storm as u64) / 1_000.0);
    Ok(())
}

/// A token of HS256 for user number `user`.
fn token(user: usize) -> String {
    let now_s = wall_s();
    let claims =
        format!(r#"{{"iss":"{ISSUER}","aud":"load","sub":"user-{user}","iat":{now_s},"exp":{}}}"#, now_s + 3_600);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}
