//! The bytes that have arrived.

/// What is left of the bytes read from a socket. The reader takes from the front and unmasks in place, so what it has
/// taken is no longer what was on the wire.
#[derive(Debug, Default)]
pub struct Input<'input>(&'input mut [u8]);

impl<'input> Input<'input> {
    pub fn new(bytes: &'input mut [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &[u8] {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.0
    }

    /// The first `len` bytes, or all if there are fewer.
    pub(super) fn take(&mut self, len: usize) -> &'input mut [u8] {
        let all = self.take_all();
        let (taken, rest) = all.split_at_mut(len.min(all.len()));
        self.0 = rest;
        taken
    }

    pub(super) fn take_all(&mut self) -> &'input mut [u8] {
        std::mem::take(&mut self.0)
    }
}
