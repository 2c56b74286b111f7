//! msgpack → JSON text, with the byte strings beside it.
//!
//! The mapping: bytes → placeholder and attachment; nil and unknown extensions → `null`; timestamps → ISO 8601 with
//! milliseconds; NaN and infinities → `null`; integers to their last digit; keys of maps → text. The text is at most
//! about seven times as long as its source, attachments' placeholders aside.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Item, Limits, ReadError, Reader, timestamp};
use crate::protocol::json;

/// Transcodes bytes that are exactly one value.
///
/// # Errors
/// If the bytes are no msgpack or exceed the limits.
pub fn json_of(bytes: &[u8], limits: &Limits) -> Result<(String, Vec<Bytes>), ReadError> {
    let mut reader = Reader::new(bytes);
    let transcoded = json_of_next(&mut reader, limits)?;
    reader.finish()?;
    Ok(transcoded)
}

/// Transcodes the next value of a reader and leaves the reader behind it.
///
/// # Errors
/// If the bytes are no msgpack or exceed the limits.
pub fn json_of_next(reader: &mut Reader<'_>, limits: &Limits) -> Result<(String, Vec<Bytes>), ReadError> {
    let mut walk = Walk { limits: *limits, out: String::new(), attachments: Vec::new(), open: Vec::new() };
    walk.value(reader)?;
    // An object of the publisher's own may look like a placeholder; one that points nowhere would disconnect clients.
    if !walk.attachments.is_empty() && !json::placeholders_within(&walk.out, walk.attachments.len()) {
        return Err(ReadError::IllegalPlaceholder);
    }
    Ok((walk.out, walk.attachments))
}

struct Walk {
    limits: Limits,
    out: String,
    attachments: Vec<Bytes>,
    open: Vec<Open>,
}

/// An array or map whose members are still being read.
struct Open {
    is_map: bool,
    is_empty: bool,
    left: usize,
}

impl Walk {
    fn value(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        self.item(reader.read()?)?;
        while let Some(open) = self.open.last_mut() {
            if open.left == 0 {
                self.out.push(if open.is_map { '}' } else { ']' });
                self.open.pop();
                continue;
            }
            open.left -= 1;
            if !std::mem::replace(&mut open.is_empty, false) {
                self.out.push(',');
            }
            if open.is_map {
                json::push_string(&mut self.out, &key_text(reader.read()?)?);
                self.out.push(':');
            }
            self.item(reader.read()?)?;
        }
        Ok(())
    }

    fn item(&mut self, item: Item<'_>) -> Result<(), ReadError> {
        match item {
            Item::Nil => self.out.push_str("null"),
            Item::Bool(true) => self.out.push_str("true"),
            Item::Bool(false) => self.out.push_str("false"),
            Item::Unsigned(number) => self.out.push_str(&number.to_string()),
            Item::Negative(number) => self.out.push_str(&number.to_string()),
            Item::Float(number) => self.out.push_str(&float_text(number)),
            Item::Text(text) => json::push_string(&mut self.out, &text),
            Item::Bytes(bytes) => self.attach(bytes)?,
            Item::Array(length) => self.open(length, false)?,
            Item::Map(length) => self.open(length, true)?,
            Item::Extension { kind, body } => match timestamp::iso_of(kind, body) {
                Some(time) => json::push_string(&mut self.out, &time),
                None => self.out.push_str("null"),
            },
        }
        Ok(())
    }

    fn open(&mut self, length: usize, is_map: bool) -> Result<(), ReadError> {
        self.deepen()?;
        self.out.push(if is_map { '{' } else { '[' });
        self.open.push(Open { is_map, is_empty: true, left: length });
        Ok(())
    }

    fn attach(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.deepen()?;
        if self.attachments.len() >= self.limits.attachments {
            return Err(ReadError::TooManyAttachments);
        }
        self.out.push_str(r#"{"_placeholder":true,"num":"#);
        self.out.push_str(&self.attachments.len().to_string());
        self.out.push('}');
        self.attachments.push(Bytes::copy_from_slice(bytes));
        Ok(())
    }

    fn deepen(&self) -> Result<(), ReadError> {
        if self.open.len() >= self.limits.depth { Err(ReadError::TooDeep) } else { Ok(()) }
    }
}

/// What JavaScript would make of the key of an object.
fn key_text(item: Item<'_>) -> Result<Cow<'_, str>, ReadError> {
    Ok(match item {
        Item::Text(text) => text,
        Item::Bytes(bytes) => String::from_utf8_lossy(bytes),
        Item::Nil => "null".into(),
        Item::Bool(true) => "true".into(),
        Item::Bool(false) => "false".into(),
        Item::Unsigned(number) => number.to_string().into(),
        Item::Negative(number) => number.to_string().into(),
        Item::Float(number) => float_text(number),
        Item::Extension { kind, body } => timestamp::iso_of(kind, body).map_or("null".into(), Cow::Owned),
        Item::Array(_) | Item::Map(_) => return Err(ReadError::Unexpected),
    })
}

/// Whole numbers without a fraction, as JavaScript writes them; -0 is 0.
fn float_text(number: f64) -> Cow<'static, str> {
    if !number.is_finite() {
        return "null".into();
    }
    if number == 0.0 {
        return "0".into();
    }
    if number.fract() == 0.0 && number.abs() < WHOLE_BELOW {
        return number.to_string().into();
    }
    serde_json::Value::from(number).to_string().into()
}

/// From here on JavaScript writes an exponent.
const WHOLE_BELOW: f64 = 1e21;
