//! The form of a token: compact JWS (RFC 7515, section 7.1) with a JSON object inside, and nothing fancier.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::options::Algorithm;
use super::refusal::Refusal;
use super::strict_json;

/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Longest key id that is looked up, in bytes.
const KID_BYTES_MAX: usize = 128;

/// A token taken apart and **not verified**. Its claims may select a candidate key and nothing else.
pub(super) struct Token<'a> {
    /// What the signature covers: header and payload, encoded.
    pub signed: &'a [u8],
    /// The signature, encoded.
    pub signature: &'a str,
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    pub claims: Arc<Claims>,
}

impl<'a> Token<'a> {
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let header = part(header)?;
        let algorithm = check_header(&header)?;
        let kid = key_id(&header)?;
        let claims = Arc::new(part(payload)?);
        Ok(Self { signed: signed.as_bytes(), signature, algorithm, kid, claims })
    }

    /// What the token says about its issuer.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// A dot inside a part is no base64, so that four parts fail here.
fn part(encoded: &str) -> Result<Map<String, Value>, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refusal::Malformed)?;
    strict_json::object(&bytes).ok_or(Refusal::Malformed)
}

fn check_header(header: &Map<String, Value>) -> Result<Algorithm, Refusal> {
    // `crit` and `b64` change what is signed, `zip` and `enc` belong to encryption, and the last three offer a key of
    // the sender's choice. No honest issuer of access tokens sends any of them.
    const REFUSED: [&str; 7] = ["crit", "b64", "zip", "enc", "jku", "x5u", "jwk"];
    if REFUSED.iter().any(|name| header.contains_key(*name)) {
        return Err(Refusal::Malformed);
    }
    if let Some(kind) = header.get("typ") {
        let kind = kind.as_str().ok_or(Refusal::Malformed)?.to_ascii_lowercase();
        // RFC 7519, section 5.1, and RFC 9068, section 2.1. A logout or proof token is no access token.
        if !matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt") {
            return Err(Refusal::Malformed);
        }
    }
    let name = header.get("alg").and_then(Value::as_str).ok_or(Refusal::Malformed)?;
    name.parse().map_err(|_| Refusal::Algorithm)
}

fn key_id(header: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= KID_BYTES_MAX => Ok(Some(kid.clone())),
        Some(_) => Err(Refusal::Malformed),
    }
}
