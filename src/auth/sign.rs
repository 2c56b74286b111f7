//! Tokens for trying things out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use super::claims::Claims;
use super::secret::Secret;

/// A token over `claims`, signed with HS256. The claims are taken as they are: whoever wants an `exp` puts it there.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn sign_hs256(secret: &Secret, claims: &Claims) -> String {
    let payload = serde_json::Value::Object(claims.clone()).to_string();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    let signature = crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("HMAC takes keys of any length");
    format!("{signed}.{signature}")
}
