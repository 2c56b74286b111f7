//! The rules for claims (RFC 7519, section 4.1), applied after the signature was verified.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::claim;
use super::options::{Issuer, IssuerName};
use super::refusal::Refusal;

/// The payload of a token.
pub type Claims = Map<String, Value>;

/// Who a verified token speaks for.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user: 1 to 255 bytes without control characters.
    pub subject: String,
    pub claims: Arc<Claims>,
    /// `exp`, in seconds since 1970; none if the issuer's tokens need not expire.
    pub expires_at_s: Option<u64>,
    pub issuer: IssuerName,
    /// `jti`, for revocation.
    pub token_id: Option<String>,
}

/// Longest subject or token id, in bytes. Both become parts of names and keys elsewhere.
const NAME_BYTES_MAX: usize = 255;

/// Applies the rules of `issuer` to verified claims.
pub(super) fn check(issuer: &Issuer, claims: &Arc<Claims>, now_s: u64) -> Result<Identity, Refusal> {
    let required = |path: &String| claim::at(claims, path).is_some_and(|value| !value.is_null());
    if !issuer.required_claims.iter().all(required) {
        return Err(Refusal::Claims);
    }
    check_source(issuer, claims)?;
    let expires_at_s = check_times(issuer, claims, now_s)?;
    let subject = subject(issuer, claims)?;
    let token_id = token_id(claims)?;
    Ok(Identity { subject, claims: Arc::clone(claims), expires_at_s, issuer: issuer.name.clone(), token_id })
}

fn check_source(issuer: &Issuer, claims: &Claims) -> Result<(), Refusal> {
    let said = match claims.get("iss") {
        None => None,
        Some(Value::String(said)) => Some(said),
        Some(_) => return Err(Refusal::Claims),
    };
    if issuer.issuer.is_some() && said != issuer.issuer.as_ref() {
        return Err(Refusal::Issuer);
    }
    let audience_fits = match claims.get("aud") {
        None => false,
        Some(Value::String(one)) => issuer.audiences.contains(one),
        Some(Value::Array(several)) => {
            let mut fits = false;
            for one in several {
                fits |= issuer.audiences.iter().any(|wanted| wanted == one.as_str().unwrap_or_default());
                if !one.is_string() {
                    return Err(Refusal::Claims);
                }
            }
            fits
        }
        Some(_) => return Err(Refusal::Claims),
    };
    if !issuer.audiences.is_empty() && !audience_fits {
        return Err(Refusal::Audience);
    }
    if !issuer.authorized_parties.is_empty() {
        let party = claims.get("azp").and_then(Value::as_str).ok_or(Refusal::Party)?;
        if !issuer.authorized_parties.iter().any(|allowed| allowed == party) {
            return Err(Refusal::Party);
        }
    }
    Ok(())
}

/// Gives `exp` back.
fn check_times(issuer: &Issuer, claims: &Claims, now_s: u64) -> Result<Option<u64>, Refusal> {
    let expires_s = seconds(claims, "exp")?;
    let starts_s = seconds(claims, "nbf")?;
    let issued_s = seconds(claims, "iat")?;
    if expires_s.is_some_and(|expires_s| now_s >= expires_s.saturating_add(issuer.leeway_s)) {
        return Err(Refusal::Expired);
    }
    let latest_s = now_s.saturating_add(issuer.leeway_s);
    if starts_s.is_some_and(|starts_s| starts_s > latest_s) || issued_s.is_some_and(|issued_s| issued_s > latest_s) {
        return Err(Refusal::NotYetValid);
    }
    if let Some(max_s) = issuer.max_lifetime_s {
        let expires_s = expires_s.ok_or(Refusal::Lifetime)?;
        if expires_s.saturating_sub(issued_s.unwrap_or(now_s)) > max_s {
            return Err(Refusal::Lifetime);
        }
    }
    Ok(expires_s)
}

/// A time is a whole, non-negative number here. RFC 7519 would allow fractions; no issuer we know writes them, and each
/// reader rounds them differently.
fn seconds(claims: &Claims, name: &str) -> Result<Option<u64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(Refusal::Claims),
    }
}

fn subject(issuer: &Issuer, claims: &Claims) -> Result<String, Refusal> {
    let subject = match claim::at(claims, &issuer.subject_claim) {
        Some(Value::String(subject)) => subject.clone(),
        // Numeric user ids are common in claims of one's own.
        Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
        _ => return Err(Refusal::Claims),
    };
    if is_name(&subject) { Ok(subject) } else { Err(Refusal::Claims) }
}

fn token_id(claims: &Claims) -> Result<Option<String>, Refusal> {
    match claims.get("jti") {
        None => Ok(None),
        Some(Value::String(id)) if is_name(id) => Ok(Some(id.clone())),
        Some(_) => Err(Refusal::Claims),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}
