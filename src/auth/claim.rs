//! Claims by path.

use serde_json::Value;

use super::claims::Claims;

/// The claim that `path` names: the claim of exactly this name (names with dots exist, such as `https://example.com/id`),
/// else the dotted path into objects.
pub(super) fn at<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
}

/// The claim as text, if it is a non-empty string, a number or a boolean. An empty one counts as missing, or else all who
/// have an empty claim would meet in one room.
pub(super) fn text(claims: &Claims, path: &str) -> Option<String> {
    match at(claims, path)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
