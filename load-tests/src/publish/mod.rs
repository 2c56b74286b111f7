//! The sending side: one connection over which messages go to rooms of whatever server is measured.
//!
//! Every way of publishing is a template for each room with a payload of fixed length in it: sending is copying it and patching
//! the mark. Answers are only looked at for complaints.

mod msgpack;
mod redis;
mod template;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use anyhow::bail;
use mio::net::TcpStream;

use crate::mark::Mark;
use crate::wire;
pub use msgpack::args_of_envelope;
pub use redis::{COUNTING_SCRIPT, Resp, SCRIPT_OF_COMPARISON, channel, command, function_call, script_call};
pub use template::{Template, Way};

pub struct Publisher {
    stream: TcpStream,
    way: Way,
    templates: Vec<Option<Template>>,
    out: Vec<u8>,
    written: usize,
    complaints: u64,
    last_complaint: String,
}

impl Publisher {
    /// Connects and introduces itself; the connection is non-blocking afterwards.
    pub fn connect(way: Way, address: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
        match way {
            Way::SocketIo => enter(&mut stream, address)?,
            Way::Nats => {
                stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")?;
                wait_for(&mut stream, b"PONG")?;
            }
            Way::Floor | Way::Function | Way::Announcement | Way::Emitter | Way::Http => {}
        }
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            way,
            templates: Vec::new(),
            out: Vec::with_capacity(64 << 10),
            written: 0,
            complaints: 0,
            last_complaint: String::new(),
        })
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Queues one message; [`Self::flush`] sends it.
    pub fn publish(&mut self, room: u32, mark: Mark) {
        let index = room as usize;
        if self.templates.len() <= index {
            self.templates.resize_with(index + 1, || None);
        }
        let way = self.way;
        let template = self.templates[index].get_or_insert_with(|| way.template(room));
        template.append(mark, &mut self.out);
    }

    pub fn flush(&mut self) -> anyhow::Result<()> {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// The connection is readable, writable or both.
    pub fn attend(&mut self, buffer: &mut [u8]) -> anyhow::Result<()> {
        self.flush()?;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed the publisher's connection; {}", self.last_complaint),
                Ok(count) => {
                    self.take(&buffer[..count])?;
                    if count < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, answers: &[u8]) -> anyhow::Result<()> {
        if self.way == Way::SocketIo && memchr::memmem::find(answers, b"\x81\x012").is_some() {
            self.out.extend_from_slice(&wire::masked(wire::TEXT, b"3"));
            self.flush()?;
        }
        if self.way == Way::Nats && answers.starts_with(b"PING") {
            self.out.extend_from_slice(b"PONG\r\n");
            self.flush()?;
        }
        if self.way.is_complaint(answers) {
            self.complaints += 1;
            self.last_complaint = String::from_utf8_lossy(&answers[..answers.len().min(200)]).into_owned();
        }
        Ok(())
    }

    /// How often the server said no, and its last words.
    pub fn complaints(&self) -> (u64, &str) {
        (self.complaints, &self.last_complaint)
    }
}

/// A Socket.IO client that is in the namespace.
fn enter(stream: &mut std::net::TcpStream, address: SocketAddr) -> anyhow::Result<()> {
    stream.write_all(wire::upgrade("/socket.io/?EIO=4&transport=websocket", address).as_bytes())?;
    wait_for(stream, b"0{")?;
    stream.write_all(&wire::masked(wire::TEXT, b"40"))?;
    wait_for(stream, b"40{")
}

fn wait_for(stream: &mut std::net::TcpStream, words: &[u8]) -> anyhow::Result<()> {
    let mut heard = Vec::new();
    let mut buffer = [0; 4_096];
    while memchr::memmem::find(&heard, words).is_none() {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            bail!("the server closed the publisher's connection: {}", String::from_utf8_lossy(&heard));
        }
        heard.extend_from_slice(&buffer[..count]);
    }
    Ok(())
}
