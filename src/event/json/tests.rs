use super::*;

fn parse(text: &str) -> Result<PublicationJson, PublicationFault> {
    PublicationJson::parse(text.as_bytes())
}

fn args(text: &str) -> String {
    parse(text).unwrap().event.args
}

#[test]
fn data_is_one_argument_and_args_are_many() {
    assert_eq!(args(r#"{"event":"e"}"#), r#"["e"]"#);
    assert_eq!(args(r#"{"event":"e","data":null}"#), r#"["e",null]"#);
    assert_eq!(args(r#"{"event":"e","data":[1,2]}"#), r#"["e",[1,2]]"#);
    assert_eq!(args(r#"{"event":"e","args":[ 1, "two" ]}"#), r#"["e",1, "two"]"#);
    assert_eq!(args(r#"{"event":"e","args":[]}"#), r#"["e"]"#);
    assert_eq!(args("{\"event\":\"say \\\"é\\\"\",\"args\":[ ]}"), r#"["say \"é\""]"#);
}

#[test]
fn values_keep_their_digits_and_the_order_of_their_keys() {
    let text = r#"{"event":"e","data":{"z":12345678901234567890123,"a":1.10,"s":"\u20ac"}}"#;
    assert_eq!(args(text), r#"["e",{"z":12345678901234567890123,"a":1.10,"s":"\u20ac"}]"#);
}

#[test]
fn targets_and_wishes_are_read() {
    let read = parse(
        r#"{"namespace":"/a:b","event":"e","rooms":["r",7,"r"],"except":"x","volatile":true,"replicas":1,
            "idempotencyKey":"k","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#,
    )
    .unwrap();
    let names = |rooms: &[crate::ids::Room]| rooms.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&read.target.rooms), ["r", "7"]);
    assert_eq!(names(&read.target.except), ["x"]);
    assert_eq!(read.namespace, Some(Namespace::new("/a:b").unwrap()));
    assert!(read.volatile && read.replicas == Some(1) && read.idempotency_key.as_deref() == Some("k"));
    assert!(read.traceparent.is_some());
    assert!(parse(r#"{"event":"e","traceparent":"nonsense","rooms":null}"#).unwrap().traceparent.is_none());
}

#[test]
fn each_fault_names_its_place() {
    for (text, path, part) in [
        ("", "", "valid JSON"),
        ("{\"event\":", "", "valid JSON"),
        ("[1]", "", "an object"),
        (r#"{"data":1}"#, "event", "missing"),
        (r#"{"event":7}"#, "event", "a text"),
        (r#"{"event":""}"#, "event", "no name"),
        (r#"{"event":"disconnect"}"#, "event", "reserved"),
        (r#"{"event":"fanfare:gap"}"#, "event", "reserved"),
        (r#"{"event":"e","rom":"x"}"#, "rom", "no such field"),
        (r#"{"event":"e","data":1,"args":[]}"#, "args", "data"),
        (r#"{"event":"e","event":"f"}"#, "event", "twice"),
        (r#"{"event":"e","args":{}}"#, "args", "a list"),
        (r#"{"event":"e","rooms":[]}"#, "rooms", "whole namespace"),
        (r#"{"event":"e","rooms":["a",""]}"#, "rooms[1]", "empty"),
        (r#"{"event":"e","except":["a\nb"]}"#, "except[0]", "control"),
        (r#"{"event":"e","rooms":[["a"]]}"#, "rooms", "list of names"),
        (r#"{"event":"e","volatile":"yes"}"#, "volatile", "true or false"),
        (r#"{"event":"e","namespace":"a"}"#, "namespace", "/"),
        (r#"{"event":"e","attachments":["!"]}"#, "attachments[0]", "base64"),
        (r#"{"event":"e","idempotencyKey":""}"#, "idempotencyKey", "1 to 255"),
    ] {
        let fault = parse(text).expect_err(text);
        assert_eq!(fault.path(), path, "{text}");
        assert!(fault.to_string().contains(part), "{text}: {fault}");
    }
    assert_eq!(parse(&format!(r#"{{"event":"{}"}}"#, "x".repeat(129))), Err(PublicationFault::EventTooLong));
    assert_eq!(PublicationJson::parse(b"{\"event\":\"\xff\"}"), Err(PublicationFault::Utf8));
}

#[test]
fn deep_text_is_refused_before_it_is_parsed() {
    let nested = |depth| format!(r#"{{"event":"e","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(31)).is_ok());
    assert_eq!(parse(&nested(32)), Err(PublicationFault::TooDeep));
    assert_eq!(parse(&"[".repeat(1_000_000)), Err(PublicationFault::TooDeep));
    assert!(parse(r#"{"event":"e","data":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[["}"#).is_ok());
}

#[test]
fn attachments_and_placeholders_belong_together() {
    let with =
        |data: &str, attachments: &str| parse(&format!(r#"{{"event":"e","data":{data},"attachments":{attachments}}}"#));
    let one = r#"{"_placeholder":true,"num":0}"#;
    let read = with(one, r#"["AQID/w"]"#).unwrap();
    assert_eq!(read.event.attachments[0], [1, 2, 3, 255].as_slice());
    assert!(with(&format!(r#"[{one},{{"num":1,"_placeholder":true}}]"#), r#"["AA==","AQ=="]"#).is_ok());
    for (data, attachments) in [
        ("1", r#"["AA=="]"#),
        (r#"{"_placeholder":true,"num":1}"#, r#"["AA=="]"#),
        (r#"{"_placeholder":true,"num":-1}"#, r#"["AA=="]"#),
        (r#"{"_placeholder":true}"#, r#"["AA=="]"#),
        (r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#, r#"["AA=="]"#),
        (one, r#"["AA==","AA=="]"#),
    ] {
        assert_eq!(with(data, attachments), Err(PublicationFault::Placeholder), "{data}");
    }
    // Without attachments it is data like any other.
    assert!(with(one, "[]").is_ok());
    let eleven = format!("[{}]", [r#""AA==""#; 11].join(","));
    assert_eq!(with("1", &eleven), Err(PublicationFault::TooManyAttachments));
}

#[test]
fn a_digest_tells_content_apart_and_nothing_else() {
    let publication = |text, now_ms| parse(text).unwrap().into_publication(now_ms);
    let first = digest(&publication(r#"{"event":"e","data":1}"#, 1));
    assert_eq!(first, digest(&publication(r#"{"event":"e","data":1}"#, 2)));
    assert_ne!(first, digest(&publication(r#"{"event":"e","data":2}"#, 1)));
    assert_ne!(first, digest(&publication(r#"{"event":"e","data":1,"room":"r"}"#, 1)));
    assert_eq!(first.len(), 40);
}

#[test]
fn packets_are_split_into_name_and_arguments() {
    assert_eq!(Arguments::split(r#"["e"]"#), Some(("e".into(), Arguments::None)));
    assert_eq!(Arguments::split(r#" [ "e" , 1,[2] ] "#), Some(("e".into(), Arguments::Bare(" 1,[2] "))));
    for wrong in ["", "{}", "[]", "[1]", "[null,1]", "[\"e\" 1]"] {
        assert_eq!(Arguments::split(wrong), None, "{wrong}");
    }
}
