//! Names with claims in them, such as `user:{sub}`.

use super::claim;
use super::claims::Claims;
use super::fault::Fault;
use crate::ids::{ROOM_BYTES_MAX, Room};

/// A room name made from claims. `{…}` holds the name of a claim or a dotted path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A piece of a template or pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Claim(String),
}

impl Template {
    /// # Errors
    /// If the text is empty, too long, has an unpaired brace or a wildcard.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.contains('*') {
            return Err(Fault::Wildcard);
        }
        parts(text).map(Self)
    }

    /// The room for these claims; none if a claim is missing, empty or no plain value, or if the name would not be valid.
    pub fn room(&self, claims: &Claims) -> Option<Room> {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Claim(path) => name.push_str(&claim::text(claims, path)?),
            }
        }
        Room::new(&name).ok()
    }
}

pub(super) fn parts(text: &str) -> Result<Vec<Part>, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.len() > ROOM_BYTES_MAX {
        return Err(Fault::TooLong { max: ROOM_BYTES_MAX });
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        if open > 0 {
            parts.push(Part::Text(rest[..open].to_owned()));
        }
        let (path, after) =
            rest[open..].strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(Fault::Braces)?;
        if path.is_empty() || path.contains('{') {
            return Err(Fault::Braces);
        }
        parts.push(Part::Claim(path.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn room(template: &str, claims: &serde_json::Value) -> Option<String> {
        Template::parse(template).unwrap().room(claims.as_object().unwrap()).map(|room| room.as_str().to_owned())
    }

    #[test]
    fn claims_fill_a_template() {
        let claims = json!({"sub": "u1", "lgaId": 7, "vip": true, "org": {"id": "o9"}, "https://x.example/id": "ns"});
        assert_eq!(room("user:{sub}", &claims).unwrap(), "user:u1");
        assert_eq!(room("lga:{lgaId}", &claims).unwrap(), "lga:7");
        assert_eq!(room("household:{org.id}:{vip}", &claims).unwrap(), "household:o9:true");
        assert_eq!(room("{https://x.example/id}", &claims).unwrap(), "ns");
        assert_eq!(room("everyone", &claims).unwrap(), "everyone");
    }

    #[test]
    fn a_claim_that_is_missing_or_no_plain_value_gives_no_room() {
        let claims = json!({"empty": "", "null": null, "list": ["a"], "org": {"id": {}}, "line": "a\nb", "long": "x".repeat(255)});
        for template in
            ["{sub}", "r:{empty}", "{null}", "{list}", "{org}", "{org.id}", "{org.id.x}", "{line}", "r:{long}"]
        {
            assert_eq!(room(template, &claims), None, "{template}");
        }
    }

    #[test]
    fn faults_are_named() {
        for text in ["user:{sub", "user:sub}", "user:{}", "{a{b}}", "}{"] {
            assert_eq!(Template::parse(text), Err(Fault::Braces), "{text}");
        }
        assert_eq!(Template::parse("chat:*"), Err(Fault::Wildcard));
        assert_eq!(Template::parse(""), Err(Fault::Empty));
        assert_eq!(Template::parse(&"x".repeat(256)), Err(Fault::TooLong { max: 255 }));
    }
}
