//! Whatever a client sends, in whatever pieces: no panic, and the pieces make no difference.
#![no_main]

use fanfare::protocol::websocket::{Input, Limits, Reader, Violation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (Vec<u8>, Vec<u8>)| {
    let (wire, pieces) = data;
    assert_eq!(read(&wire, &[]), read(&wire, &pieces));
});

/// The messages as text, and what ended them.
fn read(wire: &[u8], pieces: &[u8]) -> (Vec<String>, Option<Violation>) {
    let limits = Limits { message_bytes_max: 4096, fragments_max: 8 };
    let mut reader = Reader::default();
    let mut messages = Vec::new();
    let mut rest = wire.to_vec();
    for piece in pieces.iter().map(|&piece| usize::from(piece)).chain([usize::MAX]) {
        let mut now: Vec<u8> = rest.drain(..piece.min(rest.len())).collect();
        let mut input = Input::new(&mut now);
        loop {
            match reader.next(&mut input, &limits) {
                Ok(Some(message)) => messages.push(format!("{message:?}")),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }
    (messages, None)
}
