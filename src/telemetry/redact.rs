//! Keeps secrets out of lines, whoever logs them: ours, or a library that prints a URL or header.

use std::borrow::Cow;

/// The value of a field as it may be written: secret fields are replaced, tokens and passwords cut out, long texts cut short.
pub(super) fn field<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret(name) { Cow::Borrowed("[redacted]") } else { text(value) }
}

/// A text without JSON Web Tokens, bearer tokens, passwords of URLs and secret query parameters.
pub(super) fn text(value: &str) -> Cow<'_, str> {
    let cut = cut(value);
    let suspicious = cut.contains("eyJ") || cut.contains("://") || cut.contains('=') || find_bearer(cut).is_some();
    if !suspicious {
        return if cut.len() == value.len() { Cow::Borrowed(value) } else { Cow::Owned(format!("{cut}…")) };
    }
    let mut clean = String::with_capacity(cut.len());
    let mut bearer = false;
    for word in cut.split_inclusive(is_boundary) {
        let end =
            word.char_indices().next_back().map_or(0, |(at, last)| if is_boundary(last) { at } else { word.len() });
        let (body, boundary) = word.split_at(end);
        if bearer && !body.is_empty() {
            clean += "[redacted]";
        } else {
            clean += &redact_word(body);
        }
        clean += boundary;
        bearer = body.eq_ignore_ascii_case("bearer") || (bearer && body.is_empty());
    }
    if cut.len() < value.len() {
        clean.push('…');
    }
    Cow::Owned(clean)
}

/// The longest value written, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

fn cut(value: &str) -> &str {
    let end = (0..=VALUE_BYTES_MAX.min(value.len())).rev().find(|at| value.is_char_boundary(*at));
    &value[..end.unwrap_or(0)]
}

fn is_boundary(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '&' | '?' | '(' | ')' | '<' | '>')
}

fn find_bearer(text: &str) -> Option<usize> {
    text.as_bytes().windows(7).position(|window| window.eq_ignore_ascii_case(b"bearer "))
}

fn redact_word(word: &str) -> Cow<'_, str> {
    if let Some((name, _)) = word.split_once('=')
        && is_secret(name)
    {
        return Cow::Owned(format!("{name}=[redacted]"));
    }
    if let Some(start) = word.find("eyJ")
        && word[start..].bytes().filter(|byte| *byte == b'.').count() >= 2
    {
        return Cow::Owned(format!("{}[token]", &word[..start]));
    }
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((_, host)) = rest.rsplit_once('@')
    {
        return Cow::Owned(format!("{scheme}://[redacted]@{host}"));
    }
    Cow::Borrowed(word)
}

/// Names are compared without case and by their last part, so that `redis.password` and `access_token` count too.
fn is_secret(name: &str) -> bool {
    let last = name.rsplit(['.', '_', '-']).next().unwrap_or(name);
    ["token", "secret", "password", "authorization", "cookie", "jwt", "apikey"]
        .iter()
        .any(|word| last.eq_ignore_ascii_case(word))
        || name.eq_ignore_ascii_case("api_key")
        || name.eq_ignore_ascii_case("x-api-key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl";

    #[test]
    fn secret_fields_are_replaced_whatever_they_hold() {
        for name in ["token", "Authorization", "redis.password", "access_token", "api_key", "set-cookie"] {
            assert_eq!(field(name, "anything"), "[redacted]", "{name}");
        }
        assert_eq!(field("tokens_seen", "5"), "5");
    }

    #[test]
    fn tokens_are_cut_out_of_texts() {
        for text_with in [
            format!("refused {TOKEN}"),
            format!("GET /socket.io/?EIO=4&token={TOKEN}&t=1"),
            format!("header (Bearer {TOKEN})"),
            format!("{{\"auth\":\"{TOKEN}\"}}"),
            "authorization: bearer  abc123secret".to_owned(),
            "redis://user:abc123secret@cache:6379 refused".to_owned(),
        ] {
            let clean = text(&text_with).into_owned();
            assert!(!clean.contains("c2lnbmF0dXJl") && !clean.contains("abc123secret"), "{clean}");
        }
        assert_eq!(text("redis://u:p@cache:6379 is away"), "redis://[redacted]@cache:6379 is away");
        assert_eq!(text("/x?token=abc&t=1"), "/x?token=[redacted]&t=1");
    }

    #[test]
    fn ordinary_texts_stay_as_they_are_and_long_ones_are_cut() {
        for ordinary in ["", "joined", "a=b", "http://127.0.0.1:3001", "bearer of news"] {
            let expected = if ordinary == "bearer of news" { "bearer [redacted] news" } else { ordinary };
            assert_eq!(text(ordinary), expected);
        }
        let long = "é".repeat(VALUE_BYTES_MAX);
        assert!(text(&long).len() <= VALUE_BYTES_MAX + "…".len());
    }
}
