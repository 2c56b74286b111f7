//! Envelopes between nodes: what decodes is the same after being encoded and decoded again.
#![no_main]

use fanfare::event::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(publication) = decode(bytes) {
        assert_eq!(decode(&encode(&publication)).expect("it was encoded"), publication);
    }
});
