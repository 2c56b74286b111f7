//! What the system knows about processes: their processor time, their memory, and how busy the machine was.

use std::fs;
use std::net::SocketAddr;

use anyhow::Context as _;

/// Nanoseconds all threads of a process spent on a processor. Threads that ended are not in it; the servers measured here keep theirs.
pub fn cpu_ns(pid: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("the server is gone")? {
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        total += text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(total)
}

/// A process and its children: some servers have a parent that does nothing but watch.
pub fn family(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut family = vec![pid];
    family.extend(text.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
    family
}

/// Memory of its own that a process holds: anonymous pages, the heap and stacks, without files and shared pages.
pub fn anonymous_bytes(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the server is gone")?;
    let line = text.lines().find(|line| line.starts_with("Anonymous:")).context("smaps without Anonymous")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).context("smaps without a number")?.parse()?;
    Ok(kilobytes * 1_024)
}

/// Bytes that wait in the kernel at the server's end of a connection, or `None` if that end is closed. A reader that does
/// not read cannot tell from its own end.
pub fn waiting_bytes(server: SocketAddr, client: SocketAddr) -> Option<u64> {
    let (server, client) = (hexadecimal(server), hexadecimal(client));
    let text = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, "01", queues, ..] = words[..] else { return None };
        let waiting = queues.split(':').next().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        waiting.filter(|_| local == server && remote == client)
    })
}

/// As the kernel's table has it: the address as a number in the machine's order.
fn hexadecimal(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { return String::new() };
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

/// Ticks of one core: all, idle ones.
#[derive(Debug, Clone, Copy)]
pub struct CoreTicks {
    pub all: u64,
    pub idle: u64,
    pub steal: u64,
}

pub fn core_ticks(core: usize) -> CoreTicks {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{core} ");
    let line = text.lines().find(|line| line.starts_with(&name)).unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    let tick = |at: usize| ticks.get(at).copied().unwrap_or(0);
    CoreTicks { all: ticks.iter().take(8).sum(), idle: tick(3) + tick(4), steal: tick(7) }
}

/// The load averages as the system writes them.
pub fn load_average() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}
