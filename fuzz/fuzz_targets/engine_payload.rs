//! Polling bodies: packets before the first error survive being encoded and decoded again.
#![no_main]

use fanfare::protocol::engine::{Packet, decode_payload, encode_payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| {
    let packets: Vec<Packet<'_>> = decode_payload(body).map_while(Result::ok).collect();
    if packets.is_empty() {
        return;
    }
    let again = String::from_utf8(encode_payload(&packets)).expect("payloads are text");
    let decoded: Vec<Packet<'_>> = decode_payload(&again).map(|packet| packet.expect("it was encoded")).collect();
    assert_eq!(decoded, packets);
});
