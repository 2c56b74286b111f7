//! Text packets: what decodes keeps its meaning through both encodings, and so does a session of several messages.
#![no_main]

use bytes::Bytes;
use fanfare::protocol::socket::{Limits, Packet, Reassembly, arguments, decode, encode, event_name, msgpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    let mut session = Reassembly::new(1 << 20);
    for message in text.split('\u{1e}') {
        let _ = match message.strip_prefix('b') {
            Some(bytes) => session.accept_binary(Bytes::copy_from_slice(bytes.as_bytes())).map(|done| {
                done.map(|assembled| check(&assembled.packet(), &limits));
            }),
            None => session.accept_text(message, &limits).map(|packet| {
                packet.map(|packet| check(&packet, &limits));
            }),
        };
    }
});

fn check(packet: &Packet<'_>, limits: &Limits) {
    let Packet { kind, namespace, id, data, attachments } = *packet;
    let again = encode(kind, namespace, id, data, attachments);
    assert_eq!(decode(&again, limits).as_ref(), Ok(packet));
    let Some(data) = data else { return };
    if data.trim_start().starts_with('[') {
        let items = arguments(data).expect("decoding checked it");
        items.first().map(|item| event_name(item));
    }
    let attached = vec![Bytes::new(); attachments];
    let bytes = msgpack::encode(kind, namespace, id, Some(data), &attached, None);
    // A placeholder may stand in the text several times, and each becomes an attachment of its own.
    let _ = msgpack::decode(&bytes, limits);
}
