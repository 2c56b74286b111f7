//! What real publishers wrote to Redis (`tests/vectors`), message by message.

use base64::Engine as _;
use serde_json::Value;

use super::{Decoded, Neglect, Options, Outcome, Refusal, channels, emitter, python, request};
use crate::event::{Body, Command};

const NOW_MS: u64 = 1_795_252_042_133;

struct Case {
    name: String,
    channel: String,
    payload: Vec<u8>,
}

fn cases(text: &str) -> Vec<Case> {
    let file: Value = serde_json::from_str(text).unwrap();
    let published = file["cases"].as_array().unwrap().iter().filter(|case| case["command"] == "PUBLISH");
    let bytes = |case: &Value| {
        let payload = case["payload_b64"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD.decode(payload).unwrap()
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    published
        .map(|case| Case { name: text(&case["name"]), channel: text(&case["channel"]), payload: bytes(case) })
        .collect()
}

fn decode(case: &Case) -> Outcome {
    let key = case.channel.split(['#', '-']).next().unwrap().to_owned();
    let python_channel = if key == "custom-chan" || key == "custom" { "custom-chan" } else { "socketio" };
    let options = Options { emitter_key: key, python_channel: python_channel.to_owned(), ..Options::default() };
    match channels::way_of(&options, &case.channel).unwrap() {
        channels::Way::Emitter => emitter::decode(&options.emitter_key, &case.channel, &case.payload, NOW_MS),
        channels::Way::Request => request::decode(&options.emitter_key, &case.channel, &case.payload, NOW_MS),
        channels::Way::Python => python::decode(&case.payload, NOW_MS),
        channels::Way::Plain => unreachable!("no vector is of our own format"),
    }
}

/// One line that says everything a publication says.
fn told(decoded: &Decoded) -> String {
    let publication = &decoded.publication;
    assert_eq!(publication.published_at_ms, NOW_MS);
    assert_eq!((&publication.traceparent, &decoded.idempotency_key), (&None, &None));
    // Whatever a decoder makes must survive the journey.
    assert_eq!(crate::event::decode(&crate::event::encode(publication)).unwrap(), *publication);
    let body = match &publication.body {
        Body::Event(event) => {
            let attachments: Vec<&[u8]> = event.attachments.iter().map(AsRef::as_ref).collect();
            let extra = if attachments.is_empty() { String::new() } else { format!(" +{attachments:?}") };
            format!("{}{extra}", event.args)
        }
        Body::Command(Command::Join(rooms)) => format!("join {rooms:?}"),
        Body::Command(Command::Leave(rooms)) => format!("leave {rooms:?}"),
        Body::Command(Command::Disconnect { close }) => format!("disconnect close={close}"),
        Body::Command(Command::Fence { generation }) => format!("fence {generation}"),
    };
    let volatile = if publication.volatile { " volatile" } else { "" };
    format!("{} {:?}-{:?}{volatile} {body}", decoded.namespace, publication.target.rooms, publication.target.except)
}

fn outcome_line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Decoded(decoded) => told(decoded),
        Outcome::Ignored(neglect) => format!("ignored {}", neglect.as_str()),
        Outcome::Refused(refusal) => format!("refused {}", refusal.as_str()),
    }
}

fn check(text: &str, expected: &[(&str, &str)]) {
    let cases = cases(text);
    let lines: Vec<(String, String)> =
        cases.iter().map(|case| (case.name.clone(), outcome_line(&decode(case)))).collect();
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!((line.0.as_str(), line.1.as_str()), *expected);
    }
    assert_eq!(lines.len(), expected.len());
}

