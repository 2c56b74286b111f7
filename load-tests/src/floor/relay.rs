//! The relay floor's ear: one connection that subscribes to rooms' channels and takes announcements apart.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use anyhow::bail;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::publish;

pub struct Relay {
    stream: TcpStream,
    out: Vec<u8>,
    channels: HashMap<Vec<u8>, usize>,
    input: Vec<u8>,
    filled: usize,
}

impl Relay {
    pub fn connect(address: SocketAddr, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, out: Vec::new(), channels: HashMap::new(), input: vec![0; 1 << 20], filled: 0 })
    }

    pub fn subscribe(&mut self, room: &str, number: usize) {
        let channel = publish::channel(room);
        self.out.extend_from_slice(&publish::command(&[b"SUBSCRIBE", channel.as_bytes()]));
        self.channels.insert(channel.into_bytes(), number);
        self.send();
    }

    fn send(&mut self) {
        while let Ok(count @ 1..) = self.stream.write(&self.out) {
            self.out.drain(..count);
        }
    }

    /// Reads all there is and hands on `room, packet` of every announcement.
    pub fn attend(&mut self, mut found: impl FnMut(usize, &[u8])) -> anyhow::Result<()> {
        self.send();
        loop {
            let room = self.input.len() - self.filled;
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => bail!("Redis closed the connection, or sent more than the relay keeps"),
                Ok(count) => {
                    self.filled += count;
                    let mut at = 0;
                    while let Some((channel, message, end)) = next(&self.input[at..self.filled]) {
                        if let Some(number) = self.channels.get(channel)
                            && let Some(packet) = packet(message)
                        {
                            found(*number, &packet);
                        }
                        at += end;
                    }
                    self.input.copy_within(at..self.filled, 0);
                    self.filled -= at;
                    if count < room {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The next push of three: for a message its channel and content, for a confirmation nothing of use; and where it ends.
fn next(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let mut at = bytes.starts_with(b"*3\r\n").then_some(4)?;
    let mut parts: [&[u8]; 3] = [&[]; 3];
    for part in &mut parts {
        let line = memchr::memchr(b'\n', bytes.get(at..)?)? + at;
        let digits = std::str::from_utf8(&bytes[at + 1..line - 1]).ok()?;
        match bytes[at] {
            b'$' => {
                let start = line + 1;
                let end = start + digits.parse::<usize>().ok()?;
                bytes.get(end + 1)?;
                *part = &bytes[start..end];
                at = end + 2;
            }
            _ => at = line + 1,
        }
    }
    Some((parts[1], parts[2], at))
}

/// The Socket.IO packet, with the position behind the arguments as a recoverable namespace has it.
fn packet(message: &[u8]) -> Option<Vec<u8>> {
    let line = memchr::memchr(b'\n', message)?;
    let mut words = message[..line].split(|byte| *byte == b' ');
    let (b"F1", epoch, id) = (words.next()?, words.next()?, words.next()?) else { return None };
    let args = publish::args_of_envelope(&message[line + 1..])?;
    let mut packet = Vec::with_capacity(args.len() + epoch.len() + id.len() + 8);
    packet.extend_from_slice(b"42");
    packet.extend_from_slice(&args[..args.len() - 1]);
    packet.extend_from_slice(b",\"");
    packet.extend_from_slice(epoch);
    packet.push(b'.');
    packet.extend_from_slice(id);
    packet.extend_from_slice(b"\"]");
    Some(packet)
}
