//! As much msgpack as two publishers write.

/// What `@socket.io/redis-emitter` publishes for one event to one room: `[uid, packet, options]`.
pub fn emitter(room: &str, payload: &str) -> Vec<u8> {
    let mut out = vec![0x93];
    text(&mut out, "emitter");
    out.push(0x83);
    text(&mut out, "type");
    out.push(2);
    text(&mut out, "data");
    out.push(0x92);
    text(&mut out, "m");
    text(&mut out, payload);
    text(&mut out, "nsp");
    text(&mut out, "/");
    out.push(0x83);
    text(&mut out, "rooms");
    out.push(0x91);
    text(&mut out, room);
    text(&mut out, "except");
    out.push(0x90);
    text(&mut out, "flags");
    out.push(0x80);
    out
}

/// The gateway's envelope, version 1: `[1, volatile, published_at_ms, rooms, except, traceparent, kind, args, names, attachments]`.
pub fn envelope(room: &str, payload: &str) -> Vec<u8> {
    let mut out = vec![0x9a, 1, 0xc2, 0xcf];
    out.extend_from_slice(&(crate::clock::wall_s() * 1_000).to_be_bytes());
    out.push(0x91);
    text(&mut out, room);
    out.push(0x90);
    out.push(0xc0);
    out.push(0);
    text(&mut out, &format!(r#"["m","{payload}"]"#));
    out.push(0x90);
    out.push(0x90);
    out
}

/// The text of `args` of an envelope with one room, for a reader that wants nothing else. `None` for any other form.
pub fn args_of_envelope(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.get(12..)?.strip_prefix(&[0x91])?;
    let (_, rest) = take_text(rest)?;
    let rest = rest.strip_prefix(&[0x90, 0xc0, 0])?;
    take_text(rest).map(|(args, _)| args)
}

fn take_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (start, length) = match *bytes.first()? {
        fix @ 0xa0..=0xbf => (1, usize::from(fix & 0x1f)),
        0xd9 => (2, usize::from(*bytes.get(1)?)),
        0xda => (3, usize::from(u16::from_be_bytes(bytes.get(1..3)?.try_into().ok()?))),
        _ => return None,
    };
    Some((bytes.get(start..start + length)?, &bytes[start + length..]))
}

fn text(out: &mut Vec<u8>, value: &str) {
    match u8::try_from(value.len()) {
        Ok(length @ 0..=31) => out.push(0xa0 | length),
        Ok(length) => out.extend_from_slice(&[0xd9, length]),
        Err(_) => {
            out.push(0xda);
            out.extend_from_slice(&u16::try_from(value.len()).expect("payloads are a few hundred bytes").to_be_bytes());
        }
    }
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_args_of_an_envelope_are_found_again() {
        let payload = crate::mark::blank();
        let envelope = envelope("r9999", &payload);
        assert_eq!(args_of_envelope(&envelope), Some(format!(r#"["m","{payload}"]"#).as_bytes()));
        assert_eq!(args_of_envelope(&envelope[..40]), None);
    }
}
