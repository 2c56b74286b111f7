use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const TEXT_VECTORS: &str = include_str!("../../../tests/vectors/socket.io-parser.json");
const MSGPACK_VECTORS: &str = include_str!("../../../tests/vectors/socket.io-msgpack-parser.json");

/// Captured inputs where we are stricter than the reference, and why.
const DIFFERENCES: [(&str, ParseError); 2] = [
    // The reference reads the empty text as CONNECT, yet its transport closes before the parser sees it.
    ("", ParseError::Empty),
    // JavaScript rounds this id to 1e20; no client counts beyond 2^53, and the answer could not carry the same id.
    ("299999999999999999999[\"a\"]", ParseError::IllegalId),
];

#[test]
fn captured_texts_decode_as_the_reference_decodes_them() {
    for case in cases(TEXT_VECTORS, "decode") {
        let input = case["input"].as_str().unwrap();
        let decoded = decode(input, &Limits::default());
        if let Some((_, error)) = DIFFERENCES.iter().find(|(text, _)| *text == input) {
            assert_eq!(decoded, Err(*error), "{input:?}");
        } else if case["error"].is_string() {
            assert!(decoded.is_err(), "{input:?} must be refused");
        } else {
            let packet = decoded.unwrap_or_else(|error| panic!("{input:?}: {error}"));
            assert_eq!(packet.attachments as u64, case["pending_attachments"].as_u64().unwrap_or(0), "{input:?}");
            assert_eq!(as_vector(&packet), case["packet"], "{input:?}");
        }
    }
}

#[test]
fn refusals_have_the_reason_the_reference_names() {
    for case in cases(TEXT_VECTORS, "decode") {
        let (input, Some(reason)) = (case["input"].as_str().unwrap(), case["error"].as_str()) else { continue };
        let error = decode(input, &Limits::default()).unwrap_err();
        let fits = match error {
            ParseError::UnknownType => reason.starts_with("unknown packet type"),
            ParseError::IllegalAttachments => reason == "Illegal attachments",
            ParseError::TooManyAttachments => reason == "too many attachments",
            ParseError::InvalidPayload | ParseError::ReservedEvent => reason == "invalid payload",
            _ => false,
        };
        assert!(fits, "{input:?}: {error} for {reason}");
    }
}

#[test]
fn captured_packets_encode_to_the_same_text_and_come_back() {
    for case in cases(TEXT_VECTORS, "encode") {
        let (name, packet) = (&case["name"], &case["packet"]);
        let (kind, data, attachments) = packet_parts(packet);
        let namespace = packet["nsp"].as_str().unwrap();
        let id = packet["id"].as_u64();
        let text = match kind {
            // The only one where the order of keys matters to the text.
            PacketType::ConnectError => {
                let more = packet["data"].get("data").map(Value::to_string);
                encode_connect_error(namespace, packet["data"]["message"].as_str().unwrap(), more.as_deref())
            }
            PacketType::Event => encode_event(namespace, id, &data.unwrap(), attachments.len(), None),
            PacketType::Ack => encode_ack(namespace, id.unwrap(), &data.unwrap(), attachments.len()),
            PacketType::Disconnect => encode_disconnect(namespace),
            _ => encode(kind, namespace, id, data.as_deref(), 0),
        };
        let expected = case["encoded"].as_array().unwrap();
        assert_eq!(text, expected[0].as_str().unwrap(), "{name}");
        assert_eq!(attachments, expected[1..].iter().map(binary).collect::<Vec<_>>(), "{name}");

        let decoded = decode(&text, &Limits::default()).unwrap();
        assert_eq!((decoded.namespace, decoded.id), (namespace, id), "{name}");
        assert_eq!(decoded.attachments, attachments.len(), "{name}");
    }
}

