//! Messages of foreign publishers, each decoder in turn; none may do more than refuse.
#![no_main]

use bytes::Bytes;
use fanfare::ids::Namespace;
use fanfare::ingest::{emitter, inbox, plain, python, request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (way, bytes) = input;
    let root = Namespace::root();
    match way % 6 {
        0 => drop(emitter::decode("socket.io", "socket.io#/#", bytes, 0)),
        1 => drop(emitter::decode("socket.io", "socket.io#/#room#", bytes, 0)),
        2 => drop(request::decode("socket.io", "socket.io-request#/#", bytes, 0)),
        3 => drop(python::decode(bytes, 0)),
        4 => drop(plain::decode("fanfare", &[root], "fanfare:/:room", bytes, 0)),
        _ => drop(inbox::decode(&root, &[("json".to_owned(), Bytes::copy_from_slice(bytes))], 0)),
    }
});
