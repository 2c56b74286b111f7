//! The floor: a server that does nothing but write prebuilt WebSocket frames to the members of a room.
//!
//! No sessions, no heartbeats, no rights: what is left is what the kernel asks for a frame. With a Redis it becomes the relay
//! floor, which also subscribes, and decodes what the gateway's publish function announces.

mod member;
mod relay;

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::rc::Rc;

use base64::Engine as _;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sha1::{Digest as _, Sha1};
use socket2::{Domain, Socket, Type};

use crate::wire;
use member::Member;
use relay::Relay;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[arg(long)]
    listen: SocketAddr,
    /// Becomes the relay floor.
    #[arg(long)]
    redis: Option<SocketAddr>,
    /// Writes each frame at once by itself, instead of all that are there after a turn in one.
    #[arg(long)]
    one_frame: bool,
}

const LISTENER: Token = Token(usize::MAX - 1);
const RELAY: Token = Token(usize::MAX - 2);
const BACKLOG: i32 = 4_096;

struct Floor {
    poll: Poll,
    one_frame: bool,
    buffer: Vec<u8>,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    rooms: Vec<Vec<usize>>,
    names: HashMap<Vec<u8>, usize>,
    dirty: Vec<usize>,
    relay: Option<Relay>,
}

enum Peer {
    /// Has not said yet what it is; what came of its request so far.
    New(TcpStream, Vec<u8>),
    Member(Member),
    /// Tells what goes to which room; the beginning of a record whose end has not come.
    Source(TcpStream, Vec<u8>),
}

/// Serves until the process is ended.
///
/// # Errors
/// If the address cannot be had or Redis goes away.
pub fn serve(options: &Options) -> anyhow::Result<()> {
    let mut floor = Floor::new(options)?;
    let mut listener = listen(options.listen)?;
    floor.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1_024);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener)?,
                RELAY => floor.relay()?,
                Token(index) => floor.attend(index, event.is_writable()),
            }
        }
        floor.flush();
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

impl Floor {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let relay = options.redis.map(|address| Relay::connect(address, poll.registry(), RELAY)).transpose()?;
        Ok(Self {
            poll,
            one_frame: options.one_frame,
            buffer: vec![0; 256 << 10],
            peers: Vec::new(),
            free: Vec::new(),
            rooms: Vec::new(),
            names: HashMap::new(),
            dirty: Vec::new(),
            relay,
        })
    }

    fn accept(&mut self, listener: &TcpListener) -> anyhow::Result<()> {
        loop {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let index = self.free.pop().unwrap_or_else(|| {
                        self.peers.push(None);
                        self.peers.len() - 1
                    });
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, Token(index), interest)?;
                    self.peers[index] = Some(Peer::New(stream, Vec::new()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn attend(&mut self, index: usize, writable: bool) {
        if let Some(Some(Peer::Member(member))) = self.peers.get_mut(index)
            && writable
        {
            member.flush();
        }
        loop {
            let Some(Some(peer)) = self.peers.get_mut(index) else { return };
            match peer.stream().read(&mut self.buffer) {
                Ok(0) => return self.remove(index),
                Ok(count) => {
                    if !self.take(index, count) {
                        return self.remove(index);
                    }
                    if count < self.buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.remove(index),
            }
        }
    }

    /// Takes `count` bytes of the buffer in. What members say does not matter here.
    fn take(&mut self, index: usize, count: usize) -> bool {
        let bytes = &self.buffer[..count];
        match self.peers[index].take() {
            Some(Peer::New(stream, mut request)) => {
                request.extend_from_slice(bytes);
                if request[0] != b'G' {
                    self.peers[index] = Some(Peer::Source(stream, Vec::new()));
                    self.records(index, &request);
                } else if wire::head_length(&request).is_none() {
                    self.peers[index] = Some(Peer::New(stream, request));
                } else {
                    return self.admit(index, stream, &request);
                }
            }
            Some(Peer::Source(stream, mut rest)) => {
                rest.extend_from_slice(bytes);
                self.peers[index] = Some(Peer::Source(stream, Vec::new()));
                self.records(index, &rest);
            }
            other => self.peers[index] = other,
        }
        true
    }

    fn admit(&mut self, index: usize, mut stream: TcpStream, request: &[u8]) -> bool {
        let Some((room, answer)) = answer(request) else { return false };
        if stream.write(answer.as_bytes()).is_err() {
            return false;
        }
        let number = self.rooms.len();
        let number = *self.names.entry(room.clone()).or_insert(number);
        if number == self.rooms.len() {
            self.rooms.push(Vec::new());
            if let Some(relay) = &mut self.relay {
                relay.subscribe(&String::from_utf8_lossy(&room), number);
            }
        }
        self.rooms[number].push(index);
        self.peers[index] = Some(Peer::Member(Member::new(stream, number)));
        true
    }

    /// Publishes every whole record and keeps the rest.
    fn records(&mut self, index: usize, bytes: &[u8]) {
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + 8) {
            let word = |from: usize| u32::from_be_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
            let (room, length) = (word(0), word(4) as usize);
            let Some(payload) = bytes.get(at + 8..at + 8 + length) else { break };
            at += 8 + length;
            let name = crate::crowd::room_name(room).into_bytes();
            let Some(number) = self.names.get(&name).copied() else { continue };
            let event = [b"42[\"m\",\"", payload, b"\"]"].concat();
            self.publish(number, &event);
        }
        if let Some(Some(Peer::Source(_, rest))) = self.peers.get_mut(index) {
            *rest = bytes[at..].to_vec();
        }
    }

    fn publish(&mut self, room: usize, event: &[u8]) {
        let frame: Rc<[u8]> = wire::plain(wire::TEXT, event).into();
        for index in &self.rooms[room] {
            let Some(Some(Peer::Member(member))) = self.peers.get_mut(*index) else { continue };
            if member.queue(&frame) {
                self.dirty.push(*index);
            }
        }
        if self.one_frame {
            self.flush();
        }
    }

    fn flush(&mut self) {
        for index in self.dirty.drain(..) {
            if let Some(Some(Peer::Member(member))) = self.peers.get_mut(index) {
                member.flush();
            }
        }
    }

    fn relay(&mut self) -> anyhow::Result<()> {
        let Some(mut relay) = self.relay.take() else { return Ok(()) };
        relay.attend(|room, event| self.publish(room, event))?;
        self.relay = Some(relay);
        Ok(())
    }

    fn remove(&mut self, index: usize) {
        if let Some(Peer::Member(member)) = self.peers[index].take() {
            self.rooms[member.room].retain(|other| *other != index);
        }
        self.free.push(index);
    }
}

impl Peer {
    fn stream(&mut self) -> &mut TcpStream {
        match self {
            Self::New(stream, _) | Self::Source(stream, _) => stream,
            Self::Member(member) => member.stream(),
        }
    }
}

/// The room that a request asks for, and what makes it a WebSocket (RFC 6455, 4.2.2).
fn answer(request: &[u8]) -> Option<(Vec<u8>, String)> {
    let text = std::str::from_utf8(request).ok()?;
    let room = text.strip_prefix("GET /")?.split(' ').next()?.as_bytes().to_vec();
    let key = text.split("Sec-WebSocket-Key: ").nth(1)?.split("\r\n").next()?;
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    Some((
        room,
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        ),
    ))
}
