//! What waits for one client.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{Encoding, Frames};
use crate::closing::Closing;

/// A client's queue of frames, bounded by bytes. It owns no buffer while empty.
#[derive(Debug)]
pub struct Outbox {
    queue: VecDeque<Queued>,
    /// Unwritten bytes of the queue in the client's encoding.
    bytes: usize,
    bytes_max: usize,
    /// Bytes of the front frame that are already on the network.
    written: usize,
    encoding: Encoding,
    /// Listed for the next flush.
    pub(super) dirty: bool,
    /// The network would not take more; whoever waits for writability flushes, nobody else.
    pub blocked: bool,
    /// A polling client has a request pending. Without one it is not ready for volatile frames.
    pub listening: bool,
    closing: Option<Closing>,
}

#[derive(Debug)]
struct Queued {
    frames: Arc<Frames>,
    volatile: bool,
}

/// What became of a frame that was handed to an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    Queued,
    /// A volatile frame met a client that is not ready for it.
    Dropped,
    /// The bound was reached; the client has to be closed.
    Overflow,
}

impl Outbox {
    pub(super) fn new(encoding: Encoding, bytes_max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            bytes_max,
            written: 0,
            encoding,
            dirty: false,
            blocked: false,
            listening: false,
            closing: None,
        }
    }

    pub(super) fn push(&mut self, frames: &Arc<Frames>, volatile: bool) -> Pushed {
        if self.closing.is_some() {
            return Pushed::Dropped;
        }
        if volatile && !self.is_ready() {
            return Pushed::Dropped;
        }
        let length = frames.bytes(self.encoding).len();
        if self.bytes + length > self.bytes_max && self.bytes > 0 {
            self.drop_volatile();
            if self.bytes + length > self.bytes_max {
                // One that may be lost is no reason to close anybody.
                return if volatile { Pushed::Dropped } else { Pushed::Overflow };
            }
        }
        self.bytes += length;
        self.queue.push_back(Queued { frames: Arc::clone(frames), volatile });
        Pushed::Queued
    }

    /// Whether a frame queued now would go out at once (Socket.IO documentation, "Volatile events").
    fn is_ready(&self) -> bool {
        if self.encoding.is_polling() { self.listening && self.queue.is_empty() } else { !self.blocked }
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Unwritten bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// After an upgrade: what still waits is written in the form of the new transport.
    pub fn switch(&mut self, encoding: Encoding) {
        self.encoding = encoding;
        self.bytes = self.queue.iter().map(|queued| queued.frames.bytes(encoding).len()).sum();
    }

    /// The transport is to be closed once what is queued was tried. The first reason stays.
    pub fn close(&mut self, reason: Closing) {
        self.closing.get_or_insert(reason);
    }

    pub fn closing(&self) -> Option<Closing> {
        self.closing
    }

    /// The bytes to be written next, empty if nothing waits: small frames that wait together are gathered in `scratch`, since
    /// the kernel takes a few kilobytes in one piece for less than it takes them in many; a large one goes as it is.
    pub fn next_write<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let mut waiting = self.queue.iter().map(|queued| queued.frames.bytes(self.encoding));
        let front = waiting.next().map_or(&[][..], |front| &front[self.written..]);
        let Some(second) = waiting.next().filter(|second| front.len() + second.len() <= GATHERED_BYTES_MAX) else {
            return front;
        };
        scratch.clear();
        scratch.extend_from_slice(front);
        scratch.extend_from_slice(second);
        for bytes in waiting {
            if scratch.len() + bytes.len() > GATHERED_BYTES_MAX {
                break;
            }
            scratch.extend_from_slice(bytes);
        }
        scratch
    }

    /// So many bytes of the front went out. Returns how many frames that completed.
    pub fn advance(&mut self, mut count: usize) -> usize {
        let mut completed = 0;
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(front) = self.queue.front() {
            let rest = front.frames.bytes(self.encoding).len() - self.written;
            if count < rest {
                self.written += count;
                return completed;
            }
            count -= rest;
            self.written = 0;
            self.queue.pop_front();
            completed += 1;
        }
        // An idle client holds no buffer: a burst's capacity goes as soon as it is written.
        if self.queue.capacity() > IDLE_CAPACITY {
            self.queue = VecDeque::new();
        }
        completed
    }

    /// Takes everything as one body for a poll: packets joined by U+001E. `None` if nothing waits.
    pub fn take_payload(&mut self) -> Option<(Bytes, usize)> {
        let count = self.queue.len();
        if count == 0 {
            return None;
        }
        let payload = if count == 1 {
            self.queue[0].frames.bytes(self.encoding).clone()
        } else {
            let mut body = Vec::with_capacity(self.bytes + count);
            for queued in &self.queue {
                if !body.is_empty() {
                    body.push(crate::protocol::engine::SEPARATOR);
                }
                body.extend_from_slice(queued.frames.bytes(self.encoding));
            }
            Bytes::from(body)
        };
        self.queue = VecDeque::new();
        self.bytes = 0;
        Some((payload, count))
    }

    /// Volatile frames go first; one that is partly written must be finished.
    fn drop_volatile(&mut self) {
        let started = usize::from(self.written > 0);
        let mut index = 0;
        self.queue.retain(|queued| {
            index += 1;
            index <= started || !queued.volatile
        });
        self.bytes =
            self.queue.iter().map(|queued| queued.frames.bytes(self.encoding).len()).sum::<usize>() - self.written;
    }
}

