use proptest::prelude::*;

use super::transcode::json_of;
use super::*;

fn json(bytes: &[u8]) -> String {
    json_of(bytes, &Limits::default()).unwrap().0
}

fn refused(bytes: &[u8]) -> ReadError {
    json_of(bytes, &Limits::default()).unwrap_err()
}

#[test]
fn values_map_to_what_the_reference_sends_to_clients() {
    assert_eq!(json(b"\xc0"), "null");
    assert_eq!(json(b"\xd4\x00\x00"), "null", "undefined");
    assert_eq!(json(b"\xd6\x05abcd"), "null", "unknown extension");
    assert_eq!(json(b"\xcb\x7f\xf8\0\0\0\0\0\0"), "null", "NaN");
    assert_eq!(json(b"\xca\xff\x80\0\0"), "null", "-Infinity");
    assert_eq!(json(b"\xcb\x80\0\0\0\0\0\0\0"), "0", "-0");
    assert_eq!(json(b"\xcb\x40\x14\0\0\0\0\0\0"), "5", "5.0");
    assert_eq!(json(b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1");
    assert_eq!(json(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615");
    assert_eq!(json(b"\xd3\x80\0\0\0\0\0\0\0"), "-9223372036854775808");
    assert_eq!(json(b"\xd3\0\0\0\0\0\0\0\x07"), "7");
    assert_eq!(json(b"\xff"), "-1");
    assert_eq!(json(b"\x86\x01\xc0\xff\xc2\xc0\xc3\xc3\x00\xa1\"\x90\xc4\x01b\x80"), {
        r#"{"1":null,"-1":false,"null":true,"true":0,"\"":[],"b":{}}"#
    });
}

#[test]
fn times_become_iso_text_in_each_of_their_forms() {
    assert_eq!(json(b"\xd6\xff\x00\x00\x00\x01"), r#""1970-01-01T00:00:01.000Z""#);
    let packed: u64 = (123_456_789 << 34) + 1_795_252_042;
    assert_eq!(json(&[b"\xd7\xff", &packed.to_be_bytes()[..]].concat()), r#""2026-11-21T09:07:22.123Z""#);
    let early = [b"\xc7\x0c\xff", &500_000_000_u32.to_be_bytes()[..], &(-2_i64).to_be_bytes()[..]].concat();
    assert_eq!(json(&early), r#""1969-12-31T23:59:58.500Z""#);
    let older = [b"\xd7\x00", &1_795_252_042_133_i64.to_be_bytes()[..]].concat();
    assert_eq!(json(&older), r#""2026-11-21T09:07:22.133Z""#);
    let never = [b"\xc7\x0c\xff\0\0\0\0", &i64::MAX.to_be_bytes()[..]].concat();
    assert_eq!(json(&never), "null");
}

#[test]
fn bytes_become_attachments() {
    let (json, attachments) = json_of(b"\x93\xa1m\xc4\x02ab\x81\xa1k\xc5\x00\x00", &Limits::default()).unwrap();
    assert_eq!(json, r#"["m",{"_placeholder":true,"num":0},{"k":{"_placeholder":true,"num":1}}]"#);
    assert_eq!(attachments, ["ab", ""]);
    assert_eq!(refused(&[b"\x9b".as_slice(), &b"\xc4\x00".repeat(11)].concat()), ReadError::TooManyAttachments);
}

#[test]
fn a_forged_placeholder_does_not_pass_beside_attachments() {
    let forged = b"\x82\xac_placeholder\xc3\xa3num\x05";
    assert_eq!(refused(&[b"\x92", &forged[..], b"\xc4\x00"].concat()), ReadError::IllegalPlaceholder);
    assert_eq!(json(forged), r#"{"_placeholder":true,"num":5}"#, "plain data without attachments");
}

#[test]
fn claims_are_checked_before_anything_is_allocated() {
    for claim in
        [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff\0", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
    {
        assert_eq!(refused(claim), ReadError::Truncated);
    }
    assert_eq!(refused(b"\xc9\xff\xff\xff\xff\x00"), ReadError::Truncated);
    assert_eq!(refused(b""), ReadError::Truncated);
    assert_eq!(refused(b"\xc1"), ReadError::ReservedMarker);
    assert_eq!(refused(b"\xc0\xc0"), ReadError::Trailing);
    assert_eq!(refused(b"\x81\x90\x00"), ReadError::Unexpected);
}

#[test]
fn nesting_ends_at_the_limit() {
    let nested = |depth: usize| [&vec![0x91; depth - 1][..], b"\x90"].concat();
    assert_eq!(json(&nested(32)), format!("{}{}", "[".repeat(32), "]".repeat(32)));
    assert_eq!(refused(&nested(33)), ReadError::TooDeep);
    assert_eq!(refused(&nested(1_000_000)), ReadError::TooDeep);
    assert_eq!(refused(&[&vec![0x91; 32][..], b"\xc4\x00"].concat()), ReadError::TooDeep);
}

#[test]
fn a_reader_walks_a_publication_and_leaves_data_to_the_transcoder() {
    // ["emitter", {type: 2, data: ["m", 1], nsp: "/"}, {rooms: ["r"]}]
    let message = b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa1m\x01\xa3nsp\xa1/\x81\xa5rooms\x91\xa1r";
    let mut reader = Reader::new(message);
    assert_eq!(reader.read_array(), Ok(3));
    assert_eq!(reader.read_text().unwrap(), "emitter");
    assert_eq!(reader.read_map(), Ok(3));
    assert_eq!(reader.read_text().unwrap(), "type");
    assert_eq!(reader.read(), Ok(Item::Unsigned(2)));
    assert_eq!(reader.read_text().unwrap(), "data");
    assert_eq!(transcode::json_of_next(&mut reader, &Limits::default()).unwrap().0, r#"["m",1]"#);
    assert_eq!(reader.skip_value(), Ok(&b"\xa3nsp"[..]));
    assert_eq!(reader.skip_value(), Ok(&b"\xa1/"[..]));
    assert_eq!(reader.skip_value(), Ok(&b"\x81\xa5rooms\x91\xa1r"[..]));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn the_writer_uses_the_shortest_form() {
    let written = |json: &str| {
        let mut out = Vec::new();
        write::json(json, &[], &mut out);
        out
    };
    for (json, bytes) in [
        ("127", &b"\x7f"[..]),
        ("128", b"\xcc\x80"),
        ("256", b"\xcd\x01\x00"),
        ("65536", b"\xce\x00\x01\x00\x00"),
        ("4294967296", b"\xcf\0\0\0\x01\0\0\0\0"),
        ("-32", b"\xe0"),
        ("-33", b"\xd0\xdf"),
        ("-129", b"\xd1\xff\x7f"),
        ("-32769", b"\xd2\xff\xff\x7f\xff"),
        ("-0", b"\x00"),
        ("2.0", b"\x02"),
        ("0.5", b"\xcb\x3f\xe0\0\0\0\0\0\0"),
        (r#"{"a":[true,false,null]}"#, b"\x81\xa1a\x93\xc3\xc2\xc0"),
    ] {
        assert_eq!(written(json), bytes, "{json}");
    }
    let long = written(&format!("[{}[]]", "0,".repeat(15)));
    assert_eq!(long[..3], *b"\xdc\x00\x10");
    assert_eq!(long.len(), 3 + 16);
    let longer = written(&format!("[{}0]", "0,".repeat(65_535)));
    assert_eq!(longer[..5], *b"\xdd\x00\x01\x00\x00");
    assert_eq!(written(&format!("\"{}\"", "x".repeat(32)))[..2], *b"\xd9\x20");
}

proptest! {
    #[test]
    fn whatever_transcodes_is_valid_json_within_the_limit(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let limits = Limits::default();
        if let Ok((json, attachments)) = json_of(&bytes, &limits) {
            prop_assert!(crate::protocol::json::validate(&json, limits.depth).is_ok());
            prop_assert!(attachments.len() <= limits.attachments);
            prop_assert_eq!(Reader::new(&bytes).skip_value(), Ok(&bytes[..]));
        }
    }
}
