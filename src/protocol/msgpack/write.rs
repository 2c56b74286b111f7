//! JSON text → msgpack, attachments put back in their places.

use bytes::Bytes;

use crate::protocol::json::{PlaceholderMark, Token, Tokens, unescape};

/// Appends the value that valid JSON stands for. With attachments, a placeholder becomes the bytes it names; one that
/// names none stays an object.
pub fn json(json: &str, attachments: &[Bytes], out: &mut Vec<u8>) {
    let mut open: Vec<Open<'_>> = Vec::new();
    for token in Tokens::new(json) {
        match token {
            Token::Key(raw) => {
                text(&unescape(raw), out);
                if let Some(mark) = open.last_mut().and_then(|open| open.mark.as_mut()) {
                    mark.key(raw);
                }
                continue;
            }
            Token::ArrayEnd | Token::ObjectEnd => {
                if let Some(open) = open.pop() {
                    open.close(attachments, out);
                }
                continue;
            }
            _ => {}
        }
        if let Some(parent) = open.last_mut() {
            parent.members += 1;
            if let Some(mark) = &mut parent.mark {
                mark.value(token);
            }
        }
        match token {
            Token::ArrayStart => open.push(Open::new(None, out)),
            Token::ObjectStart => open.push(Open::new(Some(PlaceholderMark::default()), out)),
            Token::Text(raw) => text(&unescape(raw), out),
            Token::Number(raw) => number(raw, out),
            Token::True => out.push(0xc3),
            Token::False => out.push(0xc2),
            Token::Null => out.push(0xc0),
            Token::Key(_) | Token::ArrayEnd | Token::ObjectEnd => {}
        }
    }
}

/// Appends a text.
pub fn text(text: &str, out: &mut Vec<u8>) {
    match text.len() {
        length @ 0..32 => out.push(0xa0 | byte_of(length)),
        length => head(length, [Some(0xd9), Some(0xda), Some(0xdb)], out),
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends a byte string.
pub fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    head(bytes.len(), [Some(0xc4), Some(0xc5), Some(0xc6)], out);
    out.extend_from_slice(bytes);
}

/// Appends an unsigned integer in its shortest form.
pub fn unsigned(number: u64, out: &mut Vec<u8>) {
    let wide = number.to_be_bytes();
    match number {
        0..0x80 => out.push(wide[7]),
        0x80..0x100 => out.extend_from_slice(&[0xcc, wide[7]]),
        0x100..0x1_0000 => prefixed(0xcd, &wide[6..], out),
        0x1_0000..0x1_0000_0000 => prefixed(0xce, &wide[4..], out),
        _ => prefixed(0xcf, &wide, out),
    }
}

/// Appends the head of a map with fewer than 16 pairs.
pub fn small_map(pairs: u8, out: &mut Vec<u8>) {
    debug_assert!(pairs < 16);
    out.push(0x80 | (pairs & 0x0f));
}

fn negative(number: i64, out: &mut Vec<u8>) {
    let wide = number.to_be_bytes();
    match number {
        -0x20.. => out.push(wide[7]),
        -0x80.. => prefixed(0xd0, &wide[7..], out),
        -0x8000.. => prefixed(0xd1, &wide[6..], out),
        -0x8000_0000.. => prefixed(0xd2, &wide[4..], out),
        _ => prefixed(0xd3, &wide, out),
    }
}

/// Integers exactly, `1.0` as the integer it is to JavaScript, all else as a double.
fn number(raw: &str, out: &mut Vec<u8>) {
    if let Ok(whole) = raw.parse() {
        return unsigned(whole, out);
    }
    if let Ok(whole) = raw.parse() {
        return negative(whole, out);
    }
    let number: f64 = raw.parse().unwrap_or_default();
    if number.fract() == 0.0
        && let Ok(whole) = number.to_string().parse()
    {
        return unsigned(whole, out);
    }
    prefixed(0xcb, &number.to_be_bytes(), out);
}

/// An array or object whose length is not known yet. One byte is kept for its head; a longer one moves the members.
struct Open<'a> {
    /// Where the head stands.
    start: usize,
    members: usize,
    /// Objects have one.
    mark: Option<PlaceholderMark<'a>>,
}

impl<'a> Open<'a> {
    fn new(mark: Option<PlaceholderMark<'a>>, out: &mut Vec<u8>) -> Self {
        out.push(0);
        Self { start: out.len() - 1, members: 0, mark }
    }

    fn close(self, attachments: &[Bytes], out: &mut Vec<u8>) {
        let (small, wide) = match &self.mark {
            Some(mark) => {
                if let Ok(Some(index)) = mark.index(attachments.len()) {
                    out.truncate(self.start);
                    return bytes(&attachments[index], out);
                }
                (0x80, [None, Some(0xde), Some(0xdf)])
            }
            None => (0x90, [None, Some(0xdc), Some(0xdd)]),
        };
        if self.members < 16 {
            out[self.start] = small | byte_of(self.members);
            return;
        }
        let mut bytes = Vec::with_capacity(5);
        head(self.members, wide, &mut bytes);
        out.splice(self.start..=self.start, bytes);
    }
}

/// A marker and a length of 1, 2 or 4 bytes, whichever is the shortest that exists.
///
/// A length beyond 32 bits cannot be said in msgpack; the packets of a gateway end at a few megabytes.
fn head(length: usize, markers: [Option<u8>; 3], out: &mut Vec<u8>) {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    match (length, markers) {
        ([0, 0, 0, _], [Some(marker), _, _]) => prefixed(marker, &length[3..], out),
        ([0, 0, ..], [_, Some(marker), _]) => prefixed(marker, &length[2..], out),
        (_, [_, _, marker]) => prefixed(marker.unwrap_or_default(), &length, out),
    }
}

fn prefixed(marker: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(marker);
    out.extend_from_slice(bytes);
}

fn byte_of(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}
