//! A connection as hyper sees it, and its way out of HTTP.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::request::Entrance;

/// Passes everything on, but for a 101: that answer is held back for whoever takes the connection over, so that it meets the
/// first frame in one write. A write to a new connection is a good part of what the whole connection costs.
pub(super) struct Doorway {
    io: TokioIo<TcpStream>,
    entrance: Rc<Entrance>,
}

/// A connection after HTTP.
pub(super) struct Taken {
    pub io: TcpStream,
    /// What is to be written before anything else.
    pub answer: Vec<u8>,
    /// What the client sent ahead.
    pub ahead: Bytes,
}

/// Takes a connection over.
pub(super) type Heir = Box<dyn FnOnce(&Entrance, Taken)>;

impl Doorway {
    pub fn new(stream: TcpStream, entrance: Rc<Entrance>) -> Self {
        Self { io: TokioIo::new(stream), entrance }
    }
}

impl Entrance {
    /// Names who takes the connection over once this request is answered with 101.
    pub fn bequeath(&self, heir: impl FnOnce(&Self, Taken) + 'static) {
        *self.heir.borrow_mut() = Some(Box::new(heir));
    }

    /// HTTP is over on this connection.
    pub fn hand_over(&self, doorway: Doorway, ahead: Bytes) {
        if let Some(heir) = self.heir.take() {
            heir(self, Taken { io: doorway.io.into_inner(), answer: self.held.take(), ahead });
        }
    }

    /// Keeps `bytes` if they belong to an answer that is held back.
    fn hold(&self, bytes: &[io::IoSlice<'_>]) -> Option<usize> {
        self.heir.borrow().as_ref()?;
        let mut held = self.held.borrow_mut();
        let before = held.len();
        for slice in bytes {
            held.extend_from_slice(slice);
        }
        Some(held.len() - before)
    }
}

impl Read for Doorway {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Doorway {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(count) = self.entrance.hold(bufs) {
            return Poll::Ready(Ok(count));
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
