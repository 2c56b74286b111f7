//! JSON by `PUBLISH`, made for redis-cli: `PUBLISH fanfare:/:kitchen '{"event":"hello","data":1}'`.
//!
//! The channel is `<prefix>:<namespace>` or `<prefix>:<namespace>:<room>`. Namespaces and rooms may contain `:`, so the
//! longest served namespace that fits is meant: with `/a` and `/a:b` served, `fanfare:/a:b` is the whole of `/a:b`.

use super::{Neglect, Outcome, Refusal};
use crate::event::Target;
use crate::event::json::PublicationJson;
use crate::ids::{Namespace, Room};

pub fn decode(prefix: &str, served: &[Namespace], channel: &str, payload: &[u8], now_ms: u64) -> Outcome {
    let Some((namespace, room)) = address_of(prefix, served, channel) else {
        return Outcome::Ignored(Neglect::OtherNamespace);
    };
    publication_of(namespace, room, payload, now_ms).into()
}

fn address_of<'a>(prefix: &str, served: &'a [Namespace], channel: &'a str) -> Option<(&'a Namespace, Option<&'a str>)> {
    let address = channel.strip_prefix(prefix)?.strip_prefix(':')?;
    let fits = |namespace: &&Namespace| match address.strip_prefix(namespace.as_str()) {
        Some(rest) => rest.is_empty() || rest.starts_with(':'),
        None => false,
    };
    let namespace = served.iter().filter(fits).max_by_key(|namespace| namespace.as_str().len())?;
    Some((namespace, address[namespace.as_str().len()..].strip_prefix(':')))
}

fn publication_of(namespace: &Namespace, room: Option<&str>, payload: &[u8], now_ms: u64) -> Result<Outcome, Refusal> {
    let mut read = PublicationJson::parse(payload)?;
    check_namespace(&read, namespace)?;
    if let Some(room) = room {
        let room = Room::new(room).map_err(|_| Refusal::Room)?;
        if read.target.rooms.iter().any(|other| *other != room) {
            return Err(Refusal::Channel);
        }
        read.target = Target { rooms: smallvec::smallvec![room], except: read.target.except };
    }
    Ok(outcome_of(namespace.clone(), read, now_ms))
}

/// The way in decides the namespace; the message may only repeat it. Nobody waits for the answer that `replicas` is about.
pub(super) fn check_namespace(read: &PublicationJson, namespace: &Namespace) -> Result<(), Refusal> {
    if read.namespace.as_ref().is_some_and(|other| other != namespace) {
        return Err(Refusal::Channel);
    }
    if read.replicas.is_some() { Err(Refusal::Shape) } else { Ok(()) }
}

pub(super) fn outcome_of(namespace: Namespace, mut read: PublicationJson, now_ms: u64) -> Outcome {
    let idempotency_key = read.idempotency_key.take();
    let publication = read.into_publication(now_ms);
    Outcome::Decoded(Box::new(super::Decoded { namespace, publication, idempotency_key }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Body;

    fn served() -> Vec<Namespace> {
        ["/", "/a", "/a:b"].map(|name| Namespace::new(name).unwrap()).to_vec()
    }

    fn address(channel: &str) -> Option<(String, Option<String>)> {
        let served = served();
        let (namespace, room) = address_of("fanfare", &served, channel)?;
        Some((namespace.to_string(), room.map(str::to_owned)))
    }

    #[test]
    fn the_longest_served_namespace_is_meant() {
        let is = |namespace: &str, room: Option<&str>| Some((namespace.to_owned(), room.map(str::to_owned)));
        assert_eq!(address("fanfare:/"), is("/", None));
        assert_eq!(address("fanfare:/:user:7"), is("/", Some("user:7")));
        assert_eq!(address("fanfare:/a:room"), is("/a", Some("room")));
        assert_eq!(address("fanfare:/a:b"), is("/a:b", None));
        assert_eq!(address("fanfare:/a:b:c"), is("/a:b", Some("c")));
        assert_eq!(address("fanfare:/other"), None);
        assert_eq!(address("else:/"), None);
    }

    #[test]
    fn channel_and_message_must_not_contradict_each_other() {
        let decode = |channel: &str, text: &str| decode("fanfare", &served(), channel, text.as_bytes(), 5);
        let Outcome::Decoded(decoded) = decode("fanfare:/:r", r#"{"event":"e","data":1,"idempotencyKey":"k"}"#) else {
            panic!("refused");
        };
        assert_eq!(decoded.publication.target, Target::room(Room::new("r").unwrap()));
        assert_eq!(decoded.idempotency_key.as_deref(), Some("k"));
        assert!(matches!(&decoded.publication.body, Body::Event(event) if event.args == r#"["e",1]"#));
        assert!(matches!(decode("fanfare:/:r", r#"{"event":"e","rooms":["r"]}"#), Outcome::Decoded(_)));
        for (channel, text, refusal) in [
            ("fanfare:/:r", r#"{"event":"e","rooms":["s"]}"#, Refusal::Channel),
            ("fanfare:/", r#"{"event":"e","namespace":"/a"}"#, Refusal::Channel),
            ("fanfare:/:", r#"{"event":"e"}"#, Refusal::Room),
            ("fanfare:/", r#"{"event":"e","replicas":1}"#, Refusal::Shape),
            ("fanfare:/", r#"{"event":"connect"}"#, Refusal::EventReserved),
            ("fanfare:/", "hello", Refusal::Json),
        ] {
            assert_eq!(decode(channel, text), Outcome::Refused(refusal), "{channel} {text}");
        }
        assert_eq!(decode("fanfare:/x", "hello"), Outcome::Ignored(Neglect::OtherNamespace));
    }
}
