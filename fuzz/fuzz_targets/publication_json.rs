//! Publications in JSON, as HTTP, plain PUBLISH and the inbox bring them: what is accepted can travel and reach a client.
#![no_main]

use fanfare::event::json::PublicationJson;
use fanfare::event::{Body, decode, encode};
use fanfare::protocol::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(accepted) = PublicationJson::parse(bytes) else { return };
    let publication = accepted.into_publication(0);
    assert_eq!(decode(&encode(&publication)).expect("it was encoded"), publication);
    let Body::Event(event) = publication.body else { unreachable!("JSON brings events only") };
    json::validate(&event.args, 64).expect("arguments are JSON");
});
