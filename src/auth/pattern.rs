//! Which rooms a right covers.

use super::claim;
use super::claims::Claims;
use super::fault::Fault;
use super::template::{Part, parts};

/// A room name in which `*` stands for one or more characters of any kind and `{claim}` for the value of a claim.
///
/// Invariant: a claim only ever stands for itself. The stars are found when the pattern is parsed, so that a `*` inside a
/// claim is an ordinary character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands before, between and after the stars; one more than there are stars.
    sections: Vec<Vec<Part>>,
}

impl Pattern {
    /// # Errors
    /// If the text is empty, too long or has an unpaired brace.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut sections = vec![Vec::new()];
        for part in parts(text)? {
            let Part::Text(text) = part else {
                last(&mut sections).push(part);
                continue;
            };
            for (index, piece) in text.split('*').enumerate() {
                if index > 0 {
                    sections.push(Vec::new());
                }
                last(&mut sections).push(Part::Text(piece.to_owned()));
            }
        }
        Ok(Self { sections })
    }

    /// Whether the pattern covers the room `name`. A pattern with a claim that is missing covers nothing.
    pub fn covers(&self, name: &str, claims: &Claims) -> bool {
        self.sections(claims).is_some_and(|sections| covers(&sections, name).is_some())
    }

    fn sections(&self, claims: &Claims) -> Option<Vec<String>> {
        let filled = |parts: &Vec<Part>| {
            let mut section = String::new();
            for part in parts {
                match part {
                    Part::Text(text) => section.push_str(text),
                    Part::Claim(path) => section.push_str(&claim::text(claims, path)?),
                }
            }
            Some(section)
        };
        self.sections.iter().map(filled).collect()
    }
}

/// `Some` if the sections stand in `name` in their order, with at least one character between two of them. Each is taken
/// at its first possible place, which leaves the most for those after it, so nothing is tried twice.
fn covers(sections: &[String], name: &str) -> Option<()> {
    let (first, others) = sections.split_first()?;
    let mut rest = name.strip_prefix(first.as_str())?;
    let Some((last, middle)) = others.split_last() else { return rest.is_empty().then_some(()) };
    for section in middle {
        rest = &rest[rest.chars().next()?.len_utf8()..];
        rest = &rest[rest.find(section.as_str())? + section.len()..];
    }
    (rest.len() > last.len() && rest.ends_with(last.as_str())).then_some(())
}

fn last(sections: &mut [Vec<Part>]) -> &mut Vec<Part> {
    sections.last_mut().expect("starts with one section and only grows")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn covers(pattern: &str, name: &str, claims: &Value) -> bool {
        Pattern::parse(pattern).unwrap().covers(name, claims.as_object().unwrap())
    }

    #[test]
    fn a_star_stands_for_one_or_more_characters() {
        let none = json!({});
        for (pattern, name) in [
            ("chat:*", "chat:1"),
            ("chat:*", "chat:1:members"),
            ("*", "x"),
            ("*:read", "a:b:read"),
            ("a*b*c", "a1b2b3c"),
            ("a*ba", "ababa"),
            ("**", "ab"),
            ("chat:*", "chat:ü"),
            ("plain", "plain"),
        ] {
            assert!(covers(pattern, name, &none), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("chat:*", "chat:"),
            ("chat:*", "xchat:1"),
            ("*:read", ":read"),
            ("aba*aba", "ababa"),
            ("a*b*c", "abc"),
            ("**", "a"),
            ("plain", "plain2"),
            ("a?c", "abc"),
            ("[ab]", "a"),
        ] {
            assert!(!covers(pattern, name, &none), "{pattern} {name}");
        }
    }

    #[test]
    fn a_claim_stands_for_itself_only() {
        assert!(covers("user:{sub}:*", "user:u1:inbox", &json!({"sub": "u1"})));
        assert!(!covers("user:{sub}:*", "user:u2:inbox", &json!({"sub": "u1"})));
        assert!(!covers("user:{sub}", "user:u2", &json!({"sub": "*"})));
        assert!(covers("user:{sub}", "user:*", &json!({"sub": "*"})));
        assert!(!covers("user:{sub}", "user:u2", &json!({"sub": "{other}", "other": "u2"})));
        assert!(!covers("user:{sub}", "user:", &json!({"sub": ""})));
        assert!(!covers("*{sub}", "anything", &json!({})));
    }
}
