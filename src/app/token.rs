//! `fanfare token`: signs a token with a shared secret.

use std::process::ExitCode;

use serde_json::Value;

use super::cli::Token;
use super::terminal::{Failure, conclude};
use crate::auth::{Claims, Secret, sign_hs256};
use crate::clock::Clock;

pub fn run(args: &Token) -> ExitCode {
    conclude(token(args, Clock::start().wall_ms() / 1000))
}

/// Claims that are given win over those made here, so that odd tokens can be tried as well.
fn token(args: &Token, now_s: u64) -> Result<String, Failure> {
    if args.secret.is_empty() {
        return Err(Failure::usage("the secret is empty", "give the one of the issuer with --secret"));
    }
    let mut claims = Claims::new();
    claims.insert("sub".into(), Value::from(args.sub.as_str()));
    claims.insert("iat".into(), Value::from(now_s));
    claims.insert("exp".into(), Value::from(now_s.saturating_add(args.ttl)));
    for (name, value) in &args.claims {
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str()));
        claims.insert(name.clone(), value);
    }
    Ok(sign_hs256(&Secret::from(args.secret.as_str()), &claims))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn claims(claims: &[(&str, &str)]) -> Value {
        let args = Token {
            secret: "s".into(),
            sub: "alice".into(),
            claims: claims.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ttl: 60,
        };
        let token = token(&args, 1000).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    #[test]
    fn a_token_says_who_since_when_and_until_when() {
        assert_eq!(claims(&[]), json!({"sub": "alice", "iat": 1000, "exp": 1060}));
    }

    #[test]
    fn claims_are_json_where_they_can_be_and_win() {
        assert_eq!(
            claims(&[("roles", "[\"a\"]"), ("iss", "main"), ("level", "5"), ("exp", "1")]),
            json!({"sub": "alice", "iat": 1000, "exp": 1, "roles": ["a"], "iss": "main", "level": 5})
        );
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let args = Token { secret: String::new(), sub: "a".into(), claims: Vec::new(), ttl: 1 };
        assert_eq!(token(&args, 0).unwrap_err().exit, 64);
    }
}
