//! A YAML file as a tree of values, with the line each of them stands on.
//!
//! Duplicate keys are refused and size, depth and aliases are bounded by the parser, so what comes out is small and unambiguous.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::fault::Complaint;

/// The largest file taken.
const FILE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub value: Value,
    /// Path (as [`child`] and [`item`] write it) to line, counted from 1.
    pub lines: BTreeMap<String, u64>,
}

impl Tree {
    /// # Errors
    /// With the line, if the parser knows it, and what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, (Option<u64>, Complaint)> {
        if text.len() > FILE_BYTES_MAX {
            let problem = format!("is larger than {FILE_BYTES_MAX} bytes");
            return Err((None, Complaint::new(problem, "split what does not belong into a configuration out of it")));
        }
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
            budget: serde_saphyr::budget! {
                max_depth: 32,
                max_nodes: 50_000,
                max_events: 200_000,
                max_aliases: 1_000,
                max_anchors: 1_000,
                max_total_scalar_bytes: 4 * FILE_BYTES_MAX,
                max_documents: 1,
            },
        };
        let node: Option<Spanned<Node>> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let line = error.location().map(|location| location.line());
            let text = error.without_snippet().to_string();
            let problem = format!("is not valid YAML: {}", text.lines().next().unwrap_or_default());
            (line, Complaint::new(problem, "correct the file; nothing below this line was checked"))
        })?;
        let mut tree = Self { value: Value::Object(Map::new()), lines: BTreeMap::new() };
        if let Some(node) = node {
            tree.value = unfold(node.value, "", &mut tree.lines);
        }
        Ok(tree)
    }
}

/// The path of a key in the section `path`.
pub(crate) fn child(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{key:?}"),
        (false, true) => format!("{path}.{key}"),
        (false, false) => format!("{path}.{key:?}"),
    }
}

/// The path of an item of the list `path`.
pub(crate) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// Recursion is bounded by the parser's depth.
fn unfold(node: Node, path: &str, lines: &mut BTreeMap<String, u64>) -> Value {
    match node {
        Node::Scalar(value) => value,
        Node::List(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, node)| {
                let path = item(path, index);
                lines.insert(path.clone(), node.referenced.line());
                unfold(node.value, &path, lines)
            })
            .collect(),
        Node::Section(entries) => {
            let mut section = Map::new();
            for (key, node) in entries {
                let path = child(path, &key.value);
                lines.insert(path.clone(), key.referenced.line());
                section.insert(key.value, unfold(node, &path, lines));
            }
            Value::Object(section)
        }
    }
}

enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Section(Vec<(Spanned<String>, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a section")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut section = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            section.push(entry);
        }
        Ok(Node::Section(section))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_type_and_their_line() {
        let text = "listen: \"0.0.0.0:3001\"\nengine:\n  ping_timeout_ms: 60000\nnamespaces:\n  \"/chat.x\":\n    join: [a, \"1\"]\n    events:\nauth:\n  issuers:\n    - name: a\n    - name: b\n";
        let tree = Tree::parse(text).unwrap();
        assert_eq!(
            tree.value,
            json!({
                "listen": "0.0.0.0:3001", "engine": {"ping_timeout_ms": 60000},
                "namespaces": {"/chat.x": {"join": ["a", "1"], "events": null}},
                "auth": {"issuers": [{"name": "a"}, {"name": "b"}]},
            })
        );
        assert_eq!(tree.lines["engine.ping_timeout_ms"], 3);
        assert_eq!(tree.lines["namespaces.\"/chat.x\".join"], 6);
        assert_eq!(tree.lines["auth.issuers[1].name"], 11);
    }

    #[test]
    fn an_empty_file_is_an_empty_tree() {
        assert_eq!(Tree::parse("").unwrap().value, json!({}));
        assert_eq!(Tree::parse("# nothing yet\n").unwrap().value, json!({}));
    }

    #[test]
    fn a_key_given_twice_is_refused_with_its_line() {
        let (line, complaint) = Tree::parse("listen: a\nadmin: b\nlisten: c\n").unwrap_err();
        assert_eq!(line, Some(3));
        assert!(complaint.problem.contains("duplicate"), "{}", complaint.problem);
    }

    #[test]
    fn endless_nesting_and_alias_bombs_are_refused() {
        assert!(Tree::parse(&"[".repeat(10_000)).is_err());
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let alias = format!("*a{}", level - 1);
            bomb += &["a", &level.to_string(), ": &a", &level.to_string(), " [", &vec![alias; 10].join(", "), "]\n"]
                .concat();
        }
        assert!(Tree::parse(&bomb).is_err());
        assert!(Tree::parse(&" ".repeat(FILE_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn words_that_old_yaml_took_for_booleans_are_text() {
        assert_eq!(Tree::parse("a: no\nb: true\n").unwrap().value, json!({"a": "no", "b": true}));
    }
}
