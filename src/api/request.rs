//! From the text of one publication to what the flow publishes.
//!
//! HTTP adds two fields to the common form (`event::json`): `local` and `durability`. They are taken out before the common
//! parser, which refuses what it does not know, sees the rest.

use serde_json::value::RawValue;

use super::refusal::{Kind, Refusal};
use crate::backplane::Durability;
use crate::event::Publication;
use crate::event::json::{DEPTH_MAX, Draft, Fields, PublicationFault};
use crate::ids::Namespace;
use crate::protocol::json::depth_within;

/// One publication with what its author asked for beside it.
#[derive(Debug)]
pub(super) struct Asked {
    pub namespace: Namespace,
    pub publication: Publication,
    pub idempotency_key: Option<String>,
    pub durability: Durability,
    /// For the sockets of this node only; it has no place in the log.
    pub local: bool,
}

/// What headers say, where the body does not.
#[derive(Default)]
pub(super) struct Hints {
    pub idempotency_key: Option<String>,
    pub traceparent: Option<String>,
}

/// The body as text that is safe to parse: UTF-8, and nesting at most `beyond` deeper than a publication may.
pub(super) fn text_of(body: &[u8], beyond: usize) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| PublicationFault::Utf8)?;
    if !depth_within(text, DEPTH_MAX + beyond) {
        return Err(PublicationFault::TooDeep.into());
    }
    Ok(text)
}

/// The publications of `{"publications":[…]}`, each still as text.
pub(super) fn members_of(text: &str, publications_max: usize) -> Result<Vec<&RawValue>, Refusal> {
    let mut fields = fields_of(text)?.into_iter();
    let (Some((name, list)), None) = (fields.next(), fields.next()) else {
        return Err(not_a_batch());
    };
    if name != "publications" || !list.get().starts_with('[') {
        return Err(not_a_batch());
    }
    let members: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| not_a_batch())?;
    if members.len() > publications_max {
        let message = format!("there are more than {publications_max} publications");
        return Err(Refusal::invalid("publications", message));
    }
    Ok(members)
}

fn not_a_batch() -> Refusal {
    Refusal::new(Kind::Malformed, "a batch is an object with the one field \"publications\", a list")
}

impl Asked {
    /// Reads a text that [`text_of`] let pass.
    pub fn read(text: &str, hints: Hints, now_ms: u64) -> Result<Self, Refusal> {
        if !depth_within(text, DEPTH_MAX) {
            return Err(PublicationFault::TooDeep.into());
        }
        let Own { local, durability, rest } = Own::take(text)?;
        let mut draft = Draft::parse(rest.as_deref().unwrap_or(text))?;
        match (&draft.idempotency_key, hints.idempotency_key) {
            (Some(field), Some(header)) if *field != header => {
                return Err(Refusal::invalid("idempotencyKey", "the header Idempotency-Key says something else"));
            }
            (None, Some(header)) => draft.idempotency_key = Some(header),
            (_, None) | (Some(_), Some(_)) => {}
        }
        draft.traceparent = draft.traceparent.or(hints.traceparent);
        if durability.is_some() && draft.replicas.is_some() {
            return Err(PublicationFault::Exclusive { path: "durability", other: "replicas" }.into());
        }
        let mut checked = draft.check()?;
        let replicas = checked.replicas.filter(|&replicas| replicas > 0).map(Durability::Replicated);
        let durability = durability.or(replicas).unwrap_or_default();
        let idempotency_key = checked.idempotency_key.take();
        let namespace = checked.namespace.take().unwrap_or_else(Namespace::root);
        let publication = checked.into_publication(now_ms);
        let asked = Self { namespace, publication, idempotency_key, durability, local };
        asked.fits_together()?;
        Ok(asked)
    }

    /// A promise that would silently not be kept is refused.
    fn fits_together(&self) -> Result<(), Refusal> {
        let unstored = self.local || self.publication.volatile;
        if self.local && self.idempotency_key.is_some() {
            return Err(Refusal::invalid("idempotencyKey", "a local publication leaves no trace to know it again by"));
        }
        if unstored && self.durability != Durability::Accepted {
            return Err(Refusal::invalid("durability", "a local or volatile publication is not stored"));
        }
        Ok(())
    }
}

/// The fields that only HTTP has.
struct Own {
    local: bool,
    durability: Option<Durability>,
    /// The object without them; `None` if it had none of them, and so is the text itself.
    rest: Option<String>,
}

impl Own {
    fn take(text: &str) -> Result<Self, PublicationFault> {
        let (mut local, mut durability, mut rest) = (None, None, Vec::new());
        let fields = fields_of(text)?;
        let count = fields.len();
        for (name, raw) in fields {
            let (path, twice) = match name.as_str() {
                "local" => ("local", local.replace(read_local(raw)?).is_some()),
                "durability" => ("durability", durability.replace(read_durability(raw)?).is_some()),
                _ => {
                    rest.push((name, raw));
                    continue;
                }
            };
            if twice {
                return Err(PublicationFault::Twice { path });
            }
        }
        let rest = (rest.len() < count).then(|| object_of(&rest));
        Ok(Self { local: local.unwrap_or(false), durability: durability.flatten(), rest })
    }
}

fn read_local(raw: &RawValue) -> Result<bool, PublicationFault> {
    let fault = PublicationFault::Kind { path: "local", expected: "true or false" };
    serde_json::from_str::<Option<bool>>(raw.get()).map(Option::unwrap_or_default).map_err(|_| fault)
}

fn read_durability(raw: &RawValue) -> Result<Option<Durability>, PublicationFault> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Form {
        Accepted,
        Replicated(std::num::NonZeroU32),
    }
    let expected = "\"accepted\" or {\"replicated\":n}, n at least 1";
    let form = serde_json::from_str(raw.get());
    let form: Option<Form> = form.map_err(|_| PublicationFault::Kind { path: "durability", expected })?;
    Ok(form.map(|form| match form {
        Form::Accepted => Durability::Accepted,
        Form::Replicated(replicas) => Durability::Replicated(replicas.get()),
    }))
}

fn object_of(fields: &[(String, &RawValue)]) -> String {
    let mut text = String::from("{");
    for (index, (name, raw)) in fields.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        // A text's Display is its JSON form.
        text.push_str(&serde_json::Value::from(name.as_str()).to_string());
        text.push(':');
        text.push_str(raw.get());
    }
    text.push('}');
    text
}

fn fields_of(text: &str) -> Result<Vec<(String, &RawValue)>, PublicationFault> {
    match serde_json::from_str::<Fields<'_>>(text) {
        Ok(fields) => Ok(fields.0),
        Err(error) if error.is_data() => Err(PublicationFault::Kind { path: "", expected: "an object" }),
        Err(error) => Err(PublicationFault::Syntax { line: error.line(), column: error.column() }),
    }
}
