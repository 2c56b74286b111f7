//! Tokens of every kind against the whole authenticator.

mod accepted;
mod faults;
mod origins;
mod refused;
mod remote_keys;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jsonwebtoken::{DecodingKey, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

use super::*;

pub(super) const NOW_S: u64 = 1_800_000_000;
pub(super) const NOW_MS: u64 = NOW_S * 1000;
pub(super) const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

pub(super) fn pem(name: &str) -> String {
    let path = format!("{}/tests/fixtures/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A token over any header and payload text, signed by whatever fits `algorithm`.
pub(super) fn signed(header: &str, payload: &str, key: &EncodingKey, algorithm: jsonwebtoken::Algorithm) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

/// A token of the tests' HS256 issuer with this header and payload.
pub(super) fn hs256(header: &str, payload: &str) -> String {
    signed(header, payload, &EncodingKey::from_secret(SECRET.as_bytes()), jsonwebtoken::Algorithm::HS256)
}

pub(super) fn rs256(kid: &str, key: &str, claims: &Value) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": kid}).to_string();
    let key = EncodingKey::from_rsa_pem(pem(key).as_bytes()).unwrap();
    signed(&header, &claims.to_string(), &key, jsonwebtoken::Algorithm::RS256)
}

/// The public half of a fixture as a JWK, with `extra` members laid over it; a null takes a member out.
pub(super) fn jwk(name: &str, kid: &str, extra: &Value) -> Value {
    let pem = pem(&format!("{name}.pub"));
    let key = DecodingKey::from_rsa_pem(pem.as_bytes())
        .or_else(|_| DecodingKey::from_ec_pem(pem.as_bytes()))
        .or_else(|_| DecodingKey::from_ed_pem(pem.as_bytes()))
        .unwrap();
    let mut jwk = serde_json::to_value(Jwk::from_decoding_key(&key, None).unwrap()).unwrap();
    let members = jwk.as_object_mut().unwrap();
    members.insert("kid".to_owned(), kid.into());
    for (name, value) in extra.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    jwk
}

/// Serves whatever it was told last, and counts. It is not ready at once, so that waiters gather.
pub(super) struct Port {
    pub fetches: AtomicUsize,
    pub answer: std::sync::Mutex<Result<String, FetchError>>,
}

impl Port {
    pub fn new() -> Arc<Self> {
        let answer = std::sync::Mutex::new(Err(FetchError::Connection));
        Arc::new(Self { fetches: AtomicUsize::new(0), answer })
    }

    pub fn serve(&self, keys: &[Value]) {
        *self.answer.lock().unwrap() = Ok(json!({ "keys": keys }).to_string());
    }

    pub fn fail(&self) {
        *self.answer.lock().unwrap() = Err(FetchError::Timeout);
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl FetchKeys for Port {
    fn fetch<'a>(&'a self, _url: &'a str) -> BoxFuture<'a, Result<String, FetchError>> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::task::yield_now().await;
            self.answer.lock().unwrap().clone()
        }
        .boxed()
    }
}

pub(super) fn authenticator(issuers: Vec<Issuer>, port: &Arc<Port>) -> Authenticator {
    let port: Arc<dyn FetchKeys> = Arc::clone(port) as _;
    Authenticator::new(Options { issuers }, &port).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Checks a token against all of these issuers.
pub(super) async fn check(issuers: Vec<Issuer>, token: &str) -> Result<Identity, Refusal> {
    let authenticator = authenticator(issuers, &Port::new());
    authenticator.authenticate(token, authenticator.issuers(), NOW_MS).await
}

pub(super) fn hs256_issuer() -> Issuer {
    Issuer::new("own", vec![Algorithm::Hs256], KeySource::Secret(SECRET.into()))
}

pub(super) fn jwks_issuer(algorithms: Vec<Algorithm>) -> Issuer {
    Issuer::new("remote", algorithms, KeySource::Jwks { url: "https://issuer.example/jwks.json".to_owned() })
}
