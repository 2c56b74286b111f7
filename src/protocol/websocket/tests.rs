use proptest::prelude::*;

use super::*;

/// A message that owns itself, so that two readings can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_owned()),
            Message::Ping(bytes) => Self::Ping(bytes.to_owned()),
            Message::Pong(bytes) => Self::Pong(bytes.to_owned()),
            Message::Close(code, reason) => Self::Close(code, reason.to_owned()),
        }
    }
}

/// A frame as a client sends it; `first` is the header's first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let frame = binary_frame(payload);
    let mut out = frame[..frame.len() - payload.len()].to_vec();
    out[0] = first;
    out[1] |= 0x80;
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// Reads `wire` in pieces of the given lengths, the rest at once.
fn read_in(wire: &[u8], pieces: &[usize], limits: Limits) -> (Vec<Owned>, Option<Violation>, Reader) {
    let mut reader = Reader::default();
    let mut messages = Vec::new();
    let mut rest = wire.to_vec();
    for piece in pieces.iter().copied().chain([usize::MAX]) {
        let mut now: Vec<u8> = rest.drain(..piece.min(rest.len())).collect();
        let mut input = Input::new(&mut now);
        loop {
            match reader.next(&mut input, &limits) {
                Ok(Some(message)) => messages.push(message.into()),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation), reader),
            }
        }
        assert!(input.is_empty());
    }
    (messages, None, reader)
}

fn read(wire: &[u8]) -> (Vec<Owned>, Option<Violation>) {
    let (messages, violation, _) = read_in(wire, &[], Limits::default());
    (messages, violation)
}

fn violation(wire: &[u8]) -> Violation {
    read(wire).1.expect("a violation")
}

/// One of everything that is legal.
fn conversation() -> (Vec<u8>, Vec<Owned>) {
    let long = "κόσμε 𝄞 ".repeat(20);
    let binary: Vec<u8> = (0..=255).cycle().take(300).collect();
    let (head, tail) = long.as_bytes().split_at(33);
    let wire = [
        masked(0x81, b""),
        masked(0x81, long.as_bytes()),
        masked(0x82, &binary),
        masked(0x01, head),
        masked(0x89, b"are you there"),
        masked(0x00, b""),
        masked(0x8a, b""),
        masked(0x80, tail),
        masked(0x02, &binary),
        masked(0x80, &binary),
        masked(0x88, b"\x03\xe8bye"),
        masked(0x81, b"after the close nobody listens"),
    ]
    .concat();
    let messages = vec![
        Owned::Text(String::new()),
        Owned::Text(long.clone()),
        Owned::Binary(binary.clone()),
        Owned::Ping(b"are you there".to_vec()),
        Owned::Pong(Vec::new()),
        Owned::Text(long),
        Owned::Binary(binary.repeat(2)),
        Owned::Close(Some(CloseCode::NORMAL), "bye".to_owned()),
    ];
    (wire, messages)
}

#[test]
fn a_conversation_reads_the_same_however_it_is_split() {
    let (wire, messages) = conversation();
    for at in 0..=wire.len() {
        let (read, violation, _) = read_in(&wire, &[at], Limits::default());
        assert_eq!((read, violation), (messages.clone(), None), "split at {at}");
    }
    let (read, violation, reader) = read_in(&wire, &vec![1; wire.len()], Limits::default());
    assert_eq!((read, violation), (messages, None));
    assert!(reader.is_empty());
}

