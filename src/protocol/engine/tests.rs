use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const VECTORS: &str = include_str!("../../../tests/vectors/engine.io-parser.json");

#[test]
fn captured_payloads_decode_as_the_reference_decodes_them() {
    for case in cases("decode") {
        let payload = case["payload"].as_str().unwrap();
        let decoded: Vec<Value> = decode_payload(payload).map(|packet| as_vector(&packet)).collect();
        assert_eq!(Value::from(decoded), case["packets"], "{payload:?}");
    }
}

#[test]
fn captured_packets_encode_to_the_same_bytes() {
    for case in cases("encode") {
        let packets: Vec<Packet<'_>> = case["packets"].as_array().unwrap().iter().map(from_vector).collect();
        let payload = String::from_utf8(encode_payload(&packets)).unwrap();
        assert_eq!(payload, case["payload"].as_str().unwrap(), "{}", case["name"]);
        let back: Vec<Packet<'_>> = decode_payload(&payload).map(Result::unwrap).collect();
        assert_eq!(back, packets);
    }
}

#[test]
fn one_letter_constants_are_what_the_encoder_writes() {
    for (constant, packet) in [
        (CLOSE, Packet::Close),
        (PING, Packet::Ping("")),
        (PONG, Packet::Pong("")),
        (MESSAGE, Packet::Message("")),
        (UPGRADE, Packet::Upgrade),
        (NOOP, Packet::Noop),
        (PROBE_PING, Packet::Ping("probe")),
        (PROBE_PONG, Packet::Pong("probe")),
    ] {
        assert_eq!(encode_payload(&[packet]), constant.as_bytes());
    }
}

#[test]
fn the_open_packet_has_the_five_keys_in_order() {
    let handshake = Handshake {
        sid: "abc",
        upgrades: &["websocket"],
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        max_payload_bytes: 1_000_000,
    };
    assert_eq!(
        open_packet(&handshake),
        r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
    );
}

#[test]
fn refusals_have_the_bodies_clients_know() {
    assert_eq!(HandshakeError::SessionUnknown.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
    assert_eq!(HandshakeError::UnsupportedVersion.body(), r#"{"code":5,"message":"Unsupported protocol version"}"#);
    assert_eq!((HandshakeError::Forbidden.code(), HandshakeError::Forbidden.status()), (4, 403));
    assert_eq!(HandshakeError::TransportUnknown.status(), 400);
}

#[test]
fn base64_is_taken_from_whoever_writes_it_badly() {
    for text in ["b-_8=", "b+/8", "b+/ 8=junk", "b+/8A=", "b-_9"] {
        let Ok(Packet::Binary(bytes)) = decode_text(text) else { panic!("{text}") };
        assert_eq!(bytes[0], 0xfb, "{text}");
    }
    assert_eq!(decode_text("éa"), Err(ParseError::UnknownType));
}

fn cases(list: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors[list].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

/// The captures leave `data` out where a packet has none.
fn as_vector(packet: &Result<Packet<'_>, ParseError>) -> Value {
    let (kind, data) = match packet {
        Ok(Packet::Open(data)) => ("open", *data),
        Ok(Packet::Close) => ("close", ""),
        Ok(Packet::Ping(data)) => ("ping", *data),
        Ok(Packet::Pong(data)) => ("pong", *data),
        Ok(Packet::Message(data)) => ("message", *data),
        Ok(Packet::Upgrade) => ("upgrade", ""),
        Ok(Packet::Noop) => ("noop", ""),
        Ok(Packet::Binary(bytes)) => {
            return json!({"type": "message", "data": {"$binary": STANDARD.encode(bytes)}});
        }
        Err(_) => ("error", "parser error"),
    };
    if data.is_empty() { json!({"type": kind}) } else { json!({"type": kind, "data": data}) }
}

fn from_vector(packet: &Value) -> Packet<'_> {
    if let Some(base64) = packet["data"]["$binary"].as_str() {
        return Packet::Binary(STANDARD.decode(base64).unwrap().into());
    }
    let data = packet["data"].as_str().unwrap_or_default();
    match packet["type"].as_str().unwrap() {
        "open" => Packet::Open(data),
        "close" => Packet::Close,
        "ping" => Packet::Ping(data),
        "pong" => Packet::Pong(data),
        "message" => Packet::Message(data),
        "upgrade" => Packet::Upgrade,
        "noop" => Packet::Noop,
        other => panic!("unknown vector type {other}"),
    }
}

/// Owned stand-in of a packet, since strategies cannot borrow.
#[derive(Debug, Clone)]
enum Sample {
    Text(u8, String),
    Bytes(Vec<u8>),
}

impl Sample {
    fn packet(&self) -> Packet<'_> {
        match self {
            Self::Text(0, data) => Packet::Open(data),
            Self::Text(1, _) => Packet::Close,
            Self::Text(2, data) => Packet::Ping(data),
            Self::Text(3, data) => Packet::Pong(data),
            Self::Text(4, data) => Packet::Message(data),
            Self::Text(5, _) => Packet::Upgrade,
            Self::Text(_, _) => Packet::Noop,
            Self::Bytes(bytes) => Packet::Binary(bytes.into()),
        }
    }
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let text = (0_u8..7, "[^\u{1e}]{0,40}").prop_map(|(kind, data)| Sample::Text(kind, data));
    let bytes = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Sample::Bytes);
    proptest::collection::vec(prop_oneof![text, bytes], 1..8)
}

proptest! {
    #[test]
    fn a_payload_decodes_to_what_was_encoded(samples in samples()) {
        let packets: Vec<Packet<'_>> = samples.iter().map(Sample::packet).collect();
        let payload = String::from_utf8(encode_payload(&packets)).unwrap();
        let back: Vec<Packet<'_>> = decode_payload(&payload).map(Result::unwrap).collect();
        prop_assert_eq!(back, packets);
    }

    #[test]
    fn any_text_decodes_or_errs_once_at_the_end(text in "[0-9b\u{1e}a-z=+/é]{0,60}") {
        let items: Vec<_> = decode_payload(&text).collect();
        prop_assert!(!items.is_empty());
        prop_assert!(items[..items.len() - 1].iter().all(Result::is_ok));
    }
}
