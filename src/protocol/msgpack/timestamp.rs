//! The extensions that publishers write for a point in time.

use jiff::Timestamp;

/// The ISO 8601 text that JavaScript's JSON has for the extension, or `None` if it is no time or one outside the years 0
/// to 9999.
///
/// Kind -1 is msgpack's own timestamp (4, 8 or 12 bytes). Kind 0 with 8 bytes is the older form of notepack, still
/// written by the msgpack parser of Socket.IO: signed milliseconds.
pub(super) fn iso_of(kind: i8, body: &[u8]) -> Option<String> {
    let time = match (kind, body.len()) {
        (-1, 4) => Timestamp::from_second(u32::from_be_bytes(body.try_into().ok()?).into()),
        (-1, 8) => {
            let packed = u64::from_be_bytes(body.try_into().ok()?);
            let seconds = i64::try_from(packed & ((1 << 34) - 1)).ok()?;
            Timestamp::new(seconds, nanoseconds(packed >> 34)?)
        }
        (-1, 12) => {
            let (nanos, seconds) = body.split_first_chunk()?;
            let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
            Timestamp::new(seconds, nanoseconds(u32::from_be_bytes(*nanos).into())?)
        }
        (0, 8) => Timestamp::from_millisecond(i64::from_be_bytes(body.try_into().ok()?)),
        _ => return None,
    };
    let time = time.ok().filter(|time| time.as_second() >= YEAR_ZERO_SECONDS)?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

fn nanoseconds(count: u64) -> Option<i32> {
    i32::try_from(count).ok().filter(|&count| count < 1_000_000_000)
}

/// 0000-01-01T00:00:00Z. Earlier years have a sign and six digits, which no reader of ours expects.
const YEAR_ZERO_SECONDS: i64 = -62_167_219_200;
