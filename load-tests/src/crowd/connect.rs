//! The way in: as many at once as the server takes, or so many a second.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::bail;
use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::ledger::Ledger;
use super::{Connection, Crowd, Memo, Nobody, Stage};
use crate::clock::{SECOND_NS, now_ns};

/// How connections are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Arrival {
    /// So many on their way at any time.
    AtOnce(usize),
    PerSecond(u64),
}

/// One group of connections.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    pub address: SocketAddr,
    pub count: usize,
    /// Connections are dealt to rooms in turn.
    pub rooms: u32,
    pub arrival: Arrival,
    pub deaf: bool,
}

/// A source address has 28,000 ports, and those of closed connections rest for a while.
const PORTS_PER_SOURCE: u32 = 12_000;

impl Crowd {
    /// Connects the whole group and waits until each member is where it wants to be, or refused.
    pub fn connect(&mut self, group: Group, patience: Duration) -> anyhow::Result<()> {
        let (first, before) = (self.connections.len(), self.settled());
        let started_ns = now_ns();
        let deadline_ns = started_ns + u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        loop {
            let begun = self.connections.len() - first;
            let done = self.settled() - before;
            if done >= group.count {
                return Ok(());
            }
            let now_ns = now_ns();
            if now_ns > deadline_ns {
                bail!("only {done} of {} connections came in within {} s", group.count, patience.as_secs());
            }
            let due = match group.arrival {
                Arrival::AtOnce(most) => (done + most).min(group.count),
                Arrival::PerSecond(rate) => {
                    let due = u128::from(now_ns - started_ns) * u128::from(rate) / u128::from(SECOND_NS);
                    usize::try_from(due).unwrap_or(usize::MAX).min(group.count)
                }
            };
            for _ in begun..due {
                self.begin(group)?;
            }
            self.turn(Duration::from_millis(1), &mut Nobody)?;
        }
    }

    fn settled(&self) -> usize {
        self.counts.ready + usize::try_from(self.counts.closed).unwrap_or(usize::MAX)
    }

    fn begin(&mut self, group: Group) -> anyhow::Result<()> {
        let index = self.connections.len();
        let mut stream = TcpStream::from_std(begin(group)?.into());
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let room = u32::try_from(index).unwrap_or(0) % group.rooms.max(1);
        let mut ledger = Ledger::default();
        ledger.begin_behind(self.heard_before.get(index).copied().unwrap_or(0));
        if let Some(memos) = &mut self.memos {
            memos.push(Memo::default());
        }
        self.connections.push(Connection {
            stream,
            stage: Stage::Connecting,
            room,
            ledger,
            rest: Vec::new(),
            deaf: false,
            since_ns: now_ns(),
        });
        Ok(())
    }

    /// Sends the request once the connection stands. Answers whether there may be something to read.
    pub(super) fn introduce(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let Ok(peer) = connection.stream.peer_addr() else {
            if matches!(connection.stream.take_error(), Ok(None)) {
                return false;
            }
            self.close(index, false);
            return false;
        };
        let request = self.speech.request(peer, connection.room);
        connection.stage = Stage::Upgrading;
        // Nothing was sent before, so it fits.
        if connection.stream.write(request.as_bytes()).is_err() {
            self.close(index, false);
            return false;
        }
        true
    }

    /// From now on these connections take nothing in.
    pub fn deafen(&mut self, from: usize) {
        for connection in &mut self.connections[from..] {
            connection.deaf = true;
        }
    }
}

fn begin(group: Group) -> anyhow::Result<Socket> {
    static BEGUN: AtomicU32 = AtomicU32::new(0);
    let source = BEGUN.fetch_add(1, Ordering::Relaxed) / PORTS_PER_SOURCE;
    let [_, _, high, low] = (source % 60_000 + 2).to_be_bytes();
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    // A reset at the end: ports are free again at once.
    socket.set_linger(Some(Duration::ZERO))?;
    if group.deaf {
        socket.set_recv_buffer_size(4_096)?;
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, high, low), 0)).into())?;
    match socket.connect(&group.address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(socket)
}

/// Linux's number for "the connection is on its way".
const EINPROGRESS: i32 = 115;
