//! Where the arguments of an event or ack come from.

use serde_json::Value;

/// A source of arguments. Values are JSON text, as packets carry them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// `args`: the client's own arguments, attachments included.
    Args,
    /// `[auth]`: the payload the client sent with its CONNECT.
    Auth,
    /// A list from the configuration; each entry is JSON text.
    Literal(Box<[Box<str>]>),
}

impl Expression {
    /// The arguments as JSON texts.
    ///
    /// `args` are those of the client's packet (empty where there is no packet), `auth` the payload of its CONNECT.
    pub fn evaluate<'a>(&'a self, args: &[&'a str], auth: Option<&'a str>) -> Vec<&'a str> {
        match self {
            Self::Args => args.to_vec(),
            Self::Auth => vec![auth.unwrap_or("{}")],
            Self::Literal(values) => values.iter().map(|value| &**value).collect(),
        }
    }

    /// Whether the attachments of the client's packet belong to the result: its placeholders are in the texts.
    pub fn carries_attachments(&self) -> bool {
        match self {
            Self::Args => true,
            Self::Auth | Self::Literal(_) => false,
        }
    }

    /// Reads an expression: the text `args` or `[auth]`, text that is a JSON list, or a list.
    ///
    /// # Errors
    /// With the problem and its cure.
    pub(super) fn parse(value: &Value) -> Result<Self, (String, String)> {
        let wanted = || "write `args`, `\"[auth]\"` or a list of values".to_owned();
        match value {
            Value::String(text) => match text.trim() {
                "args" => Ok(Self::Args),
                "[auth]" => Ok(Self::Auth),
                other => match serde_json::from_str::<Vec<Value>>(other) {
                    Ok(values) => Ok(Self::literal(&values)),
                    Err(_) => Err(("is not an expression".into(), wanted())),
                },
            },
            Value::Array(values) => match values.as_slice() {
                // What was meant by `[auth]` without quotes is clear to a reader, but to YAML it is a list with one text.
                [Value::String(word)] if word == "auth" || word == "args" => Err((
                    format!("is the list of the one text \"{word}\""),
                    format!(
                        "write {} in quotes, or '[\"{word}\"]' for that text",
                        if word == "auth" { "\"[auth]\"" } else { "\"args\"" }
                    ),
                )),
                values => Ok(Self::literal(values)),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                Err(("is not an expression".into(), wanted()))
            }
        }
    }

    fn literal(values: &[Value]) -> Self {
        Self::Literal(values.iter().map(|value| value.to_string().into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_clients_arguments_come_back_as_they_came() {
        let args = ["1", r#"{"_placeholder":true,"num":0}"#];
        assert_eq!(Expression::parse(&json!("args")).unwrap().evaluate(&args, None), args);
        assert!(Expression::Args.carries_attachments());
    }

    #[test]
    fn auth_is_an_empty_object_when_none_was_sent() {
        let auth = Expression::parse(&json!("[auth]")).unwrap();
        assert_eq!(auth.evaluate(&["1"], None), ["{}"]);
        assert_eq!(auth.evaluate(&[], Some(r#"{"token":"x"}"#)), [r#"{"token":"x"}"#]);
        assert!(!auth.carries_attachments());
    }

    #[test]
    fn lists_are_literal_in_both_spellings() {
        for value in [json!(["a", {"b": 1}, null]), json!(r#"["a", {"b": 1}, null]"#)] {
            assert_eq!(Expression::parse(&value).unwrap().evaluate(&[], None), [r#""a""#, r#"{"b":1}"#, "null"]);
        }
    }

    #[test]
    fn an_unquoted_auth_is_told_how_to_be_written() {
        let (problem, cure) = Expression::parse(&json!(["auth"])).unwrap_err();
        assert!(problem.contains("auth") && cure.contains("\"[auth]\""));
        assert!(Expression::parse(&json!("data.x")).is_err());
        assert!(Expression::parse(&json!(5)).is_err());
    }
}