#[test]
fn every_call_of_the_emitter_becomes_its_publication() {
    let long = format!(r#"/ []-[] ["s","{}",[{}]]"#, "x".repeat(300), ["1"; 20].join(","));
    let expected = [
        ("emit-all", r#"/ []-[] ["hello",1,"two",{"three":[true,null]}]"#),
        ("to-room", r#"/ ["room1"]-[] ["hello","a"]"#),
        ("in-two-rooms", r#"/ ["room1", "room2"]-[] ["hello","a"]"#),
        ("except", r#"/ []-["room3"] ["hello","a"]"#),
        ("to-except", r#"/ ["room1"]-["room3", "room4"] ["hello","a"]"#),
        (
            "binary",
            concat!(
                r#"/ []-[] ["bin",{"_placeholder":true,"num":0},{"nested":{"_placeholder":true,"num":1}}]"#,
                " +[[1, 2, 3, 255], [97, 98, 99]]"
            ),
        ),
        ("uint8array", r#"/ []-[] ["bin",{"_placeholder":true,"num":0}] +[[9, 8, 7]]"#),
        ("namespace", r#"/admin []-[] ["hello"]"#),
        ("namespace-room", r#"/admin ["room 1#x"]-[] ["hello","é€😀"]"#),
        ("numeric-room", r#"/ ["42"]-[] ["hello"]"#),
        ("volatile", r#"/ []-[] volatile ["tick",1]"#),
        ("compress-false", r#"/ []-[] ["tick",1]"#),
        ("volatile-compress-room", r#"/ ["room1"]-[] volatile ["tick",1]"#),
        ("numbers", r#"/ []-[] ["n",0,-1,127,128,65536,2147483648,9007199254740991,-9007199254740991,1.5,null]"#),
        ("date-undefined", r#"/ []-[] ["d","1970-01-01T00:00:00.000Z",null,null]"#),
        ("date-before-1970", r#"/ []-[] ["d","2023-11-14T22:13:20.123Z"]"#),
        ("long-string", long.as_str()),
        ("tojson-object", r#"/ []-[] ["j",{"a":1}]"#),
        ("sockets-join", r#"/ ["room1"]-[] join ["r2", "r3"]"#),
        ("sockets-join-all", r#"/ []-[] join ["r2"]"#),
        ("sockets-leave", r#"/ []-["x"] leave ["room1"]"#),
        ("disconnect-sockets", r#"/ ["room1"]-[] disconnect close=false"#),
        ("disconnect-sockets-close", "/admin []-[] disconnect close=true"),
        ("server-side-emit", "ignored server_side_emit"),
        ("custom-key", r#"/ ["room1"]-[] ["hello"]"#),
        ("custom-key-join", r#"/ []-[] join ["r"]"#),
        ("custom-parser-json", r#"/ ["room1"]-[] ["hello"]"#),
    ];
    check(include_str!("../../tests/vectors/redis-emitter.json"), &expected);
}

#[test]
fn servers_with_the_classic_adapter_are_heard_and_not_answered() {
    let text = include_str!("../../tests/vectors/redis-adapter-classic.json");
    let mut seen = Vec::new();
    for case in cases(text) {
        // Responses are not listened to.
        if !case.channel.starts_with("socket.io-response") {
            seen.push((case.name.clone(), outcome_line(&decode(&case))));
        }
    }
    let expected = [
        ("broadcast-all", r#"/ []-[] ["hello",1]"#),
        ("broadcast-room", r#"/ ["room1"]-[] ["hello",1]"#),
        ("broadcast-two-rooms-except", r#"/ ["room1", "r2"]-["r3"] ["hello",1]"#),
        ("socket-broadcast", r#"/ []-["NQ8upw8bcwcO5kV_AAAA"] ["hello",1]"#),
        ("socket-to", r#"/ ["room1"]-["NQ8upw8bcwcO5kV_AAAA"] ["hello",1]"#),
        ("to-socket-id", r#"/ ["Pg452vfTyyZ2KCi4AAAB"]-[] ["hello",1]"#),
        ("volatile-compress", r#"/ []-[] volatile ["tick"]"#),
        ("binary", r#"/ []-[] ["bin",{"_placeholder":true,"num":0}] +[[1, 2, 3]]"#),
        ("broadcast-with-ack", "ignored ack_broadcast"),
        ("fetch-sockets", "ignored question"),
        ("all-rooms", "ignored question"),
        ("sockets-join", r#"/ ["room1"]-[] join ["r9"]"#),
        ("sockets-leave", r#"/ ["room1"]-[] leave ["r9"]"#),
        ("server-side-emit", "ignored server_side_emit"),
        ("server-side-emit-ack", "ignored server_side_emit"),
        ("disconnect-sockets", r#"/ ["Pg452vfTyyZ2KCi4AAAB"]-[] disconnect close=true"#),
    ];
    let seen: Vec<(&str, &str)> = seen.iter().map(|(name, line)| (name.as_str(), line.as_str())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn every_call_of_python_socketio_becomes_its_publication() {
    let expected = [
        ("emit-all", r#"/ []-[] ["hello",{"a": 1}]"#),
        ("emit-tuple", r#"/ []-[] ["hello",1, "two"]"#),
        ("emit-none", r#"/ []-[] ["hello",null]"#),
        ("emit-list", r#"/ []-[] ["hello",[1, 2]]"#),
        ("emit-room", r#"/ ["room1"]-[] ["hello","x"]"#),
        ("emit-rooms", r#"/ ["room1", "room2"]-[] ["hello","x"]"#),
        ("emit-namespace-skip", r#"/admin ["room1"]-["SID1"] ["hello","x"]"#),
        ("emit-skip-list", r#"/ []-["S1", "S2"] ["hello","x"]"#),
        ("emit-binary", r#"/ []-[] ["bin",{"b": {"_placeholder": true, "num": 0}}] +[[1, 2, 255]]"#),
        ("emit-unicode", r#"/ []-[] ["hello","\u00e9\u20ac\ud83d\ude00"]"#),
        ("enter-room", r#"/ ["SID1"]-[] join ["room9"]"#),
        ("leave-room", r#"/ ["SID1"]-[] leave ["room9"]"#),
        ("close-room", r#"/ ["room9"]-[] leave ["room9"]"#),
        ("async-emit-room", r#"/ ["room1"]-[] ["hello",{"a": 1}]"#),
        ("async-enter-room", r#"/ ["SID1"]-[] join ["room9"]"#),
        ("async-leave-room", r#"/ ["SID1"]-[] leave ["room9"]"#),
        ("async-close-room", r#"/ ["room9"]-[] leave ["room9"]"#),
        ("emit-callback", r#"/ ["room1"]-[] ["ask","x"]"#),
        ("server-disconnect", r#"/ ["SID1"]-[] disconnect close=false"#),
        ("server-enter-room", r#"/ ["SID1"]-[] join ["room9"]"#),
        ("server-close-room", r#"/ ["room9"]-[] leave ["room9"]"#),
    ];
    check(include_str!("../../tests/vectors/python-socketio.json"), &expected);
}

#[test]
fn pickle_is_refused_unread() {
    let cases = cases(include_str!("../../tests/vectors/python-socketio-pickle.json"));
    assert!(cases.len() >= 20);
    for case in cases {
        assert_eq!(python::decode(&case.payload, NOW_MS), Outcome::Refused(Refusal::Pickle), "{}", case.name);
    }
}

#[test]
fn what_a_channel_and_its_message_contradict_is_refused() {
    let broadcast = |channel: &str, payload: &str| emitter::decode("socket.io", channel, payload.as_bytes(), NOW_MS);
    let message = |packet: &str, opts: &str| format!(r#"["emitter",{packet},{opts}]"#);
    let hello = r#"{"type":2,"data":["hello"],"nsp":"/"}"#;
    for (channel, packet, opts, refusal) in [
        ("socket.io#/admin#", hello, "{}", Refusal::Channel),
        ("socket.io#/admin#", r#"{"type":2,"data":["hello"]}"#, "{}", Refusal::Channel),
        ("socket.io#/#room1#", hello, r#"{"rooms":["room2"]}"#, Refusal::Channel),
        ("socket.io#/#room1#", hello, "{}", Refusal::Channel),
        ("socket.io#/#room1", hello, r#"{"rooms":["room1"]}"#, Refusal::Channel),
        ("socket.io#/#", r#"{"type":3,"data":["hello"]}"#, "{}", Refusal::Shape),
        ("socket.io#/#", r#"{"type":2,"data":[1]}"#, "{}", Refusal::Shape),
        ("socket.io#/#", r#"{"type":2,"data":[]}"#, "{}", Refusal::Shape),
        ("socket.io#/#", r#"{"type":2}"#, "{}", Refusal::Shape),
        ("socket.io#/#", r#"{"type":2,"data":["disconnect"]}"#, "{}", Refusal::EventReserved),
        ("socket.io#/#", r#"{"type":2,"data":[""]}"#, "{}", Refusal::EventName),
        ("socket.io#/#", hello, r#"{"rooms":["a","b\u0000"]}"#, Refusal::Room),
        ("socket.io#/#", hello, "{", Refusal::Json),
    ] {
        assert_eq!(broadcast(channel, &message(packet, opts)), Outcome::Refused(refusal), "{channel} {packet} {opts}");
    }
    let without_namespace = message(r#"{"type":2,"data":["hello"]}"#, r#"{"rooms":[]}"#);
    assert!(matches!(broadcast("socket.io#/#", &without_namespace), Outcome::Decoded(_)));
}

#[test]
fn hostile_msgpack_is_refused() {
    let decode = |payload: &[u8]| emitter::decode("socket.io", "socket.io#/#", payload, NOW_MS);
    let mut deep = b"\x93\xa1u\x81\xa4data".to_vec();
    deep.extend(vec![0x91; 100_000]);
    assert_eq!(decode(&deep), Outcome::Refused(Refusal::TooDeep));
    let mut many = b"\x93\xa1u\x82\xa4type\x02\xa4data\x9c\xa1e".to_vec();
    many.extend([0xc4, 0x00].repeat(11));
    many.extend(b"\x80");
    assert_eq!(decode(&many), Outcome::Refused(Refusal::Attachments));
    let whole = cases(include_str!("../../tests/vectors/redis-emitter.json")).swap_remove(0).payload;
    for length in 0..whole.len() {
        assert!(matches!(decode(&whole[..length]), Outcome::Refused(_)), "{length}");
    }
    assert_eq!(decode(b"\x93\xa1u\x80\xdd\xff\xff\xff\xff"), Outcome::Refused(Refusal::Msgpack));
}

#[test]
fn what_python_writes_wrong_reaches_nobody() {
    let decode = |text: &str| python::decode(text.as_bytes(), NOW_MS);
    for (text, refusal) in [
        ("", Refusal::Json),
        ("[]", Refusal::Shape),
        (r#"{"method":"emit"}"#, Refusal::Shape),
        (r#"{"method":"emit","event":"connect","data":[]}"#, Refusal::EventReserved),
        (r#"{"method":"emit","event":"e","binary":true,"data":[]}"#, Refusal::Shape),
        (r#"{"method":"emit","event":"e","binary":true,"data":[[1],"AA=="]}"#, Refusal::Attachments),
        (r#"{"method":"disconnect","namespace":"/"}"#, Refusal::Shape),
        (r#"{"method":"disconnect","sid":["a","b"]}"#, Refusal::Shape),
        (r#"{"method":"close_room","room":null}"#, Refusal::Shape),
        (r#"{"method":"emit","event":"e","namespace":"admin"}"#, Refusal::Namespace),
    ] {
        assert_eq!(decode(text), Outcome::Refused(refusal), "{text}");
    }
    assert_eq!(decode(r#"{"method":"callback","args":[]}"#), Outcome::Ignored(Neglect::Answer));
    assert_eq!(decode(r#"{"method":"dance"}"#), Outcome::Ignored(Neglect::UnknownMethod));
    let raw = |data: &str| outcome_line(&decode(&format!(r#"{{"method":"emit","event":"e","data":{data}}}"#)));
    assert_eq!(raw(r#"{"a":1}"#), r#"/ []-[] ["e",{"a":1}]"#);
    assert_eq!(raw("null"), r#"/ []-[] ["e",null]"#);
}

#[test]
fn the_older_form_of_a_request_concerns_one_socket() {
    let decode = |text: &str| request::decode("socket.io", "socket.io-request#/#", text.as_bytes(), NOW_MS);
    let line = |text: &str| outcome_line(&decode(text));
    assert_eq!(line(r#"{"requestId":"x","type":2,"sid":"S","room":"r"}"#), r#"/ ["S"]-[] join ["r"]"#);
    assert_eq!(line(r#"{"requestId":"x","type":4,"sid":"S","close":true}"#), r#"/ ["S"]-[] disconnect close=true"#);
    // Without an address it must not become everybody.
    for text in [r#"{"type":4}"#, r#"{"type":2,"rooms":["r"]}"#, r#"{"type":3,"opts":{},"rooms":[]}"#] {
        assert_eq!(decode(text), Outcome::Refused(Refusal::Shape), "{text}");
    }
}

proptest::proptest! {
    /// One changed byte in a real message, or any bytes at all: never a panic, and what is decoded can be sent.
    #[test]
    fn damaged_messages_are_refused_or_still_well_formed(
        which in 0_usize..48, at in 0_usize..400, byte in proptest::prelude::any::<u8>(), noise in proptest::collection::vec(0_u8.., 0..64),
    ) {
        let emitters = cases(include_str!("../../tests/vectors/redis-emitter.json"));
        let pythons = cases(include_str!("../../tests/vectors/python-socketio.json"));
        let mut case = emitters.into_iter().chain(pythons).nth(which).unwrap();
        let length = case.payload.len();
        case.payload[at % length] = byte;
        for payload in [case.payload.clone(), noise] {
            case.payload = payload;
            if let Outcome::Decoded(decoded) = decode(&case) {
                let Body::Event(event) = &decoded.publication.body else { continue };
                serde_json::from_str::<Vec<&serde_json::value::RawValue>>(&event.args).unwrap();
                assert!(crate::protocol::json::placeholders_within(&event.args, event.attachments.len()) || event.attachments.is_empty());
                assert_eq!(crate::event::decode(&crate::event::encode(&decoded.publication)).unwrap(), decoded.publication);
            }
        }
    }
}