#[test]
fn captured_msgpack_packets_decode_and_encode_to_the_same_bytes() {
    for case in cases(MSGPACK_VECTORS, "cases") {
        let packet = &case["packet"];
        let (kind, data, attachments) = packet_parts(packet);
        let bytes = STANDARD.decode(case["payload_b64"].as_str().unwrap()).unwrap();
        let decoded = msgpack::decode(&bytes, &Limits::default()).unwrap();
        assert_eq!(decoded.kind.is_binary(), !attachments.is_empty(), "{packet}");
        assert_eq!(decoded.namespace, packet["nsp"].as_str().unwrap());
        assert_eq!(decoded.id, packet["id"].as_u64());
        assert_eq!(decoded.data.as_deref().map(parsed), data.as_deref().map(parsed), "{packet}");
        assert_eq!(decoded.attachments, attachments);
        let again = msgpack::encode(kind, &decoded.namespace, decoded.id, data.as_deref(), &attachments, None);
        assert_eq!(again, bytes, "{packet}");
    }
}

#[test]
fn connect_replies_carry_a_pid_only_when_there_is_one() {
    assert_eq!(encode_connect("/", "abc", None), r#"0{"sid":"abc"}"#);
    assert_eq!(encode_connect("/custom", "abc", Some("p")), r#"0/custom,{"sid":"abc","pid":"p"}"#);
}

#[test]
fn the_offset_becomes_the_last_argument() {
    assert_eq!(encode_event("/", None, r#"["m",{"a":[]}]"#, 0, Some("e.1-2")), r#"2["m",{"a":[]},"e.1-2"]"#);
    assert_eq!(encode_event("/n", Some(3), r#"["m" ] "#, 1, Some("\"")), r#"51-/n,3["m","\""]"#);
    assert_eq!(encode_event("/", None, "[ ]", 0, Some("o")), r#"2["o"]"#);
    let bytes = msgpack::encode(PacketType::Event, "/", None, Some(r#"["m"]"#), &[], Some("o"));
    let decoded = msgpack::decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(decoded.data.as_deref(), Some(r#"["m","o"]"#));
}

#[test]
fn what_exceeds_a_limit_is_refused_before_it_is_parsed() {
    let limits = Limits::default();
    let nested =
        |depth: usize| format!("2[\"m\"{}{}]", String::from(",") + &"[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(decode(&nested(32), &limits).is_ok());
    assert_eq!(decode(&nested(33), &limits), Err(ParseError::TooDeep));
    assert_eq!(decode(&format!("2{}", "[".repeat(500_000)), &limits), Err(ParseError::TooDeep));
    assert_eq!(decode(&format!("0{}", "{\"a\":".repeat(40)), &limits), Err(ParseError::TooDeep));
    assert!(decode(&format!("2[\"{}\"]", "n".repeat(128)), &limits).is_ok());
    assert_eq!(decode(&format!("2[\"{}\"]", "n".repeat(129)), &limits), Err(ParseError::EventNameTooLong));
    assert_eq!(decode("29007199254740992[\"a\"]", &limits).unwrap().id, Some(ID_MAX));
    assert_eq!(decode("29007199254740993[\"a\"]", &limits), Err(ParseError::IllegalId));
    assert_eq!(decode("599999999999999999999999-[\"a\"]", &limits), Err(ParseError::TooManyAttachments));
}

#[test]
fn escapes_do_not_hide_a_reserved_name() {
    assert_eq!(decode(r#"2["\u0063onnect"]"#, &Limits::default()), Err(ParseError::ReservedEvent));
    assert!(decode(r#"2["half a pair","\ud83d"]"#, &Limits::default()).is_ok());
}

#[test]
fn arguments_are_slices_of_the_packet() {
    let packet = decode(r#"2[ "mess\u0061ge" , {"a": 1.50}, null ]"#, &Limits::default()).unwrap();
    let items = arguments(packet.data.unwrap()).unwrap();
    assert_eq!(items, [r#""mess\u0061ge""#, r#"{"a": 1.50}"#, "null"]);
    assert_eq!(event_name(items[0]), "message");
    assert_eq!(event_name("1"), "1");
    assert_eq!(arguments("{}"), Err(ParseError::InvalidPayload));
}

#[test]
fn attachments_are_collected_in_order() {
    let limits = Limits::default();
    let mut reassembly = Reassembly::new(1000);
    let text = r#"52-/n-1,7["m",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
    assert_eq!(reassembly.accept_text(text, &limits), Ok(None));
    assert!(reassembly.accept_binary(Bytes::from_static(b"a")).unwrap().is_none());
    let assembled = reassembly.accept_binary(Bytes::from_static(b"b")).unwrap().unwrap();
    assert_eq!(assembled.packet(), decode(text, &limits).unwrap());
    assert_eq!(assembled.attachments, ["a", "b"]);
    assert!(!reassembly.is_pending());
    assert!(reassembly.accept_text("2[\"m\"]", &limits).unwrap().is_some());

    reassembly.accept_text("51-", &limits).unwrap();
    let bare = reassembly.accept_binary(Bytes::new()).unwrap().unwrap();
    assert_eq!((bare.packet().namespace, bare.packet().data), ("/", None));
}

#[test]
fn a_binary_packet_out_of_order_or_bounds_is_refused() {
    let limits = Limits::default();
    let mut reassembly = Reassembly::new(30);
    assert_eq!(reassembly.accept_binary(Bytes::new()).unwrap_err(), ParseError::UnexpectedBinary);
    reassembly.accept_text("52-[\"m\"]", &limits).unwrap();
    assert_eq!(reassembly.accept_text("2[\"m\"]", &limits), Err(ParseError::AttachmentsPending));
    reassembly.accept_binary(Bytes::from(vec![0; 20])).unwrap();
    assert_eq!(reassembly.accept_binary(Bytes::from(vec![0; 20])).unwrap_err(), ParseError::TooLarge);
    let out_of_range = r#"51-["m",{"_placeholder":true,"num":5}]"#;
    assert_eq!(Reassembly::new(100).accept_text(out_of_range, &limits), Err(ParseError::IllegalPlaceholder));
}

#[test]
fn msgpack_packets_obey_the_rules_of_text() {
    let refused = |packet: Value| msgpack::decode(&packed(&packet), &Limits::default()).unwrap_err();
    assert_eq!(refused(json!({"type": 2, "nsp": "/", "data": ["connect"]})), ParseError::ReservedEvent);
    assert_eq!(refused(json!({"type": 2, "nsp": "/", "data": []})), ParseError::InvalidPayload);
    assert_eq!(refused(json!({"type": 2, "nsp": "/"})), ParseError::InvalidPayload);
    assert_eq!(refused(json!({"type": 1, "nsp": "/", "data": {}})), ParseError::InvalidPayload);
    assert_eq!(refused(json!({"type": 5, "nsp": "/", "data": ["a"]})), ParseError::UnknownType);
    assert_eq!(refused(json!({"type": 2, "nsp": "/", "data": ["a"], "id": -1})), ParseError::IllegalId);
    assert_eq!(refused(json!({"type": 0})), ParseError::Msgpack(ReadError::Unexpected));
    let python = json!({"type": 0, "nsp": "/", "data": null, "id": null, "more": [1, {"x": []}]});
    let decoded = msgpack::decode(&packed(&python), &Limits::default()).unwrap();
    assert_eq!((decoded.data, decoded.id), (None, None));
}

fn packed(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    crate::protocol::msgpack::write::json(&value.to_string(), &[], &mut out);
    out
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn cases(vectors: &str, list: &str) -> Vec<Value> {
    let cases = parsed(vectors)[list].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

/// The captures name binary kinds by their plain type plus `attachments`.
fn as_vector(packet: &Packet<'_>) -> Value {
    let mut vector = json!({"type": packet.kind.digit(), "nsp": packet.namespace});
    if packet.kind.is_binary() {
        vector["type"] = (packet.kind.digit() - 3).into();
        vector["attachments"] = packet.attachments.into();
    }
    if let Some(id) = packet.id {
        vector["id"] = id.into();
    }
    if let Some(data) = packet.data {
        vector["data"] = parsed(data);
    }
    vector
}

/// Kind, JSON with placeholders, attachments.
fn packet_parts(packet: &Value) -> (PacketType, Option<String>, Vec<Bytes>) {
    let kind = PacketType::from_digit(u8::try_from(packet["type"].as_u64().unwrap()).unwrap()).unwrap();
    let mut attachments = Vec::new();
    let data = packet.get("data").map(|data| deconstructed(data, &mut attachments).to_string());
    (kind, data, attachments)
}

fn deconstructed(value: &Value, attachments: &mut Vec<Bytes>) -> Value {
    match value {
        Value::Object(map) if map.contains_key("$binary") => {
            attachments.push(binary(value));
            json!({"_placeholder": true, "num": attachments.len() - 1})
        }
        Value::Object(map) if map.contains_key("$date") => map["$date"].clone(),
        Value::Object(map) if map.contains_key("$undefined") => Value::Null,
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), deconstructed(value, attachments))).collect(),
        Value::Array(items) => items.iter().map(|item| deconstructed(item, attachments)).collect(),
        plain => plain.clone(),
    }
}

fn binary(value: &Value) -> Bytes {
    STANDARD.decode(value["$binary"].as_str().unwrap()).unwrap().into()
}

/// JSON that keeps well inside the depth limit; object keys never look like placeholders.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("a fraction", |number| number.fract() != 0.0).prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 80, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            proptest::collection::hash_map("[a-zé\"\\\\]{0,6}", inner, 0..20)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn an_event_decodes_to_what_was_encoded(
        name in "[a-z:]{1,20}x",
        argument in any_json(),
        namespace in "/[a-z:?=0-9]{0,12}",
        id in proptest::option::of(0..=ID_MAX),
        sizes in proptest::collection::vec(0_usize..50, 0..=10),
    ) {
        let placeholders: Vec<Value> =
            (0..sizes.len()).map(|index| json!({"_placeholder": true, "num": index})).collect();
        let args = json!([name, argument, placeholders]).to_string();
        let attachments: Vec<Bytes> = sizes.iter().map(|&size| vec![7; size].into()).collect();
        let kind = if sizes.is_empty() { PacketType::Event } else { PacketType::BinaryEvent };
        let limits = Limits::default();

        let text = encode_event(&namespace, id, &args, sizes.len(), None);
        let expected =
            Packet { kind, namespace: &namespace, id, data: Some(&args), attachments: sizes.len() };
        prop_assert_eq!(decode(&text, &limits), Ok(expected));

        let bytes = msgpack::encode(kind, &namespace, id, Some(&args), &attachments, None);
        let decoded = msgpack::decode(&bytes, &limits).unwrap();
        prop_assert_eq!((decoded.kind, &*decoded.namespace, decoded.id), (kind, &*namespace, id));
        prop_assert_eq!(parsed(&decoded.data.unwrap()), parsed(&args));
        prop_assert_eq!(decoded.attachments, attachments);
    }

    #[test]
    fn no_text_makes_the_decoder_panic(text in "[0-7][0-9]?-?(/[a-z]{0,3},)?[0-9 ]{0,3}[\\[\\]{}\",:a-z0-9_\\\\é ]{0,40}") {
        if let Ok(Packet { kind: PacketType::Event, data: Some(data), .. }) = decode(&text, &Limits::default()) {
            prop_assert!(event_name(arguments(data).unwrap()[0]).len() <= 128);
        }
        let _ = crate::protocol::json::placeholders_within(&text, 1);
        crate::protocol::msgpack::write::json(&text, &[], &mut Vec::new());
    }

    #[test]
    fn no_bytes_make_the_msgpack_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = msgpack::decode(&bytes, &Limits::default());
        let mut packet = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1m".to_vec();
        packet.extend(bytes);
        if let Ok(decoded) = msgpack::decode(&packet, &Limits::default()) {
            prop_assert!(arguments(&decoded.data.unwrap()).is_ok());
        }
    }
}
