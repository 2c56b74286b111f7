//! msgpack packets, and msgpack values from publishers.
#![no_main]

use fanfare::protocol::json;
use fanfare::protocol::msgpack::{Limits as ValueLimits, Reader, transcode};
use fanfare::protocol::socket::{Limits, msgpack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let value_limits = ValueLimits::default();
    if let Ok((text, _)) = transcode::json_of(bytes, &value_limits) {
        json::validate(&text, value_limits.depth).expect("transcoded text is JSON");
        assert_eq!(Reader::new(bytes).skip_value(), Ok(bytes));
    }
    let limits = Limits::default();
    if let Ok(decoded) = msgpack::decode(bytes, &limits) {
        let (data, attachments) = (decoded.data.as_deref(), &decoded.attachments);
        let again = msgpack::encode(decoded.kind, &decoded.namespace, decoded.id, data, attachments, None);
        let twice = msgpack::decode(&again, &limits).expect("it was encoded");
        assert_eq!((twice.kind, twice.namespace, twice.id), (decoded.kind, decoded.namespace, decoded.id));
        assert_eq!(twice.attachments, decoded.attachments);
    }
});
