//! A cursor over msgpack (<https://github.com/msgpack/msgpack/blob/master/spec.md>).

use std::borrow::Cow;

use super::ReadError;

/// One item. Of an array or a map only the head: its members are the items that follow.
#[derive(Debug, Clone, PartialEq)]
pub enum Item<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    /// Always below zero.
    Negative(i64),
    Float(f64),
    /// Bytes that are no UTF-8 are replaced: some publishers write half surrogate pairs.
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    /// So many items follow, at least one byte each.
    Array(usize),
    /// So many pairs follow.
    Map(usize),
    Extension {
        kind: i8,
        body: &'a [u8],
    },
}

/// Reads item by item. After an error the position is unspecified.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// # Errors
    /// If anything is left.
    pub fn finish(self) -> Result<(), ReadError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReadError::Trailing) }
    }

    /// # Errors
    /// If the input ends, if the item claims more than is left, or on the marker that msgpack never uses.
    pub fn read(&mut self) -> Result<Item<'a>, ReadError> {
        let [marker] = self.array()?;
        Ok(match marker {
            0x00..=0x7f => Item::Unsigned(marker.into()),
            0x80..=0x8f => self.map(usize::from(marker & 0x0f))?,
            0x90..=0x9f => self.sequence(usize::from(marker & 0x0f))?,
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f))?,
            0xc0 => Item::Nil,
            0xc1 => return Err(ReadError::ReservedMarker),
            0xc2 => Item::Bool(false),
            0xc3 => Item::Bool(true),
            0xc4..=0xc6 => {
                let length = self.length(marker - 0xc4)?;
                Item::Bytes(self.take(length)?)
            }
            0xc7..=0xc9 => {
                let length = self.length(marker - 0xc7)?;
                self.extension(length)?
            }
            0xca => Item::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Item::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Item::Unsigned(u8::from_be_bytes(self.array()?).into()),
            0xcd => Item::Unsigned(u16::from_be_bytes(self.array()?).into()),
            0xce => Item::Unsigned(u32::from_be_bytes(self.array()?).into()),
            0xcf => Item::Unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => signed(i8::from_be_bytes(self.array()?).into()),
            0xd1 => signed(i16::from_be_bytes(self.array()?).into()),
            0xd2 => signed(i32::from_be_bytes(self.array()?).into()),
            0xd3 => signed(i64::from_be_bytes(self.array()?)),
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.length(marker - 0xd9)?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let length = self.length(marker - 0xdc + 1)?;
                self.sequence(length)?
            }
            0xde | 0xdf => {
                let length = self.length(marker - 0xde + 1)?;
                self.map(length)?
            }
            0xe0..=0xff => signed(i8::from_be_bytes([marker]).into()),
        })
    }

    /// Reads an item that must be a text.
    ///
    /// # Errors
    /// As [`Reader::read`], or if it is something else.
    pub fn read_text(&mut self) -> Result<Cow<'a, str>, ReadError> {
        match self.read()? {
            Item::Text(text) => Ok(text),
            _ => Err(ReadError::Unexpected),
        }
    }

    /// Reads an item that must be the head of an array and returns how many items follow.
    ///
    /// # Errors
    /// As [`Reader::read`], or if it is something else.
    pub fn read_array(&mut self) -> Result<usize, ReadError> {
        match self.read()? {
            Item::Array(length) => Ok(length),
            _ => Err(ReadError::Unexpected),
        }
    }

    /// Reads an item that must be the head of a map and returns how many pairs follow.
    ///
    /// # Errors
    /// As [`Reader::read`], or if it is something else.
    pub fn read_map(&mut self) -> Result<usize, ReadError> {
        match self.read()? {
            Item::Map(length) => Ok(length),
            _ => Err(ReadError::Unexpected),
        }
    }

    /// Passes over one whole value, members included, and returns its bytes.
    ///
    /// # Errors
    /// As [`Reader::read`], also when all members together claim more than is left.
    pub fn skip_value(&mut self) -> Result<&'a [u8], ReadError> {
        let start = self.rest;
        let mut owed = 1;
        while owed > 0 {
            owed -= 1;
            match self.read()? {
                Item::Array(length) => owed += length,
                Item::Map(length) => owed += 2 * length,
                _ => {}
            }
            if owed > self.rest.len() {
                return Err(ReadError::Truncated);
            }
        }
        Ok(&start[..start.len() - self.rest.len()])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A length of 1, 2 or 4 bytes, for `width` 0, 1 or 2.
    fn length(&mut self, width: u8) -> Result<usize, ReadError> {
        let length = match width {
            0 => u8::from_be_bytes(self.array()?).into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?),
        };
        usize::try_from(length).map_err(|_| ReadError::Truncated)
    }

    fn text(&mut self, length: usize) -> Result<Item<'a>, ReadError> {
        Ok(Item::Text(String::from_utf8_lossy(self.take(length)?)))
    }

    fn extension(&mut self, length: usize) -> Result<Item<'a>, ReadError> {
        let kind = i8::from_be_bytes(self.array()?);
        Ok(Item::Extension { kind, body: self.take(length)? })
    }

    fn sequence(&self, length: usize) -> Result<Item<'a>, ReadError> {
        if length > self.rest.len() {
            return Err(ReadError::Truncated);
        }
        Ok(Item::Array(length))
    }

    fn map(&self, length: usize) -> Result<Item<'a>, ReadError> {
        if length > self.rest.len() / 2 {
            return Err(ReadError::Truncated);
        }
        Ok(Item::Map(length))
    }
}

fn signed(number: i64) -> Item<'static> {
    u64::try_from(number).map_or(Item::Negative(number), Item::Unsigned)
}