#[test]
fn a_whole_frame_is_lent_from_the_input_and_an_idle_reader_owns_nothing() {
    let mut wire = [masked(0x81, b"hello"), masked(0x82, b"there")].concat();
    let bounds = wire.as_ptr_range();
    let mut reader = Reader::default();
    let mut input = Input::new(&mut wire);
    for _ in 0..2 {
        let Ok(Some(Message::Text(_) | Message::Binary(_))) = reader.next(&mut input, &Limits::default()) else {
            panic!("a message is there")
        };
        assert!(reader.is_empty());
    }
    let mut split = masked(0x81, b"hello");
    let (head, tail) = split.split_at_mut(8);
    let mut reader_input = Input::new(head);
    assert_eq!(reader.next(&mut reader_input, &Limits::default()), Ok(None));
    assert!(!reader.is_empty());
    let mut reader_input = Input::new(tail);
    let Ok(Some(Message::Text(text))) = reader.next(&mut reader_input, &Limits::default()) else { panic!("a text") };
    assert!(!bounds.contains(&text.as_ptr()));
    assert_eq!(reader.next(&mut reader_input, &Limits::default()), Ok(None));
    assert!(reader.is_empty());
    assert!(size_of::<Reader>() <= 64);
}

#[test]
fn a_claimed_length_is_refused_at_the_header_and_costs_nothing() {
    let limits = Limits { message_bytes_max: 1000, fragments_max: 4 };
    let claim = |first: u8, len: u64| [&[first, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat();
    let fits = masked(0x81, &[b'x'; 1000]);
    assert!(read_in(&fits, &[], limits).1.is_none());
    for wire in [
        masked(0x81, &[b'x'; 1001])[..8].to_vec(),
        claim(0x82, 1 << 62),
        [masked(0x02, &[0; 999]), masked(0x80, &[0; 2])[..6].to_vec()].concat(),
    ] {
        assert_eq!(read_in(&wire, &[], limits).1, Some(Violation::TooLong));
    }
    assert_eq!(violation(&claim(0x82, u64::MAX)), Violation::MalformedLength);
    assert_eq!(Violation::TooLong.close_code(), CloseCode::TOO_BIG);
}

#[test]
fn a_message_in_crumbs_is_refused() {
    let limits = Limits { message_bytes_max: 1_000_000, fragments_max: 4 };
    let cut = |frames: usize, len: usize| {
        let mut wire = masked(0x02, &vec![0; len]);
        for _ in 2..frames {
            wire.extend(masked(0x00, &vec![0; len]));
        }
        wire.extend(masked(0x80, &vec![0; len]));
        wire
    };
    assert_eq!(read_in(&cut(4, 0), &[], limits).1, None);
    assert_eq!(read_in(&cut(5, 0), &[], limits).1, Some(Violation::TooManyFragments));
    let many = Limits { fragments_max: usize::MAX, ..limits };
    assert_eq!(read_in(&cut(5000, 16), &[], many).1, None);
    assert_eq!(read_in(&cut(5000, 15), &[], many).1, Some(Violation::TooManyFragments));
}

#[test]
fn breaches_of_framing_are_told_apart() {
    let cases: &[(&[u8], Violation)] = &[
        (&[0xc1, 0x80], Violation::ReservedBit),
        (&[0x83, 0x80], Violation::ReservedOpcode),
        (&[0x8b, 0x80], Violation::ReservedOpcode),
        (&[0x81, 0x00], Violation::NotMasked),
        (&[0x09, 0x80], Violation::FragmentedControl),
        (&[0x89, 0xfe], Violation::ControlTooLong),
        (&[0x81, 0xfe, 0x00, 0x7d], Violation::MalformedLength),
        (&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Violation::MalformedLength),
        (&masked(0x80, b"x"), Violation::NothingToContinue),
        (&[masked(0x01, b"x"), masked(0x81, b"y")].concat(), Violation::MessageUnfinished),
        (&masked(0x88, b"\x03"), Violation::InvalidCloseCode),
        (&masked(0x88, b"\x03\xed"), Violation::InvalidCloseCode),
        (&masked(0x88, b"\x03\xe8\xff"), Violation::InvalidUtf8),
    ];
    for (wire, expected) in cases {
        assert_eq!(violation(wire), *expected, "{wire:x?}");
    }
    assert_eq!(read(&masked(0x88, b"")).0, [Owned::Close(None, String::new())]);
}

#[test]
fn invalid_text_is_refused_at_the_octet_that_makes_it_so() {
    let invalid: &[&[u8]] = &[
        b"abc\x80",
        b"\xc0",
        b"\xc1",
        b"\xe0\x9f",
        b"\xed\xa0",
        b"\xf0\x8f",
        b"\xf4\x90",
        b"\xf5",
        b"\xff",
        b"\xc3(",
        b"\xe2\x82(",
        b"\xf0\x9d\x84(",
        b"\xf0\x9d(",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90",
    ];
    for bytes in invalid {
        let padded = [bytes, &b"rest that never arrives"[..]].concat();
        let wire = masked(0x81, &padded);
        for arrived in 6..6 + padded.len() {
            let (_, violation, _) = read_in(&wire[..arrived], &[7], Limits::default());
            let expected = (arrived >= 6 + bytes.len()).then_some(Violation::InvalidUtf8);
            assert_eq!(violation, expected, "{bytes:x?} with {arrived} bytes");
        }
    }
    assert_eq!(violation(&[masked(0x01, b"\xe2\x82"), masked(0x80, b"")].concat()), Violation::InvalidUtf8);
    assert_eq!(violation(&masked(0x81, b"\xe2\x82")), Violation::InvalidUtf8);
}

fn anything() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let length = prop_oneof![0..200usize, 65_530..65_540usize];
    let data = (prop_oneof![Just(2u8), Just(9), Just(10)], length.prop_flat_map(|len| vec![any::<u8>(); len]));
    prop_oneof![data, ".{0,80}".prop_map(|text| (1, text.into_bytes()))].prop_map(|(opcode, mut payload)| {
        if opcode > 2 {
            payload.truncate(CONTROL_BYTES_MAX);
        }
        (opcode, payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_client_encodes_is_what_is_read(frames in prop::collection::vec(anything(), 0..8)) {
        let wire: Vec<u8> = frames.iter().flat_map(|(opcode, payload)| masked(0x80 | opcode, payload)).collect();
        let expected: Vec<Owned> = frames.into_iter().map(|(opcode, payload)| match opcode {
            1 => Owned::Text(String::from_utf8(payload).unwrap()),
            2 => Owned::Binary(payload),
            9 => Owned::Ping(payload),
            _ => Owned::Pong(payload),
        }).collect();
        prop_assert_eq!(read(&wire), (expected, None));
    }

    #[test]
    fn cutting_a_text_into_fragments_and_pieces_changes_nothing(
        text in ".{0,60}",
        cuts in prop::collection::vec(0..12usize, 0..20),
        pieces in prop::collection::vec(0..40usize, 0..40),
    ) {
        let mut rest = text.as_bytes();
        let mut wire = Vec::new();
        let mut opcode = 1;
        for cut in cuts {
            let (fragment, after) = rest.split_at(cut.min(rest.len()));
            wire.extend(masked(opcode, fragment));
            rest = after;
            opcode = 0;
        }
        wire.extend(masked(0x80 | opcode, rest));
        let (messages, violation, reader) = read_in(&wire, &pieces, Limits::default());
        prop_assert_eq!((messages, violation), (vec![Owned::Text(text)], None));
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn arbitrary_bytes_read_the_same_however_they_are_split(
        mut wire in prop::collection::vec(any::<u8>(), 0..200),
        pieces in prop::collection::vec(0..20usize, 0..20),
        tame in any::<bool>(),
    ) {
        if tame {
            // Past the first checks, so that the deeper ones are met.
            for frame in wire.chunks_mut(12).filter(|frame| frame.len() > 1) {
                frame[0] &= 0x8a;
                frame[1] = 0x80 | (frame[1] & 0x07);
            }
        }
        let limits = Limits { message_bytes_max: 100, fragments_max: 4 };
        let (whole, whole_violation, _) = read_in(&wire, &[], limits);
        let (split, split_violation, _) = read_in(&wire, &pieces, limits);
        prop_assert_eq!(&split, &whole);
        prop_assert_eq!(split_violation, whole_violation);
    }
}
