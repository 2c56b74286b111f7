//! A receiver: its stream and the frames that wait for it.

use std::collections::VecDeque;
use std::io::{IoSlice, Write as _};
use std::rc::Rc;

use mio::net::TcpStream;

/// Frames written at once; the kernel takes no more slices than 1,024, and more than this saves nothing.
const SLICES: usize = 64;

pub struct Member {
    stream: TcpStream,
    pub room: usize,
    queue: VecDeque<Rc<[u8]>>,
    /// Bytes of the front frame that are already gone.
    written: usize,
    dirty: bool,
}

impl Member {
    pub fn new(stream: TcpStream, room: usize) -> Self {
        Self { stream, room, queue: VecDeque::new(), written: 0, dirty: false }
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Answers whether it has to be put on the list for the next flush.
    pub fn queue(&mut self, frame: &Rc<[u8]>) -> bool {
        self.queue.push_back(Rc::clone(frame));
        !std::mem::replace(&mut self.dirty, true)
    }

    /// Writes until nothing is left or the kernel takes no more; then writability brings it back.
    pub fn flush(&mut self) {
        self.dirty = false;
        while let Some(front) = self.queue.front() {
            let outcome = if self.queue.len() == 1 {
                self.stream.write(&front[self.written..])
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let mut count = 0;
                for (slice, frame) in slices.iter_mut().zip(&self.queue) {
                    let from = if count == 0 { self.written } else { 0 };
                    *slice = IoSlice::new(&frame[from..]);
                    count += 1;
                }
                self.stream.write_vectored(&slices[..count])
            };
            // A broken connection is found by reading.
            let Ok(mut gone) = outcome else { return };
            gone += self.written;
            while let Some(front) = self.queue.front()
                && gone >= front.len()
            {
                gone -= front.len();
                self.queue.pop_front();
            }
            self.written = gone;
        }
        // An idle member holds no buffer.
        if self.queue.capacity() > SLICES {
            self.queue = VecDeque::new();
        }
    }
}
