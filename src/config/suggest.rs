//! What somebody may have meant by a key that does not exist.

/// The nearest of `known` to `word`, if one is near enough to be meant.
///
/// Case, dashes and underscores do not count, so `pingInterval` finds `ping_interval_ms`.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    if wanted.is_empty() {
        return None;
    }
    known
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= (wanted.len() / 3).clamp(1, 4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(word: &str) -> Vec<u8> {
    let mut plain: Vec<u8> = word
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_lowercase())
        .take(WORD_BYTES_MAX)
        .collect();
    // Units are what people leave out; without them `pingtimeout` is exact.
    for unit in [&b"ms"[..], b"bytes"] {
        if plain.len() > unit.len() + 2 && plain.ends_with(unit) {
            plain.truncate(plain.len() - unit.len());
        }
    }
    plain
}

/// Levenshtein's distance, in which two letters swapped count as one mistake; three rows are kept.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut two_above = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(two_above[j - 2] + 1);
            }
        }
        two_above = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// Bounds the work for absurd keys.
const WORD_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_and_other_spellings_find_their_key() {
        let known = ["ping_interval_ms", "ping_timeout_ms", "max_payload_bytes", "path"];
        let found = |word| nearest(word, known.into_iter());
        assert_eq!(found("pingInterval"), Some("ping_interval_ms"));
        assert_eq!(found("ping_timout_ms"), Some("ping_timeout_ms"));
        assert_eq!(found("max-payload"), Some("max_payload_bytes"));
        assert_eq!(found("pth"), Some("path"));
        assert_eq!(found("paht"), Some("path"));
        assert_eq!(found("colour"), None);
        assert_eq!(found(""), None);
    }
}
