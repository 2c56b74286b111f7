//! `{"_placeholder":true,"num":i}`: where an attachment belongs in the JSON of a binary packet.

use super::{Token, Tokens, unescape};

/// Whether each placeholder in valid JSON names one of `attachments` attachments, and there are no more of them than of
/// these. Clients disconnect over one that names none, so it must never reach them. Every encoder writes one for each
/// attachment; thousands that name the same one would become thousands of copies where msgpack puts the bytes in their place.
pub fn placeholders_within(json: &str, attachments: usize) -> bool {
    let mut open: Vec<Option<PlaceholderMark<'_>>> = Vec::new();
    let mut left = attachments;
    for token in Tokens::new(json) {
        if let Token::Key(raw) = token {
            if let Some(Some(mark)) = open.last_mut() {
                mark.key(raw);
            }
            continue;
        }
        if matches!(token, Token::ArrayEnd | Token::ObjectEnd) {
            let Some(Some(mark)) = open.pop() else { continue };
            match mark.index(attachments) {
                Ok(None) => {}
                Ok(Some(_)) if left > 0 => left -= 1,
                Ok(Some(_)) | Err(OutOfRange) => return false,
            }
            continue;
        }
        if let Some(Some(mark)) = open.last_mut() {
            mark.value(token);
        }
        match token {
            Token::ArrayStart => open.push(None),
            Token::ObjectStart => open.push(Some(PlaceholderMark::default())),
            _ => {}
        }
    }
    true
}

/// Watches the members of one object and tells in the end whether it is a placeholder. As in JavaScript, the last of
/// several equal keys counts, and other keys do not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlaceholderMark<'a> {
    key: Key,
    flagged: bool,
    /// The raw number under `num`.
    number: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Key {
    Flag,
    Number,
    #[default]
    Other,
}

/// The object says it is a placeholder, but names no attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfRange;

impl<'a> PlaceholderMark<'a> {
    pub(crate) fn key(&mut self, raw: &str) {
        self.key = match &*unescape(raw) {
            "_placeholder" => Key::Flag,
            "num" => Key::Number,
            _ => Key::Other,
        };
    }

    /// The token that begins the value of the last key.
    pub(crate) fn value(&mut self, token: Token<'a>) {
        match self.key {
            Key::Flag => self.flagged = token == Token::True,
            Key::Number => self.number = if let Token::Number(raw) = token { Some(raw) } else { None },
            Key::Other => {}
        }
    }

    /// `Ok(None)` for an ordinary object.
    pub(crate) fn index(&self, attachments: usize) -> Result<Option<usize>, OutOfRange> {
        if !self.flagged {
            return Ok(None);
        }
        let index = self.number.and_then(|raw| raw.parse().ok());
        index.filter(|&index: &usize| index < attachments).map(Some).ok_or(OutOfRange)
    }
}
