//! The forms of texts that keys may hold. Each function answers one question and knows nothing of configurations.

use crate::ids::ROOM_BYTES_MAX;

pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// A claim may be a URL, as those of Auth0 are, so only length and white space are judged.
pub(crate) fn is_claim(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '{' && c != '}')
}

pub(crate) fn is_url_path(text: &str) -> bool {
    (2..=255).contains(&text.len())
        && text.starts_with('/')
        && text.ends_with('/')
        && !text.contains("//")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~'))
}

/// `scheme://host` or `scheme://host:port`, as browsers write it: lower case, no path.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let scheme_fits =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'+' | b'-'));
    let host_fits = (1..=255).contains(&host.len())
        && host.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']')
        });
    scheme_fits && host_fits
}

pub(crate) fn is_url(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    schemes.contains(&scheme)
        && text.len() <= 2048
        && !host.is_empty()
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Braces would move the hash tag that keeps a partition's keys in one slot.
pub(crate) fn is_key_prefix(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'{' && byte != b'}')
}

/// A room name with claims in braces; with `stars`, also a pattern.
pub(crate) fn is_room_template(text: &str, stars: bool) -> bool {
    if !(1..=ROOM_BYTES_MAX).contains(&text.len())
        || text.chars().any(char::is_control)
        || (!stars && text.contains('*'))
    {
        return false;
    }
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((claim, behind)) = after.split_once('}') else { return false };
        if before.contains('}') || !is_claim(claim) {
            return false;
        }
        rest = behind;
    }
    !rest.contains('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        assert!(
            is_origin("https://app.example.com") && is_origin("http://localhost:3000") && is_origin("http://[::1]:80")
        );
        assert!(
            !is_origin("https://app.example.com/")
                && !is_origin("app.example.com")
                && !is_origin("https://App.example.com")
        );
    }

    #[test]
    fn templates_have_closed_braces_with_a_claim_in_them() {
        assert!(is_room_template("user:{sub}", false) && is_room_template("{https://x.example/org}", false));
        assert!(is_room_template("chat:*", true) && !is_room_template("chat:*", false));
        for bad in ["", "user:{", "user:}", "user:{}", "a{b{c}}", "a\nb"] {
            assert!(!is_room_template(bad, true), "{bad:?}");
        }
    }

    #[test]
    fn paths_are_between_slashes() {
        assert!(is_url_path("/socket.io/") && !is_url_path("/") && !is_url_path("/socket.io") && !is_url_path("//x/"));
    }

    #[test]
    fn prefixes_leave_the_hash_tag_alone() {
        assert!(is_key_prefix("fanfare:") && !is_key_prefix("a{b}") && !is_key_prefix("a b"));
    }
}