const IDLE_CAPACITY: usize = 4;
/// Frames are gathered for one write up to here.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(text: &'static str) -> Arc<Frames> {
        Arc::new(Frames::engine(text))
    }

    fn written(outbox: &Outbox) -> Vec<u8> {
        outbox.next_write(&mut Vec::new()).to_vec()
    }

    #[test]
    fn a_partial_write_goes_on_where_it_stopped() {
        let mut outbox = Outbox::new(Encoding::Polling, 100);
        outbox.push(&frames("4abc"), false);
        outbox.push(&frames("4def"), false);
        assert_eq!(outbox.advance(2), 0);
        assert_eq!(written(&outbox), b"bc4def");
        assert_eq!(outbox.advance(3), 1);
        assert_eq!(written(&outbox), b"def");
        assert_eq!(outbox.bytes(), 3);
        assert_eq!(outbox.advance(3), 1);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_large_frame_is_written_by_itself_and_small_ones_together() {
        let mut outbox = Outbox::new(Encoding::Polling, 1 << 20);
        let large = Arc::new(Frames::engine("4".repeat(GATHERED_BYTES_MAX)));
        for frames in [&frames("4a"), &large, &frames("4b"), &frames("4c")] {
            outbox.push(frames, false);
        }
        let mut lengths = Vec::new();
        while !outbox.is_empty() {
            lengths.push(written(&outbox).len());
            outbox.advance(lengths[lengths.len() - 1]);
        }
        assert_eq!(lengths, [2, GATHERED_BYTES_MAX, 4]);
    }

    #[test]
    fn a_full_outbox_drops_volatile_frames_before_it_gives_up() {
        let mut outbox = Outbox::new(Encoding::WebSocket, 14);
        assert_eq!(outbox.push(&frames("4aaa"), false), Pushed::Queued);
        assert_eq!(outbox.push(&frames("4vvv"), true), Pushed::Queued);
        assert_eq!(outbox.push(&frames("4bbb"), false), Pushed::Queued);
        assert_eq!(written(&outbox), b"\x81\x044aaa\x81\x044bbb");
        assert_eq!(outbox.push(&frames("4www"), true), Pushed::Dropped);
        assert_eq!(written(&outbox), b"\x81\x044aaa\x81\x044bbb");
        assert_eq!(outbox.push(&frames("4ccc"), false), Pushed::Overflow);
        outbox.blocked = true;
        assert_eq!(outbox.push(&frames("4"), true), Pushed::Dropped);
    }

    #[test]
    fn a_polling_client_gets_volatile_frames_only_while_it_polls() {
        let mut outbox = Outbox::new(Encoding::Polling, 100);
        assert_eq!(outbox.push(&frames("4v"), true), Pushed::Dropped);
        outbox.listening = true;
        assert_eq!(outbox.push(&frames("4v"), true), Pushed::Queued);
        assert_eq!(outbox.push(&frames("4w"), true), Pushed::Dropped, "the first one uses the poll up");
    }

    #[test]
    fn a_message_larger_than_the_bound_passes_alone() {
        let mut outbox = Outbox::new(Encoding::Polling, 10);
        assert_eq!(outbox.push(&frames("4aaaaaaaaaaaaaaa"), false), Pushed::Queued);
        assert_eq!(outbox.push(&frames("4b"), false), Pushed::Overflow);
    }

    #[test]
    fn a_poll_takes_everything_at_once() {
        let mut outbox = Outbox::new(Encoding::Polling, 100);
        assert!(outbox.take_payload().is_none());
        outbox.push(&frames("6"), false);
        outbox.push(&frames("1"), false);
        assert_eq!(outbox.take_payload(), Some((Bytes::from_static(b"6\x1e1"), 2)));
        assert!(outbox.is_empty());
    }
}
