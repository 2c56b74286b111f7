//! Entries of a partition's inbox stream: one field `json` with the object of [`crate::event::json`], or its fields one by
//! one, as `XADD … * event hello data '{"n":1}' room kitchen` writes them.
//!
//! In the flat form `data`, `args` and `attachments` are JSON texts; `event`, `traceparent` and `idempotencyKey` are bare;
//! `rooms` and `except` are a JSON list, or else a single bare name.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::plain::{check_namespace, outcome_of};
use super::{Outcome, Refusal};
use crate::event::json::{PublicationFault, PublicationJson};
use crate::ids::Namespace;

pub fn decode(namespace: &Namespace, fields: &[(String, Bytes)], now_ms: u64) -> Outcome {
    let read = match fields {
        [(name, text)] if name == "json" => PublicationJson::parse(text),
        _ => from_flat(fields),
    };
    let checked = read.map_err(Refusal::from).and_then(|read| check_namespace(&read, namespace).map(|()| read));
    checked.map(|read| outcome_of(namespace.clone(), read, now_ms)).into()
}

/// Puts the flat fields together as the object, which then is read and checked like any other.
fn from_flat(fields: &[(String, Bytes)]) -> Result<PublicationJson, PublicationFault> {
    let mut object = String::from("{");
    for (name, text) in fields {
        let Some(&(path, form)) = FIELDS.iter().find(|(field, _)| field == name) else {
            return Err(PublicationFault::UnknownField { name: name.chars().take(64).collect() });
        };
        let text = std::str::from_utf8(text).map_err(|_| PublicationFault::Utf8)?;
        if object.len() > 1 {
            object.push(',');
        }
        object.push('"');
        object.push_str(path);
        object.push_str("\":");
        match form {
            Form::Json => object.push_str(valid(text)?),
            Form::Names if text.starts_with('[') => object.push_str(valid(text)?),
            Form::Names | Form::Bare => object.push_str(&quoted(text)),
            Form::Flag => object.push_str(flag(path, text)?),
        }
    }
    object.push('}');
    PublicationJson::parse(object.as_bytes())
}

/// How a flat field is written.
#[derive(Clone, Copy)]
enum Form {
    Bare,
    Json,
    Names,
    Flag,
}

const FIELDS: [(&str, Form); 11] = [
    ("event", Form::Bare),
    ("data", Form::Json),
    ("args", Form::Json),
    ("room", Form::Bare),
    ("rooms", Form::Names),
    ("except", Form::Names),
    ("volatile", Form::Flag),
    ("attachments", Form::Json),
    ("namespace", Form::Bare),
    ("traceparent", Form::Bare),
    ("idempotencyKey", Form::Bare),
];

/// The text, if it is one JSON value: a part of one could bring fields of its own into the object.
fn valid(text: &str) -> Result<&str, PublicationFault> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(text),
        Err(error) => Err(PublicationFault::Syntax { line: error.line(), column: error.column() }),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn flag(path: &'static str, text: &str) -> Result<&'static str, PublicationFault> {
    match text {
        "true" | "1" => Ok("true"),
        "false" | "0" => Ok("false"),
        _ => Err(PublicationFault::Kind { path, expected: "true or false" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Target};
    use crate::ids::Room;

    fn decode_texts(fields: &[(&str, &str)]) -> Outcome {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes()));
        decode(&Namespace::root(), &fields.iter().map(own).collect::<Vec<_>>(), 5)
    }

    #[test]
    fn flat_fields_and_the_object_mean_the_same() {
        let object =
            r#"{"event":"e","data":{"n":1},"room":"r","except":["x","y"],"volatile":true,"idempotencyKey":"k"}"#;
        let flat = [
            ("event", "e"),
            ("data", r#"{"n":1}"#),
            ("room", "r"),
            ("except", r#"["x","y"]"#),
            ("volatile", "1"),
            ("idempotencyKey", "k"),
        ];
        let outcome = decode_texts(&flat);
        assert_eq!(outcome, decode_texts(&[("json", object)]));
        let Outcome::Decoded(decoded) = outcome else { panic!("refused") };
        assert_eq!(decoded.publication.target.rooms[0], Room::new("r").unwrap());
        assert_eq!(decoded.publication.published_at_ms, 5);
        assert!(decoded.publication.volatile && decoded.idempotency_key.as_deref() == Some("k"));
        assert!(matches!(decoded.publication.body, Body::Event(event) if event.args == r#"["e",{"n":1}]"#));
    }

    #[test]
    fn a_single_name_needs_no_list() {
        let Outcome::Decoded(decoded) = decode_texts(&[("event", "e"), ("rooms", "kitchen \"2\"")]) else {
            panic!("refused");
        };
        assert_eq!(decoded.publication.target, Target::room(Room::new("kitchen \"2\"").unwrap()));
    }

    #[test]
    fn entries_that_say_nothing_clear_are_refused() {
        for (fields, refusal) in [
            (vec![], Refusal::Shape),
            (vec![("data", "1")], Refusal::Shape),
            (vec![("event", "e"), ("data", "hello")], Refusal::Json),
            (vec![("event", "e"), ("data", r#"1,"room":"r""#)], Refusal::Json),
            (vec![("event", "e"), ("rom", "r")], Refusal::Shape),
            (vec![("event", "e"), ("event", "f")], Refusal::Shape),
            (vec![("event", "e"), ("volatile", "yes")], Refusal::Shape),
            (vec![("event", "e"), ("room", "")], Refusal::Room),
            (vec![("event", "e"), ("namespace", "/other")], Refusal::Channel),
            (vec![("event", "connect")], Refusal::EventReserved),
            (vec![("json", "{")], Refusal::Json),
            (vec![("json", "{}"), ("event", "e")], Refusal::Shape),
        ] {
            assert_eq!(decode_texts(&fields), Outcome::Refused(refusal), "{fields:?}");
        }
    }
}
