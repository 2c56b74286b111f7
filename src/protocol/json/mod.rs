//! What we ask of JSON text without building a tree of it.
//!
//! Kept here: a depth check that is safe before any parser, validation, a token scanner for text already known to be
//! valid, and the binary placeholders of Socket.IO. Deliberately absent: values. Whoever wants those asks `serde_json`,
//! after [`validate`].
//!
//! Invariant: no recursion, and no panic on text that is not JSON.

mod placeholder;
mod tokens;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, Visitor};

pub(crate) use placeholder::PlaceholderMark;
pub use placeholder::placeholders_within;
pub use tokens::{Token, Tokens};

/// Why a text is not accepted as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("the text is not valid JSON")]
    Invalid,
    #[error("the JSON nests too deeply")]
    TooDeep,
}

/// Checks nesting first, then the grammar.
///
/// # Errors
/// If the text nests deeper than `depth_max` or is not one JSON value.
pub fn validate(text: &str, depth_max: usize) -> Result<(), JsonError> {
    if !depth_within(text, depth_max) {
        return Err(JsonError::TooDeep);
    }
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|_| JsonError::Invalid)
}

/// Whether arrays and objects nest at most `max` deep; `[]` has depth 1. Meaningful for text that is not JSON, too: no
/// parser would go deeper into it.
pub fn depth_within(text: &str, max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// The text that a JSON string stands for; `raw` has its quotes. Half a surrogate pair, which JavaScript can send and
/// Rust cannot hold, becomes U+FFFD.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // As bytes, since only that way serde_json lets a lone surrogate pass.
    serde_json::Deserializer::from_str(raw).deserialize_bytes(LossyText).map_or(Cow::Borrowed(inner), Cow::Owned)
}

struct LossyText;

impl Visitor<'_> for LossyText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// `text` as a JSON string, quoted and escaped, appended to `out`.
pub(crate) fn push_string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // Neither a JSON string nor a write to a `String` can fail.
    let _ = write!(out, "{}", serde_json::Value::from(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        assert!(depth_within(r#"["[[[[\"[[", {"a": 1}]"#, 2));
        assert!(!depth_within("[[[]]]", 2));
        assert!(depth_within("[[],[],[]]", 2));
        assert_eq!(validate(&"[".repeat(1_000_000), 32), Err(JsonError::TooDeep));
        assert_eq!(validate("[1,]", 32), Err(JsonError::Invalid));
    }

    #[test]
    fn strings_are_unescaped_and_half_pairs_replaced() {
        assert_eq!(unescape(r#""plain""#), "plain");
        assert_eq!(unescape(r#""a\nb\u20ac\ud83d\ude00""#), "a\nb€😀");
        assert!(unescape(r#""x\ud83dy""#).starts_with("x\u{fffd}"));
    }

    #[test]
    fn placeholders_out_of_range_are_found_wherever_they_hide() {
        let within = |text, attachments| placeholders_within(text, attachments);
        assert!(within(r#"["e",{"_placeholder":true,"num":0},[{"num":1,"_placeholder":true}]]"#, 2));
        assert!(!within(r#"["e",{"a":{"_placeholder":true,"num":2}}]"#, 2));
        assert!(!within(r#"["e",{"\u005fplaceholder":true,"num":2}]"#, 2));
        assert!(!within(r#"["e",{"_placeholder":true}]"#, 1));
        assert!(!within(r#"["e",{"_placeholder":true,"num":-1}]"#, 1));
        assert!(!within(r#"["e",{"_placeholder":true,"num":0,"num":[0]}]"#, 1));
        assert!(within(r#"["e",{"_placeholder":false,"num":7},{"_placeholder":1,"num":7}]"#, 1));
        assert!(within(r#"["e",{"_placeholder":true,"_placeholder":{"num":9},"num":9}]"#, 1));
    }

    #[test]
    fn there_are_no_more_placeholders_than_attachments() {
        let place = r#"{"_placeholder":true,"num":0}"#;
        assert!(placeholders_within(&format!(r#"["e",{place}]"#), 1));
        assert!(!placeholders_within(&format!(r#"["e",{place},{{"a":{place}}}]"#), 1));
        assert!(!placeholders_within(&format!("[{place},{place},{place}]"), 2));
    }
}
