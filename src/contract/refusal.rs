//! The bodies of acks: what an operation answers when it worked and when it did not.

use serde_json::Value;

/// Why an event was refused. The list is closed, since clients decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The arguments do not have the right form.
    ValidationError,
    /// The user may not do this.
    Forbidden,
    /// There is no valid token any more.
    Unauthorized,
    /// Too many in too short a time.
    RateLimited,
    /// There is no such thing.
    NotFound,
    /// It cannot be done now; trying again may help.
    Unavailable,
    /// A fault of the gateway.
    Internal,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::Forbidden => "FORBIDDEN",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::RateLimited => "RATE_LIMITED",
            Self::NotFound => "NOT_FOUND",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// `{"ok":true,…}`: the body of an ack after something worked, with more keys in the order given.
pub fn ok(extra: &[(&str, Value)]) -> String {
    let mut body = String::from(r#"{"ok":true"#);
    for (name, value) in extra {
        body.push(',');
        body += &Value::from(*name).to_string();
        body.push(':');
        body += &value.to_string();
    }
    body.push('}');
    body
}

/// `{"ok":false,"error":…,"message":…,"correlationId":…}`: the body of an ack after a refusal.
///
/// The correlation id also stands in the gateway's log, so that a user's report leads to the line.
pub fn refusal(code: Code, message: &str, correlation_id: &str) -> String {
    let (message, correlation_id) = (Value::from(message), Value::from(correlation_id));
    let error = code.as_str();
    format!(r#"{{"ok":false,"error":"{error}","message":{message},"correlationId":{correlation_id}}}"#)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_ack_says_ok_first_and_then_more() {
        assert_eq!(ok(&[]), r#"{"ok":true}"#);
        assert_eq!(ok(&[("room", json!("a\"b")), ("id", json!("1-2"))]), r#"{"ok":true,"room":"a\"b","id":"1-2"}"#);
    }

    #[test]
    fn a_refusal_has_code_message_and_correlation() {
        assert_eq!(
            refusal(Code::RateLimited, "too many joins", "c-1"),
            r#"{"ok":false,"error":"RATE_LIMITED","message":"too many joins","correlationId":"c-1"}"#
        );
    }
}
