//! Where a connection puts its token.

use serde_json::Value;
use serde_json::value::RawValue;

use super::refusal::Refusal;
use super::token::TOKEN_BYTES_MAX;

/// The token of a connection: `token` in the auth payload of its CONNECT, else the header `Authorization: Bearer …`.
/// `None` if there is neither; an empty or null token counts as none, for clients send that before a login.
///
/// # Errors
/// [`Refusal::Malformed`] if the payload is not an object, `token` no text, or the token too long.
pub fn token_from(
    auth_payload_json: Option<&str>,
    authorization_header: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let token = match auth_payload_json.map(token_in_payload).transpose()?.flatten() {
        Some(token) => Some(token),
        None => authorization_header.and_then(|header| bearer(header).map(str::to_owned)),
    };
    match token {
        Some(token) if token.len() > TOKEN_BYTES_MAX => Err(Refusal::Malformed),
        token => Ok(token.filter(|token| !token.is_empty())),
    }
}

fn token_in_payload(payload: &str) -> Result<Option<String>, Refusal> {
    // The other members are the application's; they are skipped without being built.
    #[derive(serde::Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        token: Option<&'a RawValue>,
    }
    // An array would pass for a struct by position.
    if !payload.trim_start().starts_with('{') {
        return Err(Refusal::Malformed);
    }
    let payload: Payload<'_> = serde_json::from_str(payload).map_err(|_| Refusal::Malformed)?;
    let Some(token) = payload.token else { return Ok(None) };
    match serde_json::from_str(token.get()) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::String(token)) => {
            let token = bearer(&token).unwrap_or(&token).trim();
            Ok((!token.is_empty()).then(|| token.to_owned()))
        }
        Ok(_) | Err(_) => Err(Refusal::Malformed),
    }
}

/// What follows the scheme `Bearer` (RFC 6750, section 2.1); schemes have no case.
fn bearer(credentials: &str) -> Option<&str> {
    let credentials = credentials.trim();
    let (scheme, token) = credentials.split_once(' ').unwrap_or((credentials, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auth_payload_wins_over_the_header() {
        let taken = |payload, header| token_from(payload, header).unwrap();
        assert_eq!(taken(Some(r#"{"token":"a","x":[1]}"#), Some("Bearer b")).as_deref(), Some("a"));
        assert_eq!(taken(Some(r#"{"token":"bearer  a"}"#), None).as_deref(), Some("a"));
        assert_eq!(taken(Some("{}"), Some("bEARER b")).as_deref(), Some("b"));
        assert_eq!(taken(None, Some("Bearer b")).as_deref(), Some("b"));
    }

    #[test]
    fn no_token_is_none_and_not_an_empty_one() {
        for payload in
            [None, Some("{}"), Some(r#"{"token":""}"#), Some(r#"{"token":null}"#), Some(r#"{"token":"Bearer "}"#)]
        {
            for header in [None, Some(""), Some("Bearer"), Some("Bearer  "), Some("Basic dTpw")] {
                assert_eq!(token_from(payload, header), Ok(None), "{payload:?} {header:?}");
            }
        }
    }

    #[test]
    fn a_token_of_another_kind_is_malformed() {
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(TOKEN_BYTES_MAX + 1));
        let payloads =
            [r#"{"token":1}"#, r#"{"token":{}}"#, r#"{"token":"a","token":"b"}"#, r#"["a"]"#, "\"a\"", "{", &long];
        for payload in payloads {
            assert_eq!(token_from(Some(payload), Some("Bearer b")), Err(Refusal::Malformed), "{payload:.40}");
        }
    }
}
