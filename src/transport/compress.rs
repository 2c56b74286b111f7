//! Compression of polling answers by gzip (RFC 1952), from the size on at which the reference server does it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// Shorter bodies gain nothing (`httpCompression.threshold` of engine.io).
const THRESHOLD_BYTES: usize = 1_024;

/// Whether the client takes gzip: named or by `*`, and not with weight zero (RFC 9110, section 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.trim().parse() == Ok(0.0_f32));
        matches!(name.trim(), "gzip" | "*") && !refused
    })
}

/// The body in gzip, where that is worth it.
pub(super) fn gzip(body: &[u8]) -> Option<Bytes> {
    if body.len() < THRESHOLD_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn accepts(value: &str) -> bool {
        accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]))
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        assert!(accepts("gzip, deflate, br") && accepts("*") && accepts("br;q=1.0, gzip;q=0.8"));
        assert!(!accepts("deflate") && !accepts("gzip;q=0") && !accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn long_bodies_come_back_as_they_were() {
        assert!(gzip(&[b'x'; THRESHOLD_BYTES - 1]).is_none());
        let body = vec![b'x'; 10_000];
        let packed = gzip(&body).unwrap();
        assert!(packed.len() < 200);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, body);
    }
}
